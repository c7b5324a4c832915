// The rows of the keystore as values, and back.

import Cryptography
import FoundationEssentials
import GRDB

/// A row that this program cannot have written, although its MAC is right.
private func unreadable(_ name: String) -> KeystoreError { .rowRefused(name: name, .edited) }

extension Row {
    /// A value that nothing vouches for yet. Throws `rowRefused` when it has another type: the library's own subscript would stop the program.
    func checked<T: DatabaseValueConvertible>(_ column: String, of name: String) throws -> T {
        guard let value = T.fromDatabaseValue(self[column] as DatabaseValue) else { throw unreadable(name) }
        return value
    }
}

private func keyID(_ row: Row, _ name: String) throws -> KeyID {
    let bytes = Array(row["key_id"] as Data)
    guard let id = KeyID(bytes.span) else { throw unreadable("\(name)/\(Hexadecimal.encode(bytes))") }
    return id
}

struct KeyRow {
    let keyID: KeyID
    var state: KeyState
    var description: String
    let createdAt: Int64
    var stateChangedAt: Int64
    var currentVersion: UInt32

    var values: [DatabaseValue] {
        [
            Data(keyID.bytes).databaseValue, state.rawValue.databaseValue, description.databaseValue, createdAt.databaseValue,
            stateChangedAt.databaseValue, Int64(currentVersion).databaseValue,
        ]
    }

    private init(_ row: Row) throws {
        keyID = try KeyManagement.keyID(row, "cmk")
        guard let state = KeyState(rawValue: row["state"]), let version = UInt32(exactly: row["current_version"] as Int64) else {
            throw unreadable("cmk/\(keyID)")
        }
        self.state = state
        currentVersion = version
        description = row["description"]
        createdAt = row["created_at"]
        stateChangedAt = row["state_changed_at"]
    }

    init(keyID: KeyID, description: String, createdAt: Int64) {
        self.keyID = keyID
        self.description = description
        self.createdAt = createdAt
        state = .enabled
        stateChangedAt = createdAt
        currentVersion = 1
    }

    static func all(in database: Database) throws -> [KeyRow] {
        try Row.fetchAll(database, sql: "SELECT * FROM cmk ORDER BY created_at, key_id").map { try KeyRow($0) }
    }

    /// Some, oldest first.
    static func some(in database: Database, after: KeyRow?, limit: Int) throws -> [KeyRow] {
        let sql = "SELECT * FROM cmk WHERE (created_at, key_id) > (?, ?) ORDER BY created_at, key_id LIMIT ?"
        let arguments: StatementArguments = [after?.createdAt ?? .min, Data(after?.keyID.bytes ?? []), limit]
        return try Row.fetchAll(database, sql: sql, arguments: arguments).map { try KeyRow($0) }
    }

    static func find(_ keyID: KeyID, in database: Database) throws -> KeyRow? {
        try Row.fetchOne(database, sql: "SELECT * FROM cmk WHERE key_id = ?", arguments: [Data(keyID.bytes)]).map { try KeyRow($0) }
    }
}

struct KeyVersionRow {
    let keyID: KeyID
    let version: UInt32
    let createdAt: Int64
    let nonce: [UInt8]
    let sealedMaterial: [UInt8]

    var values: [DatabaseValue] {
        [
            Data(keyID.bytes).databaseValue, Int64(version).databaseValue, createdAt.databaseValue, Data(nonce).databaseValue,
            Data(sealedMaterial).databaseValue,
        ]
    }

    private init(_ row: Row) throws {
        keyID = try KeyManagement.keyID(row, "cmk_version")
        guard let version = UInt32(exactly: row["version"] as Int64) else { throw unreadable("cmk_version/\(keyID)") }
        self.version = version
        createdAt = row["created_at"]
        nonce = Array(row["nonce"] as Data)
        sealedMaterial = Array(row["sealed_material"] as Data)
    }

    /// A version with fresh random material.
    init(newFor keyID: KeyID, version: UInt32, createdAt: Int64, keys: RootKeys) throws(CryptographyError) {
        try self.init(for: keyID, version: version, createdAt: createdAt, material: SecretBytes.random(count: Keystore.materialSize), keys: keys)
    }

