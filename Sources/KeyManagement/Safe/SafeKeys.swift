// The keys of the password safe: a key of its own, and the children that name, seal and authenticate its rows. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// 16 bytes that stand for a name, the same for the same name; without the key they say nothing of it.
struct SecretID: Hashable, Sendable {
    let bytes: [UInt8]
    /// INVARIANT: 16 bytes.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Which of the `SafeTree.bucketCount` buckets: the first 12 bits.
    var bucket: Int { Int(bytes[0]) << 4 | Int(bytes[1] >> 4) }
    var hex: String { Hexadecimal.encode(bytes) }
}

/// What an unlocked safe works with. Its root, 32 random bytes, is sealed under the keystore's root key: to rotate that one re-seals this alone.
final class SafeKeys: Sendable {
    private static let indexLabel = Array("EnvelopeFS safe index 1".utf8)
    private static let rowLabel = Array("EnvelopeFS safe rows 1".utf8)
    private static let metadataLabel = Array("EnvelopeFS safe metadata 1".utf8)
    /// Sealed metadata tells the length of names in steps of this.
    private static let padding = 64

    private let index: HMACKey
    private let rows: HMACKey
    private let metadata: AEADKey

    init(safeKey: SecretBytes) throws(CryptographyError) {
        index = try HMACKey(try safeKey.child(Self.indexLabel))
        rows = try HMACKey(try safeKey.child(Self.rowLabel))
        metadata = try AEADKey(try safeKey.child(Self.metadataLabel))
    }

    /// The id of the secret of this name.
    func id(of name: String) throws(CryptographyError) -> SecretID {
        let name = Array(name.utf8)
        let code = try index.authenticate(name.span)
        guard let id = SecretID(Array(code.prefix(16))) else { throw .invalidParameter }
        return id
    }

    /// The MAC of a row, in the form that all rows of the keystore have.
    func code(_ name: String, _ values: [DatabaseValue]) throws(CryptographyError) -> [UInt8] {
        let message = RowAuthentication.message(name, values)
        return try rows.authenticate(message.span)
    }

    /// Ciphertext of the metadata padded with zeros, and tag. `nonce` is fresh and random.
    func seal(_ data: SecretMetadata, of id: SecretID, nonce: [UInt8]) throws(CryptographyError) -> [UInt8] {
        let plain = padded(data.encoded, to: Self.padding)
        let associated = Self.metadataLabel + id.bytes
        return try metadata.sealed(plain.span, nonce: nonce.span, authenticating: associated.span)
    }

    /// Throws `authenticationFailed` for what `seal` did not give.
    func open(nonce: [UInt8], sealed: [UInt8], of id: SecretID) throws(CryptographyError) -> SecretMetadata {
        guard nonce.count == AEADKey.nonceSize else { throw .authenticationFailed }
        let associated = Self.metadataLabel + id.bytes
        let plain = try metadata.openedBytes(sealed, nonce: nonce.span, authenticating: associated.span)
        guard let size = unpaddedSize(plain.span, Self.padding), let data = SecretMetadata(encoded: plain.span.slice(4, size)) else {
            throw .authenticationFailed
        }
        return data
    }
}

/// Size u32, then the bytes, then zeros up to a multiple of `step`.
private func padded(_ bytes: [UInt8], to step: Int) -> [UInt8] {
    var padded: [UInt8] = []
    padded.append(littleEndian: UInt32(bytes.count))
    padded += bytes
    return padded + [UInt8](repeating: 0, count: (step - padded.count % step) % step)
}

/// The size that stands in front, or nil unless there are so many bytes and nothing but the fewest zeros behind them.
func unpaddedSize(_ bytes: ByteSpan, _ step: Int) -> Int? {
    guard bytes.count >= 4, bytes.count % step == 0 else { return nil }
    let size = Int(bytes.littleEndian(UInt32.self, at: 0))
    guard size <= bytes.count - 4, bytes.count - 4 - size < step, bytes.slice(4 + size, bytes.count - 4 - size).isAllZero else { return nil }
    return size
}
