// Unlock slots: the root key, sealed once for each secret that opens the keystore. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// What a person gives to open a keystore.
package enum UnlockSecret: Sendable {
    /// The bytes as typed, without the end of the line.
    case passphrase(SecretBytes)
    /// The text of the code; see `RecoveryCode` for how tolerant reading is.
    case recoveryCode(SecretBytes)
    /// All bytes of a key file, at least 32.
    case keyFile(SecretBytes)
    /// All bytes of a systemd credential, at least 32.
    case credential(SecretBytes)

    /// As given, before anything is read out of it.
    package var bytes: SecretBytes {
        switch self {
        case .passphrase(let bytes), .recoveryCode(let bytes), .keyFile(let bytes), .credential(let bytes): bytes
        }
    }

    /// Which slots it can open.
    package var kind: SlotKind {
        switch self {
        case .passphrase: .passphrase
        case .recoveryCode: .recovery
        case .keyFile: .keyFile
        case .credential: .credential
        }
    }

    /// What the slot's key is derived from. Throws `malformedRecoveryCode`.
    func material() throws(KeystoreError) -> SecretBytes {
        if case .recoveryCode(let text) = self { return try RecoveryCode.parse(text) }
        return bytes
    }

    /// Zeroes the secret. To be called as soon as the keystore is open: it opens every older copy of it too.
    package func wipe() { bytes.wipe() }
}

/// What kind of secret a slot takes. The raw value is what the keystore stores and what commands print.
package enum SlotKind: String, Sendable, CaseIterable {
    case passphrase
    case recovery
    case keyFile = "key-file"
    case credential
}

/// One slot as stored.
struct UnlockSlot: Equatable {
    typealias Kind = SlotKind

    let number: Int64
    let kind: Kind
    let createdAt: Int64
    /// Not nil for passphrases only.
    let scrypt: ScryptParameters?
    let salt: [UInt8]
    let commitment: [UInt8]
    /// 32 bytes and a tag.
    let sealedRootKey: [UInt8]

    /// As many as are looked at, and the work, N·r·p of all passphrase slots together, that is done: nothing vouches for a slot before one of them opens.
    static let greatestCount = 16
    static let greatestWork = 1 << 24
    static let saltSize = 32
    static let commitmentSize = 32
    static let sealedSize = Keystore.rootKeySize + AEADKey.tagSize
    /// Fewest bytes of a key file or credential: they are not stretched, so they must be random.
    package static let leastKeyFileSize = 32

    private static let label = Array("EnvelopeFS unlock slot 1".utf8)
    private static let nonce = InlineArray<12, UInt8>(repeating: 0)
    var name: String { "unlock_slot/\(number)" }

    /// A new slot that opens `rootKey`. `secret` is a passphrase, or the 25 bytes of a recovery code.
    static func seal(
        _ rootKey: SecretBytes, with secret: SecretBytes, kind: Kind, scrypt: ScryptParameters?, number: Int64, createdAt: Int64, salt: [UInt8]
    ) throws(CryptographyError) -> UnlockSlot {
        let derived = try derive(secret, kind: kind, scrypt: scrypt, salt: salt)
        let associated = label + Array(kind.rawValue.utf8)
        let sealed = try rootKey.withBytes { plain throws(CryptographyError) in
            try derived.key.sealed(plain, nonce: nonce.span, authenticating: associated.span)
        }
        return UnlockSlot(
            number: number, kind: kind, createdAt: createdAt, scrypt: scrypt, salt: salt, commitment: derived.commitment, sealedRootKey: sealed)
    }

    /// Throws `excessiveParameters` when trying all of `slots` would be more work than is allowed.
    static func limitWork(of slots: [UnlockSlot]) throws(KeystoreError) {
        var work = 0
        for slot in slots {
            guard let scrypt = slot.scrypt else { continue }
            // Bounds each factor, so that the product cannot overflow.
            guard scrypt.isAllowed else { throw .excessiveParameters(slot: slot.name) }
            work += (scrypt.r * scrypt.p) << scrypt.logN
            guard work <= greatestWork else { throw .excessiveParameters(slot: slot.name) }
        }
    }

    /// The root key, or nil when `secret` is not the one of this slot. Throws `authenticationFailed` when it is, but the sealed root key was changed,
    /// and `invalidParameter` for parameters that are not allowed, before anything runs.
    func open(with secret: SecretBytes) throws(CryptographyError) -> SecretBytes? {
        let derived = try Self.derive(secret, kind: kind, scrypt: scrypt, salt: salt)
        guard constantTimeEqual(derived.commitment.span, commitment.span) else { return nil }
        guard sealedRootKey.count == Self.sealedSize else { throw .authenticationFailed }
        let associated = Self.label + Array(kind.rawValue.utf8)
        return try derived.key.opened(sealedRootKey, nonce: Self.nonce.span, authenticating: associated.span)
    }

    /// HKDF-SHA512 gives 64 bytes: a key that seals only this once, and a commitment to it, which tells a wrong secret from a changed slot.
    private static func derive(
        _ secret: SecretBytes, kind: Kind, scrypt: ScryptParameters?, salt: [UInt8]
    ) throws(CryptographyError) -> (key: AEADKey, commitment: [UInt8]) {
        var stretched = secret
        if let scrypt { stretched = try Scrypt.derive(passphrase: secret, salt: salt.span, parameters: scrypt, count: 32) }
        let info = label + Array(kind.rawValue.utf8)
        let derived = try HKDF.derive(.sha512, from: stretched, salt: salt.span, info: info.span, count: 64)
        return try derived.withBytes { bytes throws(CryptographyError) in
            (try AEADKey(try SecretBytes(copying: bytes.slice(0, 32))), bytes.slice(32, 32).array)
        }
    }
}
