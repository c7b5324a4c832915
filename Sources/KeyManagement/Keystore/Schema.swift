// The tables of the keystore, by numbered migrations. Specified in Docs/FORMAT-KEYS.md.

import GRDB

/// One table whose rows are protected by MACs.
struct ProtectedTable: Sendable {
    let name: String
    /// In the order in which they are authenticated, those of the primary key first.
    let columns: [String]
    let keyColumnCount: Int

    static let unlockSlot = ProtectedTable(
        name: "unlock_slot",
        columns: [
            "slot", "kind", "created_at", "scrypt_log_n", "scrypt_r", "scrypt_p", "salt", "commitment", "sealed_root_key",
        ], keyColumnCount: 1)
    static let cmk = ProtectedTable(
        name: "cmk", columns: ["key_id", "state", "description", "created_at", "state_changed_at", "current_version"], keyColumnCount: 1)
    static let cmkVersion = ProtectedTable(
        name: "cmk_version", columns: ["key_id", "version", "created_at", "nonce", "sealed_material"], keyColumnCount: 2)
    static let alias = ProtectedTable(name: "alias", columns: ["name", "key_id", "created_at"], keyColumnCount: 1)
    static let tag = ProtectedTable(name: "tag", columns: ["key_id", "name", "value"], keyColumnCount: 2)

    /// All whose rows are listed in `row_mac`.
    static let all = [unlockSlot, cmk, cmkVersion, alias, tag]
    /// The one row that authenticates the whole; its MAC stands in the row itself.
    static let keystore = ProtectedTable(
        name: "keystore", columns: ["id", "schema_version", "keystore_id", "created_at", "generation", "row_count", "digest"], keyColumnCount: 1)
}

enum Schema {
    /// "EFSK": what SQLite calls the application id.
    static let applicationID: Int64 = 0x4546_534B
    /// The version that this program writes, which is the count of migrations.
    static var version: Int { migrations.count }

    /// What each version adds. Append only: a migration that was released is never changed.
    static let migrations: [[String]] = [
        [
            """
            CREATE TABLE keystore (id INTEGER PRIMARY KEY CHECK (id = 1), schema_version INTEGER NOT NULL, keystore_id BLOB NOT NULL, \
            created_at INTEGER NOT NULL, generation INTEGER NOT NULL, row_count INTEGER NOT NULL, digest BLOB NOT NULL, mac BLOB NOT NULL) STRICT
            """,
            """
            CREATE TABLE unlock_slot (slot INTEGER PRIMARY KEY, kind TEXT NOT NULL, created_at INTEGER NOT NULL, scrypt_log_n INTEGER, \
            scrypt_r INTEGER, scrypt_p INTEGER, salt BLOB NOT NULL, commitment BLOB NOT NULL, sealed_root_key BLOB NOT NULL) STRICT
            """,
            """
            CREATE TABLE cmk (key_id BLOB PRIMARY KEY, state TEXT NOT NULL, description TEXT NOT NULL, created_at INTEGER NOT NULL, \
            state_changed_at INTEGER NOT NULL, current_version INTEGER NOT NULL) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE cmk_version (key_id BLOB NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, nonce BLOB NOT NULL, \
            sealed_material BLOB NOT NULL, PRIMARY KEY (key_id, version)) STRICT, WITHOUT ROWID
            """,
            "CREATE TABLE alias (name TEXT PRIMARY KEY, key_id BLOB NOT NULL, created_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE tag (key_id BLOB NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key_id, name)) STRICT, WITHOUT ROWID",
            "CREATE TABLE row_mac (name TEXT PRIMARY KEY, mac BLOB NOT NULL) STRICT, WITHOUT ROWID",
        ]
    ]

    /// Makes all tables in an empty database.
    static func create(in database: Database) throws {
        for statement in migrations.joined() { try database.execute(sql: statement) }
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(version)")
    }

    /// Refuses a database that is not exactly of our making: a planted trigger or view would run with our rights.
    static func check(_ database: Database, path: String) throws {
        let found = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard found == applicationID else {
            let isEmpty = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0 == 0
            throw KeystoreError.notAKeystore(path: path, isEmpty ? "the file is empty" : "it is a database of another program")
        }
        let foundVersion = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard foundVersion <= version else { throw KeystoreError.newerVersion(path: path, found: foundVersion, supported: version) }
        guard foundVersion == version else { throw KeystoreError.damaged(path: path, "its version \(foundVersion) never existed") }
        let statements = try String.fetchSet(database, sql: "SELECT coalesce(sql, name) FROM sqlite_schema")
        let expected = Set(migrations.joined())
        for statement in expected.subtracting(statements).union(statements.subtracting(expected)).sorted() {
            throw KeystoreError.damaged(path: path, "its tables were changed, near: \(statement.prefix(60))")
        }
    }
}
