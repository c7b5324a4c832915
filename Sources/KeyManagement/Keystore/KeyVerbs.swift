// The verbs on keys: create, describe, list, aliases, states, rotate. Each change is one durable transaction.

import Cryptography
import FoundationEssentials
import GRDB

/// What there is to know about a key, without its material.
package struct KeyDescription: Sendable, Equatable {
    package let keyID: KeyID
    /// `efs:kms:KEYSTOREID:key/ID`.
    package let fullName: String
    package let state: KeyState
    package let description: String
    /// In rising order.
    package let aliases: [String]
    /// In rising order of names.
    package let tags: [(name: String, value: String)]
    /// Seconds since 1970.
    package let createdAt: Int64
    package let stateChangedAt: Int64
    /// The version that seals.
    package let currentVersion: UInt32
    /// All versions, in rising order, and when they were made.
    package let versions: [(version: UInt32, createdAt: Int64)]

    package static func == (a: KeyDescription, b: KeyDescription) -> Bool {
        a.keyID == b.keyID && a.fullName == b.fullName && a.state == b.state && a.description == b.description && a.aliases == b.aliases
            && a.tags.elementsEqual(b.tags, by: ==) && a.createdAt == b.createdAt && a.stateChangedAt == b.stateChangedAt
            && a.currentVersion == b.currentVersion && a.versions.elementsEqual(b.versions, by: ==)
    }
}

extension Keystore {
    static let maximumKeyCount = 10_000
    static let maximumTagCount = 50

    /// A new key, Enabled, with one version. Throws `validation`, `alreadyExists` for a taken alias, `limitExceeded`, `storage`.
    package func createKey(
        alias: String? = nil, description: String = "", tags: [(name: String, value: String)] = []
    ) throws(KeyError) -> KeyID {
        if let alias { _ = try KeyReference.checkedAlias(alias) }
        try Self.check(description: description, tags: tags)
        let keyID: KeyID
        do throws(CryptographyError) { keyID = try KeyID.random() } catch { throw .cryptography(error) }
        try change { database, authentication in
            guard try Int.fetchOne(database, sql: "SELECT count(*) FROM cmk") ?? 0 < Self.maximumKeyCount else {
                throw KeyError.limitExceeded("the keystore has \(Self.maximumKeyCount) keys already")
            }
            let row = KeyRow(keyID: keyID, description: description, createdAt: Self.now())
            let version = try KeyVersionRow(newFor: keyID, version: 1, createdAt: row.createdAt, keys: authentication.keys)
            try authentication.put(.cmk, row.values, database)
            try authentication.put(.cmkVersion, version.values, database)
            for tag in tags {
                let values = [Data(keyID.bytes).databaseValue, tag.name.databaseValue, tag.value.databaseValue]
                try authentication.put(.tag, values, database)
            }
            if let alias { try Self.putAlias(alias, keyID, database, authentication) }
        }
        return keyID
    }

    /// All keys, oldest first.
    package func keys() throws(KeyError) -> [KeyDescription] {
        try read { database in try KeyRow.all(in: database).map { try describe($0, database) } }
    }

    /// Throws `notFound`.
    package func describe(_ reference: KeyReference) throws(KeyError) -> KeyDescription {
        try readKey(reference) { row, database in try describe(row, database) }
    }

