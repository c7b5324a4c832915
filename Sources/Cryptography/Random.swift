// Random bytes that are not secret: ids, salts, nonces.

import Bytes
import CLibCrypto

/// libcrypto's generator for bytes that others may see. For secrets: `SecretBytes.random`.
package enum Random {
    private static let pool = RandomPool()
    /// Ids and salts are not longer.
    private static let small = 64

    /// Overwrites all of `bytes`.
    package static func fill(_ bytes: inout MutableByteSpan) throws(CryptographyError) {
        if bytes.count <= small { try pool.fill(&bytes) } else { try draw(&bytes) }
    }

    /// The same, straight from libcrypto.
    static func draw(_ bytes: inout MutableByteSpan) throws(CryptographyError) {
        let count = bytes.count
        guard count <= Int(Int32.max) else { throw .invalidParameter }
        if count > 0 { try Library.check(unsafe RAND_bytes(bytes.mutableAddress, Int32(count))) }
    }

    /// `count` random bytes.
    package static func bytes(_ count: Int) throws(CryptographyError) -> [UInt8] {
        guard count >= 0 else { throw .invalidParameter }
        var bytes = [UInt8](repeating: 0, count: count)
        var span = bytes.mutableSpan
        try fill(&span)
        return bytes
    }
}
