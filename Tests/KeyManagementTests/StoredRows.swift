// The rows of a keystore in memory, to be changed and checked millions of times. Used by FuzzTests and by Tests/Fuzz, which libFuzzer drives.

import Bytes
import Cryptography
import Foundation
import GRDB

@testable import KeyManagement

/// Where the choices of a change come from: a seeded generator, or the bytes that libFuzzer gives.
protocol Choices {
    /// 0 to `limit` - 1.
    mutating func below(_ limit: Int) -> Int
    mutating func bytes(_ count: Int) -> [UInt8]
}

/// Every row of a keystore with keys, a safe and an audit log, as SQLite gives them.
struct StoredRows {
    /// One row that is checked by itself, by name of the column.
    typealias Single = [String: DatabaseValue]

    private let authentication: RowAuthentication
    private let safeKeys: SafeKeys
    private let code: SecretBytes
    private let header: [DatabaseValue]
    private let olderHeader: [DatabaseValue]
    private let codes: [[DatabaseValue]]
    private let rows: [(table: ProtectedTable, values: [DatabaseValue])]
    private let slots, secrets, versions, entries: [Single]
    private let firstAuditKey: SecretBytes

    /// Makes a keystore in `directory`, and reads it.
    init(in directory: String) throws {
        var shown: SecretBytes?
        let path = directory + "/rows.db"
        let passphrase = try SecretBytes(copying: Array("x".utf8).span)
        try Keystore.create(at: path, secret: .passphrase(passphrase), scrypt: ScryptParameters(logN: 14, r: 8, p: 1)) { shown = $0 }.close()
        guard let shown else { throw CocoaError(.featureUnsupported) }
        code = shown
        let keystore = try Keystore.open(at: path, unlockingWith: .recoveryCode(shown), keepsRootKey: true)
        let key = KeyReference(try keystore.createKey(alias: "alias/a", description: "text", tags: [("t", "v"), ("u", "")]))
        try keystore.rotateKey(key)
        try keystore.setRotationPeriod(90, of: key)
        let external = KeyReference(try keystore.createKey(origin: .external))
        _ = try keystore.parametersForImport(of: external, keySize: 2048)
        try keystore.scheduleDeletion(of: external)
        let safe = PasswordSafe(keystore)
        for name in ["mail", "bank"] {
            try safe.create(SecretMetadata(name: name, account: "me", description: "d", tags: ["a": "b"]), value: passphrase, key: key)
            _ = try safe.put(name, value: passphrase)
        }
        authentication = try keystore.authentication()
        let authentication = authentication
        func values(_ sql: String, _ database: Database) throws -> [[DatabaseValue]] { try Row.fetchAll(database, sql: sql).map { Array($0.databaseValues) } }
        let headerSQL = "SELECT \(ProtectedTable.keystore.columns.joined(separator: ", ")), mac FROM keystore"
        olderHeader = try keystore.database.read { try values(headerSQL, $0)[0] }
        try keystore.updateDescription("newer", of: key)
        let rootKey = try keystore.rootKey()
        (header, codes, rows, firstAuditKey, safeKeys) = try keystore.database.read { database in
            var rows: [(table: ProtectedTable, values: [DatabaseValue])] = []
            for table in ProtectedTable.all {
                rows += try values("SELECT \(table.columns.joined(separator: ", ")) FROM \(table.name)", database).map { (table, $0) }
            }
            guard let safe = try SafeRow(in: database) else { throw CocoaError(.featureUnsupported) }
            return (
                try values(headerSQL, database)[0], try values("SELECT name, mac FROM row_mac ORDER BY name", database), rows,
                try AuditLog(database: database, authentication: authentication).firstKey(rootKey: rootKey), try safe.keys(authentication.keys)
            )
        }
        func singles(_ table: String) throws -> [Single] {
            try keystore.database.read { database in
                try Row.fetchAll(database, sql: "SELECT * FROM \(table) ORDER BY 1, 2").map { row in
                    Dictionary(uniqueKeysWithValues: zip(Array(row.columnNames), Array(row.databaseValues)))
                }
            }
        }
        (slots, secrets, versions, entries) = (try singles("unlock_slot"), try singles("secret"), try singles("secret_version"), try singles("audit_entry"))
        try keystore.close()
    }

