// AES-256-GCM: NIST's vectors, misuse, many threads, wiping.

import Bytes
import Cryptography
import Glibc
import Synchronization
import Testing

/// Seals and gives ciphertext and tag.
func sealed(_ key: AEADKey, _ plain: [UInt8], nonce: [UInt8], aad: [UInt8]) throws -> (bytes: [UInt8], tag: [UInt8]) {
    var bytes = [UInt8](repeating: 0xEE, count: plain.count)
    var tag = [UInt8](repeating: 0xEE, count: 16)
    var bytesSpan = bytes.mutableSpan
    var tagSpan = tag.mutableSpan
    try key.seal(plain.span, nonce: nonce.span, authenticating: aad.span, into: &bytesSpan, tag: &tagSpan)
    return (bytes, tag)
}

/// Opens; the buffer is given back even when that fails.
func opened(_ key: AEADKey, _ bytes: [UInt8], nonce: [UInt8], aad: [UInt8], tag: [UInt8]) -> (plain: [UInt8], error: CryptographyError?) {
    var plain = [UInt8](repeating: 0xEE, count: bytes.count)
    var span = plain.mutableSpan
    do {
        try key.open(bytes.span, nonce: nonce.span, authenticating: aad.span, tag: tag.span, into: &span)
        return (plain, nil)
    } catch { return (plain, error) }
}

@Suite struct AEADKeyTests {
    @Test func sealsAsPublished() throws {
        for vector in try Vector.all(in: "gcm-seal.txt") {
            let key = try AEADKey(vector.secret("Key"))
            // Twice: the second time the context is used again.
            for _ in 0..<2 {
                let result = try sealed(key, vector["PT"], nonce: vector["IV"], aad: vector["AAD"])
                #expect(result.bytes == vector["CT"])
                #expect(result.tag == vector["Tag"])
            }
        }
    }

    @Test func opensAsPublished() throws {
        let vectors = try Vector.all(in: "gcm-open.txt")
        #expect(vectors.count(where: \.isFailure) == 50)
        for vector in vectors {
            let key = try AEADKey(vector.secret("Key"))
            for _ in 0..<2 {
                let result = opened(key, vector["CT"], nonce: vector["IV"], aad: vector["AAD"], tag: vector["Tag"])
                #expect(result.error == (vector.isFailure ? .authenticationFailed : nil))
                #expect(result.plain == (vector.isFailure ? [UInt8](repeating: 0, count: result.plain.count) : vector["PT"]))
            }
        }
    }

    @Test(arguments: [0, 1, 15, 16, 17, 4095, 4096, 100_000])
    func sealsInPlaceAsApart(count: Int) throws {
        let key = try AEADKey(SecretBytes(copying: pattern(32).span))
        let plain = pattern(count, seed: 2), nonce = pattern(12, seed: 3), aad = pattern(28, seed: 4)
        let apart = try sealed(key, plain, nonce: nonce, aad: aad)
        var bytes = plain
        var tag = [UInt8](repeating: 0, count: 16)
        var bytesSpan = bytes.mutableSpan
        var tagSpan = tag.mutableSpan
        try key.sealInPlace(&bytesSpan, nonce: nonce.span, authenticating: aad.span, tag: &tagSpan)
        #expect(bytes == apart.bytes)
        #expect(tag == apart.tag)
        var openSpan = bytes.mutableSpan
        try key.openInPlace(&openSpan, nonce: nonce.span, authenticating: aad.span, tag: tag.span)
        #expect(bytes == plain)
    }

