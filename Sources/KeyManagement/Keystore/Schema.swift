// The tables of the keystore, by numbered migrations. Specified in Docs/FORMAT-KEYS.md.

import GRDB

/// What one version of the keystore adds to the one before.
///
/// How to add a table:
/// 1. append a `Migration` to `Schema.migrations` with its `CREATE TABLE name (…) STRICT` (WITHOUT ROWID unless its key is an INTEGER). Never touch a
///    migration that stands there, and prefer new tables to changed ones: rows of the old ones, and their MACs, stay as they are;
/// 2. declare its `ProtectedTable` and put that into `ProtectedTable.all`. Which version has it is found from the statement. Rows are then written by
///    `RowAuthentication.put` and `remove` inside `Keystore.change`, and checked like all others; values that are secret are sealed with `RootKeys.seal`;
///    a table that must not count as a change of keys (a log) goes into `Schema.unprotectedTables` instead, and protects itself;
/// 3. if old keystores need rows at once, give `fill`; better is a meaning for "no row";
/// 4. add table and statement to Docs/FORMAT-KEYS.md, section 2, and to the next version in `VERSIONS` of Tests/Interop/envelope/keystore.py, and raise
///    `newest` in MigrationTests. The tests say what was forgotten.
struct Migration: Sendable {
    let statements: [String]
    /// Runs after the statements, in the same transaction, on a keystore of the version before, which was checked.
    var fill: (@Sendable (Database, RowAuthentication) throws -> Void)?

    init(_ statements: [String], fill: (@Sendable (Database, RowAuthentication) throws -> Void)? = nil) {
        self.statements = statements
        self.fill = fill
    }
}

enum Schema {
    /// "EFSK": what SQLite calls the application id.
    static let applicationID: Int64 = 0x4546_534B
    /// The version that this program writes, which is the count of migrations.
    static var version: Int { migrations.count }

