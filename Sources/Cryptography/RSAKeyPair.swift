// RSA-OAEP: with it, material made elsewhere is sent to a keystore.

import Bytes
import CLibCrypto

/// An RSA key pair for OAEP with SHA-256 as its hash and that of its mask (RFC 8017). Used by one thread.
@safe package final class RSAKeyPair {
    private let key: OpaquePointer

    private init(_ key: OpaquePointer) { unsafe self.key = unsafe key }
    deinit { unsafe EVP_PKEY_free(key) }

    /// A new pair; a second or more of work for 4096 bits. libcrypto keeps it in its own heap, wiped when it is freed.
    package static func generate(bits: Int) throws(CryptographyError) -> RSAKeyPair {
        guard (2048...8192).contains(bits) else { throw .invalidParameter }
        return unsafe RSAKeyPair(try Library.required(clibcrypto_generate_rsa(UInt32(bits))))
    }

    /// The pair that `privateBytes` are. Throws `invalidParameter` for anything else.
    package init(privateBytes: SecretBytes) throws(CryptographyError) {
        guard let key = unsafe clibcrypto_rsa_from_private(privateBytes.address, privateBytes.count) else { throw Library.failure(.invalidParameter) }
        withExtendedLifetime(privateBytes) {}
        unsafe self.key = unsafe key
    }

    /// DER, PrivateKeyInfo (PKCS #8).
    package func privateBytes() throws(CryptographyError) -> SecretBytes {
        var place: UnsafeMutablePointer<UInt8>? = nil
        let count = unsafe clibcrypto_rsa_private(key, &place)
        guard count > 0, let place = unsafe place else { throw Library.failure(.libraryFailure) }
        defer { unsafe clibcrypto_free_secret(place, Int(count)) }
        return try SecretBytes(copying: unsafe Span(_unsafeStart: UnsafePointer(place), count: Int(count)))
    }

    /// DER, SubjectPublicKeyInfo.
    package func publicBytes() throws(CryptographyError) -> [UInt8] {
        var place: UnsafeMutablePointer<UInt8>? = nil
        let count = unsafe clibcrypto_rsa_public(key, &place)
        guard count > 0, let place = unsafe place else { throw Library.failure(.libraryFailure) }
        defer { unsafe clibcrypto_free_secret(place, Int(count)) }
        return unsafe Array(UnsafeBufferPointer(start: place, count: Int(count)))
    }

    /// What was sealed for this pair. Throws `authenticationFailed` for anything that OAEP does not accept, without detail.
    package func open(_ sealed: ByteSpan) throws(CryptographyError) -> SecretBytes {
        let room = try SecretBytes(count: Int(unsafe EVP_PKEY_get_size(key)))
        var count = room.count
        guard unsafe clibcrypto_rsa_oaep(key, 0, sealed.address, sealed.count, room.address, &count) == 1 else { throw Library.failure(.authenticationFailed) }
        return try room.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, count)) }
    }

    /// `plain` sealed for this pair: what the sender does. Throws `libraryFailure` when it is too long.
    package func seal(_ plain: SecretBytes) throws(CryptographyError) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: Int(unsafe EVP_PKEY_get_size(key)))
        var count = sealed.count
        var span = sealed.mutableSpan
        try Library.check(unsafe clibcrypto_rsa_oaep(key, 1, plain.address, plain.count, span.mutableAddress, &count))
        withExtendedLifetime(plain) {}
        return Array(sealed.prefix(count))
    }
}
