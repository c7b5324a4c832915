// Creating, describing and listing keys.

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
    /// All versions whose material is there, in rising order, and when they were made.
    package let versions: [(version: UInt32, createdAt: Int64)]
    package let origin: KeyOrigin
    /// Older versions open nothing.
    package let minimumVersion: UInt32
    package let isProtected: Bool
    /// Days between automatic rotations, and when the next is due.
    package let rotationPeriod: Int?
    package let nextRotationAt: Int64?
    /// When a pending deletion destroys the key.
    package let deletionAt: Int64?
    /// When imported material is removed.
    package let materialExpiresAt: Int64?

    package static func == (a: KeyDescription, b: KeyDescription) -> Bool {
        a.keyID == b.keyID && a.fullName == b.fullName && a.state == b.state && a.description == b.description && a.aliases == b.aliases
            && a.tags.elementsEqual(b.tags, by: ==) && a.createdAt == b.createdAt && a.stateChangedAt == b.stateChangedAt
            && a.currentVersion == b.currentVersion && a.versions.elementsEqual(b.versions, by: ==)
            && a.origin == b.origin && a.minimumVersion == b.minimumVersion && a.isProtected == b.isProtected && a.rotationPeriod == b.rotationPeriod
            && a.nextRotationAt == b.nextRotationAt && a.deletionAt == b.deletionAt && a.materialExpiresAt == b.materialExpiresAt
    }
}

extension Keystore {
    static let maximumKeyCount = 10_000

    /// A new key: Enabled, with one version, or with external origin PendingImport, without material.
    /// Throws `validation`, `alreadyExists` for a taken alias, `limitExceeded`, `storage`.
    package func createKey(
        alias: String? = nil, description: String = "", tags: [(name: String, value: String)] = [], origin: KeyOrigin = .generated, dryRun: Bool = false
    ) throws(KeyError) -> KeyID {
        if let alias { _ = try KeyReference.checkedAlias(alias) }
        try Self.check(description: description, tags: tags)
        let keyID: KeyID
        do throws(CryptographyError) { keyID = try KeyID.random() } catch { throw .cryptography(error) }
        try perform(.createKey, dryRun: dryRun) { change in
            guard try Int.fetchOne(change.database, sql: "SELECT count(*) FROM cmk") ?? 0 < Self.maximumKeyCount else {
                throw KeyError.limitExceeded("the keystore has \(Self.maximumKeyCount) keys already")
            }
            if let alias, try self.keyID(ofAlias: alias, change.database) != nil { throw KeyError.alreadyExists(alias) }
            (change.keyID, change.version) = (keyID, 1)
            var row = KeyRow(keyID: keyID, description: description, createdAt: change.now)
            switch origin {
            case .generated:
                let version = try KeyVersionRow(newFor: keyID, version: 1, createdAt: change.now, keys: change.authentication.keys)
                try change.authentication.put(.cmkVersion, version.values, change.database)
            case .external:
                row.state = .pendingImport
                var settings = KeySettings(keyID: keyID)
                settings.origin = .external
                try change.put(settings)
            }
            try change.put(row)
            try putTags(tags, keyID, change)
            if let alias { try putAlias(alias, keyID, change) }
        }
        return keyID
    }

    /// All keys, oldest first.
    package func keys() throws(KeyError) -> [KeyDescription] {
        try observe(.listKeys) { (_: inout KeyEvent) throws(KeyError) in
            try read { database in try KeyRow.all(in: database).map { try describe($0, database) } }
        }
    }

    /// Some keys, oldest first. Throws `validation`, `invalidMarker`.
    /// - Parameter limit: 1 to 1000.
    package func keys(limit: Int, marker: String? = nil) throws(KeyError) -> Page<KeyDescription> {
        try Self.check(limit: limit, upTo: 1000)
        return try observe(.listKeys) { (_: inout KeyEvent) throws(KeyError) in
            try reading { database in
                var after: KeyRow?
                if let marker {
                    guard let keyID = KeyID(text: marker), let row = try KeyRow.find(keyID, in: database) else { throw KeyError.invalidMarker }
                    after = row
                }
                let rows = Page(try KeyRow.some(in: database, after: after, limit: limit + 1), limit: limit) { $0.keyID.description }
                return Page(try rows.items.map { try describe($0, database) }, nextMarker: rows.nextMarker)
            }
        }
    }

