// One look at the safe, or one change of it: keys, digests and rows of one moment.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// The row of table `safe`, which is listed in `row_mac` like the rows of keys: whoever has it from a checked keystore knows every bucket's digest.
struct SafeRow: Sendable {
    private static let sealingLabel = Array("EnvelopeFS safe key 1".utf8)

    private let nonce: [UInt8]
    private let sealedKey: [UInt8]
    var secretCount: Int
    /// The digests of the tree's nodes.
    var root: [UInt8]

    /// Of a new safe, with a key of its own.
    init(newFor keys: RootKeys) throws(CryptographyError) {
        (nonce, sealedKey) = try keys.sealBytes(try SecretBytes.random(count: 32), authenticating: Self.sealingLabel)
        (secretCount, root) = (0, SafeTree.emptyRoot)
    }

    /// The row as it is, or nil while there was never a secret. The keystore was checked in the same transaction.
    init?(in database: Database) throws {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM safe WHERE id = 1") else { return nil }
        nonce = Array(try row.checked("key_nonce", of: "safe/1") as Data)
        sealedKey = Array(try row.checked("sealed_key", of: "safe/1") as Data)
        secretCount = Int(try row.checked("secret_count", of: "safe/1") as Int64)
        root = Array(try row.checked("digests", of: "safe/1") as Data)
        guard root.count == SafeTree.levelSize else { throw KeystoreError.rowRefused(name: "safe/1", .edited) }
    }

    var values: [DatabaseValue] {
        [1.databaseValue, Data(nonce).databaseValue, Data(sealedKey).databaseValue, secretCount.databaseValue, Data(root).databaseValue]
    }

    /// The same safe under the keys of another root key.
    func resealed(from old: RootKeys, to new: RootKeys) throws(CryptographyError) -> [DatabaseValue] {
        let (nonce, sealed) = try new.sealBytes(
            try old.openBytes(nonce: nonce, sealed: sealedKey, authenticating: Self.sealingLabel), authenticating: Self.sealingLabel)
        var values = values
        values[1] = Data(nonce).databaseValue
        values[2] = Data(sealed).databaseValue
        return values
    }

    func keys(_ rootKeys: RootKeys) throws(CryptographyError) -> SafeKeys {
        try SafeKeys(safeKey: try rootKeys.openBytes(nonce: nonce, sealed: sealedKey, authenticating: Self.sealingLabel))
    }
}

/// The safe inside one transaction of the database.
struct SafeTransaction {
    let database: Database
    let keys: SafeKeys
    /// What the audit log is to say, written with the change.
    var events: [AuditEvent] = []
    private var tree: SafeTree
    private var count: Int

    init(_ database: Database, _ keys: SafeKeys, _ row: SafeRow) {
        (self.database, self.keys) = (database, keys)
        (tree, count) = (SafeTree(root: row.root), row.secretCount)
    }

    /// Whether the tables of the safe can be read at all, asked when a keystore is opened: their rows are checked when they are used.
    static func probe(_ database: Database) throws {
        for table in ["safe_node", "secret", "secret_version"] { _ = try Int.fetchOne(database, sql: "SELECT 1 FROM \(table) LIMIT 1") }
        _ = try Int.fetchOne(database, sql: "SELECT 1 FROM secret INDEXED BY secret_by_deletion WHERE deletes_at IS NOT NULL LIMIT 1")
    }

    /// The secret, whose bucket is checked: nil means that there is none of this id.
    mutating func find(_ id: SecretID) throws -> SecretRow? {
        try tree.check(id.bucket, database)
        return try SecretRow.find(id, keys, in: database)
    }

    /// The secret, also one that is to be destroyed. Throws `secretNotFound`.
    mutating func require(_ name: String) throws -> SecretRow {
        try SecretMetadata.check(name: name)
        guard let row = try find(keys.id(of: name)) else { throw KeyError.secretNotFound(name) }
        return row
    }

    /// The secret. Throws `secretNotFound`, and `secretDeleted` for one that is to be destroyed.
    mutating func requireUsable(_ name: String) throws -> SecretRow {
        let row = try require(name)
        if let date = row.deletesAt { throw KeyError.secretDeleted(name, destroyedAt: date) }
        return row
    }

    /// The numbers of a secret's versions, in rising order, none of which is missing.
    func versions(of row: SecretRow) throws -> [UInt32] {
        let (versions, digest) = try SecretVersionRow.summary(row.id, in: database)
        guard digest == row.versionsDigest else { throw KeystoreError.rowRefused(name: "secret_version/\(row.id.hex)", .missing) }
        return versions
    }

    /// All secrets of `bucket`, which is checked.
    mutating func secrets(of bucket: Int) throws -> [SecretRow] {
        try tree.check(bucket, database)
        var rows: [SecretRow] = []
        try SafeTree.forEachRow(of: bucket, "*", database) { rows.append(try SecretRow($0, keys)) }
        return rows
    }

    /// How many secrets there are in the table, whether in a bucket or not, and how many there should be.
    func counts() throws -> (found: Int, expected: Int) { (try Int.fetchOne(database, sql: "SELECT count(*) FROM secret") ?? 0, count) }

    /// Writes `row`, new or in place of the one with its id.
    mutating func put(_ row: SecretRow, isNew: Bool) throws {
        try tree.touch(row.id.bucket, database)
        try row.put(keys, database)
        if isNew { count += 1 }
    }

    /// Removes a secret with all its versions.
    mutating func remove(_ row: SecretRow) throws {
        try tree.touch(row.id.bucket, database)
        try database.execute(sql: "DELETE FROM secret_version WHERE secret_id = ?", arguments: [Data(row.id.bytes)])
        try database.execute(sql: "DELETE FROM secret WHERE secret_id = ?", arguments: [Data(row.id.bytes)])
        count -= 1
    }

    /// Writes the digests of what was changed into `row`, to be stored.
    mutating func finish(_ row: inout SafeRow) throws {
        try tree.update(database)
        (row.root, row.secretCount) = (tree.root, count)
    }
}
