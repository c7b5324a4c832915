// The rows of the safe as values, and back; each carries its MAC. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// A secret but for its values.
struct SecretRow {
    static let columns = [
        "secret_id", "created_at", "changed_at", "deletes_at", "current_version", "previous_version", "last_version", "versions_digest",
        "metadata_nonce", "sealed_metadata",
    ]

    let id: SecretID
    let createdAt: Int64
    var changedAt: Int64
    /// When it is destroyed; nil unless it was deleted.
    var deletesAt: Int64?
    var currentVersion: UInt32
    /// Nil while there was never another current one.
    var previousVersion: UInt32?
    /// The highest number that was ever given.
    var lastVersion: UInt32
    var versionsDigest: [UInt8]
    var metadataNonce: [UInt8]
    var sealedMetadata: [UInt8]

    init(id: SecretID, createdAt: Int64) {
        (self.id, self.createdAt, changedAt) = (id, createdAt, createdAt)
        (currentVersion, lastVersion) = (0, 0)
        (versionsDigest, metadataNonce, sealedMetadata) = ([], [], [])
    }

    var name: String { "secret/\(id.hex)" }

    private var values: [DatabaseValue] {
        [
            Data(id.bytes).databaseValue, createdAt.databaseValue, changedAt.databaseValue, deletesAt.databaseValue,
            Int64(currentVersion).databaseValue, previousVersion.map { Int64($0) }.databaseValue, Int64(lastVersion).databaseValue,
            Data(versionsDigest).databaseValue, Data(metadataNonce).databaseValue, Data(sealedMetadata).databaseValue,
        ]
    }

    /// Throws `rowRefused` unless the row's MAC is right.
    private init(_ row: Row, _ id: SecretID, _ keys: SafeKeys) throws {
        self.id = id
        let name = "secret/\(id.hex)"
        createdAt = try row.checked("created_at", of: name)
        changedAt = try row.checked("changed_at", of: name)
        deletesAt = try row.checkedOptional("deletes_at", of: name)
        currentVersion = try row.checkedNumber("current_version", of: name)
        previousVersion = try row.checkedOptional("previous_version", of: name).map { try number($0, of: name) }
        lastVersion = try row.checkedNumber("last_version", of: name)
        versionsDigest = Array(try row.checked("versions_digest", of: name) as Data)
        metadataNonce = Array(try row.checked("metadata_nonce", of: name) as Data)
        sealedMetadata = Array(try row.checked("sealed_metadata", of: name) as Data)
        try row.checkCode(name, try keys.code(name, values))
    }

    /// With the columns `*`.
    init(_ row: Row, _ keys: SafeKeys) throws {
        let bytes = Array(try row.checked("secret_id", of: "secret") as Data)
        guard let id = SecretID(bytes) else { throw KeystoreError.rowRefused(name: "secret/\(Hexadecimal.encode(bytes.prefix(32).map { $0 }))", .added) }
        try self.init(row, id, keys)
    }

    static func find(_ id: SecretID, _ keys: SafeKeys, in database: Database) throws -> SecretRow? {
        let statement = try database.cachedStatement(sql: "SELECT * FROM secret WHERE secret_id = ?")
        return try Row.fetchOne(statement, arguments: [Data(id.bytes)]).map { try SecretRow($0, id, keys) }
    }

    func put(_ keys: SafeKeys, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO secret (\(Self.columns.joined(separator: ", ")), mac) VALUES (\(databaseQuestionMarks(count: 11)))")
        try statement.execute(arguments: StatementArguments(values + [Data(try keys.code(name, values)).databaseValue]))
    }

    func metadata(_ keys: SafeKeys) throws -> SecretMetadata {
        do throws(CryptographyError) {
            return try keys.open(nonce: metadataNonce, sealed: sealedMetadata, of: id)
        } catch { throw error == .authenticationFailed ? KeystoreError.rowRefused(name: name, .edited) : KeystoreError.cryptography(error) }
    }
}

/// One version of a secret's value.
struct SecretVersionRow {
    static let columns = ["secret_id", "version", "created_at", "key_id", "wrapped_key", "sealed_value"]

