// A password safe that other software made: its rows are made again byte for byte, read, and refused when one column is changed.

import Bytes
import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct SafeVectorTests {
    struct Known: Decodable {
        struct Secret: Decodable {
            let name, account, description: String
            let tags: [String: String]
        }
        struct Value: Decodable {
            let name: String
            let version: UInt32
            let value, dataKey, salt: String
        }
        /// An integer, a blob in hexadecimal, or NULL.
        struct Column: Decodable {
            let value: DatabaseValue

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if container.decodeNil() {
                    value = .null
                } else if let number = try? container.decode(Int64.self) {
                    value = number.databaseValue
                } else {
                    value = Data(bytes(try container.decode(String.self))).databaseValue
                }
            }
        }

        let rootKey, safeKey, indexKey, rowKey, metadataKey, keyID, material: String
        let keyVersion: UInt32
        let known: [Secret]
        let values: [Value]
        let safe, secret, secret_version, safe_node: [[Column]]

        var rows: [(table: String, columns: [String], values: [[DatabaseValue]])] {
            [
                ("safe", ProtectedTable.safe.columns, safe), ("safe_node", ["number", "digests"], safe_node), ("secret", SecretRow.columns + ["mac"], secret),
                ("secret_version", SecretVersionRow.columns + ["mac"], secret_version),
            ].map { ($0.0, $0.1, $0.2.map { $0.map(\.value) }) }
        }
    }

    private let known: Known
    private let rootKeys: RootKeys

    init() throws {
        known = try vector("safe.json", as: Known.self)
        rootKeys = try RootKeys(rootKey: secret(hex: known.rootKey))
    }

    /// What `SafeTransaction` says of the rows: each secret's metadata, and the value of each version.
    private func read(_ rows: [(table: String, columns: [String], values: [[DatabaseValue]])]) throws -> [String] {
        let queue = try DatabaseQueue()
        try queue.write { database in
            try Schema.create(in: database)
            for (table, columns, values) in rows {
                for row in values {
                    let sql = "INSERT INTO \(table) (\(columns.joined(separator: ", "))) VALUES (\(databaseQuestionMarks(count: columns.count)))"
                    try database.execute(sql: sql, arguments: StatementArguments(row))
                }
            }
        }
        return try queue.read { database in
            let row = try #require(try SafeRow(in: database))
            var safe = SafeTransaction(database, try row.keys(rootKeys), row)
            var found: [String] = []
            for bucket in 0..<SafeTree.bucketCount {
                for row in try safe.secrets(of: bucket) {
                    let data = try row.metadata(safe.keys)
                    #expect(try safe.require(data.name).id == row.id)
                    found.append("\(data.name)|\(data.account)|\(data.description)|\(data.tags.sorted { $0.key < $1.key })|\(row.deletesAt ?? 0)")
                    for version in try safe.versions(of: row) {
                        found.append("\(data.name)|\(version)|\(Hexadecimal.encode(array(try value(try #require(try SecretVersionRow.find(row.id, version, safe.keys, in: database)), data.name))))")
                    }
                }
            }
            let (count, expected) = try safe.counts()
            guard count == expected else { throw KeystoreError.rowsOfDifferentTimes(expectedCount: expected, foundCount: count) }
            return found.sorted()
        }
    }

    private func value(_ row: SecretVersionRow, _ name: String) throws -> SecretBytes {
        let header = try WrappedKeyHeader(parsing: row.wrappedKey.span)
        #expect(header == WrappedKeyHeader(keyID: row.keyID, version: known.keyVersion) && row.keyID == KeyID(text: known.keyID))
        let context = try SecretValue.context(name: name, version: row.version)
        let dataKey = try WrappedKey.open(row.wrappedKey.span, header: header, material: secret(hex: known.material), context: context)
        return try SecretValue.open(row.sealedValue, with: dataKey, of: row.id, version: row.version)
    }

    @Test func theRowsAreReadAsTheyWereMade() throws {
        let metadata = zip(known.known, known.secret).map { secret, row in
            let date = Int64.fromDatabaseValue(row[3].value) ?? 0
            return "\(secret.name)|\(secret.account)|\(secret.description)|\(secret.tags.sorted { $0.key < $1.key })|\(date)"
        }
        let values = known.values.map { "\($0.name)|\($0.version)|\($0.value)" }
        #expect(try read(known.rows) == (metadata + values).sorted())
        #expect(known.known.count == 2 && values.count == 3)
    }

    /// With the same keys, nonces and salts the same bytes come out.
    @Test func theSameBytesAreMade() throws {
        let keys = try SafeKeys(safeKey: secret(hex: known.safeKey))
        let keyID = try #require(KeyID(text: known.keyID))
        for entry in known.known {
            let id = try keys.id(of: entry.name)
            let row = try #require(known.secret.first { $0[0].value == Data(id.bytes).databaseValue }).map(\.value)
            let data = try SecretMetadata(name: entry.name, account: entry.account, description: entry.description, tags: entry.tags)
            let nonce = Array(try #require(Data.fromDatabaseValue(row[8])))
            #expect(Data(try keys.seal(data, of: id, nonce: nonce)).databaseValue == row[9], "\(entry.name)")
            #expect(Data(try keys.code("secret/\(id.hex)", Array(row.prefix(10)))).databaseValue == row[10], "\(entry.name)")
            var digest: [UInt8] = []
            for told in known.values where told.name == entry.name {
                let version = try #require(known.secret_version.first { $0[0].value == row[0] && $0[1].value == Int64(told.version).databaseValue }).map(\.value)
                let (dataKey, salt) = (try secret(hex: told.dataKey), bytes(told.salt))
                let wrapped = try dataKey.withBytes { plain in
                    try WrappedKey.seal(
                        plain, header: WrappedKeyHeader(keyID: keyID, version: known.keyVersion), material: secret(hex: known.material),
                        context: SecretValue.context(name: entry.name, version: told.version), salt: salt.span)
                }
                #expect(Data(wrapped).databaseValue == version[4], "\(entry.name) \(told.version)")
                let sealed = try SecretValue.seal(secret(hex: told.value), with: dataKey, of: id, version: told.version)
                #expect(Data(sealed).databaseValue == version[5], "\(entry.name) \(told.version)")
                let code = try keys.code("secret_version/\(id.hex)/\(told.version)", Array(version.prefix(6)))
                #expect(Data(code).databaseValue == version[6], "\(entry.name) \(told.version)")
                digest.append(littleEndian: told.version)
                digest += code
            }
            #expect(Data(try SHA256.hash(digest.span)).databaseValue == row[7], "\(entry.name)")
        }
    }

    @Test func everyChangedColumnIsRefused() throws {
        var refused = 0
        for (place, table) in known.rows.enumerated() {
            for row in table.values.indices {
                for column in table.columns.indices where !(column == 0 && table.columns[0] != "secret_id") {
                    var rows = known.rows
                    let old = rows[place].values[row][column]
                    if var blob = Data.fromDatabaseValue(old).map({ Array($0) }), !blob.isEmpty {
                        blob[blob.count - 1] ^= 1
                        rows[place].values[row][column] = Data(blob).databaseValue
                    } else {
                        rows[place].values[row][column] = ((Int64.fromDatabaseValue(old) ?? 0) + 1).databaseValue
                    }
                    #expect(throws: (any Error).self, "\(table.table), row \(row), \(table.columns[column])") { try read(rows) }
                    refused += 1
                }
            }
        }
        #expect(refused == 4 + 2 * 1 + 2 * 11 + 3 * 7)
    }
}
