// AES-256-SIV: vectors, libcrypto's own, forgeries, many threads.

import Bytes
import CLibCrypto
import Cryptography
import Synchronization
import Testing

@Suite struct SIVKeyTests {
    @Test func sealsAndOpensAsPublished() throws {
        let vectors = try Vector.all(in: "siv.txt")
        #expect(vectors.count == 49)
        for vector in vectors {
            let key = try SIVKey(vector.secret("Key"))
            // Several messages under one key: its contexts are used again.
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

    /// The steps are ours, the blocks libcrypto's; its own SIV says whether they are in order. Every count up to several stretches of key stream.
    @Test func agreesWithTheSIVOfLibcrypto() throws {
        let counts = Array(1...600) + [4095, 4096, 4097, 65_535, 65_553]
        for count in counts {
            let bytes = pattern(64, seed: UInt64(count))
            let key = try SIVKey(SecretBytes(copying: bytes.span))
            let plain = pattern(count, seed: UInt64(2 * count))
            let aad = pattern(count % 70, seed: UInt64(3 * count))
            let expected = try #require(sealedByLibcrypto(plain, aad, bytes))
            let sealed = try key.seal(plain.span, authenticating: aad.span)
            #expect(sealed == expected, "\(count) bytes")
            let opened = try key.open(expected.span, authenticating: aad.span)
            #expect(opened == plain, "\(count) bytes")
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

/// V and ciphertext from libcrypto's AES-256-SIV, in a context of its own; nil when a call failed.
private func sealedByLibcrypto(_ plain: [UInt8], _ aad: [UInt8], _ key: [UInt8]) -> [UInt8]? {
    let cipher = EVP_CIPHER_fetch(nil, "AES-256-SIV", nil)
    let context = EVP_CIPHER_CTX_new()
    defer {
        EVP_CIPHER_CTX_free(context)
        EVP_CIPHER_free(cipher)
    }
    var done: Int32 = 0
    var text = [UInt8](repeating: 0, count: plain.count)
    var tag = [UInt8](repeating: 0, count: 16)
    // Associated data goes in also when it is empty: it is one string all the same.
    guard EVP_EncryptInit_ex2(context, cipher, key, nil, nil) == 1, EVP_EncryptUpdate(context, nil, &done, aad + [0], Int32(aad.count)) == 1,
        EVP_EncryptUpdate(context, &text, &done, plain, Int32(plain.count)) == 1, EVP_EncryptFinal_ex(context, nil, &done) == 1,
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag) == 1
    else { return nil }
    return tag + text
}
