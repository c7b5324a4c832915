// What happens by itself, and what a wrong clock does not do.

import Cryptography
import Foundation
import GRDB
import Synchronization
import Testing

@testable import KeyManagement

struct ScheduleTests {
    private let place: Place
    private let time = TestClock()
    private let keystore: Keystore
    private let code: SecretBytes

    init() throws {
        place = try Place()
        var shown: SecretBytes?
        keystore = try Keystore.create(at: place.path, passphrase: secret("x"), scrypt: cheapScrypt, clock: time.read) { shown = $0 }
        code = try #require(shown)
    }

    private static let actor = AuditActor(userID: 7, processID: 8, program: "tests")
    private func open() throws -> Keystore { try Keystore.open(at: place.path, unlockingWith: .recoveryCode(code), actor: Self.actor, clock: time.read) }

    @Test func aDeletionIsCarriedOutAtTheNextOpening() throws {
        let key = KeyReference(try keystore.createKey(alias: "alias/old", description: "kept"))
        let date = try keystore.scheduleDeletion(of: key, days: 7)
        #expect(date == time.read() + 7 * 86_400)
        time.advance(seconds: 7 * 86_400 - 1)
        #expect(try open().describe(key).state == .pendingDeletion)
        time.advance(seconds: 1)
        let opened = try open()
        let description = try opened.describe(key)
        #expect(opened.openingReport.destroyed == [description.keyID] && opened.openingReport.waiting == nil)
        #expect(description.state == .destroyed && description.versions.isEmpty && description.aliases.isEmpty && description.description == "kept")
        var who: [AuditActor] = []
        try opened.auditEntries { if $0.operation == "DeleteKey" { who.append(AuditActor(userID: $0.userID, processID: $0.processID, program: $0.program)) } }
        #expect(who == [Self.actor])
        // The clock goes back: nothing comes back.
        time.advance(days: -300)
        #expect(try open().describe(key).state == .destroyed)
    }

