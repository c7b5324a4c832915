// Putting secrets in: new ones, new versions, many at once; and choosing which version is current.

import Cryptography
import FoundationEssentials
import GRDB

/// The materials of the CMKs that seal in one transaction.
private struct SealingKeys {
    /// Seconds since 1970.
    let now: Int64
    private var found: [KeyID: (version: UInt32, material: SecretBytes)] = [:]

    init(now: Int64) { self.now = now }

    /// Throws `notFound`, `disabled`, `invalidState`, `keyUnavailable`.
    mutating func key(_ keyID: KeyID, _ database: Database, _ authentication: RowAuthentication) throws -> (version: UInt32, material: SecretBytes) {
        if let key = found[keyID] { return key }
        guard let row = try KeyRow.find(keyID, in: database) else { throw KeyError.notFound("key \(keyID)") }
        guard row.state.allowsSealing else { throw row.state == .disabled ? KeyError.disabled(keyID) : KeyError.invalidState(keyID, row.state) }
        // Material whose time is over is not used, though nobody could remove it yet: what it sealed would be opened no more.
        if try KeySettings.find(keyID, in: database).isExpired(at: now) { throw KeyError.invalidState(keyID, .pendingImport) }
        guard let version = try KeyVersionRow.find(keyID, row.currentVersion, in: database) else {
            throw KeyError.keyUnavailable("key \(keyID) has no version \(row.currentVersion)")
        }
        let key = (row.currentVersion, try version.material(authentication))
        found[keyID] = key
        return key
    }
}

/// What became of an entry of an import.
package enum ImportOutcome: Sendable, Equatable {
    case created, updated
    /// The secret has this value already, and all that the entry knows of it.
    case unchanged
    /// Left out, and why.
    case skipped(String)
}

extension PasswordSafe {
    /// A new secret, version 1. Throws `alreadyExists`, `validation`, and what a key that cannot seal gives.
    /// - Parameter key: seals the value; `alias/safe` when nil, which is made where it is missing.
    package func create(_ metadata: SecretMetadata, value: SecretBytes, key: KeyReference? = nil) throws(KeyError) {
        try Self.check(value)
        let reference = try sealingKey(key)
        try change(.create, metadata.name) { safe, authentication in
            let id = try safe.keys.id(of: metadata.name)
            if let row = try safe.find(id) {
                if let date = row.deletesAt { throw KeyError.secretDeleted(metadata.name, destroyedAt: date) }
                throw KeyError.alreadyExists("secret \(metadata.name)")
            }
            var keys = SealingKeys(now: keystore.now())
            let keyID = try keystore.find(reference, safe.database).keyID
            try add(SecretRow(id: id, createdAt: keystore.now()), metadata, value, keyID, &keys, &safe, authentication, isNew: true)
            return ((), SafeOperation.create.event(of: id, version: 1, key: keyID))
        }
    }

    /// A new version of a secret, which becomes the current one; the one so far becomes the previous. Its number.
    /// Throws `secretNotFound`, `secretDeleted`, `validation`, and what a key that cannot seal gives.
    /// - Parameter key: seals the value; the one that sealed the current version when nil.
    /// - Parameter edit: what becomes of the metadata; the name must stay.
    package func put(
        _ name: String, value: SecretBytes, key: KeyReference? = nil, edit: (SecretMetadata) throws(KeyError) -> SecretMetadata = { $0 }
    ) throws(KeyError) -> UInt32 {
        try Self.check(value)
        return try change(.put, name) { safe, authentication in
            let row = try safe.requireUsable(name)
            let metadata = try edit(try row.metadata(safe.keys))
            guard metadata.name == name else { throw KeyError.validation("a secret keeps its name") }
            var keys = SealingKeys(now: keystore.now())
            let keyID = try sealingKeyID(for: row, key, safe)
            let version = try add(row, metadata, value, keyID, &keys, &safe, authentication, isNew: false)
            return (version, SafeOperation.put.event(of: row.id, version: version, key: keyID))
        }
    }

