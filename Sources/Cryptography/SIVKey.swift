// AES-256-SIV (RFC 5297) under one key, with one string of associated data.

import Bytes
import CLibCrypto

/// Deterministic authenticated encryption: same plaintext and associated data, same result; so it hides all but equality.
/// For names and other short strings. Any number of threads.
@safe package final class SIVKey: @unchecked Sendable {
    /// Bytes that sealing adds: the synthetic vector V, which comes first and is the tag.
    package static let overhead = 16

    /// Keyed once, never used to seal or open: every call works on a copy. libcrypto 3.0 cannot begin a second message in a SIV
    /// context (it fails and leaves the old tag), and keying anew costs three times the copy. Copying only reads.
    private let sealingTemplate, openingTemplate: OpaquePointer
    private let contexts = ContextPool()

    /// `key` has 64 bytes: 32 for S2V, then 32 for CTR; other sizes throw `invalidParameter`.
    package init(_ key: SecretBytes) throws(CryptographyError) {
        guard key.count == 64 else { throw .invalidParameter }
        let sealing = unsafe try Self.template(key, direction: 1)
        do throws(CryptographyError) {
            unsafe openingTemplate = try Self.template(key, direction: 0)
        } catch {
            unsafe EVP_CIPHER_CTX_free(sealing)
            throw error
        }
        unsafe sealingTemplate = sealing
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(sealingTemplate)
        unsafe EVP_CIPHER_CTX_free(openingTemplate)
        while let context = unsafe contexts.take() { unsafe EVP_CIPHER_CTX_free(context) }
    }

    /// V (16 bytes) followed by the ciphertext, of `plain`'s count. An empty `plain` throws `invalidParameter`:
    /// libcrypto 3.0 cannot seal it, and nothing of ours needs it. `aad` may be empty.
    package func seal(_ plain: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        let count = plain.count
        guard count > 0, count <= Int(Int32.max) - Self.overhead, aad.count <= Int(Int32.max) else { throw .invalidParameter }
        var sealed = [UInt8](repeating: 0, count: Self.overhead + count)
        let context = unsafe try copy(of: sealingTemplate)
        do throws(CryptographyError) {
            var span = sealed.mutableSpan
            let output = unsafe span.mutableAddress
            unsafe try Self.process(context, plain.address, output + Self.overhead, count, aad, onMismatch: .libraryFailure)
            try Library.check(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.overhead), output))
        } catch {
            unsafe EVP_CIPHER_CTX_free(context)
            throw error
        }
        unsafe putBack(context)
        return sealed
    }

    /// The plaintext of what `seal` gave for the same `aad`. Anything else, also one too short to be ours, throws `authenticationFailed`.
    package func open(_ sealed: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        guard sealed.count > Self.overhead else { throw .authenticationFailed }
        guard sealed.count <= Int(Int32.max), aad.count <= Int(Int32.max) else { throw .invalidParameter }
        let count = sealed.count - Self.overhead
        var plain = [UInt8](repeating: 0, count: count)
        let context = unsafe try copy(of: openingTemplate)
        do throws(CryptographyError) {
            // libcrypto's call to set a tag takes a mutable address, and only reads.
            let vector = unsafe UnsafeMutablePointer(mutating: sealed.address)
            try Library.check(unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.overhead), vector))
            var span = plain.mutableSpan
            unsafe try Self.process(context, vector + Self.overhead, span.mutableAddress, count, aad, onMismatch: .authenticationFailed)
        } catch {
            unsafe EVP_CIPHER_CTX_free(context)
            throw error
        }
        unsafe putBack(context)
        return plain
    }

    /// Associated data (also when empty: it is one string all the same), then the message, then the end of it.
    private static func process(
        _ context: OpaquePointer, _ input: UnsafePointer<UInt8>, _ output: UnsafeMutablePointer<UInt8>, _ count: Int, _ aad: ByteSpan,
        onMismatch mismatch: CryptographyError
    ) throws(CryptographyError) {
        var done: Int32 = 0
        try Library.check(unsafe EVP_CipherUpdate(context, nil, &done, aad.address, Int32(aad.count)))
        if unsafe EVP_CipherUpdate(context, output, &done, input, Int32(count)) != 1 { throw Library.failure(mismatch) }
        if unsafe EVP_CipherFinal_ex(context, output + count, &done) != 1 { throw Library.failure(mismatch) }
    }

    private static func template(_ key: SecretBytes, direction: Int32) throws(CryptographyError) -> OpaquePointer {
        let cipher = unsafe try Library.aes256SIV()
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw Library.failure(.outOfMemory) }
        let result = unsafe EVP_CipherInit_ex2(context, cipher, key.address, nil, direction, nil)
        withExtendedLifetime(key) {}
        if result != 1 {
            unsafe EVP_CIPHER_CTX_free(context)
            throw Library.failure(.libraryFailure)
        }
        return unsafe context
    }

    private func copy(of template: OpaquePointer) throws(CryptographyError) -> OpaquePointer {
        guard let context = unsafe contexts.take() ?? EVP_CIPHER_CTX_new() else { throw Library.failure(.outOfMemory) }
        if unsafe EVP_CIPHER_CTX_copy(context, template) != 1 {
            unsafe EVP_CIPHER_CTX_free(context)
            throw Library.failure(.libraryFailure)
        }
        return unsafe context
    }

    private func putBack(_ context: OpaquePointer) {
        if unsafe !contexts.put(context) { unsafe EVP_CIPHER_CTX_free(context) }
    }
}