    /// What was done wrong with rows that `choices` has changed; nil for nothing.
    func violation(_ choices: inout some Choices) -> String? {
        switch choices.below(8) {
        case 0, 1: whole(&choices)
        case 2: headerAlone(&choices)
        case 3: slot(&choices)
        case 4: single(secrets, "secret", &choices) { row in _ = try SecretRow(row, safeKeys) }
        case 5:
            single(versions, "secret_version", &choices) { row in
                let bytes = Array(try row.checked("secret_id", of: "") as Data)
                guard let id = SecretID(bytes), let version = UInt32(exactly: try row.checked("version", of: "") as Int64) else { throw Self.refused }
                _ = try SecretVersionRow(row, id, version, safeKeys)
            }
        case 6: entry(&choices)
        default: metadata(&choices)
        }
    }

    private static let refused = KeystoreError.rowRefused(name: "", .edited)

    /// A row that vouches for itself by a MAC: it is refused when any column is another.
    private func single(_ originals: [Single], _ what: String, _ choices: inout some Choices, _ read: (Row) throws -> Void) -> String? {
        let original = originals[choices.below(originals.count)]
        guard let changed = change(original, &choices) else { return nil }
        return expectRefusal("\(what) \(changed)") { try read(Row(changed)) }
    }

    /// A slot is read before anything vouches for it: then it opens the root key that it opened, or nothing.
    private func slot(_ choices: inout some Choices) -> String? {
        guard let changed = change(slots[choices.below(slots.count)], &choices) else { return nil }
        return tell("unlock_slot \(changed)") {
            let slot = try UnlockSlot(Row(changed))
            try UnlockSlot.limitWork(of: [slot])
            // A passphrase would take a twentieth of a second.
            guard slot.scrypt == nil else { return nil }
            let material = try UnlockSecret.recoveryCode(code).material()
            guard let root = try slot.open(with: material) else { return nil }
            let sealed = authentication.keys
            let isSame = try RootKeys(rootKey: root).rows.authenticate(Array("same".utf8).span) == sealed.rows.authenticate(Array("same".utf8).span)
            let number = changed["slot"].flatMap { Int64.fromDatabaseValue($0) }
            return isSame && slot.number == number ? nil : "it opens another root key"
        }
    }