    /// Makes a version current, and the one that was so far previous. Throws `secretNotFound`, also for the version, `secretDeleted`.
    package func restoreVersion(_ version: UInt32, of name: String) throws(KeyError) {
        try change(.restoreVersion, name) { safe, _ in
            var row = try safe.requireUsable(name)
            let event = SafeOperation.restoreVersion.event(of: row.id, version: version)
            guard try safe.versions(of: row).contains(version) else { throw KeyError.secretNotFound("\(name), version \(version)") }
            guard version != row.currentVersion else { return ((), event) }
            (row.previousVersion, row.currentVersion) = (row.currentVersion, version)
            row.changedAt = keystore.now()
            try safe.put(row, isNew: false)
            return ((), event)
        }
    }

    /// Puts all of `entries` in, in one transaction. What becomes of each; refusals of single entries are outcomes.
    /// - Parameter updates: whether an entry whose secret exists becomes a new version of it, instead of being skipped.
    /// - Parameter isTrial: nothing is written.
    package func importEntries(
        _ entries: [ImportEntry], key: KeyReference? = nil, updates: Bool = false, isTrial: Bool = false
    ) throws(KeyError) -> [ImportOutcome] {
        if isTrial {
            let authentication: RowAuthentication
            do throws(KeystoreError) { authentication = try keystore.authentication() } catch { throw .storage(error) }
            return try read { safe in try entries.map { try plan($0, &safe, authentication, updates, key).outcome } } ?? entries.map { _ in .created }
        }
        let reference = try sealingKey(key)
        return try change { safe, authentication in
            var keys = SealingKeys(now: keystore.now())
            let standard = try keystore.find(reference, safe.database).keyID
            return try entries.map { entry in
                let (outcome, row, metadata) = try plan(entry, &safe, authentication, updates, key)
                guard outcome == .created || outcome == .updated else { return outcome }
                try Self.check(entry.value)
                let id = try safe.keys.id(of: metadata.name)
                let keyID = try row.map { try sealingKeyID(for: $0, key, safe) } ?? standard
                let version = try add(
                    row ?? SecretRow(id: id, createdAt: keystore.now()), metadata, entry.value, keyID, &keys, &safe, authentication, isNew: row == nil)
                safe.events.append((row == nil ? SafeOperation.create : .put).event(of: id, version: version, key: keyID))
                return outcome
            }
        }
    }

    /// What is to become of an entry, of which secret, and what is to be known of that.
    private func plan(
        _ entry: ImportEntry, _ safe: inout SafeTransaction, _ authentication: RowAuthentication, _ updates: Bool, _ key: KeyReference?
    ) throws -> (outcome: ImportOutcome, row: SecretRow?, metadata: SecretMetadata) {
        guard let row = try safe.find(safe.keys.id(of: entry.metadata.name)) else { return (.created, nil, entry.metadata) }
        if row.deletesAt != nil { return (.skipped("a secret of that name was deleted, and is not destroyed yet"), row, entry.metadata) }
        guard updates else { return (.skipped("a secret of that name exists"), row, entry.metadata) }
        let old = try row.metadata(safe.keys)
        let metadata: SecretMetadata
        do throws(KeyError) { metadata = try old.filled(from: entry.metadata) } catch { return (.skipped("\(error)"), row, old) }
        var isSame = metadata == old
        // One that is to be sealed by another key is made anew.
        if isSame, key != nil { isSame = try sealingKeyID(for: row, key, safe) == sealingKeyID(for: row, nil, safe) }
        if isSame { isSame = try currentValue(of: row, safe, authentication)?.isEqual(to: entry.value) ?? false }
        return (isSame ? .unchanged : .updated, row, metadata)
    }

    /// To compare a new value with; nil where its key does not open now.
    private func currentValue(of row: SecretRow, _ safe: SafeTransaction, _ authentication: RowAuthentication) throws -> SecretBytes? {
        guard try safe.versions(of: row).contains(row.currentVersion),
            let version = try SecretVersionRow.find(row.id, row.currentVersion, safe.keys, in: safe.database)
        else { throw KeystoreError.rowRefused(name: row.name, .missing) }
        let header = try WrappedKeyHeader(parsing: version.wrappedKey.span)
        let settings = try KeySettings.find(header.keyID, in: safe.database)
        guard let key = try KeyRow.find(header.keyID, in: safe.database), key.state.allowsOpening, !settings.isExpired(at: keystore.now()),
            header.version >= settings.minimumVersion,
            let material = try KeyVersionRow.find(header.keyID, header.version, in: safe.database)?.material(authentication)
        else { return nil }
        let context = try SecretValue.context(name: row.metadata(safe.keys).name, version: version.version)
        let dataKey = try WrappedKey.open(version.wrappedKey.span, header: header, material: material, context: context)
        return try SecretValue.open(version.sealedValue, with: dataKey, of: row.id, version: version.version)
    }

