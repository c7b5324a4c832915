// The one type that holds keys and passphrases.

import Bytes
import CLibCrypto

/// Secret bytes in locked, undumpable memory, wiped when the last reference goes. A forked child sees zeros.
/// Reading from several threads is safe; filling and wiping are for when nobody else reads or writes.
@safe package final class SecretBytes: @unchecked Sendable {
    /// How many bytes; may be 0.
    package let count: Int
    private let place: UnsafeMutableRawPointer

    /// Whether all secrets so far are locked into memory. False when RLIMIT_MEMLOCK was too small for some: the program should say so once.
    package static var isMemoryLocked: Bool { SecretMemory.isLocked }

    /// `count` zero bytes. Throws `invalidParameter` for a negative count or one over 1 GiB, `outOfMemory`.
    package init(count: Int) throws(CryptographyError) {
        unsafe place = try SecretMemory.allocate(count)
        self.count = count
    }

    /// A copy of `bytes`.
    package convenience init(copying bytes: ByteSpan) throws(CryptographyError) {
        try self.init(count: bytes.count)
        unsafe place.copyMemory(from: bytes.address, byteCount: bytes.count)
    }

    /// `count` random bytes from libcrypto's private generator.
    package static func random(count: Int) throws(CryptographyError) -> SecretBytes {
        let secret = try SecretBytes(count: count)
        guard count <= Int(Int32.max) else { throw .invalidParameter }
        try Library.check(unsafe RAND_priv_bytes(secret.address, Int32(count)))
        return secret
    }

    deinit { unsafe SecretMemory.release(place, count) }

    /// The bytes, only while `body` runs. The only way to read them.
    package func withBytes<R: ~Copyable, E: Error>(_ body: (ByteSpan) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(self) {} }
        return try body(unsafe Span(_unsafeStart: UnsafePointer(address), count: count))
    }

    /// The bytes for writing, only while `body` runs. For filling, before the secret is shared.
    package func withMutableBytes<R: ~Copyable, E: Error>(_ body: (inout MutableByteSpan) throws(E) -> R) throws(E) -> R {
        defer { withExtendedLifetime(self) {} }
        var bytes = unsafe MutableSpan(_unsafeStart: address, count: count)
        return try body(&bytes)
    }

    /// Overwrites the bytes with zeros now; whoever reads afterwards sees zeros.
    package func wipe() { unsafe OPENSSL_cleanse(place, count) }

    /// Whether both hold the same bytes, in time that depends only on their counts.
    package func isEqual(to other: SecretBytes) -> Bool {
        withBytes { mine in other.withBytes { theirs in constantTimeEqual(mine, theirs) } }
    }

    /// INVARIANT: valid while `self` lives; only this module uses it.
    var address: UnsafeMutablePointer<UInt8> { unsafe place.assumingMemoryBound(to: UInt8.self) }
}
