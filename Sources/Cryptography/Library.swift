// libcrypto's algorithms, each fetched once per process (fetching per call costs 1.7x of sealing a block).

import CLibCrypto

enum Library {
    /// The fetched algorithms; nil where this libcrypto does not offer one.
    @safe private final class Algorithms: @unchecked Sendable {
        let aes256GCM, aes256ECB, hmac, sha256, sha512: OpaquePointer?

        init() {
            // Without this, libcrypto frees its tables in an exit handler while serving threads still use them.
            _ = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
            unsafe aes256GCM = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
            unsafe aes256ECB = EVP_CIPHER_fetch(nil, "AES-256-ECB", nil)
            unsafe hmac = EVP_MAC_fetch(nil, "HMAC", nil)
            unsafe sha256 = EVP_MD_fetch(nil, "SHA2-256", nil)
            unsafe sha512 = EVP_MD_fetch(nil, "SHA2-512", nil)
        }
    }
    private static let algorithms = Algorithms()

    static func aes256GCM() throws(CryptographyError) -> OpaquePointer { unsafe try required(algorithms.aes256GCM) }
    static func aes256ECB() throws(CryptographyError) -> OpaquePointer { unsafe try required(algorithms.aes256ECB) }
    static func hmac() throws(CryptographyError) -> OpaquePointer { unsafe try required(algorithms.hmac) }
    static func digest(_ function: HashFunction) throws(CryptographyError) -> OpaquePointer {
        switch function {
        case .sha256: unsafe try required(algorithms.sha256)
        case .sha512: unsafe try required(algorithms.sha512)
        }
    }

    /// Throws `libraryFailure` unless `result` is libcrypto's "1, it worked".
    @inline(__always)
    static func check(_ result: Int32) throws(CryptographyError) {
        if result != 1 { throw failure(.libraryFailure) }
    }

    /// `pointer`, or the error that libcrypto does not have it.
    static func required(_ pointer: OpaquePointer?) throws(CryptographyError) -> OpaquePointer {
        guard let pointer = unsafe pointer else { throw failure(.libraryFailure) }
        return unsafe pointer
    }

    /// Empties this thread's queue of libcrypto errors, which would else keep stale ones, and passes `error` on.
    @inline(never)
    static func failure(_ error: CryptographyError) -> CryptographyError {
        ERR_clear_error()
        return error
    }
}
