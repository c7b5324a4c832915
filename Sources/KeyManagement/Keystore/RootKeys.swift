// The children of the root key, which is itself forgotten once they are derived. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// What an unlocked keystore works with.
final class RootKeys: Sendable {
    private static let sealingLabel = Array("EnvelopeFS key sealing 1".utf8)
    private static let rowLabel = Array("EnvelopeFS row authentication 1".utf8)

    private static let auditLabel = Array("EnvelopeFS audit sealing 1".utf8)

    private let sealing: AEADKey
    /// Seals the key of the next audit entry.
    let audit: AEADKey
    /// Makes the MAC of each row.
    let rows: HMACKey

    init(rootKey: SecretBytes) throws(CryptographyError) {
        sealing = try AEADKey(try rootKey.child(Self.sealingLabel))
        audit = try AEADKey(try rootKey.child(Self.auditLabel))
        rows = try HMACKey(try rootKey.child(Self.rowLabel))
    }

    /// The material of a version, 32 bytes, sealed for storing: a random nonce, and ciphertext and tag.
    func seal(_ material: SecretBytes, as header: WrappedKeyHeader) throws(CryptographyError) -> (nonce: [UInt8], sealed: [UInt8]) {
        try sealBytes(material, authenticating: header.versionName)
    }

    /// The reverse of `seal`. Throws `authenticationFailed` for any change.
    func open(nonce: [UInt8], sealed: [UInt8], as header: WrappedKeyHeader) throws(CryptographyError) -> SecretBytes {
        guard sealed.count == Keystore.materialSize + AEADKey.tagSize else { throw .authenticationFailed }
        return try openBytes(nonce: nonce, sealed: sealed, authenticating: header.versionName)
    }

    /// Any secret, sealed for storing. `associated` says what it is, unlike all others: a key id and version take 20 bytes, a label more.
    func sealBytes(_ secret: SecretBytes, authenticating associated: [UInt8]) throws(CryptographyError) -> (nonce: [UInt8], sealed: [UInt8]) {
        let nonce = try Random.bytes(AEADKey.nonceSize)
        let sealed = try secret.withBytes { plain throws(CryptographyError) in
            try sealing.sealed(plain, nonce: nonce.span, authenticating: associated.span)
        }
        return (nonce, sealed)
    }

    /// The reverse of `sealBytes`. Throws `authenticationFailed` for any change.
    func openBytes(nonce: [UInt8], sealed: [UInt8], authenticating associated: [UInt8]) throws(CryptographyError) -> SecretBytes {
        guard nonce.count == AEADKey.nonceSize else { throw .authenticationFailed }
        return try sealing.opened(sealed, nonce: nonce.span, authenticating: associated.span)
    }
}
