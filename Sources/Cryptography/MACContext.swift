// HMAC contexts of libcrypto: made once, keyed, fed, finished.

import Bytes
import CLibCrypto

/// Steps of libcrypto's HMAC; each checks what libcrypto answers.
enum MACContext {
    private static let sha256Pool = ContextPool()
    private static let sha512Pool = ContextPool()

    /// A new context for `function`, without key.
    static func make(_ function: HashFunction) throws(CryptographyError) -> OpaquePointer {
        guard let context = unsafe EVP_MAC_CTX_new(try Library.hmac()) else { throw Library.failure(.outOfMemory) }
        var name: [CChar] = Array((function == .sha256 ? "SHA2-256" : "SHA2-512").utf8CString)
        let result = unsafe name.withUnsafeMutableBufferPointer { name in
            unsafe OSSL_MAC_PARAM_DIGEST.withCString { key in
                let parameters = unsafe [OSSL_PARAM_construct_utf8_string(key, name.baseAddress, 0), OSSL_PARAM_construct_end()]
                return unsafe EVP_MAC_CTX_set_params(context, parameters)
            }
        }
        if result != 1 {
            unsafe EVP_MAC_CTX_free(context)
            throw Library.failure(.libraryFailure)
        }
        return unsafe context
    }

    /// Sets the key, which libcrypto copies, and begins a message.
    static func begin(_ context: OpaquePointer, key: ByteSpan) throws(CryptographyError) {
        try Library.check(unsafe EVP_MAC_init(context, key.address, key.count, nil))
    }
    /// Begins a message under the key that the context has.
    static func begin(_ context: OpaquePointer) throws(CryptographyError) {
        try Library.check(unsafe EVP_MAC_init(context, nil, 0, nil))
    }
    static func update(_ context: OpaquePointer, _ bytes: ByteSpan) throws(CryptographyError) {
        if bytes.count > 0 { try Library.check(unsafe EVP_MAC_update(context, bytes.address, bytes.count)) }
    }
    /// Writes the code to `code`, which has exactly its size.
    static func finish(_ context: OpaquePointer, into code: inout MutableByteSpan) throws(CryptographyError) {
        var written = 0
        let size = code.count
        try Library.check(unsafe EVP_MAC_final(context, code.mutableAddress, &written, size))
        if written != size { throw .libraryFailure }
    }

    /// Runs `body` with a pooled context for `function`, which holds no secret afterwards: it is keyed with zeros, or freed.
    static func withPooled<R>(
        _ function: HashFunction, _ body: (OpaquePointer) throws(CryptographyError) -> R
    ) throws(CryptographyError) -> R {
        switch function {
        case .sha256: unsafe try withContext(from: sha256Pool, function, body)
        case .sha512: unsafe try withContext(from: sha512Pool, function, body)
        }
    }

    private static func withContext<R>(
        from pool: borrowing ContextPool, _ function: HashFunction, _ body: (OpaquePointer) throws(CryptographyError) -> R
    ) throws(CryptographyError) -> R {
        let context = unsafe try pool.take { () throws(CryptographyError) in unsafe try make(function) }
        let result: R
        do throws(CryptographyError) {
            result = unsafe try body(context)
            // Keying replaces both key states and the state of the message, and so every trace of the secret.
            let zeros = InlineArray<32, UInt8>(repeating: 0)
            unsafe try begin(context, key: zeros.span)
        } catch {
            unsafe EVP_MAC_CTX_free(context)
            throw error
        }
        if unsafe !pool.put(context) { unsafe EVP_MAC_CTX_free(context) }
        return result
    }
}
