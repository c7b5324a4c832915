// Keystores of older versions are brought to this one when they are unlocked.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct MigrationTests {
    /// The version that this program writes. Raised with every migration, beside a line in FORMAT-KEYS.md.
    static let newest = 4

    private let golden: GoldenTests.Golden
    private let place: Place

    init() throws {
        golden = try vector("keystore-v1.json", as: GoldenTests.Golden.self)
        place = try Place()
        let source = (#filePath as NSString).deletingLastPathComponent + "/Vectors/keystore-v1.db"
        try FileManager.default.copyItem(atPath: source, toPath: place.path)
    }

    private func open(_ path: String? = nil) throws -> Keystore {
        try Keystore.open(at: path ?? place.path, unlockingWith: .recoveryCode(secret(golden.recoveryCode)))
    }

    private func ask<T: DatabaseValueConvertible>(_ sql: String, as type: T.Type = T.self) throws -> T? {
        let queue = try DatabaseQueue(path: place.path)
        defer { try? queue.close() }
        return try queue.read { try T.fetchOne($0, sql: sql) }
    }

    @Test func theGoldenKeystoreBecomesOneOfThisVersion() throws {
        #expect(Schema.version == Self.newest)
        #expect(try ask("PRAGMA user_version", as: Int.self) == 1)
        let ofOldTables = "SELECT group_concat(hex(mac)) FROM row_mac WHERE name NOT LIKE 'audit%'"
        let codes = try ask(ofOldTables, as: String.self)
        let first = try open()
        #expect(try first.generation() == golden.generation + 1)
        #expect(try ask("PRAGMA user_version", as: Int.self) == Self.newest)
        #expect(try ask("SELECT schema_version FROM keystore", as: Int.self) == Self.newest)
        #expect(try ask(ofOldTables, as: String.self) == codes)
        #expect(try ask("SELECT count FROM audit_head", as: Int.self) == 0)
        let key = try first.createKey(alias: "alias/later")
        try first.close()
        let second = try open()
        #expect(try second.generation() == golden.generation + 2)
        #expect(try second.describe(KeyReference("alias/later")).keyID == key)
        try second.close()
        let whole = try open()
        #expect(try whole.keys().count == 2)
    }

    @Test func everyTableIsEitherProtectedOrSaidNotToBe() throws {
        let queue = try DatabaseQueue()
        try queue.write { try Schema.create(in: $0) }
        let made = try queue.read { try String.fetchSet($0, sql: "SELECT name FROM sqlite_schema WHERE type = 'table'") }
        #expect(made == Set(ProtectedTable.all.map(\.name) + Schema.unprotectedTables))
        #expect(Schema.tables(ofVersion: Schema.version).map(\.name) == ProtectedTable.all.map(\.name))
        #expect(Schema.tables(ofVersion: 1).map(\.name) == ["unlock_slot", "cmk", "cmk_version", "alias", "tag"])
        for table in ProtectedTable.all {
            func names(_ condition: String) throws -> [String] {
                try queue.read { try String.fetchAll($0, sql: "SELECT name FROM pragma_table_info('\(table.name)') WHERE \(condition) ORDER BY pk") }
            }
            #expect(Set(try names("1")) == Set(table.columns), "\(table.name)")
            let keys = try names("pk > 0")
            #expect(keys == Array(table.columns.prefix(table.keyColumnCount)), "\(table.name)")
        }
    }

    /// A process that had the keystore open while another migrated it.
    @Test func migratingTwiceIsNoChange() throws {
        let keystore = try open()
        let generation = try keystore.generation()
        let authentication = try keystore.authentication()
        try keystore.database.write { try Schema.migrate($0, authentication, path: place.path) }
        #expect(try keystore.generation() == generation)
    }

    @Test func whatWasChangedOutsideIsRefusedAndNotMigrated() throws {
        let damages = [
            "UPDATE cmk SET description = 'other'", "DELETE FROM alias", "UPDATE keystore SET generation = 99", "CREATE TABLE clock (x)",
            "UPDATE keystore SET schema_version = 2", "PRAGMA user_version = 2",
        ]
        for damage in damages {
            let copy = place.directory + "/copy.db"
            try FileManager.default.copyItem(atPath: place.path, toPath: copy)
            try place.tamper(damage, at: copy)
            let error = try #require(failure { try open(copy) } as? KeystoreError, "accepted: \(damage)")
            switch error {
            case .rowRefused, .damaged: break
            default: Issue.record("\(damage): \(error)")
            }
            let queue = try DatabaseQueue(path: copy)
            #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_schema WHERE name = 'cmk_settings'") } == 0)
            try queue.close()
            for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + end) }
        }
    }

    @Test(.enabled(if: geteuid() == 0)) func aFullDiskIsSaidAndLeavesTheOldVersion() throws {
        let disk = place.directory + "/disk"
        try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
        let mount = try Process.run(URL(fileURLWithPath: "/bin/mount"), arguments: ["-t", "tmpfs", "-o", "size=512k", "none", disk])
        mount.waitUntilExit()
        try #require(mount.terminationStatus == 0)
        defer { umount2(disk, Int32(MNT_DETACH)) }
        let path = disk + "/keystore.db"
        try FileManager.default.copyItem(atPath: place.path, toPath: path)
        // The log's index is there already, and nothing else fits.
        let holder = try DatabaseQueue(path: path)
        try holder.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; ROLLBACK; SELECT 1 FROM cmk") }
        let filler = try #require(fopen(disk + "/filler", "w"))
        setvbuf(filler, nil, _IONBF, 0)
        while fwrite([UInt8](repeating: 1, count: 4096), 4096, 1, filler) == 1 {}
        fclose(filler)
        let error = try #require(failure { try open(path) } as? KeystoreError)
        guard case .notMigrated(path, 1, Self.newest, .diskFull) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(error.description.contains("no space left") && error.description.contains("--keystore"), "\(error)")
        try FileManager.default.removeItem(atPath: disk + "/filler")
        let opened = try open(path)
        #expect(try opened.generation() == golden.generation + 1)
        try holder.close()
    }
}
