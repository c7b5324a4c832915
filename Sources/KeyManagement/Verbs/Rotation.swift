// Rotation: new versions of a key, on demand and by period.

import FoundationEssentials
import GRDB

/// How a version came to be. The raw value is what the keystore stores.
package enum RotationKind: String, Sendable {
    case onDemand = "OnDemand"
    case automatic = "Automatic"
}

/// One rotation: the version that it made, and when.
package struct KeyRotation: Sendable, Equatable {
    package let version: UInt32
    package let kind: RotationKind
    /// Seconds since 1970.
    package let createdAt: Int64
}

extension Keystore {
    /// Days between automatic rotations.
    package static let rotationPeriods = 90...2560
    static let day: Int64 = 86_400

    /// Adds a version, with which the key seals from now on; older versions go on opening. The new version's number.
    /// Throws `notFound`, and `disabled` or `invalidState` unless the key is Enabled, `unsupportedOperation` for imported material.
    @discardableResult
    package func rotateKey(_ reference: KeyReference, dryRun: Bool = false) throws(KeyError) -> UInt32 {
        try perform(.rotateKeyOnDemand, dryRun: dryRun) { change in
            let (row, _) = try findGenerated(reference, change)
            return try rotate(row, .onDemand, change)
        }
    }

    /// Rotates the key every `days` (90 to 2560) from now on; nil ends that. When the next is due, in seconds since 1970.
    /// Throws `notFound`, `disabled`, `invalidState`, `validation`, `unsupportedOperation` for imported material.
    @discardableResult
    package func setRotationPeriod(_ days: Int?, of reference: KeyReference, dryRun: Bool = false) throws(KeyError) -> Int64? {
        if let days, !Self.rotationPeriods.contains(days) {
            throw .validation("a rotation period is \(Self.rotationPeriods.lowerBound) to \(Self.rotationPeriods.upperBound) days, not \(days)")
        }
        return try perform(days == nil ? .disableKeyRotation : .enableKeyRotation, dryRun: dryRun) { change in
            var (_, settings) = try findGenerated(reference, change)
            settings.rotationDays = days
            settings.rotateAt = days.map { change.now + Int64($0) * Self.day }
            try change.put(settings)
            return settings.rotateAt
        }
    }

    /// The rotations of a key, oldest first: one for each version after the first. Throws `notFound`, `validation`, `invalidMarker`.
    package func rotations(of reference: KeyReference, limit: Int = 100, marker: String? = nil) throws(KeyError) -> Page<KeyRotation> {
        try Self.check(limit: limit, upTo: 1000)
        guard let after = marker.map({ UInt32($0) }) ?? 1 else { throw .invalidMarker }
        return try readKey(.listKeyRotations, reference) { row, database in
            let sql = """
                SELECT v.version, v.created_at, r.kind FROM cmk_version v LEFT JOIN cmk_rotation r USING (key_id, version) \
                WHERE v.key_id = ? AND v.version > ? ORDER BY v.version LIMIT ?
                """
            let rows = try Row.fetchAll(database, sql: sql, arguments: [Data(row.keyID.bytes), Int64(max(after, 1)), limit + 1])
            let all = rows.map { row in
                let kind = (row["kind"] as String?).flatMap { RotationKind(rawValue: $0) } ?? .onDemand
                return KeyRotation(version: UInt32(truncatingIfNeeded: row["version"] as Int64), kind: kind, createdAt: row["created_at"])
            }
            return Page(all, limit: limit) { String($0.version) }
        }
    }

    func rotate(_ row: KeyRow, _ kind: RotationKind, _ change: KeyChange) throws -> UInt32 {
        var row = row
        row.currentVersion += 1
        let version = try KeyVersionRow(newFor: row.keyID, version: row.currentVersion, createdAt: change.now, keys: change.authentication.keys)
        try change.authentication.put(.cmkVersion, version.values, change.database)
        let rotation = [Data(row.keyID.bytes).databaseValue, Int64(row.currentVersion).databaseValue, kind.rawValue.databaseValue]
        try change.authentication.put(.cmkRotation, rotation, change.database)
        try change.put(row)
        change.version = row.currentVersion
        return row.currentVersion
    }

    /// A key that may be rotated. Its origin is asked for before its state, as AWS KMS does: no state lets imported material be rotated.
    private func findGenerated(_ reference: KeyReference, _ change: KeyChange) throws -> (KeyRow, KeySettings) {
        let row = try find(reference, change.database)
        change.keyID = row.keyID
        let settings = try change.settings(of: row)
        guard settings.origin == .generated else {
            throw KeyError.unsupportedOperation("the material of key \(row.keyID) is imported and is not rotated; make a new key")
        }
        return (try change.find(reference), settings)
    }
}
