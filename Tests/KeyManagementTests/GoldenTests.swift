// A keystore of version 1 that was made once: every later program must open it.

import Cryptography
import Foundation
import Testing

@testable import KeyManagement

struct GoldenTests {
    struct Golden: Decodable, Encodable {
        let passphrase, recoveryCode, keystoreID: String
        let generation: UInt64
        let context: [String: String]
        /// Wrapped under versions 1 and 2 of alias/golden, in that context.
        let wrapped, plaintexts: [String]
    }

    @Test func theKeystoreOfVersion1Opens() throws {
        let golden = try vector("keystore-v1.json", as: Golden.self)
        let place = try Place()
        let source = (#filePath as NSString).deletingLastPathComponent + "/Vectors/keystore-v1.db"
        try FileManager.default.copyItem(atPath: source, toPath: place.path)
        let secrets = [UnlockSecret.passphrase(try secret(golden.passphrase)), .recoveryCode(try secret(golden.recoveryCode))]
        for secret in secrets {
            let keystore = try Keystore.open(at: place.path, unlockingWith: secret)
            #expect(keystore.id.description == golden.keystoreID)
            // Bringing it to this version counts as one change.
            #expect(try keystore.generation() == golden.generation + 1)
            #expect(try keystore.describe(KeyReference("alias/golden")).versions.map(\.version) == [1, 2])
            let ring = try keystore.keyring()
            let context = try EncryptionContext(golden.context.map { ($0.key, $0.value) })
            for (wrapped, plaintext) in zip(golden.wrapped, golden.plaintexts) {
                let blob = bytes(wrapped)
                #expect(array(try ring.decrypt(blob.span, context: context)) == bytes(plaintext))
            }
            try keystore.close()
        }
    }
}