    /// All aliases, in rising order.
    package func aliases() throws(KeyError) -> [(name: String, keyID: KeyID)] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT name, key_id FROM alias ORDER BY name").compactMap { row in
                let bytes = Array(row["key_id"] as Data)
                return KeyID(bytes.span).map { (row["name"], $0) }
            }
        }
    }

    /// A further name for a key. Throws `alreadyExists`, `notFound`, `validation`.
    package func createAlias(_ name: String, for reference: KeyReference) throws(KeyError) {
        _ = try KeyReference.checkedAlias(name)
        try changeKey(reference) { row, database, authentication in
            try Self.putAlias(name, row.keyID, database, authentication)
        }
    }

    /// The key stays. Throws `notFound`.
    package func deleteAlias(_ name: String) throws(KeyError) {
        try change { database, authentication in
            guard try Row.fetchOne(database, sql: "SELECT name FROM alias WHERE name = ?", arguments: [name]) != nil else {
                throw KeyError.notFound(name)
            }
            try authentication.remove(.alias, key: [name.databaseValue], database)
        }
    }

    /// Makes a disabled or retired key usable for everything. Throws `notFound`, `invalidState`.
    package func enableKey(_ reference: KeyReference) throws(KeyError) { try setState(.enabled, reference) }

    /// Stops all use of a key, until it is enabled. Throws `notFound`, `invalidState`.
    package func disableKey(_ reference: KeyReference) throws(KeyError) { try setState(.disabled, reference) }

    /// Leaves a key able to open, and not to seal. Throws `notFound`, `invalidState`.
    package func retireKey(_ reference: KeyReference) throws(KeyError) { try setState(.decryptOnly, reference) }

    /// Adds a version, with which the key seals from now on; older versions go on opening. The new version's number.
    /// Throws `notFound`, and `disabled` or `invalidState` unless the key is Enabled.
    package func rotateKey(_ reference: KeyReference) throws(KeyError) -> UInt32 {
        try changeKey(reference) { row, database, authentication in
            guard row.state != .disabled else { throw KeyError.disabled(row.keyID) }
            guard row.state == .enabled else { throw KeyError.invalidState(row.keyID, row.state) }
            var row = row
            row.currentVersion += 1
            let version = try KeyVersionRow(newFor: row.keyID, version: row.currentVersion, createdAt: Self.now(), keys: authentication.keys)
            try authentication.put(.cmkVersion, version.values, database)
            try authentication.put(.cmk, row.values, database)
            return row.currentVersion
        }
    }

    private func setState(_ state: KeyState, _ reference: KeyReference) throws(KeyError) {
        try changeKey(reference) { row, database, authentication in
            guard [.enabled, .disabled, .decryptOnly].contains(row.state) else { throw KeyError.invalidState(row.keyID, row.state) }
            var row = row
            row.state = state
            row.stateChangedAt = Self.now()
            try authentication.put(.cmk, row.values, database)
        }
    }

    private func readKey<R>(_ reference: KeyReference, _ body: (KeyRow, Database) throws -> R) throws(KeyError) -> R {
        // Refusals come out of the transaction as values: it translates every error that it does not know.
        let result: Result<R, KeyError> = try read { database in
            do { return .success(try body(try find(reference, database), database)) } catch let error as KeyError { return .failure(error) }
        }
        return try result.get()
    }

    private func changeKey<R>(
        _ reference: KeyReference, _ body: (KeyRow, Database, RowAuthentication) throws -> R
    ) throws(KeyError) -> R {
        try change { database, authentication in try body(try find(reference, database), database, authentication) }
    }

    private func find(_ reference: KeyReference, _ database: Database) throws -> KeyRow {
        guard reference.keystoreID == nil || reference.keystoreID == id else { throw KeyError.notFound("key \(reference)") }
        var target: KeyID?
        switch reference.target {
        case .key(let keyID): target = keyID
        case .alias(let name):
            if let data = try Data.fetchOne(database, sql: "SELECT key_id FROM alias WHERE name = ?", arguments: [name]) {
                let bytes = Array(data)
                target = KeyID(bytes.span)
            }
        }
        guard let target, let row = try KeyRow.find(target, in: database) else { throw KeyError.notFound("key \(reference)") }
        return row
    }

    private func describe(_ row: KeyRow, _ database: Database) throws -> KeyDescription {
        let key = Data(row.keyID.bytes)
        let aliases = try String.fetchAll(database, sql: "SELECT name FROM alias WHERE key_id = ? ORDER BY name", arguments: [key])
        let tags = try Row.fetchAll(database, sql: "SELECT name, value FROM tag WHERE key_id = ? ORDER BY name", arguments: [key])
        let versions = try Row.fetchAll(
            database, sql: "SELECT version, created_at FROM cmk_version WHERE key_id = ? ORDER BY version", arguments: [key])
        return KeyDescription(
            keyID: row.keyID, fullName: "efs:kms:\(id):key/\(row.keyID)", state: row.state, description: row.description, aliases: aliases,
            tags: tags.map { ($0[0], $0[1]) }, createdAt: row.createdAt, stateChangedAt: row.stateChangedAt,
            currentVersion: row.currentVersion, versions: versions.map { (UInt32(truncatingIfNeeded: $0[0] as Int64), $0[1]) })
    }

    private static func putAlias(_ name: String, _ keyID: KeyID, _ database: Database, _ authentication: RowAuthentication) throws {
        guard try Row.fetchOne(database, sql: "SELECT name FROM alias WHERE name = ?", arguments: [name]) == nil else {
            throw KeyError.alreadyExists(name)
        }
        try authentication.put(.alias, [name.databaseValue, Data(keyID.bytes).databaseValue, now().databaseValue], database)
    }

    private static func check(description: String, tags: [(name: String, value: String)]) throws(KeyError) {
        guard description.utf8.count <= 8192 else { throw .validation("a description takes at most 8192 bytes") }
        guard tags.count <= maximumTagCount else { throw .limitExceeded("a key has at most \(maximumTagCount) tags") }
        guard Set(tags.map(\.name)).count == tags.count else { throw .validation("a tag is given twice") }
        for tag in tags where !(1...128).contains(tag.name.utf8.count) || tag.value.utf8.count > 256 {
            throw .validation("tag \(tag.name): a name takes 1 to 128 bytes, a value at most 256")
        }
        // SQLite ends text at a NUL in places.
        let texts = [description] + tags.flatMap { [$0.name, $0.value] }
        guard !texts.contains(where: { $0.utf8.contains(0) }) else { throw .validation("a description or tag holds a NUL") }
    }
}
