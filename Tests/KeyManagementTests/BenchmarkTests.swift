// What generating and opening a data key cost in-process. ENVELOPEFS_BENCHMARK=200000 is how many of each, with times printed; see Docs/TESTING.md.

import Cryptography
import Foundation
import Testing

@testable import KeyManagement

struct BenchmarkTests {
    private let given = ProcessInfo.processInfo.environment["ENVELOPEFS_BENCHMARK"].flatMap { Int($0) }

    /// The least of five rounds: what others do on the machine only adds.
    private func measured(_ what: String, _ count: Int, _ body: () throws -> Void) rethrows {
        var best = Duration.seconds(1 << 30)
        for _ in 0..<5 {
            let start = ContinuousClock.now
            for _ in 0..<count { try body() }
            best = min(best, (ContinuousClock.now - start) / count)
        }
        if given != nil { print("benchmark: \(what): \(best)") }
    }

    @Test func dataKeysAreMadeAndOpened() throws {
        let count = max((given ?? 500) / 5, 1)
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = try keystore.createKey()
        let ring = try keystore.keyring()
        let context = try EncryptionContext([("purpose", "file"), ("vault", String(repeating: "a", count: 36)), ("file", String(repeating: "b", count: 32))])
        var made = try ring.generateDataKey(under: key, context: context)
        try measured("GenerateDataKey", count) { made = try ring.generateDataKey(under: key, context: context) }
        var opened = try ring.decrypt(made.ciphertext.span, context: context)
        try measured("Decrypt", count) { opened = try ring.decrypt(made.ciphertext.span, context: context) }
        #expect(opened.isEqual(to: made.plaintext))
        try measured("refresh without news", count) { _ = try ring.refresh() }
        // By name, checked, and written to the audit log with a synced commit each.
        let logged = max(count / 1000, 1)
        try measured("GenerateDataKey as a logged verb", logged) { made = try keystore.generateDataKey(under: KeyReference(key), context: context) }
        try measured("Decrypt as a logged verb", logged) { opened = try keystore.decrypt(made.ciphertext.span, context: context).plaintext }
        #expect(opened.isEqual(to: made.plaintext))
        try keystore.close()
    }
}