    /// Throws `notFound`.
    package func describe(_ reference: KeyReference) throws(KeyError) -> KeyDescription {
        try readKey(.describeKey, reference) { row, database in try describe(row, database) }
    }

    /// All aliases, in rising order.
    package func aliases() throws(KeyError) -> [(name: String, keyID: KeyID)] {
        try observe(.listAliases) { (_: inout KeyEvent) throws(KeyError) in
            try read { try Self.aliases($0, after: "", limit: .max).map { ($0.name, $0.keyID) } }
        }
    }

    /// Some aliases, in rising order. Throws `validation`, `invalidMarker`.
    /// - Parameter limit: 1 to 100.
    package func aliases(limit: Int, marker: String? = nil) throws(KeyError) -> Page<KeyAlias> {
        try Self.check(limit: limit, upTo: 100)
        do throws(KeyError) { if let marker { _ = try KeyReference.checkedAlias(marker) } } catch { throw .invalidMarker }
        return try observe(.listAliases) { (_: inout KeyEvent) throws(KeyError) in
            try read { Page(try Self.aliases($0, after: marker ?? "", limit: limit + 1), limit: limit) { $0.name } }
        }
    }

    private static func aliases(_ database: Database, after name: String, limit: Int) throws -> [KeyAlias] {
        try Row.fetchAll(database, sql: "SELECT name, key_id FROM alias WHERE name > ? ORDER BY name LIMIT ?", arguments: [name, limit]).compactMap { row in
            let bytes = Array(row["key_id"] as Data)
            return KeyID(bytes.span).map { KeyAlias(name: row["name"], keyID: $0) }
        }
    }

    /// `read`, whose refusals come out as they are: the transaction translates every error that it does not know.
    func reading<R>(_ body: (Database) throws -> R) throws(KeyError) -> R {
        let result: Result<R, KeyError> = try read { database in
            do { return .success(try body(database)) } catch let error as KeyError { return .failure(error) }
        }
        return try result.get()
    }

    func readKey<R>(_ operation: KeyOperation, _ reference: KeyReference, _ body: (KeyRow, Database) throws -> R) throws(KeyError) -> R {
        try observe(operation) { (event: inout KeyEvent) throws(KeyError) in
            let (keyID, result) = try reading { database in
                let row = try find(reference, database)
                return (row.keyID, try body(row, database))
            }
            event.keyID = keyID
            return result
        }
    }

    func find(_ reference: KeyReference, _ database: Database) throws -> KeyRow {
        guard reference.keystoreID == nil || reference.keystoreID == id else { throw KeyError.notFound("key \(reference)") }
        let target: KeyID?
        switch reference.target {
        case .key(let keyID): target = keyID
        case .alias(let name): target = try keyID(ofAlias: name, database)
        }
        guard let target, let row = try KeyRow.find(target, in: database) else { throw KeyError.notFound("key \(reference)") }
        return row
    }

    private func describe(_ row: KeyRow, _ database: Database) throws -> KeyDescription {
        let key = Data(row.keyID.bytes)
        let tags = try Row.fetchAll(database, sql: "SELECT name, value FROM tag WHERE key_id = ? ORDER BY name", arguments: [key])
        let versions = try Row.fetchAll(
            database, sql: "SELECT version, created_at FROM cmk_version WHERE key_id = ? ORDER BY version", arguments: [key])
        let settings = try KeySettings.find(row.keyID, in: database)
        return KeyDescription(
            keyID: row.keyID, fullName: "efs:kms:\(id):key/\(row.keyID)", state: row.state, description: row.description,
            aliases: try aliases(of: row.keyID, database), tags: tags.map { ($0[0], $0[1]) }, createdAt: row.createdAt,
            stateChangedAt: row.stateChangedAt, currentVersion: row.currentVersion,
            versions: versions.map { (UInt32(truncatingIfNeeded: $0[0] as Int64), $0[1]) }, origin: settings.origin,
            minimumVersion: settings.minimumVersion, isProtected: settings.isProtected, rotationPeriod: settings.rotationDays,
            nextRotationAt: settings.rotateAt, deletionAt: settings.deleteAt, materialExpiresAt: settings.materialExpiresAt)
    }
}

/// A name of a key.
package struct KeyAlias: Sendable, Equatable {
    package let name: String
    package let keyID: KeyID
}
