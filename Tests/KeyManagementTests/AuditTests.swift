// The audit log: whatever is done to it outside is found, and named.

import Cryptography
import Foundation
import GRDB
import Synchronization
import Testing

@testable import KeyManagement

struct AuditTests {
    static func opener() throws -> UnlockSecret { .passphrase(try secret("open sesame")) }

    /// A closed keystore whose log has 8 entries: CreateKeystore, then Op2 to Op8, the fifth with a change of keys (AddUnlockSlot).
    static func place() throws -> Place {
        let place = try Place()
        let (made, _) = try place.create()
        try made.close()
        let keystore = try Keystore.open(at: place.path, unlockingWith: opener(), keepsRootKey: true)
        keystore.identify(as: AuditActor(userID: 1000, processID: 77, program: "tests")) { Issue.record("\($0)") }
        for number in 2...8 {
            if number == 5 { _ = try keystore.addSlot(SlotTests.keyFile(1)) } else { keystore.record(AuditEvent("Op\(number)", subject: "s", reason: "because")) }
        }
        try keystore.close()
        return place
    }

    static func report(_ place: Place, expecting expected: (count: Int64, mac: String)? = nil) throws -> AuditReport {
        let keystore = try Keystore.open(at: place.path, unlockingWith: SlotTests.keyFile(1), keepsRootKey: true)
        defer { try? keystore.close() }
        return try keystore.verifyAudit(expecting: expected)
    }

    /// Who asks, and when, for `KeyUses`.
    private final class Scene: Sendable {
        struct State {
            var (user, process, time) = (UInt32(1), Int32(10), Int64(100))
            var questions = 0
        }
        let state = Mutex(State())
        func uses() -> KeyUses {
            KeyUses(
                asker: { self.state.withLock { KeyUses.Asker(userID: $0.user, processID: $0.process) } },
                program: { process in
                    self.state.withLock { $0.questions += 1 }
                    return "program \(process / 10)"
                }, clock: { self.state.withLock { $0.time } })
        }
        func set(_ user: UInt32, _ process: Int32, _ time: Int64) { state.withLock { ($0.user, $0.process, $0.time) = (user, process, time) } }
    }

    @Test func usesOfKeysAreWrittenTogether() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        let (key, other) = (try keystore.createKey(), try keystore.createKey())
        let ring = try keystore.keyring()
        let (blob, second) = (try ring.generateDataKey(under: key, context: .empty).ciphertext, try ring.generateDataKey(under: other, context: .empty).ciphertext)
        let scene = Scene()
        let uses = scene.uses()
        let short: [UInt8] = [0, 0, 0]
        for _ in 0..<1000 { uses.note(.decrypt, blob.span) }
        scene.set(1, 11, 101)  // another process of the same program
        uses.note(.decrypt, blob.span)
        scene.set(2, 20, 102)
        uses.note(.decrypt, blob.span)
        uses.note(.decrypt, second.span)
        uses.note(.decrypt, short.span, refused: .invalidCiphertext)
        scene.set(0, 0, 103)  // the kernel, for the one who opened the file
        uses.note(.generateDataKey, second.span, opener: KeyUses.Asker(userID: 3, processID: 30))
        uses.note(refused: .disabled(key), by: key)
        #expect(scene.state.withLock { $0.questions } == 5, "a program's name is asked for once for each process")

