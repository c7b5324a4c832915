// Names of keys: aliases, which move, tags, and the description.

import FoundationEssentials
import GRDB

extension Keystore {
    static let maximumTagCount = 50
    static let maximumAliasCount = 50
    static let maximumDescriptionSize = 8192

    /// A further name for a key. Throws `alreadyExists`, `notFound`, `invalidState`, `validation`, `limitExceeded`.
    package func createAlias(_ name: String, for reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        _ = try KeyReference.checkedAlias(name)
        try perform(.createAlias, dryRun: dryRun) { change in
            let row = try change.find(reference)
            guard try keyID(ofAlias: name, change.database) == nil else { throw KeyError.alreadyExists(name) }
            try putAlias(name, row.keyID, change)
        }
    }

    /// Moves a name that there is to another key; what it named keeps its other names. Throws `notFound`, `invalidState`, `limitExceeded`.
    package func updateAlias(_ name: String, to reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        _ = try KeyReference.checkedAlias(name)
        try perform(.updateAlias, dryRun: dryRun) { change in
            guard let before = try keyID(ofAlias: name, change.database) else { throw KeyError.notFound(name) }
            let row = try change.find(reference)
            if before != row.keyID { try putAlias(name, row.keyID, change) }
        }
    }

    /// The key stays. Throws `notFound`.
    package func deleteAlias(_ name: String, dryRun: Bool = false) throws(KeyError) {
        try perform(.deleteAlias, dryRun: dryRun) { change in
            guard let keyID = try keyID(ofAlias: name, change.database) else { throw KeyError.notFound(name) }
            change.keyID = keyID
            try change.authentication.remove(.alias, key: [name.databaseValue], change.database)
        }
    }

    /// Throws `notFound`, `invalidState`, `validation`.
    package func updateDescription(_ text: String, of reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try Self.check(description: text, tags: [])
        try perform(.updateKeyDescription, dryRun: dryRun) { change in
            var row = try change.find(reference)
            row.description = text
            try change.put(row)
        }
    }

    /// Adds tags, or changes the values of those that are there. Throws `notFound`, `invalidState`, `validation`, `limitExceeded`.
    package func tagKey(_ reference: KeyReference, _ tags: [(name: String, value: String)], dryRun: Bool = false) throws(KeyError) {
        try Self.check(description: "", tags: tags)
        try perform(.tagResource, dryRun: dryRun) { change in
            let row = try change.find(reference)
            try putTags(tags, row.keyID, change)
            let sql = "SELECT count(*) FROM tag WHERE key_id = ?"
            guard try Int.fetchOne(change.database, sql: sql, arguments: [Data(row.keyID.bytes)]) ?? 0 <= Self.maximumTagCount else {
                throw KeyError.limitExceeded("a key has at most \(Self.maximumTagCount) tags")
            }
        }
    }

    /// Removes tags; one that is not there is as good as removed. Throws `notFound`, `invalidState`.
    package func untagKey(_ reference: KeyReference, _ names: [String], dryRun: Bool = false) throws(KeyError) {
        try perform(.untagResource, dryRun: dryRun) { change in
            let row = try change.find(reference)
            for name in try tagNames(of: row.keyID, change.database) where names.contains(name) {
                try change.authentication.remove(.tag, key: [Data(row.keyID.bytes).databaseValue, name.databaseValue], change.database)
            }
        }
    }

    func keyID(ofAlias name: String, _ database: Database) throws -> KeyID? {
        guard let data = try Data.fetchOne(database, sql: "SELECT key_id FROM alias WHERE name = ?", arguments: [name]) else { return nil }
        let bytes = Array(data)
        return KeyID(bytes.span)
    }

    func aliases(of keyID: KeyID, _ database: Database) throws -> [String] {
        try String.fetchAll(database, sql: "SELECT name FROM alias WHERE key_id = ? ORDER BY name", arguments: [Data(keyID.bytes)])
    }

    func putAlias(_ name: String, _ keyID: KeyID, _ change: KeyChange) throws {
        let count = try Int.fetchOne(change.database, sql: "SELECT count(*) FROM alias WHERE key_id = ?", arguments: [Data(keyID.bytes)]) ?? 0
        guard count < Self.maximumAliasCount else { throw KeyError.limitExceeded("a key has at most \(Self.maximumAliasCount) aliases") }
        try change.authentication.put(.alias, [name.databaseValue, Data(keyID.bytes).databaseValue, change.now.databaseValue], change.database)
    }

    func putTags(_ tags: [(name: String, value: String)], _ keyID: KeyID, _ change: KeyChange) throws {
        let stored = try tagNames(of: keyID, change.database)
        for tag in tags {
            // One that is there keeps its spelling: Unicode has two for an "ö", and whoever types them means one name.
            let name = stored.first { $0 == tag.name } ?? tag.name
            try change.authentication.put(.tag, [Data(keyID.bytes).databaseValue, name.databaseValue, tag.value.databaseValue], change.database)
        }
    }

    private func tagNames(of keyID: KeyID, _ database: Database) throws -> [String] {
        try String.fetchAll(database, sql: "SELECT name FROM tag WHERE key_id = ?", arguments: [Data(keyID.bytes)])
    }

    static func check(description: String, tags: [(name: String, value: String)]) throws(KeyError) {
        guard description.utf8.count <= maximumDescriptionSize else { throw .validation("a description takes at most \(maximumDescriptionSize) bytes") }
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
