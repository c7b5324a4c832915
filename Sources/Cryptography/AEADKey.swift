// AES-256-GCM under one key.

import Bytes
import CLibCrypto
import Synchronization

/// AES-256-GCM under one key, for any number of threads.
/// Keeps keyed contexts, so that a call only sets the nonce (1.8 µs for 4 KiB; keying anew would double it).
/// libcrypto keeps the expanded key inside those contexts, in its own heap, wiped when they are freed.
package final class AEADKey: Sendable {
    /// Bytes of a nonce. A nonce must never seal twice under one key.
    package static let nonceSize = 12
    /// Bytes of a tag.
    package static let tagSize = 16

    private let contexts = ContextPool()
    /// The key; nil once wiped. The lock keeps a context from being keyed while the key is wiped.
    private let key: Mutex<SecretBytes?>
    private let isWiped = Atomic(false)

    /// Copies `key`, 32 bytes; other sizes throw `invalidParameter`.
    package init(_ key: SecretBytes) throws(CryptographyError) {
        guard key.count == 32 else { throw .invalidParameter }
        self.key = Mutex(try key.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes) })
    }

    deinit { drain() }

    /// Seals `plain` into `sealed`, of the same count, and writes its tag of 16 bytes.
    package func seal(
        _ plain: ByteSpan, nonce: ByteSpan, authenticating aad: ByteSpan, into sealed: inout MutableByteSpan, tag: inout MutableByteSpan
    ) throws(CryptographyError) {
        guard sealed.count == plain.count, tag.count == Self.tagSize else { throw .invalidParameter }
        unsafe try run(1, from: plain.address, to: sealed.mutableAddress, plain.count, nonce, aad, tag.mutableAddress)
    }

    /// Seals `bytes` where they are, and writes their tag of 16 bytes.
    package func sealInPlace(
        _ bytes: inout MutableByteSpan, nonce: ByteSpan, authenticating aad: ByteSpan, tag: inout MutableByteSpan
    ) throws(CryptographyError) {
        guard tag.count == Self.tagSize else { throw .invalidParameter }
        let address = unsafe bytes.mutableAddress
        unsafe try run(1, from: address, to: address, bytes.count, nonce, aad, tag.mutableAddress)
    }

    /// Opens `sealed` into `plain`, of the same count. `plain` is all zeros after any failure.
    package func open(
        _ sealed: ByteSpan, nonce: ByteSpan, authenticating aad: ByteSpan, tag: ByteSpan, into plain: inout MutableByteSpan
    ) throws(CryptographyError) {
        do throws(CryptographyError) {
            guard sealed.count == plain.count, tag.count == Self.tagSize else { throw .invalidParameter }
            // libcrypto's call to set a tag takes a mutable address, and only reads.
            let tagAddress = unsafe UnsafeMutablePointer(mutating: tag.address)
            unsafe try run(0, from: sealed.address, to: plain.mutableAddress, sealed.count, nonce, aad, tagAddress)
        } catch {
            plain.zeroAll()
            throw error
        }
    }

    /// Opens `bytes` where they are. They are all zeros after any failure.
    package func openInPlace(
        _ bytes: inout MutableByteSpan, nonce: ByteSpan, authenticating aad: ByteSpan, tag: ByteSpan
    ) throws(CryptographyError) {
        do throws(CryptographyError) {
            guard tag.count == Self.tagSize else { throw .invalidParameter }
            let address = unsafe bytes.mutableAddress
            let tagAddress = unsafe UnsafeMutablePointer(mutating: tag.address)
            unsafe try run(0, from: address, to: address, bytes.count, nonce, aad, tagAddress)
        } catch {
            bytes.zeroAll()
            throw error
        }
    }

    /// Forgets the key. Calls that run now finish; later ones throw `invalidParameter`.
    package func wipe() {
        isWiped.store(true, ordering: .sequentiallyConsistent)
        key.withLock { key in
            key?.wipe()
            key = nil
        }
        drain()
    }

    /// One message; `direction` is 1 to seal and 0 to open. `output` may be `input`.
    private func run(
        _ direction: Int32, from input: UnsafePointer<UInt8>, to output: UnsafeMutablePointer<UInt8>, _ count: Int,
        _ nonce: ByteSpan, _ aad: ByteSpan, _ tag: UnsafeMutablePointer<UInt8>
    ) throws(CryptographyError) {
        guard nonce.count == Self.nonceSize, count <= Int(Int32.max), aad.count <= Int(Int32.max) else { throw .invalidParameter }
        let context = unsafe try takeContext()
        do throws(CryptographyError) {
            var done: Int32 = 0
            try Library.check(unsafe EVP_CipherInit_ex2(context, nil, nil, nonce.address, direction, nil))
            if direction == 0 { try Library.check(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagSize), tag)) }
            if aad.count > 0 { try Library.check(unsafe EVP_CipherUpdate(context, nil, &done, aad.address, Int32(aad.count))) }
            if count > 0 { try Library.check(unsafe EVP_CipherUpdate(context, output, &done, input, Int32(count))) }
            if unsafe EVP_CipherFinal_ex(context, output + count, &done) != 1 {
                throw Library.failure(direction == 0 ? .authenticationFailed : .libraryFailure)
            }
            if direction == 1 { try Library.check(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagSize), tag)) }
        } catch {
            // A context that failed is not used again.
            unsafe EVP_CIPHER_CTX_free(context)
            throw error
        }
        unsafe putBack(context)
    }

    @inline(__always)
    private func takeContext() throws(CryptographyError) -> OpaquePointer {
        if isWiped.load(ordering: .sequentiallyConsistent) { throw .invalidParameter }
        if let context = unsafe contexts.take() { return unsafe context }
        return unsafe try makeContext()
    }

    private func makeContext() throws(CryptographyError) -> OpaquePointer {
        let cipher = unsafe try Library.aes256GCM()
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw Library.failure(.outOfMemory) }
        do throws(CryptographyError) {
            try key.withLock { key throws(CryptographyError) in
                guard let key else { throw .invalidParameter }
                try Library.check(unsafe EVP_CipherInit_ex2(context, cipher, key.address, nil, 1, nil))
            }
        } catch {
            unsafe EVP_CIPHER_CTX_free(context)
            throw error
        }
        return unsafe context
    }

    @inline(__always)
    private func putBack(_ context: OpaquePointer) {
        if unsafe !contexts.put(context) { unsafe EVP_CIPHER_CTX_free(context) }
        // Either `wipe` sees this context in the pool, or this sees the mark that `wipe` made first.
        if isWiped.load(ordering: .sequentiallyConsistent) { drain() }
    }

    private func drain() {
        while let context = unsafe contexts.take() { unsafe EVP_CIPHER_CTX_free(context) }
    }
}
