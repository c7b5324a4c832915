// A backup: the database of a keystore in one encrypted file, which any slot that it had opens. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// What stands at the beginning of a backup, in the clear.
package struct BackupHeader: Sendable {
    package let keystoreID: KeystoreID
    /// Seconds since 1970.
    package let createdAt: Int64
    package let generation: UInt64
    package let schemaVersion: Int
    /// Bytes of the database.
    package let size: UInt64
    let salt: [UInt8]
    let slots: [UnlockSlot]
    /// Of the key that the database is sealed with.
    var commitment: [UInt8]

    static let magic = Array("EFSKBAK1".utf8)
    /// Bytes before the part whose length they say.
    package static let prefixSize = magic.count + 4
    /// No header of ours comes near it.
    static let greatestSize = 16384

    /// All bytes before the first chunk.
    var bytes: [UInt8] {
        var body = keystoreID.bytes
        body.append(littleEndian: createdAt)
        body.append(littleEndian: generation)
        body.append(littleEndian: UInt32(schemaVersion))
        body.append(littleEndian: size)
        body += salt
        body.append(littleEndian: UInt32(slots.count))
        for slot in slots {
            body.append(littleEndian: slot.number)
            body.append(littleEndian: UInt32(slot.kind.rawValue.utf8.count))
            body += slot.kind.rawValue.utf8
            body.append(littleEndian: slot.createdAt)
            for number in [slot.scrypt?.logN, slot.scrypt?.r, slot.scrypt?.p] { body.append(littleEndian: UInt32(clamping: number ?? 0)) }
            body += slot.salt + slot.commitment + slot.sealedRootKey
        }
        body += commitment
        var all = Self.magic
        all.append(littleEndian: UInt32(body.count))
        return all + body
    }

    init(of header: KeystoreHeader, size: UInt64, slots: [UnlockSlot], createdAt: Int64, salt: [UInt8], commitment: [UInt8]) {
        keystoreID = header.keystoreID
        generation = header.generation
        schemaVersion = header.schemaVersion
        self.createdAt = createdAt
        self.size = size
        self.salt = salt
        self.slots = slots
        self.commitment = commitment
    }

    /// How many bytes follow the first `prefixSize`. Nil for anything but a backup.
    package static func bodySize(_ prefix: ByteSpan) -> Int? {
        guard prefix.count == prefixSize, prefix.slice(0, magic.count).array == magic else { return nil }
        let size = Int(prefix.littleEndian(UInt32.self, at: magic.count))
        return size <= greatestSize ? size : nil
    }

    /// Nil for what this program does not write. Nobody has vouched for it yet.
    package init?(body: ByteSpan) {
        var reader = BackupReader(bytes: body.array)
        guard let id = reader.take(16), let keystoreID = KeystoreID(id.span), let createdAt = reader.number(Int64.self), let generation = reader.number(UInt64.self),
            let version = reader.number(UInt32.self), let size = reader.number(UInt64.self), size < 1 << 50, let salt = reader.take(32),
            let count = reader.number(UInt32.self), count <= UnlockSlot.greatestCount
        else { return nil }
        var slots: [UnlockSlot] = []
        for _ in 0..<count {
            guard let slot = reader.slot() else { return nil }
            slots.append(slot)
        }
        guard let commitment = reader.take(32), reader.isAtEnd else { return nil }
        (self.keystoreID, self.createdAt, self.generation, self.size) = (keystoreID, createdAt, generation, size)
        (schemaVersion, self.salt, self.slots, self.commitment) = (Int(version), salt, slots, commitment)
    }
}

/// Takes values off the front of bytes that nobody vouches for.
private struct BackupReader {
    let bytes: [UInt8]
    var place = 0

    var isAtEnd: Bool { place == bytes.count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, bytes.count - place >= count else { return nil }
        defer { place += count }
        return Array(bytes[place..<place + count])
    }