    /// What each version adds. Append only: a migration that was released is never changed.
    static let migrations: [Migration] = [
        Migration([
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
        ]),
        Migration([
            """
            CREATE TABLE cmk_settings (key_id BLOB PRIMARY KEY, origin TEXT NOT NULL, rotation_days INTEGER, rotate_at INTEGER, \
            minimum_version INTEGER NOT NULL, is_protected INTEGER NOT NULL, delete_at INTEGER, material_expires_at INTEGER, material_check BLOB) \
            STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE cmk_rotation (key_id BLOB NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (key_id, version)) \
            STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE import_parameters (key_id BLOB PRIMARY KEY, token BLOB NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, \
            nonce BLOB NOT NULL, sealed_private_key BLOB NOT NULL) STRICT, WITHOUT ROWID
            """,
            "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), seen_at INTEGER NOT NULL) STRICT",
        ]),
        Migration([
            """
            CREATE TABLE audit_entry (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, operation TEXT NOT NULL, key_id BLOB, version INTEGER, subject TEXT, \
            result TEXT NOT NULL, count INTEGER NOT NULL, user_id INTEGER NOT NULL, process_id INTEGER NOT NULL, program TEXT NOT NULL, reason TEXT, \
            mac BLOB NOT NULL) STRICT
            """,
            """
            CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL, mac BLOB NOT NULL, nonce BLOB NOT NULL, \
            sealed_key BLOB NOT NULL) STRICT
            """,
            "CREATE TABLE audit_start (id INTEGER PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, sealed_key BLOB NOT NULL) STRICT",
            "CREATE TABLE audit_mark (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL, mac BLOB NOT NULL) STRICT",
        ]),
        // The password safe. Rows below `safe` carry their MACs themselves, and `safe` vouches for them through digests: Safe/SafeTree.swift.
        Migration([
            """
            CREATE TABLE safe (id INTEGER PRIMARY KEY CHECK (id = 1), key_nonce BLOB NOT NULL, sealed_key BLOB NOT NULL, \
            secret_count INTEGER NOT NULL, digests BLOB NOT NULL) STRICT
            """,
            "CREATE TABLE safe_node (number INTEGER PRIMARY KEY, digests BLOB NOT NULL) STRICT",
            """
            CREATE TABLE secret (secret_id BLOB PRIMARY KEY, mac BLOB NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, \
            deletes_at INTEGER, current_version INTEGER NOT NULL, previous_version INTEGER, last_version INTEGER NOT NULL, \
            versions_digest BLOB NOT NULL, metadata_nonce BLOB NOT NULL, sealed_metadata BLOB NOT NULL) STRICT, WITHOUT ROWID
            """,
            """
            CREATE TABLE secret_version (secret_id BLOB NOT NULL, version INTEGER NOT NULL, mac BLOB NOT NULL, created_at INTEGER NOT NULL, \
            key_id BLOB NOT NULL, wrapped_key BLOB NOT NULL, sealed_value BLOB NOT NULL, PRIMARY KEY (secret_id, version)) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX secret_by_deletion ON secret (deletes_at) WHERE deletes_at IS NOT NULL",
        ]),
    ]

    /// Tables that are not listed in `row_mac`.
    static let unprotectedTables = ["keystore", "row_mac", "audit_entry", "audit_head", "safe_node", "secret", "secret_version"]

    /// The statements of `version` and all before.
    static func statements(ofVersion version: Int) -> [String] { migrations.prefix(version).flatMap(\.statements) }

    /// The protected tables by version, from 0.
    private static let tables: [[ProtectedTable]] = (0...version).map { version in
        let statements = statements(ofVersion: version)
        return ProtectedTable.all.filter { table in statements.contains { $0.hasPrefix("CREATE TABLE \(table.name) (") } }
    }

    /// Traps unless `version` is one that `check` accepts.
    static func tables(ofVersion version: Int) -> [ProtectedTable] { tables[version] }

    /// Makes all tables in an empty database.
    static func create(in database: Database, version: Int = version) throws {
        for statement in statements(ofVersion: version) { try database.execute(sql: statement) }
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(version)")
    }

    /// Brings an older keystore to this version, as one change: all of it is durable when the transaction ends, or nothing.
    /// - Parameter completing: what takes the root key itself.
    static func migrate(
        _ database: Database, _ authentication: RowAuthentication, path: String, completing: (Database) throws -> Void = { _ in }
    ) throws -> Bool {
        // Another process may have done it since.
        let found = try check(database, path: path)
        guard found < version else { return false }
        var header = try authentication.verify(database, version: found)
        for migration in migrations[found...] {
            for statement in migration.statements { try database.execute(sql: statement) }
            try migration.fill?(database, authentication)
        }
        try completing(database)
        try database.execute(sql: "PRAGMA user_version = \(version)")
        header.schemaVersion = version
        try authentication.seal(header, database)
        return true
    }

    /// Refuses a database that is not exactly of our making: a planted trigger or view would run with our rights.
    /// - Returns: its version, which may be an older one.
    static func check(_ database: Database, path: String) throws -> Int {
        let found = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard found == applicationID else {
            let isEmpty = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0 == 0
            throw KeystoreError.notAKeystore(path: path, isEmpty ? "the file is empty" : "it is a database of another program")
        }
        let foundVersion = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard foundVersion <= version else { throw KeystoreError.newerVersion(path: path, found: foundVersion, supported: version) }
        guard foundVersion > 0 else { throw KeystoreError.damaged(path: path, "its version \(foundVersion) never existed") }
        let statements = try String.fetchSet(database, sql: "SELECT coalesce(sql, name) FROM sqlite_schema")
        let expected = Set(Self.statements(ofVersion: foundVersion))
        for statement in expected.subtracting(statements).union(statements.subtracting(expected)).sorted() {
            throw KeystoreError.damaged(path: path, "its tables were changed, near: \(statement.prefix(60))")
        }
        return foundVersion
    }
}
