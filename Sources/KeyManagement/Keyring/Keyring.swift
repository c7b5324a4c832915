// The keyring: the keys of an unlocked keystore in memory, with which a mount wraps and unwraps data keys.

import Bytes
import Cryptography
import Synchronization

/// A data key, and its wrapped form for storing.
package struct GeneratedDataKey: Sendable {
    /// 32 random bytes.
    package let plaintext: SecretBytes
    /// The wrapped key: 134 bytes.
    package let ciphertext: [UInt8]
}

/// The keys of one keystore, unlocked. Thread-safe; wrapping and unwrapping touch no database.
package final class Keyring: Sendable {
    /// Bytes of a wrapped data key of 32 bytes.
    package static let wrappedDataKeySize = WrappedKey.overhead + 32

    /// The keystore whose keys these are.
    package let keystoreID: KeystoreID
    /// The keystore's generation without what opening it has changed in it: an older keystore does not become a new one by what is due in it.
    package let foundGeneration: UInt64

    private struct Holding {
        /// Nil while locked.
        var contents: KeyringContents?
        var source: (any KeyringSource)?
    }
    private let holding: Mutex<Holding>

    /// - Parameter ownChanges: how many of the keystore's generations were made by opening it.
    init(keystoreID: KeystoreID, contents: KeyringContents, source: (any KeyringSource)?, ownChanges: UInt64 = 0) {
        self.keystoreID = keystoreID
        foundGeneration = contents.generation >= ownChanges ? contents.generation - ownChanges : 0
        holding = Mutex(Holding(contents: contents, source: source))
    }

    /// The keystore's generation as last seen; 0 while locked.
    package var generation: UInt64 { holding.withLock { $0.contents?.generation ?? 0 } }

    /// Whether the keys are not in memory.
    package var isLocked: Bool { holding.withLock { $0.contents == nil } }

    /// A new data key of 32 random bytes, wrapped under the current version of `keyID`.
    /// Throws `notFound`, `disabled`, `invalidState`, `keyUnavailable` (locked), `cryptography`.
    package func generateDataKey(under keyID: KeyID, context: EncryptionContext) throws(KeyError) -> GeneratedDataKey {
        let (version, material) = try sealingVersion(of: keyID)
        let header = WrappedKeyHeader(keyID: keyID, version: version)
        let drawn, plaintext: SecretBytes
        do throws(CryptographyError) {
            // Key and salt in one draw: each call of the generator costs a microsecond.
            drawn = try SecretBytes.random(count: 64)
            plaintext = try drawn.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, 32)) }
        } catch { throw .cryptography(error) }
        defer { drawn.wipe() }
        let ciphertext = try drawn.withBytes { bytes throws(KeyError) in
            try WrappedKey.seal(bytes.slice(0, 32), header: header, material: material, context: context, salt: bytes.slice(32, 32))
        }
        return GeneratedDataKey(plaintext: plaintext, ciphertext: ciphertext)
    }

    /// `plaintext`, 1 to 4096 bytes, wrapped under the current version of `keyID`. Throws as `generateDataKey`, and `validation` for other sizes.
    package func encrypt(_ plaintext: SecretBytes, under keyID: KeyID, context: EncryptionContext) throws(KeyError) -> [UInt8] {
        let (version, material) = try sealingVersion(of: keyID)
        let header = WrappedKeyHeader(keyID: keyID, version: version)
        var salt = InlineArray<32, UInt8>(repeating: 0)
        do throws(CryptographyError) {
            var bytes = salt.mutableSpan
            try Random.fill(&bytes)
        } catch { throw .cryptography(error) }
        return try plaintext.withBytes { plain throws(KeyError) in
            try WrappedKey.seal(plain, header: header, material: material, context: context, salt: salt.span)
        }
    }

    /// What `ciphertext` wraps. The blob names its key; `expected`, when given, must be that key.
    /// Throws `invalidCiphertext` for a changed blob or context, `incorrectKey`, `notFound` for a key of another keystore, `disabled`,
    /// `invalidState`, `keyUnavailable` (locked, or a version that is not there), `cryptography`.
    package func decrypt(
        _ ciphertext: ByteSpan, context: EncryptionContext, expecting expected: KeyID? = nil
    ) throws(KeyError) -> SecretBytes {
        let header = try WrappedKeyHeader(parsing: ciphertext)
        guard expected == nil || expected == header.keyID else { throw .incorrectKey }
        let material = try openingVersion(header.version, of: header.keyID)
        return try WrappedKey.open(ciphertext, header: header, material: material, context: context)
    }

    /// Which key and version made `ciphertext`, as it says itself: not authenticated until it opens. Throws `invalidCiphertext`.
    package static func describe(_ ciphertext: ByteSpan) throws(KeyError) -> (keyID: KeyID, version: UInt32) {
        let header = try WrappedKeyHeader(parsing: ciphertext)
        return (header.keyID, header.version)
    }

    /// Takes over what was changed in the keystore by anybody, and says whether there was something. About 10 µs when there was not.
    /// Throws `keyUnavailable` while locked, `storage`; what was known before then stays.
    @discardableResult
    package func refresh() throws(KeyError) -> Bool {
        let (known, source) = holding.withLock { ($0.contents, $0.source) }
        guard let known else { throw Self.locked }
        guard let source, let newer = try source.contents(newerThan: known.generation) else { return false }
        return holding.withLock { holding in
            // Another thread may have locked, or have read something newer still.
            guard let now = holding.contents, now.generation < newer.generation else { return false }
            holding.contents = newer
            return true
        }
    }

    /// Forgets all keys: everything answers `keyUnavailable` from now on. Material is wiped here, or by a call that is still using it as it ends.
    package func lock() {
        holding.withLock { $0 = Holding(contents: nil, source: nil) }
    }

    /// Takes the keys of `other`, a keyring of the same keystore that was just unlocked. Throws `incorrectKey` for another keystore, `keyUnavailable` when `other` is locked.
    package func unlock(with other: Keyring) throws(KeyError) {
        guard other.keystoreID == keystoreID else { throw .incorrectKey }
        let (contents, source) = other.holding.withLock { ($0.contents, $0.source) }
        guard let contents else { throw Self.locked }
        holding.withLock { $0 = Holding(contents: contents, source: source) }
    }

    private static let locked = KeyError.keyUnavailable("the keyring is locked")

    private func key(_ keyID: KeyID) throws(KeyError) -> KeyringKey? {
        guard let contents = holding.withLock({ $0.contents }) else { throw Self.locked }
        return contents.keys[keyID]
    }

    private func sealingVersion(of keyID: KeyID) throws(KeyError) -> (UInt32, SecretBytes) {
        var found = try key(keyID)
        if found == nil, try refresh() { found = try key(keyID) }
        guard let found else { throw .notFound("key \(keyID)") }
        let state = found.effectiveState
        guard state.allowsSealing else { throw Self.refusal(of: keyID, state) }
        guard let material = found.versions[found.currentVersion] else { throw Self.noVersion(found.currentVersion, of: keyID) }
        return (found.currentVersion, material)
    }

    /// A key or version that is not known may have been made by another process since: one look at the keystore before refusing.
    private func openingVersion(_ version: UInt32, of keyID: KeyID) throws(KeyError) -> SecretBytes {
        var found = try key(keyID)
        if found == nil || found?.state.allowsOpening == true && found?.versions[version] == nil, try refresh() { found = try key(keyID) }
        guard let found else { throw .notFound("key \(keyID)") }
        let state = found.effectiveState
        guard state.allowsOpening else { throw Self.refusal(of: keyID, state) }
        guard version >= found.minimumVersion else { throw .versionTooOld(keyID, version, minimum: found.minimumVersion) }
        guard let material = found.versions[version] else { throw Self.noVersion(version, of: keyID) }
        return material
    }

    private static func refusal(of keyID: KeyID, _ state: KeyState) -> KeyError {
        state == .disabled ? .disabled(keyID) : .invalidState(keyID, state)
    }

    private static func noVersion(_ version: UInt32, of keyID: KeyID) -> KeyError {
        .keyUnavailable("key \(keyID) has no version \(version)")
    }
}