    /// The key of the current version, unless another is named.
    private func sealingKeyID(for row: SecretRow, _ reference: KeyReference?, _ safe: SafeTransaction) throws -> KeyID {
        if let reference { return try keystore.find(reference, safe.database).keyID }
        guard let version = try SecretVersionRow.find(row.id, row.currentVersion, safe.keys, in: safe.database) else {
            throw KeystoreError.rowRefused(name: row.name, .missing)
        }
        return version.keyID
    }

    /// Adds a version with `value`, and makes it current. Its number.
    @discardableResult
    private func add(
        _ old: SecretRow, _ metadata: SecretMetadata, _ value: SecretBytes, _ keyID: KeyID, _ keys: inout SealingKeys, _ safe: inout SafeTransaction,
        _ authentication: RowAuthentication, isNew: Bool
    ) throws -> UInt32 {
        var row = old
        // Before anything is added: the digest of the versions is made anew below.
        let versions = isNew ? [] : try safe.versions(of: row)
        row.lastVersion += 1
        let (keyVersion, material) = try keys.key(keyID, safe.database, authentication)
        let dataKey = try SecretBytes.random(count: 32)
        let sealed = try SecretValue.seal(value, with: dataKey, of: row.id, version: row.lastVersion)
        let salt = try Random.bytes(WrappedKeyHeader.saltSize)
        let wrapped = try dataKey.withBytes { plain throws(KeyError) in
            try WrappedKey.seal(
                plain, header: WrappedKeyHeader(keyID: keyID, version: keyVersion), material: material,
                context: SecretValue.context(name: metadata.name, version: row.lastVersion), salt: salt.span)
        }
        row.changedAt = isNew ? row.createdAt : keystore.now()
        let version = SecretVersionRow(
            id: row.id, version: row.lastVersion, createdAt: row.changedAt, keyID: keyID, wrappedKey: wrapped, sealedValue: sealed)
        try version.put(safe.keys, safe.database)
        if !isNew { row.previousVersion = row.currentVersion }
        row.currentVersion = row.lastVersion
        if versions.count >= Self.maximumVersionCount, let oldest = versions.first(where: { $0 != row.previousVersion }) {
            try safe.database.execute(
                sql: "DELETE FROM secret_version WHERE secret_id = ? AND version = ?", arguments: [Data(row.id.bytes), Int64(oldest)])
        }
        row.metadataNonce = try Random.bytes(AEADKey.nonceSize)
        row.sealedMetadata = try safe.keys.seal(metadata, of: row.id, nonce: row.metadataNonce)
        row.versionsDigest = try SecretVersionRow.summary(row.id, in: safe.database).digest
        try safe.put(row, isNew: isNew)
        return row.currentVersion
    }

    /// Made at its first use, like the key that a cloud's secrets manager makes for itself.
    private func sealingKey(_ named: KeyReference?) throws(KeyError) -> KeyReference {
        if let named { return named }
        let reference = try KeyReference(Self.defaultKeyAlias)
        do throws(KeyError) {
            _ = try keystore.describe(reference)
        } catch {
            guard case .notFound = error else { throw error }
            do throws(KeyError) { _ = try keystore.createKey(alias: Self.defaultKeyAlias, description: "Password safe") } catch {
                // Another process was faster.
                guard case .alreadyExists = error else { throw error }
            }
        }
        return reference
    }

    private static func check(_ value: SecretBytes) throws(KeyError) {
        guard (1...maximumValueSize).contains(value.count) else { throw .validation("a secret's value has 1 to \(maximumValueSize) bytes") }
    }
}
