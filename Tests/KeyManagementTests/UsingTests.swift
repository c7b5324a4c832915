// The verbs that use keys, where AWS KMS is exact about the refusal.

import Bytes
import Cryptography
import Testing

@testable import KeyManagement

struct UsingTests {
    private let place: Place
    private let keystore: Keystore
    private let key: KeyID
    private let blob: [UInt8]
    private let context: EncryptionContext

    init() throws {
        place = try Place()
        keystore = try place.create().0
        key = try keystore.createKey(alias: "alias/a")
        context = try EncryptionContext([("purpose", "test"), ("b", "")])
        blob = try keystore.encrypt(secret("plain"), under: KeyReference(key), context: context)
    }

    private func refusal(_ blob: [UInt8], _ expected: KeyReference? = nil) -> KeyError? {
        failure { try keystore.decrypt(blob.span, context: context, expecting: expected) } as? KeyError
    }

    private func entryCount() throws -> Int {
        var count = 0
        try keystore.auditEntries { _ in count += 1 }
        return count
    }

    /// Also in the bytes that name the key and the version: no more is said than for any other byte.
    @Test func everyChangedByteIsAnInvalidCiphertext() throws {
        for place in blob.indices {
            for bit in [UInt8(1), 0x80] {
                var changed = blob
                changed[place] ^= bit
                #expect(refusal(changed) == .invalidCiphertext, "byte \(place)")
                #expect(refusal(changed, KeyReference(key)) == .invalidCiphertext, "byte \(place), with the key given")
            }
        }
        for count in blob.indices { #expect(refusal(Array(blob.prefix(count))) == .invalidCiphertext, "\(count) bytes") }
        #expect(refusal(blob + [0]) == .invalidCiphertext)
        #expect(refusal(blob, KeyReference(key)) == nil)
    }

    @Test func aGivenKeyMustBeThereAndTheRightOne() throws {
        let other = KeyReference(try keystore.createKey())
        let nobody = KeyReference(try KeyID.random())
        #expect(refusal(blob, other) == .incorrectKey)
        #expect(refusal(blob, nobody) == .notFound("key \(nobody)"))
        #expect((failure { try keystore.reEncrypt(blob.span, context: context, expecting: nobody, to: other, context: context) } as? KeyError) == .notFound("key \(nobody)"))
        let foreign = try Place()
        let (elsewhere, _) = try foreign.create()
        let stranger = try elsewhere.encrypt(secret("p"), under: KeyReference(try elsewhere.createKey()), context: context)
        #expect(refusal(stranger) == .invalidCiphertext)
        #expect(refusal(stranger, KeyReference(key)) == .invalidCiphertext)
    }

    /// A version that is not there is not told from a changed byte; one that is too old is.
    @Test func versionsThatThereAreNotAreInvalidCiphertext() throws {
        var forged = blob
        forged[18] = 2
        #expect(refusal(forged) == .invalidCiphertext)
        try keystore.rotateKey(KeyReference(key))
        try keystore.setMinimumVersion(2, of: KeyReference(key))
        #expect(refusal(blob) == .versionTooOld(key, 1, minimum: 2))
        #expect(refusal(forged) == .invalidCiphertext)
    }

    /// Neither of what would have been done nor of what was refused.
    @Test func aDryRunLeavesNothingInTheLog() throws {
        let reference = KeyReference(key)
        let before = try entryCount()
        let (old, empty) = (try keystore.generation(), EncryptionContext.empty)
        let runs: [(() throws -> Void, KeyError)] = [
            ({ _ = try keystore.encrypt(secret("p"), under: reference, context: empty, dryRun: true) }, .dryRun),
            ({ _ = try keystore.decrypt(blob.span, context: context, dryRun: true) }, .dryRun),
            ({ _ = try keystore.decrypt(blob.span, context: empty, dryRun: true) }, .invalidCiphertext),
            ({ _ = try keystore.reEncrypt(blob.span, context: context, to: reference, context: empty, dryRun: true) }, .dryRun),
            ({ _ = try keystore.generateDataKey(under: reference, context: empty, dryRun: true) }, .dryRun),
            ({ try keystore.disableKey(reference, dryRun: true) }, .dryRun),
            ({ try keystore.cancelDeletion(of: reference, dryRun: true) }, .invalidState(key, .enabled)),
        ]
        for (number, (run, expected)) in runs.enumerated() { #expect((failure(run) as? KeyError) == expected, "run \(number)") }
        #expect(try entryCount() == before)
        #expect(try keystore.generation() == old)
    }
}
