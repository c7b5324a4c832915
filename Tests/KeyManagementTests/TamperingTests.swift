// What is done to a keystore by someone without its keys, and what is then said.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct TamperingTests {
    /// A closed keystore with rows in every table.
    private func filled() throws -> (Place, code: SecretBytes) {
        let place = try Place()
        let (keystore, code) = try place.create()
        let key = try keystore.createKey(alias: "alias/a", description: "d", tags: [("t", "v")])
        _ = try keystore.rotateKey(KeyReference(key))
        try keystore.change { database, authentication in
            let id = Data(key.bytes).databaseValue
            let (one, blob) = (1.databaseValue, Data([1, 2, 3]).databaseValue)
            try authentication.put(.cmkSettings, [id, "Generated".databaseValue, 2560.databaseValue, (Keystore.now() + 86_400).databaseValue, one, one, .null, .null, blob], database)
            try authentication.put(.cmkRotation, [id, 2.databaseValue, "OnDemand".databaseValue], database)
            try authentication.put(.importParameters, [id, blob, one, one, blob, blob], database)
            try authentication.put(.clock, [one, Keystore.now().databaseValue], database)
            try authentication.put(.safe, [one, blob, blob, one, blob], database)
        }
        try keystore.close()
        return (place, code)
    }

    /// What opening says after `statement` was run on a copy.
    private func refusal(_ place: Place, _ statement: String, _ secret: UnlockSecret) throws -> KeystoreError? {
        try timedRefusal(place, statement, secret).error
    }

    /// The same, and how long opening took: what the test itself does to the copy takes its time, too.
    private func timedRefusal(_ place: Place, _ statement: String, _ secret: UnlockSecret) throws -> (error: KeystoreError?, time: Duration) {
        let copy = place.directory + "/copy.db"
        defer { for end in ["", "-wal", "-shm", "-journal"] { try? FileManager.default.removeItem(atPath: copy + end) } }
        try FileManager.default.copyItem(atPath: place.path, toPath: copy)
        try place.tamper(statement, at: copy)
        let began = ContinuousClock.now
        let error = failure { try Keystore.open(at: copy, unlockingWith: secret) } as? KeystoreError
        return (error, began.duration(to: .now))
    }

    private func rows(_ place: Place, _ table: String, _ columns: [String]) throws -> [[DatabaseValue]] {
        let queue = try DatabaseQueue(path: place.path)
        defer { try? queue.close() }
        return try queue.read { try Row.fetchAll($0, sql: "SELECT \(columns.joined(separator: ", ")) FROM \(table)").map { Array($0.databaseValues) } }
    }

    private func literal(_ value: DatabaseValue) -> String {
        switch value.storage {
        case .null: "NULL"
        case .int64(let number): String(number)
        case .double(let number): String(number)
        case .string(let text): "'\(text)'"
        case .blob(let data): "x'\(Hexadecimal.encode(Array(data)))'"
        }
    }

    private func other(_ value: DatabaseValue) -> DatabaseValue {
        switch value.storage {
        case .null: return 1.databaseValue
        case .int64(let number): return (number + 10).databaseValue  // not a number that another row has
        case .double(let number): return (number + 1).databaseValue
        case .string(let text): return (text + "x").databaseValue
        case .blob(let data):
            var bytes = Array(data)
            bytes[bytes.count - 1] ^= 1
            return Data(bytes).databaseValue
        }
    }

    /// A condition that is true for one row.
    private func condition(_ columns: [String], _ keyCount: Int, _ row: [DatabaseValue]) -> String {
        (0..<keyCount).map { "\(columns[$0]) = \(literal(row[$0]))" }.joined(separator: " AND ")
    }

    /// Edits of a slot are looked at through the other slot.
    private func opener(_ table: String, _ row: [DatabaseValue], _ code: SecretBytes) throws -> UnlockSecret {
        table == "unlock_slot" && row[0] == 2.databaseValue ? .passphrase(try secret("open sesame")) : .recoveryCode(code)
    }

    /// Rows that were found whole are not checked again, until somebody else has written.
    @Test func whatIsEditedWhileTheKeystoreIsOpenIsRefusedByTheNextVerb() throws {
        for isAfterAChange in [false, true] {
            let place = try Place()
            let (keystore, _) = try place.create()
            let key = KeyReference(try keystore.createKey(alias: "alias/a"))
            let ring = try keystore.keyring()
            if isAfterAChange { try keystore.updateDescription("d", of: key) }
            #expect(try keystore.describe(key).state == .enabled)
            try keystore.disableKey(key)
            #expect(try keystore.describe(key).state == .disabled)
            try place.tamper("UPDATE cmk SET state = 'Enabled'")
            let (read, change) = (failure { try keystore.describe(key) } as? KeyError, failure { try keystore.updateDescription("e", of: key) } as? KeyError)
            #expect(read?.description.contains("cmk/") == true, "\(String(describing: read))")
            #expect(change?.description.contains("cmk/") == true, "\(String(describing: change))")
            #expect(failure { try ring.refresh() } != nil)
            try place.tamper("UPDATE cmk SET state = 'Disabled'")
            #expect(try keystore.describe(key).state == .disabled)
            try keystore.close()
        }
    }

    @Test func everyEditedColumnOfEveryRowIsRefusedByName() throws {
        let (place, code) = try filled()
        var (edits, columns) = (0, 0)
        // The table's own condition keeps the only id that there is.
        let single = ["clock", "audit_start", "audit_mark", "safe"]
        for table in ProtectedTable.all {
            let all = try rows(place, table.name, table.columns)
            #expect(!all.isEmpty, "\(table.name)")
            columns += all.count * (table.columns.count - (single.contains(table.name) ? 1 : 0))
            for row in all {
                for (i, column) in table.columns.enumerated() where !(single.contains(table.name) && i == 0) {
                    let statement = "UPDATE \(table.name) SET \(column) = \(literal(other(row[i]))) WHERE \(condition(table.columns, table.keyColumnCount, row))"
                    let error = try refusal(place, statement, opener(table.name, row, code))
                    var edited = row
                    edited[i] = other(row[i])
                    let isKey = i < table.keyColumnCount
                    let name = RowAuthentication.name(table, edited)
                    #expect(error == .rowRefused(name: name, isKey ? .added : .edited), "\(statement): \(String(describing: error))")
                    edits += 1
                }
            }
        }
        #expect(edits == columns && edits > 40)
    }

    @Test func everyDeletedRowIsRefusedByName() throws {
        let (place, code) = try filled()
        let count = try rows(place, "row_mac", ["name"]).count
        for table in ProtectedTable.all {
            for row in try rows(place, table.name, table.columns) {
                let name = RowAuthentication.name(table, row)
                let condition = condition(table.columns, table.keyColumnCount, row)
                let secret = try opener(table.name, row, code)
                #expect(try refusal(place, "DELETE FROM \(table.name) WHERE \(condition)", secret) == .rowRefused(name: name, .missing))
                // With its MAC: no name is left, but the count tells.
                let both = "DELETE FROM \(table.name) WHERE \(condition); DELETE FROM row_mac WHERE name = '\(name)'"
                #expect(try refusal(place, both, secret) == .rowsOfDifferentTimes(expectedCount: count, foundCount: count - 1))
                #expect(try refusal(place, "DELETE FROM row_mac WHERE name = '\(name)'", secret) == .rowRefused(name: name, .added))
            }
        }
    }

    @Test func theKeystoresOwnRowIsRefusedWhenChanged() throws {
        let (place, code) = try filled()
        let columns = ProtectedTable.keystore.columns.dropFirst() + ["mac"]
        let row = try rows(place, "keystore", Array(columns))[0]
        for (column, value) in zip(columns, row) {
            let error = try refusal(place, "UPDATE keystore SET \(column) = \(literal(other(value)))", .recoveryCode(code))
            #expect(error == .rowRefused(name: "keystore/1", .edited), "\(column)")
        }
        #expect(try refusal(place, "DELETE FROM keystore", .recoveryCode(code)) == .rowRefused(name: "keystore/1", .missing))
        let codes = try rows(place, "row_mac", ["name", "mac"])
        for row in codes {
            let name = literal(row[0])
            let error = try refusal(place, "UPDATE row_mac SET mac = \(literal(other(row[1]))) WHERE name = \(name)", .recoveryCode(code))
            #expect(error == .rowRefused(name: String(name.dropFirst().dropLast()), .edited))
        }
    }

    @Test func anOlderRowPutBackWithItsMACIsRefused() throws {
        let (place, code) = try filled()
        let before = try rows(place, "cmk", ProtectedTable.cmk.columns)[0]
        let count = try rows(place, "row_mac", ["name"]).count
        let keystore = try Keystore.open(at: place.path, unlockingWith: .recoveryCode(code))
        let name = RowAuthentication.name(.cmk, before)
        let mac = try rows(place, "row_mac", ["name", "mac"]).first { $0[0] == name.databaseValue }
        try keystore.disableKey(KeyReference("alias/a"))
        try keystore.close()
        let statement = """
            UPDATE cmk SET state = 'Enabled', state_changed_at = \(literal(before[4])); \
            UPDATE row_mac SET mac = \(literal(try #require(mac)[1])) WHERE name = '\(name)'
            """
        #expect(try refusal(place, statement, .recoveryCode(code)) == .rowsOfDifferentTimes(expectedCount: count, foundCount: count))
    }

    @Test func anOpenKeystoreRefusesToBuildOnEditedRows() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = try keystore.createKey()
        let ring = try keystore.keyring()
        try keystore.disableKey(KeyReference(key))
        try place.tamper("UPDATE cmk SET state = 'Enabled'")
        let refused = KeyError.storage(.rowRefused(name: "cmk/\(key)", .edited))
        #expect(failure { try keystore.createKey() } as? KeyError == refused)
        #expect(failure { try ring.refresh() } as? KeyError == refused)
        #expect(failure { try keystore.keys() } as? KeyError == refused)
    }

    @Test func plantedTriggersAndTablesAreRefused() throws {
        let (place, code) = try filled()
        let planted = [
            "CREATE TRIGGER t AFTER UPDATE ON cmk BEGIN DELETE FROM tag; END", "CREATE VIEW v AS SELECT 1", "CREATE TABLE more (x)",
            "CREATE INDEX i ON alias (key_id)", "DROP TABLE tag", "ALTER TABLE tag ADD COLUMN more TEXT",
        ]
        for statement in planted {
            guard case .damaged(_, let why) = try refusal(place, statement, .recoveryCode(code)) else {
                Issue.record("accepted: \(statement)")
                continue
            }
            #expect(why.hasPrefix("its tables were changed, near: "))
        }
    }

    @Test func excessiveSlotParametersAreNotRun() throws {
        let (place, _) = try filled()
        let passphrase = UnlockSecret.passphrase(try secret("open sesame"))
        for change in ["scrypt_log_n = 30", "scrypt_log_n = 13", "scrypt_p = 17", "scrypt_r = -1", "scrypt_r = 9223372036854775807"] {
            let (error, time) = try timedRefusal(place, "UPDATE unlock_slot SET \(change) WHERE slot = 1", passphrase)
            #expect(error == .excessiveParameters(slot: "unlock_slot/1"), "\(change)")
            #expect(time < .seconds(5), "\(change)")
        }
        let sealed = "UPDATE unlock_slot SET sealed_root_key = zeroblob(48) WHERE slot = 1"
        #expect(try refusal(place, sealed, passphrase) == .rowRefused(name: "unlock_slot/1", .edited))
        #expect(try refusal(place, "DELETE FROM unlock_slot WHERE slot = 1", passphrase) == .noSlot(kind: "passphrase"))
    }

    /// Nothing vouches for the slots before one of them opens, so their number, sizes and work are bounded first.
    @Test func plantedSlotsCostNoTime() throws {
        let (place, code) = try filled()
        let passphrase = UnlockSecret.passphrase(try secret("wrong"))
        func planting(_ count: Int, _ logN: Int) -> String {
            """
            WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < \(count + 2)) INSERT INTO unlock_slot \
            SELECT i, 'passphrase', 0, \(logN), 8, 1, zeroblob(32), zeroblob(32), zeroblob(48) FROM n
            """
        }
        let copy = place.directory + "/copy.db"
        let excessive = try timedRefusal(place, planting(3, 20), passphrase)
        #expect(excessive.error == .excessiveParameters(slot: "unlock_slot/4"))
        var opening = excessive.time
        for secret in [passphrase, .recoveryCode(code)] {
            let (error, time) = try timedRefusal(place, planting(20_000, 14), secret)
            #expect(error == .damaged(path: copy, "it has more than 16 unlock slots"))
            opening += time
        }
        for change in ["salt = zeroblob(300000000)", "commitment = zeroblob(300000000)", "sealed_root_key = zeroblob(47)", "salt = x''", "kind = 'passphras'"] {
            let (error, time) = try timedRefusal(place, "UPDATE unlock_slot SET \(change) WHERE slot = 2", passphrase)
            #expect(error == .rowRefused(name: "unlock_slot/2", .edited), "\(change)")
            opening += time
        }
        #expect(opening < .seconds(60))
        // As many as fit are tried: the right one may be the last.
        let moved = planting(14, 14) + "; UPDATE unlock_slot SET slot = 99 WHERE slot = 1"
        let right = UnlockSecret.passphrase(try secret("open sesame"))
        guard case .rowRefused(_, .added) = try refusal(place, moved, right) else {
            Issue.record("sixteen slots were not tried")
            return
        }
        #expect(try refusal(place, "UPDATE keystore SET mac = zeroblob(33)", .recoveryCode(code)) == .rowRefused(name: "keystore/1", .edited))
    }

    @Test func otherVersionsAndOtherFilesAreSaid() throws {
        let (place, code) = try filled()
        let copy = place.directory + "/copy.db"
        #expect(try refusal(place, "PRAGMA user_version = \(Schema.version + 1)", .recoveryCode(code)) == .newerVersion(path: copy, found: Schema.version + 1, supported: Schema.version))
        #expect(try refusal(place, "PRAGMA user_version = 0", .recoveryCode(code)) == .damaged(path: copy, "its version 0 never existed"))
        let foreign = try refusal(place, "PRAGMA application_id = 0", .recoveryCode(code))
        #expect(foreign == .notAKeystore(path: copy, "it is a database of another program"))

        let url = URL(fileURLWithPath: copy)
        func opening(_ content: Data) throws -> KeystoreError? {
            try content.write(to: url)
            defer { for end in ["", "-wal", "-shm", "-journal"] { try? FileManager.default.removeItem(atPath: copy + end) } }
            return failure { try Keystore.open(at: copy, unlockingWith: .recoveryCode(code)) } as? KeystoreError
        }
        #expect(try opening(Data()) == .notAKeystore(path: copy, "the file is empty"))
        #expect(try opening(Data("not a database, but long enough to look at; ".utf8) + Data(count: 4096)) == .notAKeystore(path: copy, "it is no SQLite database"))
        let whole = try Data(contentsOf: URL(fileURLWithPath: place.path))
        for count in stride(from: 512, to: whole.count, by: 1536) {
            let error = try opening(whole.prefix(count))
            switch error {
            case .damaged, .notAKeystore, .storage, .rowRefused: break
            // What is missing of an empty page reads as the zeros that it was.
            case nil where whole.dropFirst(count).allSatisfy { $0 == 0 }: break
            default: Issue.record("cut to \(count): \(String(describing: error))")
            }
        }
        #expect(failure { try Keystore.open(at: copy, unlockingWith: .recoveryCode(code)) } as? KeystoreError == .notFound(path: copy))
        #expect(!FileManager.default.fileExists(atPath: copy))
    }
}
