// Hashing.

import Bytes
import CLibCrypto

/// The hash functions that HMAC and HKDF are built on.
package enum HashFunction: Sendable {
    case sha256, sha512

    /// Bytes of a hash.
    package var size: Int { self == .sha256 ? 32 : 64 }
}

/// SHA-256.
package enum SHA256 {
    /// The 32-byte hash of `bytes`.
    package static func hash(_ bytes: ByteSpan) throws(CryptographyError) -> [UInt8] {
        let function = unsafe try Library.digest(.sha256)
        var hash = [UInt8](repeating: 0, count: HashFunction.sha256.size)
        var span = hash.mutableSpan
        try Library.check(unsafe EVP_Digest(bytes.address, bytes.count, span.mutableAddress, nil, function, nil))
        return hash
    }
}
