// Which key is made from which, and under what label: the key tree below a data key and below a vault key.
import Bytes
import Cryptography

/// Labels of the keys below a data key: HKDF-SHA256 info strings; salt empty.
enum FileKeyLabel {
    /// 32 bytes, AES-256-GCM: the state record.
    static let state: StaticLabel = "EnvelopeFS/1 state"
    /// 32 bytes, AES-256-GCM, followed by the key salt: blocks.
    static let block: StaticLabel = "EnvelopeFS/1 block"
    /// 32 bytes, AES-256-GCM, followed by the key salt: inline content.
    static let inline: StaticLabel = "EnvelopeFS/1 inline"
}

/// Labels of the keys below a vault key: HKDF-SHA256 info strings; salt empty.
enum VaultKeyLabel {
    /// 64 bytes, AES-256-SIV: names of files and directories.
    static let names: StaticLabel = "EnvelopeFS/1 names"
    /// 64 bytes, AES-256-SIV: targets of symbolic links.
    static let links: StaticLabel = "EnvelopeFS/1 links"
    /// 64 bytes, AES-256-SIV: names of extended attributes.
    static let attributeNames: StaticLabel = "EnvelopeFS/1 attribute names"
    /// 64 bytes, AES-256-SIV: values of extended attributes.
    static let attributeValues: StaticLabel = "EnvelopeFS/1 attribute values"
    /// 32 bytes, HMAC-SHA256: the last line of `vault.json`.
    static let vaultTag: StaticLabel = "EnvelopeFS/1 vault.json"
    /// 32 bytes, AES-256-GCM, followed by the epoch: records of the journal.
    static let journal: StaticLabel = "EnvelopeFS/1 journal"
}

/// An ASCII label, kept as bytes.
struct StaticLabel: ExpressibleByStringLiteral, Sendable {
    private(set) var bytes: [UInt8]
    init(stringLiteral text: String) { bytes = Array(text.utf8) }
    mutating func append(_ byte: UInt8) { bytes.append(byte) }
}

/// What is kept of a data key to make its children: the pseudo-random key of HKDF-Extract with an empty salt.
struct FileKeyRoot: Sendable {
    private let extracted: SecretBytes

    init(dataKey: SecretBytes) throws(FormatError) {
        guard dataKey.count == 32 else { throw .outOfRange }
        do { extracted = try HKDF.extract(.sha256, from: dataKey, salt: ByteSpan()) } catch { throw .cryptography(error) }
    }

    /// The key of `label`, followed by `salt` where there is one (two bytes, little-endian).
    func key(_ label: StaticLabel, salt: UInt16? = nil) throws(FormatError) -> AEADKey {
        var info = label.bytes
        if let salt {
            info.append(UInt8(truncatingIfNeeded: salt))
            info.append(UInt8(truncatingIfNeeded: salt >> 8))
        }
        do {
            let secret = try HKDF.expand(.sha256, from: extracted, info: info.span, count: 32)
            defer { secret.wipe() }
            return try AEADKey(secret)
        } catch { throw .cryptography(error) }
    }

    func wipe() { extracted.wipe() }
}

/// Children of a vault key.
enum VaultKeyTree {
    static func secret(_ vaultKey: SecretBytes, _ label: StaticLabel, count: Int) throws(FormatError) -> SecretBytes {
        guard vaultKey.count == 32 else { throw .outOfRange }
        do { return try HKDF.derive(.sha256, from: vaultKey, salt: ByteSpan(), info: label.bytes.span, count: count) } catch { throw .cryptography(error) }
    }

    static func siv(_ vaultKey: SecretBytes, _ label: StaticLabel) throws(FormatError) -> SIVKey {
        let secret = try secret(vaultKey, label, count: 64)
        defer { secret.wipe() }
        do { return try SIVKey(secret) } catch { throw .cryptography(error) }
    }
}
