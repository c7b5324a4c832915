// The wrapped key (CiphertextBlob): a secret sealed under a one-time key that one version of a CMK gives. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// What stands before the ciphertext, in the clear and authenticated.
///
///     format 1 | algorithm 1 | key id 16 | version u32 | salt 32 | commitment 32 | ciphertext | tag 16
struct WrappedKeyHeader: Equatable {
    static let format: UInt8 = 1
    /// HKDF-SHA512 and AES-256-GCM.
    static let algorithm: UInt8 = 1
    static let saltSize = 32
    static let commitmentSize = 32
    static let saltOffset = 22
    static let commitmentOffset = saltOffset + saltSize
    static let size = commitmentOffset + commitmentSize

    let keyID: KeyID
    let version: UInt32

    init(keyID: KeyID, version: UInt32) {
        self.keyID = keyID
        self.version = version
    }

    /// Throws `invalidCiphertext` unless `blob` has the form of a wrapped key of 1 to 4096 bytes.
    init(parsing blob: ByteSpan) throws(KeyError) {
        guard blob.count > WrappedKey.overhead, blob.count <= WrappedKey.overhead + WrappedKey.maximumPlainSize,
            blob[0] == Self.format, blob[1] == Self.algorithm, let keyID = KeyID(blob.slice(2, 16))
        else { throw .invalidCiphertext }
        self.keyID = keyID
        version = blob.littleEndian(UInt32.self, at: 18)
        guard version > 0 else { throw .invalidCiphertext }
    }

    /// The header's bytes but for the commitment, which the salt gives.
    /// - Parameter room: how many bytes will follow.
    func bytes(salt: ByteSpan, room: Int) -> [UInt8] {
        precondition(salt.count == Self.saltSize)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.saltOffset + Self.saltSize + room)
        bytes.append(Self.format)
        bytes.append(Self.algorithm)
        appendName(to: &bytes)
        for i in salt.indices { bytes.append(salt[i]) }
        return bytes
    }

    private func appendName(to bytes: inout [UInt8]) {
        bytes.append(littleEndian: keyID.value.low)
        bytes.append(littleEndian: keyID.value.high)
        bytes.append(littleEndian: version)
    }

    /// Key id and version: what the one-time key is bound to.
    var versionName: [UInt8] {
        var name: [UInt8] = []
        name.reserveCapacity(20)
        appendName(to: &name)
        return name
    }
}

/// Sealing and opening of wrapped keys, given the material of a CMK version.
enum WrappedKey {
    static let maximumPlainSize = 4096
    /// A wrapped key is this much longer than what is in it.
    static let overhead = WrappedKeyHeader.size + AEADKey.tagSize
    static let label = Array("EnvelopeFS wrapped key 1".utf8)
    /// The one-time key seals one message, so that its nonce needs no randomness.
    private static let nonce = InlineArray<12, UInt8>(repeating: 0)

    /// The wrapped form of `plain`, 1 to 4096 bytes. `salt` is 32 fresh random bytes; only tests give another.
    static func seal(
        _ plain: ByteSpan, header: WrappedKeyHeader, material: SecretBytes, context: EncryptionContext, salt: ByteSpan
    ) throws(KeyError) -> [UInt8] {
        guard plain.count >= 1, plain.count <= maximumPlainSize else {
            throw .validation("\(plain.count) bytes cannot be wrapped: 1 to \(maximumPlainSize) can")
        }
        do throws(CryptographyError) {
            let oneTime = try OneTimeKey(material: material, header: header, salt: salt)
            var blob = header.bytes(salt: salt, room: WrappedKeyHeader.commitmentSize + plain.count + AEADKey.tagSize)
            oneTime.appendCommitment(to: &blob)
            let associated = blob + context.canonicalBytes
            blob += [UInt8](repeating: 0, count: plain.count + AEADKey.tagSize)
            var bytes = blob.mutableSpan
            var tag = InlineArray<16, UInt8>(repeating: 0)
            var tagBytes = tag.mutableSpan
            var sealed = bytes.slice(WrappedKeyHeader.size, plain.count)
            try oneTime.key.seal(plain, nonce: nonce.span, authenticating: associated.span, into: &sealed, tag: &tagBytes)
            bytes.copy(tag.span, to: WrappedKeyHeader.size + plain.count)
            return blob
        } catch { throw .cryptography(error) }
    }

    /// What was wrapped. `header` is that of `blob`. Throws `invalidCiphertext` for any change of the blob or the context, and for other material.
    static func open(
        _ blob: ByteSpan, header: WrappedKeyHeader, material: SecretBytes, context: EncryptionContext
    ) throws(KeyError) -> SecretBytes {
        let count = blob.count - overhead
        do throws(CryptographyError) {
            let salt = blob.slice(WrappedKeyHeader.saltOffset, WrappedKeyHeader.saltSize)
            let oneTime = try OneTimeKey(material: material, header: header, salt: salt)
            // Before anything is decrypted: GCM alone would let one blob open under two keys.
            guard oneTime.commits(to: blob.slice(WrappedKeyHeader.commitmentOffset, WrappedKeyHeader.commitmentSize)) else {
                throw .authenticationFailed
            }
            let associated = blob.slice(0, WrappedKeyHeader.size).array + context.canonicalBytes
            let plain = try SecretBytes(count: count)
            let sealed = blob.slice(WrappedKeyHeader.size, count)
            let tag = blob.slice(WrappedKeyHeader.size + count, AEADKey.tagSize)
            try plain.withMutableBytes { bytes throws(CryptographyError) in
                try oneTime.key.open(sealed, nonce: nonce.span, authenticating: associated.span, tag: tag, into: &bytes)
            }
            return plain
        } catch {
            throw error == .authenticationFailed ? .invalidCiphertext : .cryptography(error)
        }
    }
}

/// HKDF-SHA512 of a CMK version: 32 bytes of AEAD key, then 32 bytes that commit to it.
private struct OneTimeKey {
    let key: AEADKey
    private let derived: SecretBytes

    init(material: SecretBytes, header: WrappedKeyHeader, salt: ByteSpan) throws(CryptographyError) {
        let info = WrappedKey.label + header.versionName
        derived = try HKDF.derive(.sha512, from: material, salt: salt, info: info.span, count: 64)
        key = try AEADKey(derived.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, 32)) })
    }

    /// In constant time.
    func commits(to commitment: ByteSpan) -> Bool {
        derived.withBytes { constantTimeEqual($0.slice(32, WrappedKeyHeader.commitmentSize), commitment) }
    }

    func appendCommitment(to blob: inout [UInt8]) {
        // The commitment is public; it says nothing about the other half.
        blob += derived.withBytes { $0.slice(32, WrappedKeyHeader.commitmentSize).array }
    }
}