    init(for keyID: KeyID, version: UInt32, createdAt: Int64, material: SecretBytes, keys: RootKeys) throws(CryptographyError) {
        self.keyID = keyID
        self.version = version
        self.createdAt = createdAt
        (nonce, sealedMaterial) = try keys.seal(material, as: WrappedKeyHeader(keyID: keyID, version: version))
    }

    /// The same version, its material sealed under other keys.
    init(sealing material: SecretBytes, as old: KeyVersionRow, keys: RootKeys) throws(CryptographyError) {
        (keyID, version, createdAt) = (old.keyID, old.version, old.createdAt)
        (nonce, sealedMaterial) = try keys.seal(material, as: WrappedKeyHeader(keyID: keyID, version: version))
    }

    func material(_ authentication: RowAuthentication) throws -> SecretBytes {
        do throws(CryptographyError) {
            return try authentication.keys.open(nonce: nonce, sealed: sealedMaterial, as: WrappedKeyHeader(keyID: keyID, version: version))
        } catch {
            throw error == .authenticationFailed ? unreadable("cmk_version/\(keyID)/\(version)") : KeystoreError.cryptography(error)
        }
    }

    static func find(_ keyID: KeyID, _ version: UInt32, in database: Database) throws -> KeyVersionRow? {
        try Row.fetchOne(
            database, sql: "SELECT * FROM cmk_version WHERE key_id = ? AND version = ?", arguments: [Data(keyID.bytes), Int64(version)]
        ).map { try KeyVersionRow($0) }
    }

    static func all(in database: Database) throws -> [KeyVersionRow] {
        try Row.fetchAll(database, sql: "SELECT * FROM cmk_version ORDER BY key_id, version").map { try KeyVersionRow($0) }
    }
}

extension UnlockSlot {
    var values: [DatabaseValue] {
        [
            number.databaseValue, kind.rawValue.databaseValue, createdAt.databaseValue, (scrypt?.logN).databaseValue, (scrypt?.r).databaseValue,
            (scrypt?.p).databaseValue, Data(salt).databaseValue, Data(commitment).databaseValue, Data(sealedRootKey).databaseValue,
        ]
    }

    /// Read before anything can be authenticated: refuses what makes no sense, and more rows and bytes than this program ever writes.
    static func all(in database: Database, path: String) throws -> [UnlockSlot] {
        let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM (SELECT 1 FROM unlock_slot LIMIT \(greatestCount + 1))") ?? 0
        guard count <= greatestCount else { throw KeystoreError.damaged(path: path, "it has more than \(greatestCount) unlock slots") }
        if let number = try Int64.fetchOne(database, sql: "SELECT slot FROM unlock_slot WHERE NOT (\(hasItsSizes)) ORDER BY slot") {
            throw unreadable("unlock_slot/\(number)")
        }
        return try fetchAll(in: database)
    }

    /// Asked of SQLite, which tells lengths without reading the value: a blob may take a gigabyte.
    private static var hasItsSizes: String {
        let kinds = Kind.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        return "length(salt) = \(saltSize) AND length(commitment) = \(commitmentSize) AND length(sealed_root_key) = \(sealedSize) AND kind IN (\(kinds))"
    }

    private static func fetchAll(in database: Database) throws -> [UnlockSlot] {
        try Row.fetchAll(database, sql: "SELECT * FROM unlock_slot ORDER BY slot").map { try UnlockSlot($0) }
    }

    /// Throws `rowRefused` for what has another type, or a kind that there is not.
    init(_ row: Row) throws {
        let number: Int64 = try row.checked("slot", of: "unlock_slot")
        let name = "unlock_slot/\(number)"
        guard let kind = Kind(rawValue: try row.checked("kind", of: name)) else { throw unreadable(name) }
        var scrypt: ScryptParameters?
        if kind == .passphrase {
            scrypt = ScryptParameters(
                logN: try row.checked("scrypt_log_n", of: name), r: try row.checked("scrypt_r", of: name), p: try row.checked("scrypt_p", of: name))
        }
        self.init(
            number: number, kind: kind, createdAt: try row.checked("created_at", of: name), scrypt: scrypt,
            salt: Array(try row.checked("salt", of: name) as Data), commitment: Array(try row.checked("commitment", of: name) as Data),
            sealedRootKey: Array(try row.checked("sealed_root_key", of: name) as Data))
    }
}
