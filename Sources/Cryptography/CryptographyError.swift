// What can go wrong in this module, and comparing in constant time.

import Bytes
import CLibCrypto

/// Why a cryptographic operation gave no result. Never says more: details would help only an attacker.
package enum CryptographyError: Error, Equatable {
    /// A tag did not match: wrong key, changed bytes, or other associated data.
    case authenticationFailed
    /// A size or parameter is outside what the operation allows, or the key was wiped.
    case invalidParameter
    /// libcrypto refused for a reason of its own.
    case libraryFailure
    /// There is no memory for a secret or a context.
    case outOfMemory
}

/// Whether both hold the same bytes, in time that depends only on their counts.
package func constantTimeEqual(_ a: ByteSpan, _ b: ByteSpan) -> Bool {
    guard a.count == b.count else { return false }
    return unsafe CRYPTO_memcmp(a.address, b.address, a.count) == 0
}