        let closed = try Keystore.open(at: place.path, unlockingWith: Self.opener())
        try closed.close()
        #expect(failure { try uses.flush(to: closed, subject: "vault/1") } as? KeystoreError == .closed)
        uses.note(.decrypt, second.span, opener: KeyUses.Asker(userID: 2, processID: 20))
        try uses.flush(to: keystore, subject: "vault/1")
        try uses.flush(to: keystore, subject: "vault/1")
        var entries: [AuditEntry] = []
        try keystore.auditEntries { if $0.subject == "vault/1" { entries.append($0) } }
        let lines = entries.map { "\($0.time) \($0.operation) \($0.keyID == key ? "key" : $0.keyID == other ? "other" : "-") v\($0.version ?? 0) \($0.result) x\($0.count) \($0.userID) \($0.processID) \($0.program)" }
        #expect(lines.sorted() == [
            "101 Decrypt key v1 Success x1001 1 0 program 1",
            "102 Decrypt - v0 InvalidCiphertextException x1 2 20 program 2",
            "102 Decrypt key v1 Success x1 2 20 program 2",
            "103 Decrypt other v1 Success x2 2 20 program 2",
            "103 GenerateDataKey key v0 DisabledException x1 0 0 program 0",
            "103 GenerateDataKey other v1 Success x1 3 30 program 3",
        ])
        #expect(entries.map(\.time) == entries.map(\.time).sorted())
    }

    @Test func manyProgramsFillNoMemory() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = try keystore.createKey()
        let blob = try keystore.keyring().generateDataKey(under: key, context: .empty).ciphertext
        let scene = Scene()
        let uses = scene.uses()
        for process in 0..<30_000 {
            scene.set(1, Int32(process), 100)
            uses.note(.decrypt, blob.span)
        }
        try uses.flush(to: keystore, subject: "vault/1")
        var (count, total, others) = (0, Int64(0), Int64(0))
        try keystore.auditEntries {
            guard $0.subject == "vault/1" else { return }
            (count, total) = (count + 1, total + $0.count)
            if $0.program == "…" { others = $0.count }
        }
        #expect(count == 1001 && total == 30_000 && others == 20_000)
    }

    @Test func entriesAreKept() throws {
        let place = try Self.place()
        let keystore = try Keystore.open(at: place.path, unlockingWith: SlotTests.keyFile(1))
        var entries: [AuditEntry] = []
        try keystore.auditEntries { entries.append($0) }
        #expect(entries.map(\.operation) == ["CreateKeystore", "Op2", "Op3", "Op4", "AddUnlockSlot", "Op6", "Op7", "Op8"])
        #expect(entries.map(\.number) == Array(1...8))
        let last = try #require(entries.last)
        #expect((last.userID, last.processID, last.program, last.reason, last.subject, last.result) == (1000, 77, "tests", "because", "s", "Success"))
        #expect(entries[4].subject == "slot 3, key-file")
        var filter = AuditFilter()
        filter.operation = "Op6"
        var found: [Int64] = []
        try keystore.auditEntries(filter) { found.append($0.number) }
        #expect(found == [6])
        found = []
        try keystore.auditEntries(last: 2) { found.append($0.number) }
        #expect(found == [7, 8])
        // Entries are no change of keys.
        let generation = try keystore.generation()
        keystore.record(AuditEvent("Op9"))
        #expect(try keystore.generation() == generation)
        let report = try Self.report(place)
        #expect(report.count == 9 && report.fault == nil)
    }

    @Test(arguments: [
        ("UPDATE audit_entry SET reason = 'other' WHERE number = 3", "entry 3 was changed"),
        ("UPDATE audit_entry SET time = time + 1 WHERE number = 8", "entry 8 was changed"),
        ("UPDATE audit_entry SET user_id = 0 WHERE number = 1", "entry 1 was changed"),
        ("UPDATE audit_entry SET key_id = x'00' WHERE number = 2", "entry 2 was changed"),
        ("UPDATE audit_entry SET mac = zeroblob(32) WHERE number = 4", "entry 4 was changed"),
        ("DELETE FROM audit_entry WHERE number = 4", "entry 4: are not there"),
        ("DELETE FROM audit_entry WHERE number IN (1, 2)", "entries 1 to 2: are not there"),
        // A hole that is closed again, and two that change places.
        ("DELETE FROM audit_entry WHERE number = 4; UPDATE audit_entry SET number = number - 1 WHERE number > 4", "entry 4 was changed"),
        ("UPDATE audit_entry SET number = -6 WHERE number = 6; UPDATE audit_entry SET number = 6 WHERE number = 7; UPDATE audit_entry SET number = 7 WHERE number = -6", "entry 6 was changed"),
        ("DELETE FROM audit_entry WHERE number > 6", "entries 7 to 8: were cut off the end"),
        ("DELETE FROM audit_entry", "entries 1 to 8: were cut off the end"),
        ("INSERT INTO audit_entry SELECT 9, time, operation, key_id, version, subject, result, count, user_id, process_id, program, reason, mac FROM audit_entry WHERE number = 8", "entry 9 was changed"),
        ("INSERT INTO audit_entry SELECT 0, time, operation, key_id, version, subject, result, count, user_id, process_id, program, reason, mac FROM audit_entry WHERE number = 8", "entry 0 was added"),
        ("UPDATE audit_head SET count = 7", "its head record was changed"), ("UPDATE audit_head SET mac = zeroblob(32)", "its head record was changed"),
        ("UPDATE audit_head SET sealed_key = zeroblob(48)", "its head record was changed"), ("UPDATE audit_head SET nonce = zeroblob(11)", "its head record was changed"),
        ("DELETE FROM audit_head", "its head record was deleted"),
    ])
    func whatIsDoneOutsideIsNamed(change: String, words: String) throws {
        let place = try Self.place()
        try place.tamper(change)
        let report = try Self.report(place)
        #expect(report.fault?.hasPrefix(words) == true, "\(report.fault ?? "nothing was found")")
    }

    /// Somebody with an older copy of the file takes log and head from it.
    @Test func aLogPutBackTogetherWithItsHeadIsNoticed() throws {
        let place = try Self.place()
        let keystore = try Keystore.open(at: place.path, unlockingWith: Self.opener(), keepsRootKey: true)
        let early = try Self.report(place)
        try keystore.close()
        let copy = place.directory + "/copy.db"
        try FileManager.default.copyItem(atPath: place.path, toPath: copy)
        let putBack = """
            ATTACH '\(copy)' AS old; DELETE FROM main.audit_entry; INSERT INTO main.audit_entry SELECT * FROM old.audit_entry; \
            DELETE FROM main.audit_head; INSERT INTO main.audit_head SELECT * FROM old.audit_head
            """
        // Uses only, afterwards: the rows of keys know nothing of them, but whoever wrote the count down does.
        let later = try Keystore.open(at: place.path, unlockingWith: Self.opener(), keepsRootKey: true)
        later.record(AuditEvent("Decrypt"))
        let known = try later.verifyAudit()
        try later.close()
        try place.tamper(putBack)
        #expect(try Self.report(place).fault == nil)
        #expect(try Self.report(place, expecting: (known.count, known.mac)).fault?.contains("cut off the end") == true)
        #expect(try Self.report(place, expecting: (early.count, early.mac)).fault == nil)
        #expect(try Self.report(place, expecting: (early.count, String(early.mac.reversed()))).fault?.hasPrefix("entry 8 is another") == true)
        // A change of keys afterwards: its rows know how far the log was.
        let changed = try Keystore.open(at: place.path, unlockingWith: Self.opener(), keepsRootKey: true)
        _ = try changed.addSlot(SlotTests.keyFile(2))
        try changed.close()
        try place.tamper(putBack)
        let report = try Self.report(place)
        #expect(report.fault?.hasPrefix("entry 9: were cut off the end, together with the head record") == true, "\(report.fault ?? "nothing")")
        // Nor do further changes make its rows forget that: they are done, since one of them may be what the find calls for.
        let next = try Keystore.open(at: place.path, unlockingWith: Self.opener(), keepsRootKey: true)
        defer { try? next.close() }
        _ = try next.addSlot(SlotTests.keyFile(3))
        _ = try next.createKey()
        _ = try PasswordSafe(next).create(SecretMetadata(name: "mail"), value: secret("x"))
        _ = try next.rotateRootKey(keeping: [Self.opener(), SlotTests.keyFile(1), SlotTests.keyFile(2), SlotTests.keyFile(3)]) { _ in }
        #expect(try Self.report(place).fault?.hasPrefix("entry 9 is another than the rows of keys know of") == true)
    }

    @Test func aLogThatIsDeletedIsNotBegunAnew() throws {
        let place = try Self.place()
        try place.tamper("DELETE FROM audit_entry; DELETE FROM audit_head; DELETE FROM audit_start; DELETE FROM audit_mark")
        #expect(failure { try Self.report(place) } as? KeystoreError == .rowRefused(name: "audit_mark/1", .missing))
        let other = try Self.place()
        try other.tamper("DELETE FROM audit_entry; DELETE FROM audit_head")
        let keystore = try Keystore.open(at: other.path, unlockingWith: Self.opener(), keepsRootKey: true)
        // What changes keys is not done without its entry; a use goes on, and is loud.
        #expect(failure { try keystore.addSlot(SlotTests.keyFile(2)) } as? KeystoreError == .auditBroken("its head record was deleted"))
        let told = Told()
        keystore.identify(as: .unknown) { told.errors.append($0) }
        keystore.record(AuditEvent("Decrypt"))
        #expect(told.errors == [.auditBroken("its head record was deleted")])
    }

    final class Told: @unchecked Sendable { var errors: [KeystoreError] = [] }

    @Test func theChainGoesOnAfterARotationOfTheRootKey() throws {
        let place = try Self.place()
        let keystore = try Keystore.open(at: place.path, unlockingWith: Self.opener(), keepsRootKey: true)
        _ = try keystore.rotateRootKey(keeping: [Self.opener(), SlotTests.keyFile(1)]) { _ in }
        keystore.record(AuditEvent("Later"))
        #expect(try keystore.verifyAudit() == Self.report(place))
        #expect(try Self.report(place).count == 10 && Self.report(place).fault == nil)
    }

    @Test func severalProcessesAppendOneChain() throws {
        let place = try Self.place()
        let keystores = try (0..<4).map { _ in try Keystore.open(at: place.path, unlockingWith: SlotTests.keyFile(1)) }
        DispatchQueue.concurrentPerform(iterations: 4) { i in
            for n in 0..<25 {
                do { try keystores[i].audit([AuditEvent("Use", subject: "\(i)-\(n)"), AuditEvent("Again")]) } catch { Issue.record("\(error)") }
            }
        }
        let report = try Self.report(place)
        #expect(report.count == 8 + 200 && report.fault == nil)
    }

    /// Somebody who reads the memory of a process can append, and cannot change what stands there: the keys that made it are gone.
    @Test func anOpenKeystoreDoesNotHoldTheKeysOfEarlierEntries() throws {
        let place = try Self.place()
        let keystore = try Keystore.open(at: place.path, unlockingWith: SlotTests.keyFile(1))
        guard case .validation = failure({ try keystore.verifyAudit() }) as? KeystoreError else { Issue.record("it was verified without the root key"); return }
    }

    @Test func textsAreBounded() throws {
        let place = try Self.place()
        let keystore = try Keystore.open(at: place.path, unlockingWith: SlotTests.keyFile(1))
        keystore.record(AuditEvent("Op", subject: String(repeating: "ü", count: 4000), reason: "a\u{0}b"))
        var last: AuditEntry?
        try keystore.auditEntries(last: 1) { last = $0 }
        #expect(last?.reason == "ab" && last?.subject?.utf8.count ?? 0 <= 1024 && last?.subject?.hasSuffix("…") == true)
        #expect(try Self.report(place).fault == nil)
    }
}
