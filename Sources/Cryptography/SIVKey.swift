// AES-256-SIV (RFC 5297) under one key, with one string of associated data.

import Bytes
import CLibCrypto

/// Deterministic authenticated encryption: same plaintext and associated data, same result; so it hides all but equality.
/// For names and other short strings. Any number of threads.
///
/// libcrypto encrypts the blocks, in contexts that stay keyed; masks and the order of steps are ours. libcrypto 3.0's own SIV cannot begin a
/// second message in a context, and a copy of one for each name cost four times as much (Docs/decisions/0052).
package final class SIVKey: Sendable {
    /// Bytes that sealing adds: the synthetic vector V, which comes first and is the tag.
    package static let overhead = 16

    private let code: CMAC
    private let counter: BlockCipher
    /// S2V's first step, which no message changes: CMAC of sixteen zero bytes, doubled. 16 bytes.
    private let start: SecretBytes

    /// `key` has 64 bytes: 32 for S2V, then 32 for CTR; other sizes throw `invalidParameter`. Not kept: its halves are copied.
    package init(_ key: SecretBytes) throws(CryptographyError) {
        guard key.count == 64 else { throw .invalidParameter }
        code = try CMAC(key.half(0))
        counter = try BlockCipher(key.half(1))
        let zeros = InlineArray<16, UInt8>(repeating: 0)
        start = try SecretBytes(holding: code.authenticate(zeros.span).doubled)
    }

    /// V (16 bytes) followed by the ciphertext, of `plain`'s count. `aad` may be empty.
    /// An empty `plain` throws `invalidParameter`: nothing of ours is empty, and libcrypto 3.0, which others read with, cannot open it.
    package func seal(_ plain: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        let count = plain.count
        guard count > 0, count <= Int(Int32.max) - Self.overhead, aad.count <= Int(Int32.max) else { throw .invalidParameter }
        let vector = try vector(of: plain, aad)
        var sealed = [UInt8](repeating: 0, count: Self.overhead + count)
        var span = sealed.mutableSpan
        span.storeBlock(vector, at: 0)
        var text = span.slice(Self.overhead, count)
        try applyCounter(from: vector, plain, into: &text)
        return sealed
    }

    /// The plaintext of what `seal` gave for the same `aad`. Anything else, also one too short to be ours, throws `authenticationFailed`.
    package func open(_ sealed: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        guard sealed.count > Self.overhead else { throw .authenticationFailed }
        guard sealed.count <= Int(Int32.max), aad.count <= Int(Int32.max) else { throw .invalidParameter }
        var plain = [UInt8](repeating: 0, count: sealed.count - Self.overhead)
        var span = plain.mutableSpan
        let given = sealed.block(at: 0)
        try applyCounter(from: given, sealed.slice(Self.overhead..<sealed.count), into: &span)
        let isOurs: Bool
        do throws(CryptographyError) {
            isOurs = try vector(of: span.span, aad) ^ given == 0
        } catch {
            span.zeroAll()
            throw error
        }
        guard isOurs else {
            span.zeroAll()
            throw .authenticationFailed
        }
        return plain
    }

    /// S2V (section 2.4) of `aad` and `plain`.
    private func vector(of plain: ByteSpan, _ aad: ByteSpan) throws(CryptographyError) -> UInt128 {
        let digest = start.heldBlock ^ (try code.authenticate(aad))
        if plain.count >= CMAC.blockSize { return try code.authenticate(plain, endXor: digest) }
        var padded = InlineArray<16, UInt8>(repeating: 0)
        var span = padded.mutableSpan
        span.copy(plain)
        span[plain.count] = 0x80
        return try code.authenticate(padded.span, endXor: digest.doubled)
    }

    /// CTR (section 2.5) from V with two bits cleared, so that a counter of 32 bits never carries. `output` has `input`'s count.
    private func applyCounter(from vector: UInt128, _ input: ByteSpan, into output: inout MutableByteSpan) throws(CryptographyError) {
        let cleared: UInt128 = 1 << 63 | 1 << 31
        let first = vector & ~cleared
        let size = CMAC.blockSize
        var stream = InlineArray<256, UInt8>(repeating: 0)
        for start in stride(from: 0, to: input.count, by: stream.count) {
            let count = min(stream.count, input.count - start)
            let blocks = (count + size - 1) / size
            var all = stream.mutableSpan
            var bytes = all.slice(0, blocks * size)
            for i in 0..<blocks { bytes.storeBlock(first &+ UInt128(start / size + i), at: i * size) }
            try counter.encrypt { encryption throws(CryptographyError) in try encryption.blocks(&bytes) }
            let whole = count / size * size
            for i in stride(from: 0, to: whole, by: size) { output.storeBlock(input.block(at: start + i) ^ bytes.span.block(at: i), at: start + i) }
            for i in whole..<count { output[start + i] = input[start + i] ^ bytes[i] }
        }
    }
}

extension SecretBytes {
    /// Half 0 or 1, as a secret of its own.
    fileprivate func half(_ index: Int) throws(CryptographyError) -> SecretBytes {
        try withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(index * count / 2, count / 2)) }
    }
}