    @Test func anyChangedBitFailsAndLeavesZeros() throws {
        let key = try AEADKey(SecretBytes(copying: pattern(32).span))
        let nonce = pattern(12, seed: 3), aad = pattern(28, seed: 4), plain = pattern(40, seed: 5)
        let (bytes, tag) = try sealed(key, plain, nonce: nonce, aad: aad)
        let zeros = [UInt8](repeating: 0, count: plain.count)
        func expectRefused(_ bytes: [UInt8], _ nonce: [UInt8], _ aad: [UInt8], _ tag: [UInt8]) {
            let result = opened(key, bytes, nonce: nonce, aad: aad, tag: tag)
            #expect(result.error == .authenticationFailed)
            #expect(result.plain == zeros)
            var place = bytes
            var span = place.mutableSpan
            #expect(throws: CryptographyError.authenticationFailed) {
                try key.openInPlace(&span, nonce: nonce.span, authenticating: aad.span, tag: tag.span)
            }
            #expect(place == zeros)
        }
        func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
            var bytes = bytes
            bytes[bit / 8] ^= 1 << (bit % 8)
            return bytes
        }
        for bit in 0..<(8 * bytes.count) { expectRefused(flipped(bytes, bit), nonce, aad, tag) }
        for bit in 0..<(8 * 12) { expectRefused(bytes, flipped(nonce, bit), aad, tag) }
        for bit in 0..<(8 * aad.count) { expectRefused(bytes, nonce, flipped(aad, bit), tag) }
        for bit in 0..<(8 * 16) { expectRefused(bytes, nonce, aad, flipped(tag, bit)) }
        expectRefused(bytes, nonce, Array(aad.dropLast()), tag)
        let good = opened(key, bytes, nonce: nonce, aad: aad, tag: tag)
        #expect(good.error == nil)
        #expect(good.plain == plain)
    }

    @Test func refusesWrongSizes() throws {
        for count in [0, 16, 24, 31, 33, 64] {
            #expect(throws: CryptographyError.invalidParameter) { try AEADKey(SecretBytes(count: count)) }
        }
        let key = try AEADKey(SecretBytes.random(count: 32))
        let plain = pattern(20)
        for nonceCount in [0, 11, 13, 16] {
            #expect(throws: CryptographyError.invalidParameter) { try sealed(key, plain, nonce: pattern(nonceCount), aad: []) }
            let result = opened(key, plain, nonce: pattern(nonceCount), aad: [], tag: pattern(16))
            #expect(result.error == .invalidParameter)
            #expect(result.plain == [UInt8](repeating: 0, count: 20))
        }
        for tagCount in [0, 4, 12, 15, 17] {
            let result = opened(key, plain, nonce: pattern(12), aad: [], tag: pattern(tagCount))
            #expect(result.error == .invalidParameter)
            #expect(result.plain == [UInt8](repeating: 0, count: 20))
        }
        var short = [UInt8](repeating: 0, count: 19)
        var tag = [UInt8](repeating: 0, count: 16)
        var shortSpan = short.mutableSpan
        var tagSpan = tag.mutableSpan
        #expect(throws: CryptographyError.invalidParameter) {
            try key.seal(plain.span, nonce: pattern(12).span, authenticating: [UInt8]().span, into: &shortSpan, tag: &tagSpan)
        }
    }

    @Test func manyThreadsShareOneKey() async throws {
        let key = try AEADKey(SecretBytes(copying: pattern(32).span))
        let plain = pattern(300, seed: 9)
        let wrong = Atomic(0), done = Atomic(0)
        await onThreads(12) { thread in
            for i in 0..<2000 {
                let nonce = pattern(12, seed: UInt64(thread * 100_000 + i)), aad = pattern(i % 40, seed: 7)
                guard let result = try? sealed(key, plain, nonce: nonce, aad: aad) else { wrong.add(1, ordering: .relaxed); continue }
                let back = opened(key, result.bytes, nonce: nonce, aad: aad, tag: result.tag)
                if back.error != nil || back.plain != plain { wrong.add(1, ordering: .relaxed) }
                // Every third message is a forgery, so that failures and successes mix on the pooled contexts.
                if i % 3 == 0 {
                    let forged = opened(key, result.bytes, nonce: nonce, aad: aad, tag: pattern(16, seed: UInt64(i)))
                    if forged.error != .authenticationFailed || forged.plain.contains(where: { $0 != 0 }) { wrong.add(1, ordering: .relaxed) }
                }
                done.add(1, ordering: .relaxed)
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(done.load(ordering: .relaxed) == 24_000)
    }

    @Test func wipedKeyNeitherSealsNorOpens() throws {
        let key = try AEADKey(SecretBytes(copying: pattern(32).span))
        let (bytes, tag) = try sealed(key, pattern(50), nonce: pattern(12), aad: [])
        key.wipe()
        key.wipe()
        #expect(throws: CryptographyError.invalidParameter) { try sealed(key, pattern(50), nonce: pattern(12), aad: []) }
        let result = opened(key, bytes, nonce: pattern(12), aad: [], tag: tag)
        #expect(result.error == .invalidParameter)
        #expect(result.plain == [UInt8](repeating: 0, count: 50))
    }

    @Test func wipingWhileSealingNeverSealsUnderAnotherKey() async throws {
        let expected = try sealed(AEADKey(SecretBytes(copying: pattern(32).span)), pattern(64), nonce: pattern(12), aad: [])
        let wrong = Atomic(0), refused = Atomic(0)
        // On few processors all seals of a round may be done before the wiping: then more rounds.
        for round in 0..<5000 where round < 200 || refused.load(ordering: .relaxed) == 0 {
            let key = try AEADKey(SecretBytes(copying: pattern(32).span))
            await onThreads(4) { thread in
                if thread == 3 { return key.wipe() }
                for _ in 0..<50 {
                    do {
                        let result = try sealed(key, pattern(64), nonce: pattern(12), aad: [])
                        if result.bytes != expected.bytes || result.tag != expected.tag { wrong.add(1, ordering: .relaxed) }
                    } catch CryptographyError.invalidParameter {
                        refused.add(1, ordering: .relaxed)
                    } catch { wrong.add(1, ordering: .relaxed) }
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
        #expect(refused.load(ordering: .relaxed) > 0)
    }

    @Test func theCallersSecretMayGo() throws {
        let secret = try SecretBytes(copying: pattern(32).span)
        let key = try AEADKey(secret)
        secret.wipe()
        let other = try AEADKey(SecretBytes(copying: pattern(32).span))
        let (bytes, tag) = try sealed(key, pattern(10), nonce: pattern(12), aad: [])
        #expect(opened(other, bytes, nonce: pattern(12), aad: [], tag: tag).plain == pattern(10))
    }
}
