// Deletion: scheduled, cancelled, and carried out when its day has come.

import FoundationEssentials
import GRDB

extension Keystore {
    /// Days that a deletion waits.
    package static let deletionWindows = 7...30

    /// Makes a key unusable at once, and destroys its material after `days` (7 to 30). When that will be, in seconds since 1970.
    /// Throws `notFound`, `invalidState`, `validation`, `protected`.
    @discardableResult
    package func scheduleDeletion(of reference: KeyReference, days: Int = 30, dryRun: Bool = false) throws(KeyError) -> Int64 {
        guard Self.deletionWindows.contains(days) else {
            throw .validation("a deletion waits \(Self.deletionWindows.lowerBound) to \(Self.deletionWindows.upperBound) days, not \(days)")
        }
        return try perform(.scheduleKeyDeletion, dryRun: dryRun) { change in
            let row = try change.find(reference)
            var settings = try change.settings(of: row)
            guard !settings.isProtected else { throw KeyError.protected(row.keyID) }
            // A clock that was set back must not shorten the days.
            let date = max(change.now, try Self.seenTime(change.database) ?? 0) + Int64(days) * Self.day
            settings.deleteAt = date
            try change.put(settings)
            try change.setState(.pendingDeletion, of: row)
            return date
        }
    }

    /// Takes a deletion back. The key is Disabled then; one whose imported material is not there is PendingImport. Throws `notFound`, `invalidState`.
    package func cancelDeletion(of reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.cancelKeyDeletion, dryRun: dryRun) { change in
            let row = try change.find(reference)
            var settings = try change.settings(of: row)
            settings.deleteAt = nil
            try change.put(settings)
            try change.setState(try hasMaterial(row.keyID, change.database) ? .disabled : .pendingImport, of: row)
        }
    }

    /// For a keystore that is made of a backup, before its schedule runs: what was to be destroyed by now, or soon, waits the shortest time again, so that
    /// it can be taken back. The keys that wait for their deletion, and when that will be, in seconds since 1970; secrets that were deleted too.
    package func putOffDeletions() throws(KeyError) -> (keys: [(keyID: KeyID, date: Int64)], secrets: Int) {
        let earliest = try read { max(now(), try Self.seenTime($0) ?? 0) } + Int64(Self.deletionWindows.lowerBound) * Self.day
        for known in try read({ try KeySettings.all(in: $0, where: "delete_at < ?", [earliest]) }) {
            try perform(.scheduleKeyDeletion) { change in
                var settings = known
                change.keyID = known.keyID
                settings.deleteAt = earliest
                try change.put(settings)
            }
        }
        let waiting = try read { try KeySettings.all(in: $0, where: "delete_at >= ?", [earliest]) }
        return (waiting.map { ($0.keyID, $0.deleteAt ?? earliest) }, try PasswordSafe(self).putOffDeletions(to: earliest))
    }

    /// Destroys the material of a key for ever, and takes its aliases away. The record stays.
    func destroy(_ row: KeyRow, _ settings: KeySettings, _ change: KeyChange) throws {
        try removeMaterial(of: row.keyID, change)
        try change.authentication.remove(.importParameters, key: [Data(row.keyID.bytes).databaseValue], change.database)
        for alias in try aliases(of: row.keyID, change.database) {
            try change.authentication.remove(.alias, key: [alias.databaseValue], change.database)
        }
        var settings = settings
        settings.deleteAt = nil
        settings.materialExpiresAt = nil
        settings.materialCheck = nil
        settings.rotationDays = nil
        settings.rotateAt = nil
        try change.put(settings)
        try change.setState(.destroyed, of: row)
    }

    /// Every version's material.
    func removeMaterial(of keyID: KeyID, _ change: KeyChange) throws {
        let id = Data(keyID.bytes)
        for version in try Int64.fetchAll(change.database, sql: "SELECT version FROM cmk_version WHERE key_id = ?", arguments: [id]) {
            try change.authentication.remove(.cmkVersion, key: [id.databaseValue, version.databaseValue], change.database)
        }
        owesCheckpoint.store(true, ordering: .relaxed)
    }

    func hasMaterial(_ keyID: KeyID, _ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT 1 FROM cmk_version WHERE key_id = ? LIMIT 1", arguments: [Data(keyID.bytes)]) != nil
    }
}
