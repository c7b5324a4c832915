// Checking the rows of a keystore against their MACs, wherever they were read from. Specified in Docs/FORMAT-KEYS.md.

import Cryptography
import FoundationEssentials
import GRDB

/// The row of table `keystore`.
struct KeystoreHeader {
    static let name = "keystore/1"

    var schemaVersion = Schema.version
    let keystoreID: KeystoreID
    let createdAt: Int64
    var generation: UInt64
    var rowCount: Int
    var digest: [UInt8]

    var values: [DatabaseValue] {
        [
            1.databaseValue, schemaVersion.databaseValue, Data(keystoreID.bytes).databaseValue, createdAt.databaseValue,
            Int64(generation).databaseValue, rowCount.databaseValue, Data(digest).databaseValue,
        ]
    }
}

extension KeystoreHeader {
    /// - Parameter columns: of the table, in their order, and `mac` behind them. Throws `rowRefused`, `newerVersion`, `damaged`.
    init(_ columns: [DatabaseValue], _ authentication: RowAuthentication, version: Int) throws {
        func column<T: DatabaseValueConvertible>(_ index: Int) throws -> T {
            guard index < columns.count, let value = T.fromDatabaseValue(columns[index]) else { throw KeystoreError.rowRefused(name: Self.name, .edited) }
            return value
        }
        let (code, stored) = (try authentication.code(Self.name, Array(columns.dropLast())), Array(try column(columns.count - 1) as Data))
        guard constantTimeEqual(code.span, stored.span) else { throw KeystoreError.rowRefused(name: Self.name, .edited) }
        let found = Int(try column(1) as Int64)
        // Another process may run a newer program.
        guard found <= Schema.version else { throw KeystoreError.newerVersion(path: authentication.path, found: found, supported: Schema.version) }
        let idBytes = Array(try column(2) as Data)
        guard found == version, let keystoreID = KeystoreID(idBytes.span) else {
            throw KeystoreError.damaged(path: authentication.path, "its row \(Self.name) says version \(found)")
        }
        self.init(
            schemaVersion: found, keystoreID: keystoreID, createdAt: try column(3), generation: UInt64(try column(4) as Int64), rowCount: try column(5),
            digest: Array(try column(6) as Data))
    }
}

/// A row of table `row_mac`: the name of another row, and its MAC.
struct RowCode {
    let name: String
    let code: [UInt8]

    init(_ row: Row) throws {
        name = try row.checked("name", of: "row_mac")
        code = Array(try row.checked("mac", of: "row_mac/\(name)") as Data)
    }
}

/// One look at all rows: nothing of them may be used before `finish`.
struct RowCheck {
    private let authentication: RowAuthentication
    private let header: KeystoreHeader
    private let codes: [RowCode]
    /// By the bytes of the names: Swift counts texts as equal that Unicode holds to be the same character, and SQLite keeps them as two rows.
    private var unseen: [[UInt8]: [UInt8]]

    /// - Parameters:
    ///   - header: checked already.
    ///   - codes: in rising order of the names' UTF-8 bytes.
    init(_ authentication: RowAuthentication, _ header: KeystoreHeader, codes: [RowCode]) {
        (self.authentication, self.header, self.codes) = (authentication, header, codes)
        unseen = Dictionary(codes.map { (Array($0.name.utf8), $0.code) }, uniquingKeysWith: { first, _ in first })
    }

    /// The next row, with all its columns. Throws `rowRefused`.
    mutating func take(_ table: ProtectedTable, _ values: [DatabaseValue]) throws {
        let name = RowAuthentication.name(table, values)
        guard let stored = unseen.removeValue(forKey: Array(name.utf8)) else { throw KeystoreError.rowRefused(name: name, .added) }
        let code = try authentication.code(name, values)
        guard constantTimeEqual(code.span, stored.span) else { throw KeystoreError.rowRefused(name: name, .edited) }
    }

    /// After the last row of the last table. Throws `rowRefused`, `rowsOfDifferentTimes`.
    func finish() throws -> KeystoreHeader {
        if let name = unseen.keys.map({ String(decoding: $0, as: UTF8.self) }).min() { throw KeystoreError.rowRefused(name: name, .missing) }
        guard try RowAuthentication.digest(codes) == header.digest, codes.count == header.rowCount else {
            throw KeystoreError.rowsOfDifferentTimes(expectedCount: header.rowCount, foundCount: codes.count)
        }
        return header
    }
}
