// Making, opening and using keystores.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct KeystoreTests {
    struct Known: Decodable {
        let rootKey, passphrase, salt: String
        let scrypt: [Int]
        let passphraseCommitment, passphraseSealedRootKey, recovery, recoveryText, recoveryCommitment, recoverySealedRootKey: String
        let keyID: String
        let version: UInt32
        let nonce, material, sealedMaterial: String
        let createdAt: Int64
        let rowName, rowMAC: String
    }

    @Test func vectorsAgree() throws {
        let known = try vector("keystore.json", as: Known.self)
        let root = try secret(hex: known.rootKey)
        let scrypt = ScryptParameters(logN: known.scrypt[0], r: known.scrypt[1], p: known.scrypt[2])
        let passphrase = try UnlockSlot.seal(
            root, with: secret(known.passphrase), kind: .passphrase, scrypt: scrypt, number: 1, createdAt: 0, salt: bytes(known.salt))
        #expect(passphrase.commitment == bytes(known.passphraseCommitment))
        #expect(passphrase.sealedRootKey == bytes(known.passphraseSealedRootKey))
        let recovery = try UnlockSlot.seal(
            root, with: secret(hex: known.recovery), kind: .recovery, scrypt: nil, number: 2, createdAt: 0, salt: bytes(known.salt))
        #expect(recovery.commitment == bytes(known.recoveryCommitment))
        #expect(recovery.sealedRootKey == bytes(known.recoverySealedRootKey))
        #expect(array(try RecoveryCode.text(of: secret(hex: known.recovery))) == Array(known.recoveryText.utf8))

        let keys = try RootKeys(rootKey: root)
        let header = WrappedKeyHeader(keyID: try #require(KeyID(text: known.keyID)), version: known.version)
        let material = try keys.open(nonce: bytes(known.nonce), sealed: bytes(known.sealedMaterial), as: header)
        #expect(array(material) == bytes(known.material))
        let values: [DatabaseValue] = [
            Data(header.keyID.bytes).databaseValue, Int64(known.version).databaseValue, known.createdAt.databaseValue,
            Data(bytes(known.nonce)).databaseValue, Data(bytes(known.sealedMaterial)).databaseValue,
        ]
        #expect(RowAuthentication.name(.cmkVersion, values) == known.rowName)
        #expect(try RowAuthentication(keys: keys, path: "").code(known.rowName, values) == bytes(known.rowMAC))
    }

    @Test func opensByEitherSecretAndByNoOther() throws {
        let place = try Place()
        let (made, code) = try place.create()
        let key = try made.createKey(alias: "alias/photos", description: "mine", tags: [("project", "x")])
        try made.close()
        for secret in [UnlockSecret.passphrase(try secret("open sesame")), .recoveryCode(code)] {
            let opened = try Keystore.open(at: place.path, unlockingWith: secret)
            #expect(opened.id == made.id)
            #expect(try opened.describe(KeyReference("alias/photos")).keyID == key)
            try opened.close()
        }
        let wrong = failure { try Keystore.open(at: place.path, unlockingWith: .passphrase(secret("open sesamf"))) } as? KeystoreError
        #expect(wrong == .wrongPassphrase(slots: ["unlock_slot/1"]))
        let foreign = UnlockSecret.recoveryCode(try secret(RecoveryCodeTests.known))
        #expect(failure { try Keystore.open(at: place.path, unlockingWith: foreign) } as? KeystoreError == .wrongRecoveryCode)
        var typed = array(code)
        typed[9] = typed[9] == UInt8(ascii: "Z") ? UInt8(ascii: "Y") : UInt8(ascii: "Z")
        let mistyped = try SecretBytes(copying: typed.span)
        let error = failure { try Keystore.open(at: place.path, unlockingWith: .recoveryCode(mistyped)) } as? KeystoreError
        #expect(error == .malformedRecoveryCode("group 2 of 8 is not right"))
    }

    @Test func aKeystoreIsNeverOverwritten() throws {
        let place = try Place()
        let (made, _) = try place.create()
        _ = try made.createKey()
        try made.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: place.path))
        #expect(failure { try place.create() } as? KeystoreError == .alreadyExists(path: place.path))
        // Also when it appears while another is being made.
        let late = try Place()
        let creation = try KeystoreCreation(path: late.path)
        let error = failure { try creation.run { _ in try before.write(to: URL(fileURLWithPath: late.path)) } } as? KeystoreError
        #expect(error == .alreadyExists(path: late.path))
        #expect(try Data(contentsOf: URL(fileURLWithPath: late.path)) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: late.directory) == ["keystore.db"])
        // A log of an earlier keystore would be played into the new one.
        let remains = try Place()
        try Data([1]).write(to: URL(fileURLWithPath: remains.path + "-wal"))
        #expect(failure { try remains.create() } as? KeystoreError == .alreadyExists(path: remains.path + "-wal"))
    }

    @Test func makingThatIsInterruptedLeavesNoKeystore() throws {
        let place = try Place()
        struct Interruption: Error {}
        let image = place.directory + "/as-if-killed"
        let creation = try KeystoreCreation(path: place.path)
        let error = failure {
            try creation.run { database in
                try database.execute(sql: "INSERT INTO row_mac VALUES ('x', x'00')")
                #expect(!FileManager.default.fileExists(atPath: place.path))
                let made = try FileManager.default.contentsOfDirectory(atPath: place.directory)
                #expect(made.count == 1)
                let mode = try FileManager.default.attributesOfItem(atPath: place.directory + "/" + made[0])[.posixPermissions] as? Int
                #expect(mode == 0o700)
                try FileManager.default.copyItem(atPath: place.directory + "/" + made[0], toPath: image)
                throw Interruption()
            }
        }
        #expect(error != nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.directory) == ["as-if-killed"])
        let killed = failure { try Keystore.open(at: image + "/keystore.db", unlockingWith: .passphrase(secret("open sesame"))) }
        #expect(killed is KeystoreError)
    }

    @Test func aCodeThatCannotBeShownMakesNoKeystore() throws {
        let place = try Place()
        struct NoTerminal: Error {}
        var wasThere = true
        let error = failure {
            try Keystore.create(at: place.path, passphrase: secret("x"), scrypt: cheapScrypt) { _ in
                wasThere = FileManager.default.fileExists(atPath: place.path)
                throw NoTerminal()
            }
        }
        #expect(error as? KeystoreError == .recoveryCodeNotShown(path: place.path, "NoTerminal()"))
        #expect(!wasThere)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.directory) == [])
    }

    /// Linking in sysfs is refused like on vfat.
    @Test func aFileSystemWithoutHardLinksIsSaid() throws {
        let place = try Place()
        let creation = try KeystoreCreation(path: place.path)
        let error = failure {
            try creation.run(link: { _, _ in try FileManager.default.linkItem(atPath: "/sys/kernel/uevent_seqnum", toPath: "/sys/kernel/efs-link") }) { _ in }
        }
        #expect(error as? KeystoreError == .noHardLinks(path: place.path))
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.directory) == [])
    }

    @Test(.enabled(if: geteuid() == 0)) func aReadOnlyDiskIsSaid() throws {
        func mount(_ arguments: String...) throws -> Int32 {
            let process = try Process.run(URL(fileURLWithPath: "/bin/mount"), arguments: arguments)
            process.waitUntilExit()
            return process.terminationStatus
        }
        let place = try Place()
        let disk = place.directory + "/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        try #require(try mount("-t", "tmpfs", "none", disk) == 0)
        defer { umount2(disk, Int32(MNT_DETACH)) }
        let path = disk + "/keystore.db"
        let made = try Keystore.create(at: path, passphrase: secret("x"), scrypt: cheapScrypt) { _ in }
        try made.close()
        try #require(try mount("-o", "remount,ro", disk) == 0)
        let other = disk + "/other.db"
        let error = failure { try Keystore.create(at: other, passphrase: secret("x"), scrypt: cheapScrypt) { _ in } } as? KeystoreError
        #expect(error == .readOnlyDisk(path: other))
        #expect(failure { try Keystore.open(at: path, unlockingWith: .passphrase(secret("x"))) } as? KeystoreError == .readOnlyDisk(path: path))
    }

    /// A message never names a command that the program does not have.
    @Test func messagesNameNoCommandThatIsNotThere() throws {
        let messages = [
            KeystoreError.notFound(path: "p").description, KeyError.disabled(try KeyID.random()).description, KeyError.keyUnavailable("x").description,
        ]
        for message in messages { for match in message.matches(of: /`envelopefs ([a-z ]+)/) { #expect(["init"].contains(match.1)) } }
    }

    @Test func filesAreForTheOwnerOnly() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        _ = try keystore.createKey()
        for name in ["", "-wal", "-shm"] {
            let mode = try FileManager.default.attributesOfItem(atPath: place.path + name)[.posixPermissions] as? Int
            #expect(mode == 0o600, "keystore.db\(name)")
        }
        let nested = try Place()
        _ = try Keystore.create(at: nested.directory + "/a/b/keystore.db", passphrase: secret("x"), scrypt: cheapScrypt) { _ in }
        let mode = try FileManager.default.attributesOfItem(atPath: nested.directory + "/a/b")[.posixPermissions] as? Int
        #expect(mode == 0o700)
    }

    @Test func noSecretStandsInTheFile() throws {
        let place = try Place()
        let (keystore, code) = try place.create()
        _ = try keystore.createKey(description: "a marker that is stored in the clear")
        let authentication = try keystore.authentication()
        let materials = try keystore.read { try KeyVersionRow.all(in: $0).map { try array($0.material(authentication)) } }
        #expect(materials.count == 1)
        let files = try place.contents()
        #expect(contains(files, Array("a marker that is stored in the clear".utf8)))
        for needle in materials + [Array("open sesame".utf8), array(code), array(try RecoveryCode.parse(code))] {
            #expect(!contains(files, needle))
        }
    }

    @Test func everyChangeIsCountedAndOnlyChanges() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        #expect(try keystore.generation() == 1)
        let key = try keystore.createKey()
        #expect(try keystore.generation() == 2)
        _ = try keystore.keys()
        _ = try keystore.keyring().generateDataKey(under: key, context: .empty)
        #expect(failure { try keystore.rotateKey(KeyReference(KeyID.random())) } is KeyError)
        #expect(try keystore.generation() == 2)
        _ = try keystore.rotateKey(KeyReference(key))
        try keystore.disableKey(KeyReference(key))
        #expect(try keystore.generation() == 4)
    }

    @Test func severalConnectionsChangeAtOnce() async throws {
        let place = try Place()
        let (first, code) = try place.create()
        let path = place.path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let keystore = try Keystore.open(at: path, unlockingWith: .recoveryCode(code))
                    for _ in 0..<5 { _ = try keystore.createKey() }
                    try keystore.close()
                }
            }
            try await group.waitForAll()
        }
        #expect(try first.keys().count == 20)
        #expect(try first.generation() == 21)
    }

    @Test func verbsOnKeys() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = try keystore.createKey(alias: "alias/a", description: "d", tags: [("b", "2"), ("a", "1")])
        let described = try keystore.describe(KeyReference("efs:kms:\(keystore.id):key/\(key)"))
        #expect(described.keyID == key && described.state == .enabled && described.description == "d" && described.aliases == ["alias/a"])
        #expect(described.tags.map(\.name) == ["a", "b"] && described.versions.map(\.version) == [1])
        #expect(failure { try keystore.createKey(alias: "alias/a") } as? KeyError == .alreadyExists("alias/a"))
        #expect(try keystore.keys().count == 1)
        try keystore.createAlias("alias/z", for: KeyReference("alias/a"))
        #expect(try keystore.aliases().map(\.name) == ["alias/a", "alias/z"])
        try keystore.deleteAlias("alias/a")
        #expect(failure { try keystore.describe(KeyReference("alias/a")) } as? KeyError == .notFound("key alias/a"))
        #expect(failure { try keystore.deleteAlias("alias/a") } as? KeyError == .notFound("alias/a"))
        try keystore.disableKey(KeyReference("alias/z"))
        #expect(failure { try keystore.rotateKey(KeyReference(key)) } as? KeyError == .disabled(key))
        let foreign = try KeystoreID.random()
        #expect(failure { try keystore.describe(KeyReference("efs:kms:\(foreign):key/\(key)")) } is KeyError)
        for text in ["", "alias/", "alias/a b", "key", "efs:kms:zz:key/\(key)", "\(key)0", "alias/" + String(repeating: "x", count: 251)] {
            #expect(failure { try KeyReference(text) } is KeyError, "\(text)")
        }
        #expect(failure { try keystore.createKey(tags: [("a", ""), ("a", "")]) } is KeyError)
        #expect(failure { try keystore.createKey(alias: "photos") } is KeyError)
        try keystore.close()
        #expect(failure { try keystore.keys() } as? KeyError == .storage(.closed))
    }

    @Test func aTagIsTheSameInBothSpellingsOfUnicode() throws {
        let place = try Place()
        let keystore = try place.create().0
        func again() throws -> Keystore { try Keystore.open(at: place.path, unlockingWith: .passphrase(secret("open sesame"))) }
        let key = KeyReference(try keystore.createKey(tags: [("caf\u{e9}", "1")]))
        try keystore.tagKey(key, [("cafe\u{301}", "2")])
        let tags = try again().describe(key).tags
        #expect(tags.map(\.value) == ["2"] && tags.map { Array($0.name.utf8) } == [Array("caf\u{e9}".utf8)])
        try keystore.untagKey(key, ["cafe\u{301}"])
        #expect(try again().describe(key).tags.isEmpty)
        // An earlier program kept both, and then could not open the keystore again.
        let id = try keystore.describe(key).keyID
        try keystore.change { database, authentication in
            for name in ["caf\u{e9}", "cafe\u{301}"] {
                try authentication.put(.tag, [Data(id.bytes).databaseValue, name.databaseValue, "3".databaseValue], database)
            }
        }
        #expect(try again().describe(key).tags.count == 2)
        try again().untagKey(key, ["caf\u{e9}"])
        #expect(try again().describe(key).tags.isEmpty)
    }

    @Test func theDefaultPlace() {
        #expect(Keystore.defaultPath(xdgDataHome: "/d", home: "/h") == "/d/envelopefs/keystore.db")
        #expect(Keystore.defaultPath(xdgDataHome: "relative", home: "/h/") == "/h/.local/share/envelopefs/keystore.db")
        #expect(Keystore.defaultPath(xdgDataHome: nil, home: "/h") == "/h/.local/share/envelopefs/keystore.db")
        #expect(Keystore.defaultPath(xdgDataHome: "", home: nil) == nil)
    }
}

struct DocumentationTests {
    /// The worked examples of the specification are the vectors, which other tests recompute.
    @Test func theSpecificationShowsTheVectors() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("Docs/FORMAT-KEYS.md"), encoding: .utf8)
        let wrapped = Array(try vector("wrapped-keys.json", as: [WrappedKeyTests.Case].self)[0].wrapped)
        for range in [0..<4, 4..<36, 36..<44, 44..<108, 108..<172, 172..<236, 236..<268] {
            #expect(text.contains(" " + String(wrapped[range]) + "\n"))
        }
        let known = try vector("keystore.json", as: KeystoreTests.Known.self)
        let shown = [
            known.rootKey, known.passphrase, known.salt, known.passphraseCommitment, known.passphraseSealedRootKey, known.recovery, known.recoveryText,
            known.recoveryCommitment, known.recoverySealedRootKey, known.keyID, known.material, known.nonce, known.sealedMaterial, known.rowName,
            "\(known.createdAt)", known.rowMAC,
        ]
        for value in shown { #expect(text.contains(" " + value + "\n"), "\(value)") }
        let safe = try vector("safe.json", as: SafeVectorTests.Known.self)
        let (row, version) = (safe.secret[0].map(\.value), safe.secret_version[0].map(\.value))
        let blobs = [safe.safe[0][1].value, safe.safe[0][2].value, row[0], row[7], row[10], version[5], version[6]].compactMap { Data.fromDatabaseValue($0) }
        #expect(blobs.count == 7)
        for blob in blobs { #expect(text.contains(" " + Hexadecimal.encode(Array(blob)) + "\n"), "\(Hexadecimal.encode(Array(blob)))") }
        for value in [safe.safeKey, safe.indexKey, safe.rowKey, safe.metadataKey, safe.values[0].dataKey, safe.values[0].value] {
            #expect(text.contains(" " + value + "\n"), "\(value)")
        }
        for statement in Schema.statements(ofVersion: Schema.version) { #expect(text.contains("\n" + statement + "\n"), "\(statement)") }
    }
}
