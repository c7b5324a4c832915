// What is set for a key beyond its state: a row, or the defaults.

import Cryptography
import FoundationEssentials
import GRDB

/// Where a key's material comes from. The raw value is what the keystore stores.
package enum KeyOrigin: String, Sendable {
    case generated = "Generated"
    /// Imported by its owner, and possibly not there.
    case external = "External"
}

struct KeySettings: Equatable {
    let keyID: KeyID
    var origin = KeyOrigin.generated
    /// Days between automatic rotations, and when the next is due.
    var rotationDays: Int?
    var rotateAt: Int64?
    /// Older versions open nothing.
    var minimumVersion: UInt32 = 1
    var isProtected = false
    var deleteAt: Int64?
    var materialExpiresAt: Int64?
    /// 32 bytes by which material that is imported again is known to be the same; see `Keystore.materialCheck`.
    var materialCheck: [UInt8]?

    init(keyID: KeyID) { self.keyID = keyID }

    /// Whether the time of imported material is over.
    func isExpired(at time: Int64) -> Bool { materialExpiresAt.map { $0 <= time } ?? false }

    var values: [DatabaseValue] {
        [
            Data(keyID.bytes).databaseValue, origin.rawValue.databaseValue, rotationDays.databaseValue, rotateAt.databaseValue,
            Int64(minimumVersion).databaseValue, (isProtected ? 1 : 0).databaseValue, deleteAt.databaseValue, materialExpiresAt.databaseValue,
            materialCheck.map { Data($0) }.databaseValue,
        ]
    }

    private init(_ row: Row) throws {
        let bytes = Array(row["key_id"] as Data)
        guard let keyID = KeyID(bytes.span), let origin = KeyOrigin(rawValue: row["origin"]), let minimum = UInt32(exactly: row["minimum_version"] as Int64)
        else { throw KeystoreError.rowRefused(name: "cmk_settings/\(Hexadecimal.encode(bytes))", .edited) }
        self.keyID = keyID
        self.origin = origin
        rotationDays = row["rotation_days"]
        rotateAt = row["rotate_at"]
        minimumVersion = minimum
        isProtected = (row["is_protected"] as Int) != 0
        deleteAt = row["delete_at"]
        materialExpiresAt = row["material_expires_at"]
        materialCheck = (row["material_check"] as Data?).map { Array($0) }
    }

    static func find(_ keyID: KeyID, in database: Database) throws -> KeySettings {
        let row = try Row.fetchOne(database, sql: "SELECT * FROM cmk_settings WHERE key_id = ?", arguments: [Data(keyID.bytes)])
        return try row.map { try KeySettings($0) } ?? KeySettings(keyID: keyID)
    }

    /// Those that are not the defaults.
    static func all(in database: Database, where condition: String = "1", _ arguments: StatementArguments = []) throws -> [KeySettings] {
        try Row.fetchAll(database, sql: "SELECT * FROM cmk_settings WHERE \(condition) ORDER BY key_id", arguments: arguments).map { try KeySettings($0) }
    }
}
