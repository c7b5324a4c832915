// Adding, replacing and removing what opens a keystore; rotating the root key.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct SlotTests {
    static func keyFile(_ byte: UInt8, count: Int = 64) throws -> UnlockSecret {
        let bytes = [UInt8](repeating: byte, count: count)
        return .keyFile(try SecretBytes(copying: bytes.span))
    }

    static func credential(_ byte: UInt8) throws -> UnlockSecret {
        let bytes = [UInt8](repeating: byte, count: 64)
        return .credential(try SecretBytes(copying: bytes.span))
    }

    /// A keystore made with "open sesame" and opened again for work on its slots.
    static func place() throws -> (Place, Keystore, code: SecretBytes) {
        let place = try Place()
        let (made, code) = try place.create()
        _ = try made.createKey(alias: "alias/a", description: "first", tags: [("t", "v")])
        _ = try made.rotateKey(KeyReference("alias/a"))
        try made.close()
        return (place, try Keystore.open(at: place.path, unlockingWith: .passphrase(secret("open sesame")), keepsRootKey: true), code)
    }

    static func opens(_ place: Place, _ secret: UnlockSecret) throws -> Int64? {
        do throws(KeystoreError) {
            let keystore = try Keystore.open(at: place.path, unlockingWith: secret)
            defer { try? keystore.close() }
            return keystore.openedBy.number
        } catch {
            switch error {
            case .wrongPassphrase, .wrongRecoveryCode, .wrongSecret, .noSlot: return nil
            default: throw error
            }
        }
    }

    @Test func eachKindIsAddedAndOpensAlone() throws {
        let (place, keystore, code) = try Self.place()
        let wrapped = try keystore.keyring().generateDataKey(under: keystore.describe(KeyReference("alias/a")).keyID, context: EncryptionContext([]))
        let passphrase = UnlockSecret.passphrase(try secret("second"))
        #expect(try keystore.addSlot(Self.keyFile(1)) == 3)
        #expect(try keystore.addSlot(passphrase, scrypt: cheapScrypt) == 4)
        #expect(try keystore.addSlot(Self.credential(2)) == 5)
        var further: SecretBytes?
        #expect(try keystore.addRecoverySlot { further = $0 } == 6)
        #expect(try keystore.slots().map(\.kind) == [.passphrase, .recovery, .keyFile, .passphrase, .credential, .recovery])
        #expect(try keystore.slots().filter(\.isOpener).map(\.number) == [1])
        let secrets: [(UnlockSecret, Int64)] = [
            (.passphrase(try secret("open sesame")), 1), (.recoveryCode(code), 2), (try Self.keyFile(1), 3), (passphrase, 4),
            (try Self.credential(2), 5), (.recoveryCode(try #require(further)), 6),
        ]
        for (secret, number) in secrets {
            let opened = try Keystore.open(at: place.path, unlockingWith: secret)
            #expect(opened.openedBy.number == number)
            #expect(try array(opened.keyring().decrypt(wrapped.ciphertext.span, context: EncryptionContext([]))) == array(wrapped.plaintext))
            try opened.close()
        }
        // A secret opens slots of its own kind only.
        #expect(try Self.opens(place, .credential(Self.keyFile(1).bytes)) == nil)
        #expect(try Self.opens(place, Self.keyFile(2)) == nil)
    }

    @Test func weakOrKnownSecretsAreRefused() throws {
        let (place, keystore, code) = try Self.place()
        let before = try keystore.generation()
        for weak in [UnlockSecret.passphrase(try secret("")), try Self.keyFile(1, count: 31), .recoveryCode(code)] {
            guard case .validation = failure({ try keystore.addSlot(weak, scrypt: cheapScrypt) }) as? KeystoreError else { Issue.record("\(weak.kind) was taken"); continue }
        }
        let known = failure { try keystore.addSlot(.passphrase(secret("open sesame")), scrypt: cheapScrypt) } as? KeystoreError
        #expect(known == .validation("this secret opens slot 1 already; to remove or replace a slot, its number is enough"))
        #expect(failure { try keystore.addSlot(Self.keyFile(1), replacing: 9) } as? KeystoreError == .noSuchSlot(9))
        struct NoTerminal: Error {}
        let unseen = failure { try keystore.addRecoverySlot { _ in throw NoTerminal() } } as? KeystoreError
        #expect(unseen == .recoveryCodeNotShown(path: place.path, "NoTerminal()"))
        #expect(try keystore.generation() == before)
        for number in 3...16 { #expect(try keystore.addSlot(Self.keyFile(UInt8(number))) == Int64(number)) }
        #expect(failure { try keystore.addSlot(Self.keyFile(17)) } as? KeystoreError == .tooManySlots(16))
        #expect(try keystore.addSlot(Self.keyFile(17), replacing: 16) == 17)
        let plain = try Keystore.open(at: place.path, unlockingWith: Self.keyFile(17))
        guard case .validation = failure({ try plain.addSlot(Self.keyFile(18), replacing: 3) }) as? KeystoreError else { Issue.record("no root key was needed"); return }
    }

    @Test func aPassphraseIsReplacedInOneStep() throws {
        let (place, keystore, _) = try Self.place()
        let generation = try keystore.generation()
        #expect(try keystore.addSlot(.passphrase(secret("new")), scrypt: cheapScrypt, replacing: 1) == 3)
        #expect(try keystore.generation() == generation + 1)
        #expect(try Self.opens(place, .passphrase(secret("open sesame"))) == nil)
        #expect(try Self.opens(place, .passphrase(secret("new"))) == 3)
        #expect(try keystore.slots().map(\.number) == [2, 3])
    }

    @Test func neverTheLastAndNeverTheOpener() throws {
        let (place, keystore, code) = try Self.place()
        #expect(failure { try keystore.removeSlot(1) } as? KeystoreError == .openerSlot(1))
        #expect(failure { try keystore.removeSlot(7) } as? KeystoreError == .noSuchSlot(7))
        try keystore.removeSlot(2)
        #expect(try Self.opens(place, .recoveryCode(code)) == nil)
        #expect(failure { try keystore.removeSlot(1) } as? KeystoreError == .lastSlot)
        #expect(try Self.opens(place, .passphrase(secret("open sesame"))) == 1)
    }

    @Test func rotationSealsEverythingAgain() throws {
        let (place, keystore, code) = try Self.place()
        _ = try keystore.addSlot(Self.keyFile(1))
        _ = try keystore.addSlot(Self.credential(2))
        let key = try keystore.describe(KeyReference("alias/a"))
        let wrapped = try keystore.keyring().generateDataKey(under: key.keyID, context: EncryptionContext([]))
        let opener = UnlockSecret.passphrase(try secret("open sesame"))
        let mounted = try Keystore.open(at: place.path, unlockingWith: opener)
        let ring = try mounted.keyring()
        let before = try #require(try? rows(place))
        var shown: [SecretBytes] = []
        #expect(failure { try keystore.rotateRootKey(keeping: [opener]) { shown.append($0) } } as? KeystoreError == .slotsWithoutSecret([3, 4]))
        #expect(failure { try keystore.rotateRootKey(keeping: [], dropping: [3, 4]) { shown.append($0) } } as? KeystoreError == .slotsWithoutSecret([1]))
        #expect(failure { try keystore.rotateRootKey(keeping: [opener], dropping: [9]) { shown.append($0) } } as? KeystoreError == .noSuchSlot(9))
        #expect(failure { try keystore.rotateRootKey(keeping: [opener, Self.keyFile(9)]) { shown.append($0) } } as? KeystoreError == .wrongSecret(kind: "key-file"))
        #expect(shown.isEmpty)
        #expect(try rows(place) == before)
        let rotation = try keystore.rotateRootKey(keeping: [opener, Self.keyFile(1)], dropping: [4]) { shown.append($0) }
        #expect(rotation == RootRotation(kept: [1, 3], renewed: [2], removed: [4]))
        #expect(shown.count == 1)
        // Every sealed thing and every MAC is another one.
        let after = try rows(place)
        #expect(Set(before).isDisjoint(with: after), "\(Set(before).intersection(after))")
        #expect(try Self.opens(place, opener) == 1)
        #expect(try Self.opens(place, .recoveryCode(shown[0])) == 2)
        #expect(try Self.opens(place, .recoveryCode(code)) == nil)
        #expect(try Self.opens(place, Self.keyFile(1)) == 3)
        #expect(try Self.opens(place, Self.credential(2)) == nil)
        // The same keys as before, to this and to any other opening of it.
        for opened in [keystore, try Keystore.open(at: place.path, unlockingWith: opener)] {
            #expect(try opened.describe(KeyReference("alias/a")) == key)
            #expect(try array(opened.keyring().decrypt(wrapped.ciphertext.span, context: EncryptionContext([]))) == array(wrapped.plaintext))
        }
        #expect(try keystore.rotateKey(KeyReference("alias/a")) == 3)
        // A mount goes on with what it has, and is told why it sees nothing new.
        #expect(try array(ring.decrypt(wrapped.ciphertext.span, context: EncryptionContext([]))) == array(wrapped.plaintext))
        #expect(failure { try ring.refresh() } as? KeyError == .storage(.rootKeyRotated))
        #expect(failure { try mounted.createKey() } as? KeyError == .storage(.rootKeyRotated))
        #expect(failure { try mounted.audit([AuditEvent("MountVault")]) } as? KeystoreError == .rootKeyRotated)
    }

    /// Everything in the keystore that is sealed or a MAC.
    private func rows(_ place: Place) throws -> [Data] {
        let queue = try DatabaseQueue(path: place.path)
        defer { try? queue.close() }
        return try queue.read { database in
            try ["SELECT sealed_root_key FROM unlock_slot", "SELECT sealed_material FROM cmk_version", "SELECT mac FROM row_mac", "SELECT mac FROM keystore"]
                .flatMap { try Data.fetchAll(database, sql: $0) }
        }
    }

    @Test func whatTheOldRootKeySealedIsGoneFromTheFiles() throws {
        let (place, keystore, _) = try Self.place()
        let before = try rows(place)
        let opener = UnlockSecret.passphrase(try secret("open sesame"))
        _ = try keystore.rotateRootKey(keeping: [opener]) { _ in }
        let files = try place.contents()
        for old in before { #expect(!contains(files, Array(old)), "what the old root key sealed is still on the disk") }
        for new in try rows(place) { #expect(contains(files, Array(new))) }
    }
}
