// Sealing of secrets for storing, as all of this module does it: keys from keys by a label, ciphertext with its tag behind it.

import Bytes
import Cryptography

extension SecretBytes {
    /// 32 bytes derived from this key by HKDF-SHA512 for what `label` says, without salt.
    func child(_ label: [UInt8]) throws(CryptographyError) -> SecretBytes {
        let none: [UInt8] = []
        return try HKDF.derive(.sha512, from: self, salt: none.span, info: label.span, count: 32)
    }
}

extension AEADKey {
    /// Ciphertext and tag.
    func sealed(_ plain: ByteSpan, nonce: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        var sealed = [UInt8](repeating: 0, count: plain.count + Self.tagSize)
        var tag = InlineArray<16, UInt8>(repeating: 0)
        var tagBytes = tag.mutableSpan
        var bytes = sealed.mutableSpan
        var place = bytes.slice(0, plain.count)
        try seal(plain, nonce: nonce, authenticating: aad, into: &place, tag: &tagBytes)
        bytes.copy(tag.span, to: plain.count)
        return sealed
    }

    /// The secret that `sealed` gave. Throws `authenticationFailed` for any change.
    func opened(_ sealed: [UInt8], nonce: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> SecretBytes {
        let plain = try SecretBytes(count: try Self.plainCount(sealed))
        try plain.withMutableBytes { bytes throws(CryptographyError) in try open(sealed, nonce: nonce, authenticating: aad, into: &bytes) }
        return plain
    }

    /// The same, for bytes that whoever has opened the keystore may see.
    func openedBytes(_ sealed: [UInt8], nonce: ByteSpan, authenticating aad: ByteSpan) throws(CryptographyError) -> [UInt8] {
        var plain = [UInt8](repeating: 0, count: try Self.plainCount(sealed))
        var bytes = plain.mutableSpan
        try open(sealed, nonce: nonce, authenticating: aad, into: &bytes)
        return plain
    }

    private static func plainCount(_ sealed: [UInt8]) throws(CryptographyError) -> Int {
        guard sealed.count >= tagSize else { throw .authenticationFailed }
        return sealed.count - tagSize
    }

    private func open(_ sealed: [UInt8], nonce: ByteSpan, authenticating aad: ByteSpan, into plain: inout MutableByteSpan) throws(CryptographyError) {
        let count = plain.count
        try open(sealed.span.slice(0, count), nonce: nonce, authenticating: aad, tag: sealed.span.slice(count, Self.tagSize), into: &plain)
    }
}
