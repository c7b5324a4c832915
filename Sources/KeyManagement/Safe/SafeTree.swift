// Digests over the rows of the safe in two levels, so that reading one secret shows whether rows near it were deleted or rolled back,
// without reading all. Why: Docs/decisions/0042; bytes: Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// The digests above the rows: 64 nodes of 64 buckets. A secret is in the bucket that the first 12 bits of its id say.
/// INVARIANT: `root` was read from an authenticated row; a node or bucket is used only after its digest was found right.
struct SafeTree {
    static let fanOut = 64
    static let bucketCount = fanOut * fanOut
    static let digestSize = 32
    static let levelSize = fanOut * digestSize

    /// The digests of the nodes.
    private(set) var root: [UInt8]
    private var nodes: [Int: [UInt8]] = [:]
    private var touched: Set<Int> = []

    init(root: [UInt8]) { self.root = root }

    /// Of a safe without secrets.
    static let emptyRoot = [UInt8](repeating: 0, count: levelSize)

    /// The first id of `bucket`, or of the one behind the last, which no id reaches.
    private static func bound(_ bucket: Int) -> Data {
        bucket == bucketCount ? Data(repeating: 0xFF, count: 17) : Data([UInt8(bucket >> 4), UInt8(bucket & 15) << 4])
    }

    /// Runs `body` on each row of `bucket`, in rising order of ids; `columns` of table `secret`.
    static func forEachRow(of bucket: Int, _ columns: String, _ database: Database, _ body: (Row) throws -> Void) throws {
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM secret WHERE secret_id >= ? AND secret_id < ? ORDER BY secret_id")
        let rows = try Row.fetchCursor(statement, arguments: [bound(bucket), bound(bucket + 1)])
        while let row = try rows.next() { try body(row) }
    }

    /// Throws `rowRefused` unless the rows of `bucket` are those that were last written, each with its MAC.
    mutating func check(_ bucket: Int, _ database: Database) throws {
        guard !touched.contains(bucket) else { return }
        let node = try node(bucket / Self.fanOut, database)
        let found = try Self.digest(bucket, database)
        guard found == Array(node[Self.range(bucket)]) else { throw KeystoreError.rowRefused(name: "secret/bucket \(bucket)", .missing) }
    }

    /// To be called before the first change to a row of `bucket`, which is checked; and then `update` after the last.
    mutating func touch(_ bucket: Int, _ database: Database) throws {
        try check(bucket, database)
        touched.insert(bucket)
    }

    /// Writes the digests of what was touched, but for the root.
    mutating func update(_ database: Database) throws {
        for bucket in touched.sorted() {
            let number = bucket / Self.fanOut
            var node = try node(number, database)
            node.replaceSubrange(Self.range(bucket), with: try Self.digest(bucket, database))
            nodes[number] = node
        }
        for number in Set(touched.map { $0 / Self.fanOut }).sorted() {
            guard let node = nodes[number] else { continue }
            try database.execute(sql: "INSERT OR REPLACE INTO safe_node (number, digests) VALUES (?, ?)", arguments: [number, Data(node)])
            root.replaceSubrange(Self.range(number), with: try Self.digest(of: node))
        }
        touched = []
    }

    /// Where the digest of a bucket stands in its node, or of a node in the root.
    private static func range(_ index: Int) -> Range<Int> { index % fanOut * digestSize..<(index % fanOut + 1) * digestSize }

    private mutating func node(_ number: Int, _ database: Database) throws -> [UInt8] {
        if let node = nodes[number] { return node }
        let name = "safe_node/\(number)"
        let row = try Row.fetchOne(database, sql: "SELECT digests FROM safe_node WHERE number = ?", arguments: [number])
        let node = Array(try row?.checked("digests", of: name) as Data? ?? Data(Self.emptyRoot))
        guard node.count == Self.levelSize, try Self.digest(of: node) == Array(root[Self.range(number)]) else {
            throw KeystoreError.rowRefused(name: name, row == nil ? .missing : .edited)
        }
        nodes[number] = node
        return node
    }

    /// 32 zeros for a node without any secrets, else its SHA-256.
    private static func digest(of node: [UInt8]) throws -> [UInt8] {
        node.span.isAllZero ? [UInt8](repeating: 0, count: digestSize) : try SHA256.hash(node.span)
    }

    /// 32 zeros for a bucket without rows, else SHA-256 of the ids and MACs of its rows. With the ids, it also says what is not there.
    private static func digest(_ bucket: Int, _ database: Database) throws -> [UInt8] {
        let name = "secret/bucket \(bucket)"
        var rows: [UInt8] = []
        try forEachRow(of: bucket, "secret_id, mac", database) { row in
            rows += try row.checked("secret_id", of: name) as Data
            rows += try row.checked("mac", of: name) as Data
        }
        return rows.isEmpty ? [UInt8](repeating: 0, count: digestSize) : try SHA256.hash(rows.span)
    }
}
