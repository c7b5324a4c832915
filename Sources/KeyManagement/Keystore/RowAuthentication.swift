// MACs of rows, and the one over them all, so that what was changed outside is refused by name. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// Rows that were found whole, so that they need not be checked again while no other process has committed anything and the keystore's own row stands.
struct WholeRows: Equatable {
    private let dataVersion: Int64
    private let generation: UInt64
    private let digest: [UInt8]

    init(_ dataVersion: Int64, _ header: KeystoreHeader) {
        (self.dataVersion, generation, digest) = (dataVersion, header.generation, header.digest)
    }
}

/// Makes and checks MACs. INVARIANT: `row_mac` has one row for each row of `ProtectedTable.all`, and `keystore` authenticates those.
struct RowAuthentication {
    private static let label = Array("EnvelopeFS row 1".utf8)

    let keys: RootKeys
    let path: String

    /// `TABLE/KEY…`: ids of 16 bytes as UUIDs, other blobs in hexadecimal.
    static func name(_ table: ProtectedTable, _ values: [DatabaseValue]) -> String {
        let parts = values.prefix(table.keyColumnCount).map { value in
            switch value.storage {
            case .null: "null"
            case .int64(let number): String(number)
            case .double(let number): String(number)
            case .string(let text): text
            case .blob(let data): blobName(Array(data))
            }
        }
        return ([table.name] + parts).joined(separator: "/")
    }

    private static func blobName(_ bytes: [UInt8]) -> String {
        KeyID(bytes.span)?.description ?? Hexadecimal.encode(bytes)
    }

    /// HMAC-SHA256 of the row's `message`.
    func code(_ name: String, _ values: [DatabaseValue]) throws(CryptographyError) -> [UInt8] {
        let message = Self.message(name, values)
        return try keys.rows.authenticate(message.span)
    }

    /// label | name | the columns as `encoded`.
    static func message(_ name: String, _ values: [DatabaseValue]) -> [UInt8] {
        var message = label
        message.append(littleEndian: UInt32(name.utf8.count))
        message += name.utf8
        message += encoded(values)
        return message
    }

    /// Column count u32 | each column: type u8, then integer i64, or length u32 and bytes.
    static func encoded(_ values: [DatabaseValue]) -> [UInt8] {
        var message: [UInt8] = []
        message.append(littleEndian: UInt32(values.count))
        for value in values {
            switch value.storage {
            case .null: message.append(0)
            case .int64(let number):
                message.append(1)
                message.append(littleEndian: number)
            case .double(let number):
                message.append(4)
                message.append(littleEndian: number.bitPattern)
            case .string(let text):
                message.append(2)
                message.append(littleEndian: UInt32(text.utf8.count))
                message += text.utf8
            case .blob(let data):
                message.append(3)
                message.append(littleEndian: UInt32(data.count))
                message += data
            }
        }
        return message
    }

    /// Checks every row of a keystore of this version. Throws `rowRefused`, `rowsOfDifferentTimes`, `newerVersion`, `damaged`.
    func verify(_ database: Database, version: Int = Schema.version) throws -> KeystoreHeader {
        let header = try verifyHeader(database, version: version)
        var check = RowCheck(self, header, codes: try Self.storedCodes(database))
        for table in Schema.tables(ofVersion: version) {
            for row in try Row.fetchAll(database, sql: "SELECT \(table.columns.joined(separator: ", ")) FROM \(table.name)") {
                try check.take(table, Array(row.databaseValues))
            }
        }
        return try check.finish()
    }

    /// Writes a row, new or in place of the one with its key, with its MAC.
    func put(_ table: ProtectedTable, _ values: [DatabaseValue], _ database: Database) throws {
        let marks = databaseQuestionMarks(count: values.count)
        try database.execute(
            sql: "INSERT OR REPLACE INTO \(table.name) (\(table.columns.joined(separator: ", "))) VALUES (\(marks))",
            arguments: StatementArguments(values))
        let name = Self.name(table, values)
        let code = try code(name, values)
        try database.execute(sql: "INSERT OR REPLACE INTO row_mac (name, mac) VALUES (?, ?)", arguments: [name, Data(code)])
    }

    /// Deletes the row with this key, and its MAC.
    func remove(_ table: ProtectedTable, key: [DatabaseValue], _ database: Database) throws {
        let condition = table.columns.prefix(table.keyColumnCount).map { "\($0) = ?" }.joined(separator: " AND ")
        try database.execute(sql: "DELETE FROM \(table.name) WHERE \(condition)", arguments: StatementArguments(key))
        try database.execute(sql: "DELETE FROM row_mac WHERE name = ?", arguments: [Self.name(table, key)])
    }

    /// Ends a change: counts it in the generation and authenticates all rows as they are now. The keystore's own row from then on.
    @discardableResult
    func seal(_ header: KeystoreHeader, _ database: Database) throws -> KeystoreHeader {
        let codes = try Self.storedCodes(database)
        var header = header
        header.generation += 1
        header.rowCount = codes.count
        header.digest = try Self.digest(codes)
        let table = ProtectedTable.keystore
        let code = try code(Self.name(table, header.values), header.values)
        try database.execute(
            sql: "INSERT OR REPLACE INTO keystore (\(table.columns.joined(separator: ", ")), mac) VALUES (\(databaseQuestionMarks(count: 8)))",
            arguments: StatementArguments(header.values + [Data(code).databaseValue]))
        return header
    }

    /// In rising order of the names' UTF-8 bytes, which is SQLite's own for text.
    private static func storedCodes(_ database: Database) throws -> [RowCode] {
        try Row.fetchAll(database, sql: "SELECT name, mac FROM row_mac ORDER BY name").map { try RowCode($0) }
    }

    /// SHA-256 of all MACs.
    static func digest(_ codes: [RowCode]) throws(CryptographyError) -> [UInt8] {
        let joined = codes.flatMap(\.code)
        return try SHA256.hash(joined.span)
    }

    func verifyHeader(_ database: Database, version: Int = Schema.version) throws -> KeystoreHeader {
        // Asked of SQLite before anything is read: no row is vouched for yet, and a blob may take a gigabyte.
        let sizes = "SELECT 1 FROM keystore WHERE id = 1 AND NOT (length(keystore_id) = 16 AND length(digest) = 32 AND length(mac) = 32)"
        if try Int.fetchOne(database, sql: sizes) != nil { throw KeystoreError.rowRefused(name: KeystoreHeader.name, .edited) }
        let columns = ProtectedTable.keystore.columns.joined(separator: ", ")
        guard let row = try Row.fetchOne(database, sql: "SELECT \(columns), mac FROM keystore WHERE id = 1") else {
            throw KeystoreError.rowRefused(name: KeystoreHeader.name, .missing)
        }
        return try KeystoreHeader(Array(row.databaseValues), self, version: version)
    }
}