    /// An entry that is not the one that was written there does not go on with the chain.
    private func entry(_ choices: inout some Choices) -> String? {
        // The first: its key is at hand.
        guard let changed = change(entries[0], &choices) else { return nil }
        return expectRefusal("audit_entry \(changed)") {
            let entry = try AuditEntry(Row(changed))
            guard entry.number == 1 else { throw Self.refused }
            let key = try firstAuditKey.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes) }
            var chain = AuditChain(count: 0, mac: AuditChain.firstMAC, key: key)
            guard try chain.next(entry.values) == entry.mac else { throw Self.refused }
        }
    }

    /// What is sealed in a secret's row has one form.
    private func metadata(_ choices: inout some Choices) -> String? {
        guard let good = try? SecretMetadata(name: "name", account: "account", description: "text\n", tags: ["a": "b", "c": "", "url": "https://x"]).encoded else { return "it is not written" }
        let bytes = choices.change(good)
        guard let read = SecretMetadata(encoded: bytes.span) else { return nil }
        return read.encoded == bytes ? nil : "metadata \(Hexadecimal.encode(bytes)) was taken for \(read)"
    }

    private func headerAlone(_ choices: inout some Choices) -> String? {
        var changed = header
        let place = choices.below(header.count)
        changed[place] = choices.change(changed[place])
        guard changed != header else { return nil }
        return expectRefusal("keystore \(changed)") { _ = try KeystoreHeader(changed, authentication, version: Schema.version) }
    }

    /// One change anywhere in all rows, and the check of all.
    private func whole(_ choices: inout some Choices) -> String? {
        var (header, codes, rows) = (header, codes, rows)
        let (row, other, code) = (choices.below(rows.count), choices.below(rows.count), choices.below(codes.count))
        let kind = choices.below(10)
        switch kind {
        case 0: header = olderHeader
        case 1: rows.remove(at: row)
        case 2: codes.remove(at: code)
        case 3:
            let name = RowAuthentication.name(rows[row].table, rows[row].values)
            rows.remove(at: row)
            codes.removeAll { $0[0] == name.databaseValue }
        case 4: rows.append(rows[row])
        case 5:
            let place = choices.below(codes.count)
            (codes[code][1], codes[place][1]) = (codes[place][1], codes[code][1])
        case 6: codes[code][1] = choices.change(codes[code][1])
        case 7: codes[code][0] = choices.change(codes[code][0])
        case 8 where rows[row].table.name == rows[other].table.name:
            let column = choices.below(rows[row].values.count)
            (rows[row].values[column], rows[other].values[column]) = (rows[other].values[column], rows[row].values[column])
        default:
            let column = choices.below(rows[row].values.count)
            rows[row].values[column] = choices.change(rows[row].values[column])
        }
        let isSame = header == self.header && codes == self.codes && rows.count == self.rows.count && zip(rows, self.rows).allSatisfy { $0.values == $1.values }
        if isSame { return nil }
        // As SQLite gives them.
        codes.sort { a, b in (String.fromDatabaseValue(a[0]) ?? "").utf8.lexicographicallyPrecedes((String.fromDatabaseValue(b[0]) ?? "").utf8) }
        return expectRefusal("change \(kind) of row \(row), code \(code)") {
            let found = try KeystoreHeader(header, authentication, version: Schema.version)
            var check = RowCheck(authentication, found, codes: try codes.map { try RowCode(Row(["name": $0[0], "mac": $0[1]])) })
            for (table, values) in rows { try check.take(table, values) }
            _ = try check.finish()
        }
    }

    /// One column of another value; nil where it came out as it was, or as something that means the same.
    private func change(_ row: Single, _ choices: inout some Choices) -> Single? {
        let names = row.keys.sorted()
        let name = names[choices.below(names.count)]
        guard let old = row[name] else { return nil }
        let new = choices.change(old)
        var changed = row
        changed[name] = new
        return Self.meansTheSame(old, new) ? nil : changed
    }

    /// The columns' types are SQLite's to check (STRICT): a number is read as the same whole number, and text as its bytes.
    private static func meansTheSame(_ a: DatabaseValue, _ b: DatabaseValue) -> Bool {
        a == b || Int64.fromDatabaseValue(a).map { $0 == Int64.fromDatabaseValue(b) } ?? false || Data.fromDatabaseValue(a).map { $0 == Data.fromDatabaseValue(b) } ?? false
            || String.fromDatabaseValue(a).map { $0 == String.fromDatabaseValue(b) } ?? false
    }

    /// Nil where `read` refused as it should, else what it did.
    private func expectRefusal(_ what: String, _ read: () throws -> Void) -> String? {
        tell(what) {
            try read()
            return "it was taken"
        }
    }

    private func tell(_ what: @autoclosure () -> String, _ read: () throws -> String?) -> String? {
        do {
            return try read().map { "\(what()): \($0)" }
        } catch let error as KeystoreError {
            switch error {
            case .rowRefused, .rowsOfDifferentTimes, .newerVersion, .damaged, .excessiveParameters: return nil
            default: return "\(what()): \(error)"
            }
        } catch {
            // Of a slot whose sealed root key was changed, or that is read as of another kind.
            if let error = error as? CryptographyError, error == .authenticationFailed { return nil }
            return "\(what()): \(error)"
        }
    }
}

extension Choices {
    /// One to four changes.
    mutating func change(_ sample: [UInt8]) -> [UInt8] {
        var bytes = sample
        for _ in 0...below(3) {
            let place = below(bytes.count)
            switch below(bytes.isEmpty ? 1 : 7) {
            case 0: bytes.insert(contentsOf: self.bytes(1), at: place)
            case 1, 2: bytes[place] ^= 1 << UInt8(below(8))
            case 3: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][below(5)]
            case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(20)))
            case 5: bytes.removeSubrange(place...)
            default: bytes += bytes[place...]
            }
        }
        return bytes
    }

    /// Another value, now and then of another type.
    mutating func change(_ value: DatabaseValue) -> DatabaseValue {
        switch below(12) {
        case 0: return .null
        case 1: return Int64([0, 1, -1, 2, Int(UInt32.max), Int(UInt32.max) + 1, .max, .min][below(8)]).databaseValue
        case 2: return ["", "x", "Enabled", "passphrase", "recovery", "key-file", "\u{0}", "é"][below(8)].databaseValue
        case 3: return Data(bytes([0, 1, 12, 16, 32, 48, 64][below(7)])).databaseValue
        case 4: return (Double(below(4)) / 2).databaseValue
        default: break
        }
        switch value.storage {
        case .null: return Int64(below(256)).databaseValue
        case .int64(let number): return below(2) == 0 ? (number ^ 1 << Int64(below(64))).databaseValue : (number &+ Int64(below(5)) - 2).databaseValue
        case .double(let number): return (number + 1).databaseValue
        case .string(let text): return String(decoding: change(Array(text.utf8)), as: UTF8.self).databaseValue
        case .blob(let data): return Data(change(Array(data))).databaseValue
        }
    }
}
