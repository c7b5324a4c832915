// HKDF (RFC 5869): keys from keys.

import Bytes
import CLibCrypto

/// HMAC-based key derivation. A whole derivation of up to one hash costs two HMACs.
package enum HKDF {
    /// Extract, then expand: `count` bytes (1 to 255 hashes) from `key`. `salt` and `info` may be empty; an empty salt is one hash of zeros.
    package static func derive(
        _ function: HashFunction, from key: SecretBytes, salt: ByteSpan, info: ByteSpan, count: Int
    ) throws(CryptographyError) -> SecretBytes {
        try check(count, function)
        if function == .sha512, count == HashFunction.sha512.size, salt.count <= 128 { return try deriveBlock(from: key, salt: salt, info: info) }
        return unsafe try MACContext.withPooled(function) { context throws(CryptographyError) in
            let pseudorandomKey = unsafe try extract(context, function, from: key, salt: salt)
            return unsafe try expand(context, function, from: pseudorandomKey, info: info, count: count)
        }
    }

    /// The pseudorandom key, one hash long, of `key` and `salt`.
    package static func extract(_ function: HashFunction, from key: SecretBytes, salt: ByteSpan) throws(CryptographyError) -> SecretBytes {
        unsafe try MACContext.withPooled(function) { context throws(CryptographyError) in
            unsafe try extract(context, function, from: key, salt: salt)
        }
    }

    /// `count` bytes (1 to 255 hashes) from a key that is uniformly random already, such as one that `extract` gave. Half the cost of `derive`.
    package static func expand(
        _ function: HashFunction, from pseudorandomKey: SecretBytes, info: ByteSpan, count: Int
    ) throws(CryptographyError) -> SecretBytes {
        try check(count, function)
        guard pseudorandomKey.count > 0 else { throw .invalidParameter }
        return unsafe try MACContext.withPooled(function) { context throws(CryptographyError) in
            unsafe try expand(context, function, from: pseudorandomKey, info: info, count: count)
        }
    }

    private static let digests = ContextPool()

    /// The same for 64 bytes with SHA-512, in half the time: what every wrapping and unwrapping of a key takes.
    private static func deriveBlock(from key: SecretBytes, salt: ByteSpan, info: ByteSpan) throws(CryptographyError) -> SecretBytes {
        let output = try SecretBytes(count: HashFunction.sha512.size)
        let digest = unsafe try digests.take { () throws(CryptographyError) in unsafe try makeDigest() }
        let result = unsafe clibcrypto_hkdf_sha512_block(digest, key.address, key.count, salt.address, salt.count, info.address, info.count, output.address)
        withExtendedLifetime(key) {}
        guard result == 1 else {
            unsafe EVP_MD_CTX_free(digest)
            throw Library.failure(.libraryFailure)
        }
        if unsafe !digests.put(digest) { unsafe EVP_MD_CTX_free(digest) }
        return output
    }

    private static func makeDigest() throws(CryptographyError) -> OpaquePointer {
        let function = unsafe try Library.digest(.sha512)
        guard let digest = unsafe EVP_MD_CTX_new() else { throw Library.failure(.outOfMemory) }
        guard unsafe EVP_DigestInit_ex2(digest, function, nil) == 1 else {
            unsafe EVP_MD_CTX_free(digest)
            throw Library.failure(.libraryFailure)
        }
        return unsafe digest
    }

    private static func check(_ count: Int, _ function: HashFunction) throws(CryptographyError) {
        guard count >= 1, count <= 255 * function.size else { throw .invalidParameter }
    }

    private static func extract(
        _ context: OpaquePointer, _ function: HashFunction, from key: SecretBytes, salt: ByteSpan
    ) throws(CryptographyError) -> SecretBytes {
        let pseudorandomKey = try SecretBytes(count: function.size)
        if salt.count > 0 {
            unsafe try MACContext.begin(context, key: salt)
        } else {
            // HMAC pads its key with zeros, so one zero byte is the same as the hash of zeros that the RFC says.
            let zero = InlineArray<1, UInt8>(repeating: 0)
            unsafe try MACContext.begin(context, key: zero.span)
        }
        try key.withBytes { key throws(CryptographyError) in unsafe try MACContext.update(context, key) }
        try pseudorandomKey.withMutableBytes { code throws(CryptographyError) in unsafe try MACContext.finish(context, into: &code) }
        return pseudorandomKey
    }

    /// T(n) = HMAC(T(n-1) | info | n), the result is T(1) | T(2) | … cut at `count`.
    private static func expand(
        _ context: OpaquePointer, _ function: HashFunction, from pseudorandomKey: SecretBytes, info: ByteSpan, count: Int
    ) throws(CryptographyError) -> SecretBytes {
        let size = function.size
        // Whole hashes are written where they belong; the rest of the last one is never read again and wiped with the others.
        let whole = try SecretBytes(count: (count + size - 1) / size * size)
        try whole.withMutableBytes { output throws(CryptographyError) in
            for n in 0..<(output.count / size) {
                if n == 0 {
                    try pseudorandomKey.withBytes { key throws(CryptographyError) in unsafe try MACContext.begin(context, key: key) }
                } else {
                    unsafe try MACContext.begin(context)
                    unsafe try MACContext.update(context, output.span.slice((n - 1) * size, size))
                }
                unsafe try MACContext.update(context, info)
                let number = InlineArray<1, UInt8>(repeating: UInt8(n + 1))
                unsafe try MACContext.update(context, number.span)
                var code = output.slice(n * size, size)
                unsafe try MACContext.finish(context, into: &code)
            }
        }
        if whole.count == count { return whole }
        return try whole.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, count)) }
    }
}