    @Test func destroyedMaterialIsInNoFile() throws {
        let key = try keystore.createKey()
        for _ in 0..<20 { try keystore.rotateKey(KeyReference(key)) }
        let sealed = try keystore.read { try KeyVersionRow.all(in: $0).map(\.sealedMaterial) }
        #expect(sealed.count == 21)
        for bytes in sealed { #expect(contains(try place.contents(), Array(bytes.prefix(16)))) }
        try keystore.scheduleDeletion(of: KeyReference(key), days: 7)
        time.advance(days: 8)
        #expect(keystore.applySchedule().destroyed == [key])
        let files = try place.contents()
        for bytes in sealed { #expect(!contains(files, Array(bytes.prefix(16)))) }
    }

    @Test func theClockThatJumpsAheadDestroysNothing() throws {
        let key = KeyReference(try keystore.createKey())
        try keystore.scheduleDeletion(of: key, days: 7)
        time.advance(days: 31)
        let opened = try open()
        let id = try opened.describe(key).keyID
        #expect(try opened.describe(key).state == .pendingDeletion)
        guard case .timeNotAccepted(_, time.read(), [id], []) = opened.openingReport.waiting else {
            Issue.record("\(opened.openingReport)")
            return
        }
        // Using it on does not make the clock believed.
        _ = try opened.createKey()
        #expect(try open().describe(key).state == .pendingDeletion)
        #expect(failure { try opened.acceptTime(dryRun: true) } as? KeyError == .dryRun)
        #expect(try opened.describe(key).state == .pendingDeletion)
        #expect(try opened.acceptTime().destroyed == [id])
        #expect(try open().describe(key).state == .destroyed)
    }

    @Test func useWithinThirtyDaysCarriesTheTimeOn() throws {
        let key = KeyReference(try keystore.createKey())
        try keystore.scheduleDeletion(of: key, days: 30)
        for _ in 0..<2 {
            time.advance(days: 20)
            _ = try open()
        }
        #expect(try open().describe(key).state == .destroyed)
    }

    @Test func theAuditLogHasWhatWasDoneAndByWhom() throws {
        for _ in 0..<2 { try keystore.setRotationPeriod(90, of: KeyReference(keystore.createKey())) }
        for _ in 0..<3 {
            time.advance(days: 20)
            keystore.applySchedule()
        }
        time.advance(days: 30)
        // Another process is faster with the second key, after this one has seen that it is due.
        let rotatedElsewhere = Mutex<[KeyID]>([])
        let (path, code, clock) = (place.path, code, time.read)
        keystore.observe { event in
            guard event.operation == .rotateKeyAutomatically, event.error == nil else { return }
            do {
                let found = try Keystore.open(at: path, unlockingWith: .recoveryCode(code), clock: clock).openingReport.rotated
                rotatedElsewhere.withLock { $0 += found }
            } catch { Issue.record(error) }
        }
        let report = keystore.applySchedule()
        #expect(report.rotated.count == 1 && rotatedElsewhere.withLock { $0.count } == 1 && report.waiting == nil)
        var operations: [String] = []
        try keystore.auditEntries { operations.append("\($0.operation) \($0.result)") }
        #expect(operations.filter { $0.hasPrefix("RotateKey ") } == ["RotateKey Success", "RotateKey Success"])
        // The time that is written down now and then is nobody's word.
        #expect(!operations.contains { $0.hasPrefix("AcceptTime") })
        #expect(try keystore.acceptTime().waiting == nil)
        var last = ""
        try keystore.auditEntries { last = $0.operation }
        #expect(last == "AcceptTime")
    }

    @Test func aBackupKeepsWhatWasToBeDestroyedSince() throws {
        let gone = KeyReference(try keystore.createKey()), later = KeyReference(try keystore.createKey())
        let safe = PasswordSafe(keystore)
        try safe.create(SecretMetadata(name: "mail"), value: secret("v"))
        try keystore.scheduleDeletion(of: gone, days: 7)
        let date = try keystore.scheduleDeletion(of: later, days: 30)
        _ = try safe.delete("mail", days: 7)
        let path = place.directory + "/copy.db"
        try keystore.copyDatabase(to: path)
        time.advance(days: 8)
        func restored(_ appliesSchedule: Bool) throws -> Keystore {
            try Keystore.open(at: path, unlockingWith: .recoveryCode(code), appliesSchedule: appliesSchedule, clock: time.read)
        }
        let proof = try restored(false)
        #expect(try proof.describe(gone).state == .pendingDeletion && proof.openingReport == ScheduleReport())
        let generation = try proof.generation()
        #expect(try restored(false).generation() == generation, "a proof has changed something")
        let waiting = try proof.putOffDeletions()
        let earliest = time.read() + 7 * 86_400
        #expect(waiting.secrets == 1 && waiting.keys.map(\.date).sorted() == [earliest, date])
        try proof.close()
        let opened = try restored(true)
        #expect(opened.openingReport.destroyed.isEmpty && opened.openingReport.destroyedSecrets == 0)
        try opened.cancelDeletion(of: gone)
        #expect(throws: Never.self) { try PasswordSafe(opened).restore("mail") }
        // In the keystore itself the time was over.
        #expect(try open().describe(gone).state == .destroyed)
        time.advance(days: 22)
        #expect(try restored(true).openingReport.destroyed == [opened.describe(later).keyID])
    }

    @Test func aClockSetBackShortensNoDeletion() throws {
        let key = KeyReference(try keystore.createKey())
        time.advance(days: -2000)
        let date = try keystore.scheduleDeletion(of: key, days: 7)
        time.advance(days: 2000)
        #expect(date == time.read() + 7 * 86_400)
        #expect(try open().describe(key).state == .pendingDeletion)
    }

    @Test func periodsRotate() throws {
        let key = KeyReference(try keystore.createKey())
        for days in [89, 2561, 0, -1] { #expect((failure { try keystore.setRotationPeriod(days, of: key) } as? KeyError)?.awsName == "ValidationException") }
        try keystore.setRotationPeriod(90, of: key)
        let blob = try keystore.encrypt(secret("old"), under: key, context: .empty)
        time.advance(days: 89)
        #expect(try open().describe(key).currentVersion == 1)
        time.advance(days: 1)
        let opened = try open()
        #expect(try opened.describe(key).currentVersion == 2)
        #expect(try opened.rotations(of: key).items.map(\.kind) == [.automatic])
        #expect(array(try opened.decrypt(blob.span, context: .empty).plaintext) == Array("old".utf8))
        // One rotation for a long absence, and none while disabled; after enabling it is made up for.
        time.advance(days: 1000)
        try keystore.disableKey(key)
        #expect(try open().describe(key).currentVersion == 2)
        try keystore.enableKey(key)
        #expect(try open().describe(key).currentVersion == 3)
        #expect(try open().describe(key).currentVersion == 3)
        // The clock was wrong by far, and is right again: the next rotation comes within a period.
        time.advance(days: -5000)
        #expect(try open().describe(key).currentVersion == 4)
        #expect(try open().describe(key).nextRotationAt == time.read() + 90 * 86_400)
        try keystore.setRotationPeriod(nil, of: key)
        time.advance(days: 400)
        #expect(try open().describe(key).currentVersion == 4)
    }

    @Test func aSecretThatIsDeletedWhileTheClockIsBackWaitsItsDays() throws {
        try PasswordSafe(keystore).create(SecretMetadata(name: "mail"), value: secret("v"))
        let right = time.read()
        time.advance(days: -100)
        #expect(try PasswordSafe(keystore).delete("mail", days: 7) == right + 7 * 86_400)
        time.advance(days: 100 + 6)
        let opened = try open()
        #expect(opened.openingReport.destroyedSecrets == 0)
        #expect(throws: Never.self) { try PasswordSafe(opened).restore("mail") }
    }

    /// What is due is done before a vault can ask how old the keystore is.
    @Test func whatIsDueMakesNoKeystoreNewer() throws {
        let key = KeyReference(try keystore.createKey())
        try keystore.scheduleDeletion(of: key, days: 7)
        let before = try keystore.generation()
        time.advance(days: 8)
        let opened = try open()
        #expect(try opened.generation() > before)
        #expect(try opened.keyring().foundGeneration == before)
        #expect(try open().keyring().foundGeneration == opened.generation())
    }

    @Test func nothingIsSealedUnderExpiredMaterial() throws {
        let key = KeyReference(try keystore.createKey(origin: .external))
        let parameters = try keystore.parametersForImport(of: key, keySize: 2048)
        let wrapped = try keystore.wrapForImport(stageMaterial, key)
        try keystore.importMaterial(wrapped.span, token: parameters.token, into: key, expiresAt: time.read() + 100)
        let safe = PasswordSafe(keystore)
        try safe.create(SecretMetadata(name: "mail"), value: secret("first"), key: key)
        time.advance(seconds: 100)
        let refused = KeyError.invalidState(try keystore.describe(key).keyID, .pendingImport)
        #expect(failure { _ = try safe.put("mail", value: secret("second")) } as? KeyError == refused)
        #expect(failure { try safe.create(SecretMetadata(name: "other"), value: secret("x"), key: key) } as? KeyError == refused)
    }

    @Test func importedMaterialExpires() throws {
        let key = KeyReference(try keystore.createKey(origin: .external))
        let parameters = try keystore.parametersForImport(of: key, keySize: 2048)
        let wrapped = try keystore.wrapForImport(stageMaterial, key)
        for wrong in [0, 366 * 86_400] {
            let error = failure { try keystore.importMaterial(wrapped.span, token: parameters.token, into: key, expiresAt: time.read() + Int64(wrong)) } as? KeyError
            #expect(error?.awsName == "ValidationException")
        }
        // By a clock that is behind what was seen, it would be over at once.
        time.advance(seconds: -3600)
        let past = failure { try keystore.importMaterial(wrapped.span, token: parameters.token, into: key, expiresAt: time.read() + 1800) } as? KeyError
        #expect(past?.awsName == "ValidationException")
        time.advance(seconds: 3600)
        try keystore.importMaterial(wrapped.span, token: parameters.token, into: key, expiresAt: time.read() + 100)
        let ring = try keystore.keyring()
        let id = try keystore.describe(key).keyID
        let blob = try ring.generateDataKey(under: id, context: .empty).ciphertext
        time.advance(seconds: 99)
        #expect(throws: Never.self) { try ring.decrypt(blob.span, context: .empty) }
        time.advance(seconds: 1)
        // Before anything was written: a mount stops at once.
        #expect(failure { try ring.decrypt(blob.span, context: .empty) } as? KeyError == .invalidState(id, .pendingImport))
        #expect(keystore.applySchedule().expired == [id])
        #expect(try keystore.describe(key).state == .pendingImport)
        // Only the same material may come back.
        let again = try keystore.parametersForImport(of: key, keySize: 2048)
        #expect(failure { try keystore.importMaterial(wrapped.span, token: parameters.token, into: key) } as? KeyError == .invalidImportToken)
        #expect(failure { try keystore.importMaterial(wrapped.span, token: again.token, into: key) } as? KeyError == .invalidMaterial)
        let other = try keystore.wrapForImport([UInt8](repeating: 8, count: 32), key)
        #expect(failure { try keystore.importMaterial(other.span, token: again.token, into: key) } as? KeyError == .incorrectKeyMaterial)
        let short = try keystore.wrapForImport([UInt8](repeating: 7, count: 31), key)
        #expect(failure { try keystore.importMaterial(short.span, token: again.token, into: key) } as? KeyError == .invalidMaterial)
        let same = try keystore.wrapForImport(stageMaterial, key)
        try keystore.importMaterial(same.span, token: again.token, into: key)
        #expect(throws: Never.self) { try keystore.decrypt(blob.span, context: .empty) }
        // The token serves again for as long as it is valid.
        try keystore.deleteImportedMaterial(of: key)
        try keystore.importMaterial(same.span, token: again.token, into: key)
        time.advance(days: 1)
        #expect(failure { try keystore.importMaterial(same.span, token: again.token, into: key) } as? KeyError == .expiredImportToken)
        #expect((failure { try keystore.rotateKey(key) } as? KeyError)?.awsName == "UnsupportedOperationException")
    }
}