    mutating func number<T: FixedWidthInteger>(_ type: T.Type) -> T? {
        take(MemoryLayout<T>.size).map { bytes in bytes.reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) } }
    }

    mutating func slot() -> UnlockSlot? {
        guard let number = number(Int64.self), let length = self.number(UInt32.self), length <= 32, let text = take(Int(length)),
            let kind = SlotKind(rawValue: String(decoding: text, as: UTF8.self)), let createdAt = self.number(Int64.self), let logN = self.number(UInt32.self),
            let r = self.number(UInt32.self), let p = self.number(UInt32.self), let salt = take(UnlockSlot.saltSize),
            let commitment = take(UnlockSlot.commitmentSize), let sealed = take(UnlockSlot.sealedSize)
        else { return nil }
        let scrypt = kind == .passphrase ? ScryptParameters(logN: Int(logN), r: Int(r), p: Int(p)) : nil
        return UnlockSlot(number: number, kind: kind, createdAt: createdAt, scrypt: scrypt, salt: salt, commitment: commitment, sealedRootKey: sealed)
    }
}

/// Seals and opens the chunks of one backup, in order.
package struct BackupCipher {
    /// Plain bytes of every chunk but the last.
    package static let chunkSize = 65536
    private static let label = Array("EnvelopeFS backup 1".utf8)

    private let key: AEADKey
    private let commitment: [UInt8]
    private var associated: [UInt8] = []
    private var index: UInt64 = 0

    /// For the backup whose header has `salt`.
    init(rootKey: SecretBytes, salt: [UInt8]) throws(CryptographyError) {
        let derived = try HKDF.derive(.sha512, from: rootKey, salt: salt.span, info: Self.label.span, count: 64)
        (key, commitment) = try derived.withBytes { bytes throws(CryptographyError) in
            (try AEADKey(try SecretBytes(copying: bytes.slice(0, 32))), bytes.slice(32, 32).array)
        }
    }

    /// The header as it is written; every chunk is bound to it.
    mutating func begin(_ header: BackupHeader) throws(CryptographyError) -> [UInt8] {
        var header = header
        header.commitment = commitment
        let bytes = header.bytes
        associated = try SHA256.hash(bytes.span)
        return bytes
    }

    /// The cipher for the chunks of a backup that is there. Throws `authenticationFailed` unless `rootKey` made it.
    init(rootKey: SecretBytes, opening header: BackupHeader) throws(CryptographyError) {
        try self.init(rootKey: rootKey, salt: header.salt)
        guard constantTimeEqual(commitment.span, header.commitment.span) else { throw .authenticationFailed }
        let bytes = header.bytes
        associated = try SHA256.hash(bytes.span)
    }

    /// 8 bytes that count, and 1 in the last chunk: none can be left out, exchanged, or cut off.
    private mutating func nextNonce(isLast: Bool) -> [UInt8] {
        var nonce: [UInt8] = []
        nonce.append(littleEndian: index)
        nonce.append(littleEndian: UInt32(isLast ? 1 : 0))
        index += 1
        return nonce
    }

    /// Ciphertext and tag of the next chunk.
    package mutating func seal(_ plain: ByteSpan, isLast: Bool) throws(CryptographyError) -> [UInt8] {
        let nonce = nextNonce(isLast: isLast)
        var sealed = [UInt8](repeating: 0, count: plain.count + AEADKey.tagSize)
        var tag = InlineArray<16, UInt8>(repeating: 0)
        var tagBytes = tag.mutableSpan
        var bytes = sealed.mutableSpan
        var place = bytes.slice(0, plain.count)
        try key.seal(plain, nonce: nonce.span, authenticating: associated.span, into: &place, tag: &tagBytes)
        bytes.copy(tag.span, to: plain.count)
        return sealed
    }

    /// The next chunk. Throws `authenticationFailed` for any change.
    package mutating func open(_ sealed: ByteSpan, isLast: Bool) throws(CryptographyError) -> [UInt8] {
        guard sealed.count >= AEADKey.tagSize else { throw .authenticationFailed }
        let nonce = nextNonce(isLast: isLast)
        let count = sealed.count - AEADKey.tagSize
        var plain = [UInt8](repeating: 0, count: count)
        var place = plain.mutableSpan
        try key.open(sealed.slice(0, count), nonce: nonce.span, authenticating: associated.span, tag: sealed.slice(count, AEADKey.tagSize), into: &place)
        return plain
    }
}
