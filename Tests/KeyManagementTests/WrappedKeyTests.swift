// The wrapped key against vectors made by other software, and against every change.

import Bytes
import Cryptography
import Testing

@testable import KeyManagement

struct WrappedKeyTests {
    struct Case: Decodable {
        let comment, material, keyID: String
        let version: UInt32
        let salt: String
        let context: [[String]]
        let plaintext, wrapped: String

        func header() throws -> WrappedKeyHeader {
            WrappedKeyHeader(keyID: try #require(KeyID(text: keyID)), version: version)
        }
        func encryptionContext() throws -> EncryptionContext { try EncryptionContext(context.map { ($0[0], $0[1]) }) }
    }

    struct TwoKeys: Decodable {
        let materials, plaintexts: [String]
        let wrapped: String
    }

    @Test func vectorsAgree() throws {
        let cases = try vector("wrapped-keys.json", as: [Case].self)
        #expect(cases.count == 4)
        for known in cases {
            let (plain, salt, blob) = (bytes(known.plaintext), bytes(known.salt), bytes(known.wrapped))
            let sealed = try WrappedKey.seal(
                plain.span, header: known.header(), material: secret(hex: known.material), context: known.encryptionContext(), salt: salt.span)
            #expect(sealed == blob, "\(known.comment)")
            let header = try WrappedKeyHeader(parsing: blob.span)
            #expect(try header == known.header())
            let opened = try WrappedKey.open(blob.span, header: header, material: secret(hex: known.material), context: known.encryptionContext())
            #expect(array(opened) == plain, "\(known.comment)")
        }
    }

    @Test func everyFlippedByteIsRefused() throws {
        let ring = try TestRing()
        let context = try EncryptionContext([("purpose", "file")])
        let key = try ring.keyring.generateDataKey(under: ring.keyID, context: context)
        #expect(key.ciphertext.count == Keyring.wrappedDataKeySize)
        #expect(array(try ring.keyring.decrypt(key.ciphertext.span, context: context)) == array(key.plaintext))
        for place in key.ciphertext.indices {
            for bit in [UInt8(1), 0x80] {
                var changed = key.ciphertext
                changed[place] ^= bit
                let expected: KeyError
                switch place {
                case 2..<18: expected = .notFound("key \(try Keyring.describe(changed.span).keyID)")
                case 18 where bit == 1: expected = .invalidCiphertext  // version 0, which no key has
                case 18..<22: expected = .keyUnavailable("key \(ring.keyID) has no version \(try Keyring.describe(changed.span).version)")
                default: expected = .invalidCiphertext
                }
                let error = failure { try ring.keyring.decrypt(changed.span, context: context) } as? KeyError
                #expect(error == expected, "byte \(place): \(String(describing: error))")
            }
        }
    }

    @Test func everyOtherLengthIsRefused() throws {
        let ring = try TestRing()
        let key = try ring.keyring.generateDataKey(under: ring.keyID, context: .empty)
        for count in 0..<key.ciphertext.count {
            let cut = Array(key.ciphertext.prefix(count))
            #expect(failure { try ring.keyring.decrypt(cut.span, context: .empty) } as? KeyError == .invalidCiphertext)
        }
        let longer = key.ciphertext + [0]
        #expect(failure { try ring.keyring.decrypt(longer.span, context: .empty) } as? KeyError == .invalidCiphertext)
    }

    @Test func theContextMustBeEqual() throws {
        let ring = try TestRing()
        let context = try EncryptionContext([("purpose", "file"), ("vault", "v"), ("file", "f")])
        let reordered = try EncryptionContext([("vault", "v"), ("file", "f"), ("purpose", "file")])
        let blob = try ring.keyring.generateDataKey(under: ring.keyID, context: context).ciphertext
        #expect(throws: Never.self) { try ring.keyring.decrypt(blob.span, context: reordered) }
        let others = [
            EncryptionContext.empty, try EncryptionContext([("purpose", "file"), ("vault", "v")]),
            try EncryptionContext([("purpose", "file"), ("vault", "v"), ("file", "g")]),
            try EncryptionContext([("purpose", "file"), ("vault", "vfile"), ("f", "")]),
        ]
        for other in others { #expect(failure { try ring.keyring.decrypt(blob.span, context: other) } as? KeyError == .invalidCiphertext) }
    }

    @Test func contextsAreChecked() throws {
        #expect(failure { try EncryptionContext([("a", "1"), ("a", "2")]) } as? KeyError == .validation("an encryption context names a twice"))
        #expect(failure { try EncryptionContext([("", "1")]) } is KeyError)
        #expect(failure { try EncryptionContext([("a", String(repeating: "x", count: 8192))]) } is KeyError)
        #expect(try EncryptionContext([("b", "2"), ("a", "")]).canonicalBytes
            == [2, 0, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 0, 1, 0, 0, 0, 98, 1, 0, 0, 0, 50])
    }

    /// The blob opens under two keys as far as AES-GCM is concerned (the script that made it checks that): the commitment refuses one.
    @Test func aBlobMadeForTwoKeysOpensUnderOne() throws {
        let known = try vector("two-keys.json", as: TwoKeys.self)
        let blob = bytes(known.wrapped)
        let header = try WrappedKeyHeader(parsing: blob.span)
        let opened = try WrappedKey.open(blob.span, header: header, material: secret(hex: known.materials[0]), context: .empty)
        #expect(array(opened) == bytes(known.plaintexts[0]))
        let error = failure { try WrappedKey.open(blob.span, header: header, material: secret(hex: known.materials[1]), context: .empty) }
        #expect(error as? KeyError == .invalidCiphertext)
    }
}

/// A keyring of one enabled key without a database.
struct TestRing {
    let keyring: Keyring
    let keyID: KeyID

    init(state: KeyState = .enabled) throws {
        keyID = try KeyID.random()
        let key = KeyringKey(state: state, currentVersion: 1, versions: [1: try SecretBytes.random(count: 32)])
        keyring = Keyring(keystoreID: try KeystoreID.random(), contents: KeyringContents(generation: 1, keys: [keyID: key]), source: nil)
    }
}