    let id: SecretID
    let version: UInt32
    let createdAt: Int64
    /// The CMK that wraps the data key.
    let keyID: KeyID
    let wrappedKey: [UInt8]
    let sealedValue: [UInt8]

    private static func name(_ id: SecretID, _ version: UInt32) -> String { "secret_version/\(id.hex)/\(version)" }

    private var values: [DatabaseValue] {
        [
            Data(id.bytes).databaseValue, Int64(version).databaseValue, createdAt.databaseValue, Data(keyID.bytes).databaseValue,
            Data(wrappedKey).databaseValue, Data(sealedValue).databaseValue,
        ]
    }

    init(id: SecretID, version: UInt32, createdAt: Int64, keyID: KeyID, wrappedKey: [UInt8], sealedValue: [UInt8]) {
        (self.id, self.version, self.createdAt, self.keyID) = (id, version, createdAt, keyID)
        (self.wrappedKey, self.sealedValue) = (wrappedKey, sealedValue)
    }

    /// Nil when there is no such version. Throws as `init`.
    static func find(_ id: SecretID, _ version: UInt32, _ keys: SafeKeys, in database: Database) throws -> SecretVersionRow? {
        let statement = try database.cachedStatement(sql: "SELECT * FROM secret_version WHERE secret_id = ? AND version = ?")
        return try Row.fetchOne(statement, arguments: [Data(id.bytes), Int64(version)]).map { try SecretVersionRow($0, id, version, keys) }
    }

    /// The row that was found under `id` and `version`. Throws `rowRefused` unless its MAC is right.
    init(_ row: Row, _ id: SecretID, _ version: UInt32, _ keys: SafeKeys) throws {
        let name = Self.name(id, version)
        let keyBytes = Array(try row.checked("key_id", of: name) as Data)
        guard let keyID = KeyID(keyBytes.span) else { throw KeystoreError.rowRefused(name: name, .edited) }
        self.init(
            id: id, version: version, createdAt: try row.checked("created_at", of: name), keyID: keyID,
            wrappedKey: Array(try row.checked("wrapped_key", of: name) as Data), sealedValue: Array(try row.checked("sealed_value", of: name) as Data))
        try row.checkCode(name, try keys.code(name, values))
    }

    func put(_ keys: SafeKeys, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: "INSERT INTO secret_version (\(Self.columns.joined(separator: ", ")), mac) VALUES (\(databaseQuestionMarks(count: 7)))")
        let code = try keys.code(Self.name(id, version), values)
        try statement.execute(arguments: StatementArguments(values + [Data(code).databaseValue]))
    }

    /// The numbers of all versions of a secret, in rising order, and SHA-256 of them and their rows' MACs, which the secret's row vouches for.
    static func summary(_ id: SecretID, in database: Database) throws -> (versions: [UInt32], digest: [UInt8]) {
        let statement = try database.cachedStatement(sql: "SELECT version, mac FROM secret_version WHERE secret_id = ? ORDER BY version")
        let rows = try Row.fetchCursor(statement, arguments: [Data(id.bytes)])
        var versions: [UInt32] = []
        var codes: [UInt8] = []
        while let row = try rows.next() {
            let version = try row.checkedNumber("version", of: "secret_version/\(id.hex)")
            versions.append(version)
            codes.append(littleEndian: version)
            codes += try row.checked("mac", of: "secret_version/\(id.hex)") as Data
        }
        return (versions, try SHA256.hash(codes.span))
    }
}

private func number(_ value: Int64, of name: String) throws -> UInt32 {
    guard let number = UInt32(exactly: value) else { throw KeystoreError.rowRefused(name: name, .edited) }
    return number
}

extension Row {
    fileprivate func checkedNumber(_ column: String, of name: String) throws -> UInt32 { try number(try checked(column, of: name), of: name) }

    fileprivate func checkedOptional(_ column: String, of name: String) throws -> Int64? {
        (self[column] as DatabaseValue).isNull ? nil : try checked(column, of: name) as Int64
    }

    /// Compares the column `mac` with the MAC that the row should have.
    fileprivate func checkCode(_ name: String, _ code: [UInt8]) throws {
        let stored = Array(try checked("mac", of: name) as Data)
        guard constantTimeEqual(code.span, stored.span) else { throw KeystoreError.rowRefused(name: name, .edited) }
    }
}
