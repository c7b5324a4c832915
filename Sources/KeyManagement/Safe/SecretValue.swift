// The value of a secret under its own data key, which a CMK wraps. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// Sealing and opening of values.
enum SecretValue {
    private static let label = Array("EnvelopeFS secret value 1".utf8)
    /// A data key seals one value, so that its nonce needs no randomness.
    private static let nonce = InlineArray<12, UInt8>(repeating: 0)
    /// Sealed values tell their length in steps of this.
    private static let padding = 64

    /// What the wrapped data key is bound to.
    static func context(name: String, version: UInt32) throws(KeyError) -> EncryptionContext {
        try EncryptionContext([("purpose", "secret"), ("name", name), ("version", String(version))])
    }

    private static func associated(_ id: SecretID, _ version: UInt32) -> [UInt8] {
        var bytes = label + id.bytes
        bytes.append(littleEndian: version)
        return bytes
    }

    /// `value` sealed under `dataKey`, 32 bytes that seal nothing else.
    static func seal(_ value: SecretBytes, with dataKey: SecretBytes, of id: SecretID, version: UInt32) throws(CryptographyError) -> [UInt8] {
        let plain = try SecretBytes(count: (4 + value.count + padding - 1) / padding * padding)
        plain.withMutableBytes { bytes in
            bytes.storeLittleEndian(UInt32(value.count), at: 0)
            value.withBytes { bytes.copy($0, to: 4) }
        }
        let key = try AEADKey(dataKey)
        let associated = associated(id, version)
        return try plain.withBytes { bytes throws(CryptographyError) in
            try key.sealed(bytes, nonce: nonce.span, authenticating: associated.span)
        }
    }

    /// Throws `authenticationFailed` for what `seal` did not give with this key, secret and version.
    static func open(_ sealed: [UInt8], with dataKey: SecretBytes, of id: SecretID, version: UInt32) throws(CryptographyError) -> SecretBytes {
        let key = try AEADKey(dataKey)
        let associated = associated(id, version)
        let plain = try key.opened(sealed, nonce: nonce.span, authenticating: associated.span)
        return try plain.withBytes { bytes throws(CryptographyError) in
            guard let size = unpaddedSize(bytes, padding) else { throw .authenticationFailed }
            return try SecretBytes(copying: bytes.slice(4, size))
        }
    }
}
