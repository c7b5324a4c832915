// AES-256 block by block, and AES-256-CMAC (RFC 4493) made of it.

import Bytes
import CLibCrypto

/// Message authentication codes under one key. Any number of threads.
struct CMAC: Sendable {
    static let blockSize = 16

    private let cipher: BlockCipher
    /// Upon a last block that is whole, and upon one that was padded. 16 bytes each.
    private let wholeMask, paddedMask: SecretBytes

    /// `key` has 32 bytes and is kept; other sizes throw `invalidParameter`.
    init(_ key: SecretBytes) throws(CryptographyError) {
        cipher = try BlockCipher(key)
        let mask = try cipher.encrypt { encryption throws(CryptographyError) in try encryption.block(0) }.doubled
        wholeMask = try SecretBytes(holding: mask)
        paddedMask = try SecretBytes(holding: mask.doubled)
    }

    /// The code of `message` once `mask` is upon its last 16 bytes (xorend of RFC 5297). Traps for a mask upon less than 16.
    func authenticate(_ message: ByteSpan, endXor mask: UInt128? = nil) throws(CryptographyError) -> UInt128 {
        let size = Self.blockSize
        // The masks fall upon the last one or two blocks, which are copied.
        let before = message.count > 2 * size ? (message.count - 1) / size * size - size : 0
        var tail = InlineArray<32, UInt8>(repeating: 0)
        var span = tail.mutableSpan
        span.copy(message.slice(before..<message.count))
        var end = message.count - before
        if let mask { span.xor(mask, at: end - size) }
        let isWhole = end > 0 && end % size == 0
        if !isWhole {
            span[end] = 0x80
            end = (end / size + 1) * size
        }
        span.xor((isWhole ? wholeMask : paddedMask).heldBlock, at: end - size)
        let last = span.span.slice(0, end)
        return try cipher.encrypt { encryption throws(CryptographyError) in
            var state: UInt128 = 0
            for start in stride(from: 0, to: before, by: size) { state = try encryption.block(state ^ message.block(at: start)) }
            for start in stride(from: 0, to: end, by: size) { state = try encryption.block(state ^ last.block(at: start)) }
            return state
        }
    }
}

/// AES-256 under one key, upon blocks one by one (ECB): for modes made of it, never for messages. Any number of threads.
/// libcrypto keeps the expanded key inside contexts, in its own heap, wiped when they are freed.
final class BlockCipher: Sendable {
    private let key: SecretBytes
    private let contexts = ContextPool()

    /// `key` has 32 bytes and is kept; other sizes throw `invalidParameter`.
    init(_ key: SecretBytes) throws(CryptographyError) {
        guard key.count == 32 else { throw .invalidParameter }
        self.key = key
    }

    deinit {
        while let context = unsafe contexts.take() { unsafe EVP_CIPHER_CTX_free(context) }
    }

    /// What encrypts while `body` runs.
    @safe struct Encryption: ~Copyable, ~Escapable {
        private let context: OpaquePointer

        @_lifetime(immortal)
        fileprivate init(_ context: OpaquePointer) { unsafe self.context = context }

        /// The encrypted block.
        @inline(__always)
        borrowing func block(_ block: UInt128) throws(CryptographyError) -> UInt128 {
            var bytes = InlineArray<16, UInt8>(repeating: 0)
            var span = bytes.mutableSpan
            span.storeBlock(block, at: 0)
            try blocks(&span)
            return span.span.block(at: 0)
        }

        /// Encrypts whole blocks where they are.
        @inline(__always)
        borrowing func blocks(_ bytes: inout MutableByteSpan) throws(CryptographyError) {
            guard bytes.count % CMAC.blockSize == 0, bytes.count <= Int(Int32.max) else { throw .invalidParameter }
            let address = unsafe bytes.mutableAddress
            var done: Int32 = 0
            try Library.check(unsafe EVP_EncryptUpdate(context, address, &done, address, Int32(bytes.count)))
            // A context that keeps a block back would put it before the next one.
            guard Int(done) == bytes.count else { throw .libraryFailure }
        }
    }

    /// Runs `body` with what encrypts.
    @inline(__always)
    func encrypt<R>(_ body: (borrowing Encryption) throws(CryptographyError) -> R) throws(CryptographyError) -> R {
        let context = unsafe try contexts.take { () throws(CryptographyError) in unsafe try makeContext() }
        let result: R
        do throws(CryptographyError) {
            let encryption = unsafe Encryption(context)
            result = try body(encryption)
        } catch {
            // A context that failed is not used again.
            unsafe EVP_CIPHER_CTX_free(context)
            throw error
        }
        if unsafe !contexts.put(context) { unsafe EVP_CIPHER_CTX_free(context) }
        return result
    }

    private func makeContext() throws(CryptographyError) -> OpaquePointer {
        let cipher = unsafe try Library.aes256ECB()
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw Library.failure(.outOfMemory) }
        let result = unsafe EVP_EncryptInit_ex2(context, cipher, key.address, nil, nil)
        withExtendedLifetime(key) {}
        if result != 1 {
            unsafe EVP_CIPHER_CTX_free(context)
            throw Library.failure(.libraryFailure)
        }
        return unsafe context
    }
}

// MARK: - blocks as numbers of 128 bits, first byte highest

extension UInt128 {
    /// Twice the block in GF(2^128), as CMAC and S2V mean it; in the same time for every block.
    var doubled: UInt128 { (self << 1) ^ ((0 &- (self >> 127)) & 0x87) }
}

extension Span where Element == UInt8 {
    /// The block at `offset`. Traps when it is not all inside.
    func block(at offset: Int) -> UInt128 { littleEndian(UInt128.self, at: offset).byteSwapped }
}

extension MutableSpan where Element == UInt8 {
    @_lifetime(self: copy self)
    mutating func storeBlock(_ block: UInt128, at offset: Int) { storeLittleEndian(block.byteSwapped, at: offset) }

    @_lifetime(self: copy self)
    mutating func xor(_ block: UInt128, at offset: Int) { storeBlock(span.block(at: offset) ^ block, at: offset) }
}

extension SecretBytes {
    /// One block.
    convenience init(holding block: UInt128) throws(CryptographyError) {
        try self.init(count: 16)
        withMutableBytes { $0.storeBlock(block, at: 0) }
    }
    /// The block that `init(holding:)` was given.
    var heldBlock: UInt128 { withBytes { $0.block(at: 0) } }
}
