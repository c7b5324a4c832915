// Random nonces, drawn many at a time.

import Bytes

/// Gives each caller nonces of 12 random bytes that nobody else got. Any number of threads.
package final class NonceSource: Sendable {
    private static let size = AEADKey.nonceSize
    private let pool = RandomPool()

    /// Draws nothing until the first call.
    package init() {}

    /// One nonce into `nonce`, 12 bytes.
    package func next(into nonce: inout MutableByteSpan) throws(CryptographyError) {
        guard nonce.count == Self.size else { throw .invalidParameter }
        try fill(&nonce)
    }

    /// As many nonces, one after the other, as `nonces` has room for: a multiple of 12 bytes.
    package func fill(_ nonces: inout MutableByteSpan) throws(CryptographyError) {
        let wanted = nonces.count
        guard wanted % Self.size == 0 else { throw .invalidParameter }
        if wanted > RandomPool.most { return try Random.draw(&nonces) }
        try pool.fill(&nonces)
    }
}
