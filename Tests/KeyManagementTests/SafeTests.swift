// The password safe: what goes in comes out, by name, version and label, as long as its key lets it.

import Cryptography
import Foundation
import Testing

@testable import KeyManagement

/// A keystore with a safe, and what tests ask of it.
struct SafePlace {
    let place: Place
    let keystore: Keystore
    let safe: PasswordSafe

    init() throws {
        place = try Place()
        keystore = try place.create().0
        safe = PasswordSafe(keystore)
    }

    func add(_ name: String, _ value: String, account: String = "", key: KeyReference? = nil) throws {
        try safe.create(SecretMetadata(name: name, account: account), value: secret(value), key: key)
    }

    func get(_ name: String, _ choice: SecretVersionChoice = .label(.current)) throws -> String {
        String(decoding: array(try safe.value(of: name, choice, with: try keystore.keyring()).value), as: UTF8.self)
    }

    /// The same keystore, as another process would open it.
    func again() throws -> SafePlace { SafePlace(place, try Keystore.open(at: place.path, unlockingWith: .passphrase(secret("open sesame")))) }

    private init(_ place: Place, _ keystore: Keystore) {
        (self.place, self.keystore) = (place, keystore)
        safe = PasswordSafe(keystore)
    }
}

struct SafeTests {
    @Test func whatGoesInComesOut() throws {
        let it = try SafePlace()
        #expect(failure { try it.get("mail") } as? KeyError == .secretNotFound("mail"))
        #expect(try it.safe.list().secrets.isEmpty)
        let metadata = try SecretMetadata(name: "mail", account: "me@example.org", description: "two\nlines", tags: ["url": "https://example.org", "a": ""])
        try it.safe.create(metadata, value: secret("hunter2"))
        #expect(try it.get("mail") == "hunter2")
        #expect(try it.safe.describe("mail").metadata == metadata)
        #expect(failure { try it.add("mail", "x") } as? KeyError == .alreadyExists("secret mail"))
        // By another process, and with any bytes.
        let other = try it.again()
        for count in [1, 59, 60, 61, 124, 4096, 65536] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try other.safe.create(SecretMetadata(name: "size \(count)"), value: SecretBytes(copying: bytes.span))
            #expect(array(try it.safe.value(of: "size \(count)", with: it.keystore.keyring()).value) == bytes)
        }
        #expect(try it.safe.verify() == (8, 8))
        for count in [0, 65537] {
            let value = try SecretBytes(count: count)
            #expect(failure { try it.safe.create(SecretMetadata(name: "size"), value: value) } as? KeyError == .validation("a secret's value has 1 to 65536 bytes"))
        }
    }

    @Test func namesThatMayNotBeAreRefused() throws {
        for name in ["", " a", "a ", "a\nb", "a\u{0}", "a\u{9b}", String(repeating: "x", count: 513)] {
            #expect(failure { try SecretMetadata(name: name) } is KeyError, "\(name)")
        }
        #expect(failure { try SecretMetadata(name: "a", account: "\n") } is KeyError)
        #expect(failure { try SecretMetadata(name: "a", tags: ["": "x"]) } is KeyError)
        // Names are compared byte by byte.
        let it = try SafePlace()
        try it.add("caf\u{e9}", "1")
        try it.add("cafe\u{301}", "2")
        #expect(try it.get("caf\u{e9}") == "1")
    }

    @Test func metadataIsReadOnlyAsItIsWritten() throws {
        let metadata = try SecretMetadata(name: "n", account: "a", description: "d", tags: ["b": "1", "a": "2"])
        let bytes = metadata.encoded
        func read(_ bytes: [UInt8]) -> SecretMetadata? { SecretMetadata(encoded: bytes.span) }
        #expect(read(bytes) == metadata)
        for count in 0..<bytes.count { #expect(read(Array(bytes.prefix(count))) == nil) }
        #expect(read(bytes + [0]) == nil)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var changed = bytes
            changed[Int.random(in: 0..<changed.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            // Read as something else, or not at all; never a crash.
            #expect(read(changed) != metadata)
        }
    }

    @Test func versionsAndLabels() throws {
        let it = try SafePlace()
        try it.add("a", "1")
        #expect(failure { try it.get("a", .label(.previous)) } as? KeyError == .secretNotFound("a, version previous"))
        #expect(try it.safe.put("a", value: secret("2")) == 2)
        #expect(try it.safe.put("a", value: secret("3")) { old throws(KeyError) in try SecretMetadata(name: old.name, account: "new") } == 3)
        #expect(try it.get("a") == "3")
        #expect(try it.get("a", .label(.previous)) == "2")
        #expect(try it.get("a", .version(1)) == "1")
        #expect(try it.safe.describe("a").metadata.account == "new")
        #expect(failure { try it.get("a", .version(4)) } as? KeyError == .secretNotFound("a, version 4"))
        try it.safe.restoreVersion(1, of: "a")
        #expect(try it.get("a") == "1")
        #expect(try it.get("a", .label(.previous)) == "3")
        #expect(try it.safe.versions(of: "a").map(\.label) == [.current, nil, .previous])
        #expect(failure { try it.safe.restoreVersion(4, of: "a") } as? KeyError == .secretNotFound("a, version 4"))
        #expect(try it.safe.put("a", value: secret("4")) == 4)
        #expect(failure { try it.safe.put("b", value: secret("x")) } as? KeyError == .secretNotFound("b"))
        #expect(failure { try it.safe.put("a", value: secret("x")) { _ throws(KeyError) in try SecretMetadata(name: "b") } } is KeyError)
        #expect(try it.get("a") == "4")
    }

    @Test func onlyTheLatestHundredVersionsAreKept() throws {
        let it = try SafePlace()
        try it.add("a", "1")
        for number in 2...103 { _ = try it.safe.put("a", value: secret("\(number)")) }
        #expect(try it.safe.versions(of: "a").map(\.version) == Array(4...103))
        #expect(try it.get("a", .label(.previous)) == "102")
        // A label keeps an old one.
        try it.safe.restoreVersion(4, of: "a")
        _ = try it.safe.put("a", value: secret("104"))
        #expect(try it.get("a", .label(.previous)) == "4")
        #expect(try it.safe.versions(of: "a").map(\.version) == [4] + Array(6...104))
        #expect(try it.safe.verify() == (1, 100))
    }

    @Test func theKeyDecidesWhoReads() throws {
        let it = try SafePlace()
        let key = KeyReference(try it.keystore.createKey(alias: "alias/project"))
        try it.add("a", "1", key: key)
        #expect(try it.keystore.aliases().map(\.name) == ["alias/project"])
        _ = try it.keystore.rotateKey(key)
        #expect(try it.get("a") == "1")
        // A new version goes on with the secret's own key.
        _ = try it.safe.put("a", value: secret("2"))
        let described = try it.keystore.describe(key)
        #expect(try it.safe.versions(of: "a").allSatisfy { $0.keyID == described.keyID })
        let other = try it.again()
        try other.keystore.disableKey(key)
        #expect(failure { try it.get("a") } as? KeyError == .disabled(described.keyID))
        #expect(failure { try it.safe.put("a", value: secret("3")) } as? KeyError == .disabled(described.keyID))
        #expect(try it.safe.list().secrets.count == 1)
        try other.keystore.retireKey(key)
        #expect(try it.get("a") == "2")
        #expect(failure { try it.safe.put("a", value: secret("3")) } as? KeyError == .invalidState(described.keyID, .decryptOnly))
        let second = KeyReference(try it.keystore.createKey())
        #expect(try it.safe.put("a", value: secret("3"), key: second) == 3)
        #expect(try it.get("a") == "3" && it.get("a", .version(1)) == "1")
        // The standard key is made when it is needed first.
        try it.add("b", "x")
        #expect(try it.safe.versions(of: "b").map(\.keyID) == [it.keystore.describe(KeyReference("alias/safe")).keyID])
    }

    @Test func deletedSecretsComeBackUntilTheyAreDestroyed() throws {
        let it = try SafePlace()
        let mark = "a value that is easy to find"
        try it.add("a", mark)
        try it.add("b", "kept")
        for days in [6, 31] { #expect(failure { try it.safe.delete("a", days: days) } is KeyError) }
        let date = try it.safe.delete("a", days: 7)
        #expect(failure { try it.get("a") } as? KeyError == .secretDeleted("a", destroyedAt: date))
        for attempt in [{ _ = try it.safe.put("a", value: secret("x")) }, { try it.add("a", "x") }, { _ = try it.safe.delete("a") }] {
            #expect(failure { try attempt() } as? KeyError == .secretDeleted("a", destroyedAt: date))
        }
        #expect(try it.safe.list().secrets.map(\.name) == ["b"])
        #expect(try Set(it.safe.list(withDeleted: true).secrets.map(\.name)) == ["a", "b"])
        try it.safe.restore("a")
        #expect(try it.get("a") == mark)
        #expect(try it.safe.destroyDue(at: Keystore.now() + 40 * 86400).isEmpty)
        let sealed = try it.sealedValue("a")
        #expect(contains(try it.place.contents(), sealed))
        let again = try it.safe.delete("a", days: 30)
        #expect(try it.safe.destroyDue(at: again - 1).isEmpty)
        #expect(try it.safe.destroyDue(at: again) == ["a"])
        #expect(failure { try it.get("a") } as? KeyError == .secretNotFound("a"))
        #expect(!contains(try it.place.contents(), sealed), "the sealed value is still in the file")
        #expect(try it.safe.verify() == (1, 1))
        try it.add("a", "new")
        #expect(try it.get("a") == "new" && it.get("b") == "kept")
    }

    @Test func everyUseIsInTheAuditLog() throws {
        let it = try SafePlace()
        let ring = try it.keystore.keyring()
        try it.add("mail", "1")
        _ = try it.safe.value(of: "mail", with: ring, reason: "to log in")
        _ = try it.safe.put("mail", value: secret("2"))
        _ = failure { try it.safe.value(of: "nobody", with: ring, reason: "a guess") }
        try it.safe.restoreVersion(1, of: "mail")
        _ = try it.safe.list()
        let date = try it.safe.delete("mail", days: 7)
        _ = failure { try it.safe.value(of: "mail", with: ring, reason: "too late") }
        try it.safe.restore("mail")
        _ = try it.safe.delete("mail", days: 7)
        _ = try it.safe.destroyDue(at: date + 86400)
        var found: [AuditEntry] = []
        try it.keystore.auditEntries { if $0.operation.contains("Secret") { found.append($0) } }
        #expect(
            found.map { "\($0.operation) \($0.version ?? 0) \($0.result) \($0.reason ?? "")" } == [
                "CreateSecret 1 Success ", "GetSecretValue 1 Success to log in", "PutSecretValue 2 Success ", "GetSecretValue 0 ResourceNotFoundException a guess",
                "UpdateSecretVersionStage 1 Success ", "ListSecrets 0 Success ", "DeleteSecret 0 Success ", "GetSecretValue 0 InvalidRequestException too late",
                "RestoreSecret 0 Success ", "DeleteSecret 0 Success ", "DestroySecret 0 Success ",
            ])
        #expect(Set(found.compactMap(\.subject)).count == 2)
        #expect(!contains(try it.place.contents(), Array("mail".utf8)), "the log shows a name")
    }

    /// As a keystore does when it is opened, by a clock that it believes.
    @Test func whatIsDueIsDestroyedAtTheNextOpening() throws {
        let it = try SafePlace()
        try it.add("a", "1")
        try it.add("b", "2")
        _ = try it.safe.delete("a", days: 7)
        try it.keystore.close()
        func open(inDays days: Int64) throws -> Keystore {
            try Keystore.open(at: it.place.path, unlockingWith: .passphrase(secret("open sesame")), clock: { Keystore.now() + days * 86400 })
        }
        for (days, destroyed, left) in [(6, 0, 2), (60, 0, 2), (8, 1, 1), (9, 0, 1)] as [(Int64, Int, Int)] {
            let keystore = try open(inDays: days)
            #expect(keystore.openingReport.destroyedSecrets == destroyed, "in \(days) days")
            #expect((keystore.openingReport.waiting != nil) == (days == 60))
            #expect(try PasswordSafe(keystore).list(withDeleted: true).secrets.count == left)
            try keystore.close()
        }
    }

    @Test func theSafeOutlivesItsRootKey() throws {
        let it = try SafePlace()
        try it.add("a", "1")
        try it.keystore.close()
        let opener = UnlockSecret.passphrase(try secret("open sesame"))
        let opened = try Keystore.open(at: it.place.path, unlockingWith: opener, keepsRootKey: true)
        _ = try opened.rotateRootKey(keeping: [opener]) { _ in }
        try opened.close()
        let after = try it.again()
        #expect(try after.get("a") == "1")
        #expect(try after.safe.verify() == (1, 1))
        try after.add("b", "2")
        #expect(try after.get("b") == "2")
    }

    @Test func theFileShowsNoNames() throws {
        let it = try SafePlace()
        let metadata = try SecretMetadata(name: "telltale-name", account: "telltale-account", description: "telltale-text", tags: ["telltale-tag": "telltale-tag-value"])
        try it.safe.create(metadata, value: secret("telltale-value"))
        try it.safe.restoreVersion(1, of: "telltale-name")
        #expect(!contains(try it.place.contents(), Array("telltale".utf8)))
    }

    @Test func anImportThatUpdatesKeepsWhatTheFileDoesNotKnow() throws {
        let it = try SafePlace()
        func entry(_ value: String, account: String = "", description: String = "", tags: [String: String] = [:]) throws -> ImportEntry {
            ImportEntry(
                position: 1, metadata: try SecretMetadata(name: "mail", account: account, description: description, tags: tags), value: try secret(value))
        }
        func update(_ entry: ImportEntry) throws -> ImportOutcome {
            let planned = try it.safe.importEntries([entry], updates: true, isTrial: true)
            let outcome = try it.safe.importEntries([entry], updates: true)
            #expect(planned == outcome)
            return try #require(outcome.first)
        }
        #expect(try update(entry("1", account: "me", description: "by hand", tags: ["a": "1", "b": "2"])) == .created)
        #expect(try update(entry("2", tags: ["b": "3"])) == .updated)
        let known = try it.safe.describe("mail")
        #expect(try known.metadata == SecretMetadata(name: "mail", account: "me", description: "by hand", tags: ["a": "1", "b": "3"]))
        #expect(try known.currentVersion == 2 && it.get("mail") == "2")
        // The same file once more, as after an import that was interrupted: the previous value stays the previous one.
        #expect(try update(entry("2", tags: ["b": "3"])) == .unchanged)
        #expect(try it.get("mail", .label(.previous)) == "1" && it.get("mail") == "2")
        #expect(try update(entry("2", account: "you")) == .updated)
        // Sealed by another key it is another version.
        _ = try it.keystore.createKey(alias: "alias/new")
        let other = try KeyReference("alias/new")
        #expect(try it.safe.importEntries([entry("2")], key: other, updates: true) == [.updated])
        #expect(try it.safe.importEntries([entry("2")], key: other, updates: true) == [.unchanged])
        #expect(try it.safe.importEntries([entry("2")], key: KeyReference(PasswordSafe.defaultKeyAlias), updates: true) == [.updated])
        #expect(try it.safe.describe("mail").metadata.account == "you")
        // What does not open cannot be compared, and what has no room is left out alone.
        let many = Dictionary(uniqueKeysWithValues: (0..<49).map { ("t\($0)", "") })
        guard case .skipped = try update(entry("3", tags: many)) else {
            Issue.record("51 tags")
            return
        }
        try it.keystore.retireKey(KeyReference(PasswordSafe.defaultKeyAlias))
        #expect(try update(entry("2")) == .unchanged)
        try it.keystore.disableKey(KeyReference(PasswordSafe.defaultKeyAlias))
        #expect(throws: KeyError.self) { try it.safe.importEntries([entry("2")], updates: true) }
    }

    @Test func listsArePagedAndSearched() throws {
        let it = try SafePlace()
        let names = (0..<50).map { "secret \($0)" }
        let entries = try names.enumerated().map { index, name in
            ImportEntry(position: index, metadata: try SecretMetadata(name: name, account: index % 10 == 3 ? "Müller" : "x"), value: try secret("v\(index)"))
        }
        #expect(try it.safe.importEntries(entries, isTrial: true) == names.map { _ in .created })
        #expect(try it.safe.list().secrets.isEmpty)
        #expect(try it.safe.importEntries(entries) == names.map { _ in .created })
        #expect(try it.safe.importEntries(entries) == names.map { _ in .skipped("a secret of that name exists") })
        for limit in [1, 7, 50, 51] {
            var found: [String] = []
            var token: String?
            var pages = 0
            repeat {
                let page = try it.safe.list(after: token, limit: limit)
                found += page.secrets.map(\.name)
                (token, pages) = (page.next, pages + 1)
            } while token != nil
            #expect(found.count == 50 && Set(found) == Set(names), "pages of \(limit)")
            #expect(pages == (50 + limit - 1) / limit)
        }
        #expect(Set(try it.safe.list(matching: "müll").secrets.map(\.name)) == Set([3, 13, 23, 33, 43].map { "secret \($0)" }))
        #expect(try it.safe.list(matching: "SECRET 49").secrets.map(\.name) == ["secret 49"])
        for (token, limit) in [("zz", 1), ("", 1), (nil, 0)] as [(String?, Int)] {
            #expect(failure { try it.safe.list(after: token, limit: limit) } is KeyError)
        }
    }
}

extension SafePlace {
    func sealedValue(_ name: String) throws -> [UInt8] {
        try #require(
            try safe.read { safe in
                let row = try safe.require(name)
                return try SecretVersionRow.find(row.id, row.currentVersion, safe.keys, in: safe.database)?.sealedValue
            } ?? nil)
    }
}
