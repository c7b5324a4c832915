// AES-256-SIV: vectors, forgeries, many threads.

import Bytes
import Cryptography
import Synchronization
import Testing

@Suite struct SIVKeyTests {
    @Test func sealsAndOpensAsPublished() throws {
        let vectors = try Vector.all(in: "siv.txt")
        #expect(vectors.count == 49)
        for vector in vectors {
            let key = try SIVKey(vector.secret("Key"))
            // Several messages under one key: a context that was not copied anew would leave the old V.
            for _ in 0..<3 {
                let sealed = try key.seal(vector["Plaintext"].span, authenticating: vector["AAD"].span)
                #expect(sealed == vector["Tag"] + vector["Ciphertext"])
                let plain = try key.open(sealed.span, authenticating: vector["AAD"].span)
                #expect(plain == vector["Plaintext"])
                let other = try key.seal(pattern(9).span, authenticating: vector["AAD"].span)
                #expect(other.prefix(16) != sealed.prefix(16))
            }
        }
    }

    @Test func anyChangedBitFails() throws {
        let key = try SIVKey(SecretBytes(copying: pattern(64).span))
        let aad = pattern(17, seed: 3)
        let sealed = try key.seal(pattern(20, seed: 2).span, authenticating: aad.span)
        for bit in 0..<(8 * sealed.count) {
            var forged = sealed
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: CryptographyError.authenticationFailed) { try key.open(forged.span, authenticating: aad.span) }
        }
        for bit in 0..<(8 * aad.count) {
            var forged = aad
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: CryptographyError.authenticationFailed) { try key.open(sealed.span, authenticating: forged.span) }
        }
        for count in 0..<sealed.count {
            #expect(throws: CryptographyError.authenticationFailed) { try key.open(sealed.span.slice(0, count), authenticating: aad.span) }
        }
        let plain = try key.open(sealed.span, authenticating: aad.span)
        #expect(plain == pattern(20, seed: 2))
    }

    @Test func refusesWhatItCannotDo() throws {
        for count in [0, 32, 48, 63, 65] { #expect(throws: CryptographyError.invalidParameter) { try SIVKey(SecretBytes(count: count)) } }
        let key = try SIVKey(SecretBytes.random(count: 64))
        #expect(throws: CryptographyError.invalidParameter) { try key.seal([UInt8]().span, authenticating: [1].span) }
    }

    @Test func manyThreadsShareOneKey() async throws {
        let key = try SIVKey(SecretBytes(copying: pattern(64).span))
        let aad = pattern(17)
        let expected = try (0..<50).map { try key.seal(pattern($0 + 1, seed: UInt64($0 + 1)).span, authenticating: aad.span) }
        let wrong = Atomic(0)
        await onThreads(12) { thread in
            for i in 0..<1000 {
                let n = (i + thread * 7) % 50
                let plain = pattern(n + 1, seed: UInt64(n + 1))
                let sealed = try? key.seal(plain.span, authenticating: aad.span)
                let stored = expected[n]
                let opened = try? key.open(stored.span, authenticating: aad.span)
                if sealed != stored || opened != plain { wrong.add(1, ordering: .relaxed) }
                if (try? key.open(stored.span, authenticating: pattern(17, seed: 5).span)) != nil { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }
}
