// Wrapped keys, rows, whole keystores and import files that were changed at random: no crash, no hang, and no changed input is accepted where it is sealed.
//
// ENVELOPEFS_FUZZ=10000000 sets how many wrapped keys, ENVELOPEFS_FUZZ_SEED the seed.

import Bytes
import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

private struct Dice: Choices {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    mutating func below(_ limit: Int) -> Int { limit <= 1 ? 0 : Int(next() % UInt64(limit)) }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

struct FuzzTests {
    private static func setting(_ name: String, or value: UInt64) -> UInt64 { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? value }
    private let count = Int(setting("ENVELOPEFS_FUZZ", or: 20_000))
    private let seed = setting("ENVELOPEFS_FUZZ_SEED", or: 20_261_123)

    @Test func noChangedWrappedKeyOpens() throws {
        var dice = Dice(state: seed)
        let opened = try TestRing()
        let context = try EncryptionContext([("purpose", "fuzz"), ("b", "2")])
        let others = try [EncryptionContext.empty, EncryptionContext([("purpose", "fuzz"), ("b", "3")]), EncryptionContext([("purpose", "fuzz")])]
        let samples = try [1, 16, 32, 100].map { try opened.keyring.encrypt(SecretBytes.random(count: $0), under: opened.keyID, context: context) }
        var (refused, unchanged) = (0, 0)
        for number in 0..<count {
            let sample = samples[number & 3]
            let blob = dice.change(sample)
            let isOtherContext = number % 64 == 0
            if blob == sample && !isOtherContext {
                unchanged += 1
                continue
            }
            do throws(KeyError) {
                _ = try opened.keyring.decrypt(blob.span, context: isOtherContext ? others[dice.below(3)] : context)
                Issue.record("seed \(seed), input \(number): \(Hexadecimal.encode(blob)) opened")
                return
            } catch {
                switch error {
                case .invalidCiphertext, .notFound, .keyUnavailable, .disabled, .invalidState: refused += 1
                default:
                    Issue.record("seed \(seed), input \(number): \(error)")
                    return
                }
            }
        }
        #expect(refused > count * 9 / 10 && refused + unchanged == count)
        for sample in samples { #expect(throws: Never.self) { try opened.keyring.decrypt(sample.span, context: context) } }
    }

    /// Rows of every table in memory, as SQLite gives them: what is read before anything vouches for it, and the check of all.
    @Test func noChangedRowIsTaken() throws {
        var dice = Dice(state: seed)
        let place = try Place()
        let rows = try StoredRows(in: place.directory)
        for number in 0..<count {
            guard let violation = rows.violation(&dice) else { continue }
            Issue.record("seed \(seed), row \(number): \(violation)")
            return
        }
    }

    private struct Rollback: Error {}

    /// Some through SQLite, with what it refuses itself.
    @Test func noChangedRowIsRead() throws {
        var dice = Dice(state: seed)
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = KeyReference(try keystore.createKey(alias: "alias/a", description: "text", tags: [("t", "v")]))
        try keystore.rotateKey(key)
        try keystore.setRotationPeriod(90, of: key)
        _ = try keystore.parametersForImport(of: KeyReference(try keystore.createKey(origin: .external)), keySize: 2048)
        let authentication = try keystore.authentication()
        let tables = ProtectedTable.all.map { ($0.name, $0.columns) } + [("row_mac", ["name", "mac"]), ("keystore", ProtectedTable.keystore.columns + ["mac"])]
        var refused = 0
        for number in 0..<max(count / 200, 500) {
            let (table, columns) = tables[dice.below(tables.count)]
            let column = columns[dice.below(columns.count)]
            let values = ["NULL", "0", "1", "-1", "9223372036854775807", "''", "'Enabled'", "'x'", "x''", "x'00'", "randomblob(16)", "randomblob(32)", "zeroblob(48)", "\(column) || 'x'", "\(column) + 1"]
            let value = values[dice.below(values.count)]
            let statement =
                dice.below(8) == 0
                ? "DELETE FROM \(table) WHERE \(column) = (SELECT \(column) FROM \(table) LIMIT 1)"
                : "UPDATE \(table) SET \(column) = \(value) WHERE \(columns[0]) = (SELECT \(columns[0]) FROM \(table) LIMIT 1 OFFSET \(dice.below(3))) AND \(column) IS NOT \(value)"
            do throws(KeystoreFailure) {
                try keystore.database.write { database in
                    do { try database.execute(sql: statement) } catch { throw Rollback() }  // refused by a type or a constraint
                    guard database.changesCount > 0 else { throw Rollback() }
                    _ = try authentication.verify(database)
                    Issue.record("seed \(seed), change \(number) was not seen: \(statement)")
                    throw Rollback()
                }
            } catch {
                if case .keystore(.storage(_, let why)) = error, why.contains("Rollback") { continue }
                refused += 1
            }
        }
        #expect(refused > 50)
        #expect(try keystore.describe(key).currentVersion == 2)
    }

    /// Bytes of the file, also those that no row is in: it opens with all its keys as they were, or it is refused.
    @Test func aChangedFileIsRefusedOrTheSame() throws {
        var dice = Dice(state: seed)
        let place = try Place()
        let (made, code) = try place.create()
        let key = try made.createKey(alias: "alias/a", description: "text", tags: [("t", "v")])
        let blob = try made.encrypt(secret("plain"), under: KeyReference(key), context: .empty)
        let known = try made.describe(KeyReference(key))
        try made.close()
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: place.path)))
        let copy = place.directory + "/copy.db"
        var (refused, same) = (0, 0)
        for number in 0..<max(count / 200, 100) {
            var bytes = whole
            for _ in 0...dice.below(3) { bytes[dice.below(bytes.count)] ^= 1 << UInt8(dice.below(8)) }
            try Data(bytes).write(to: URL(fileURLWithPath: copy))
            defer { for end in ["", "-wal", "-shm", "-journal"] { try? FileManager.default.removeItem(atPath: copy + end) } }
            do {
                let opened = try Keystore.open(at: copy, unlockingWith: .recoveryCode(code))
                #expect(try opened.describe(KeyReference("alias/a")) == known, "seed \(seed), change \(number)")
                #expect(array(try opened.decrypt(blob.span, context: .empty).plaintext) == Array("plain".utf8), "seed \(seed), change \(number)")
                try opened.close()
                same += 1
            } catch is KeystoreError {
                refused += 1
            } catch is KeyError { refused += 1 }
        }
        // About one in eight is refused: of a hundred, never fewer than these.
        #expect(refused > 2 && same > 10, "\(refused) \(same)")
    }

    /// Good import files, changed at random.
    @Test(arguments: [SecretImport.Format.csv, .json]) func noImportFileDoesHarm(format: SecretImport.Format) throws {
        var random = Seeded(state: seed)
        let good = [
            "name,url,username,password,note,tags\r\nmail,https://mail.org/x,me,\"p\"\"1\",\"n\r\nm\",\"a,b\"\r\nx,,y,z,,\r\n",
            #"{"items":[{"name":"a","notes":"n","tags":["x"],"login":{"username":"u","password":"p\u00e9\"","uris":[{"uri":"https://a.org"}]}},{"name":"b","value":"q"}]}"#,
        ].map { Array($0.utf8) }
        let pieces = ["\"", "\"\"", ",", "\r", "\n", "[", "{", "}", "]", ":", "\\u", "\\ud800", "null", "1e999", "\u{0}", "\u{FEFF}", "password", "name"].map { Array($0.utf8) }
        for round in 0..<max(count / 4, 3000) {
            var bytes = good[format == .csv ? 0 : 1]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.insert(contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)], at: place)
                case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 0...8, using: &random)))
                case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 40)], at: place)
                default: bytes = Array(bytes.prefix(place))
                }
            }
            let file = try SecretBytes(copying: bytes.span)
            do throws(KeyError) {
                let found = try SecretImport(file, format)
                // Nothing comes out that did not go in.
                let total = found.entries.reduce(0) { $0 + $1.value.count + $1.metadata.encoded.count }
                #expect(total <= 40 * bytes.count + 100, "seed \(seed), round \(round)")
            } catch {
                guard case .validation = error else {
                    Issue.record("seed \(seed), round \(round): \(error)")
                    return
                }
            }
        }
    }
}
