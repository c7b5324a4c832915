// Deleting secrets with time to change one's mind, and destroying them when it is over.

import FoundationEssentials
import GRDB

extension PasswordSafe {
    /// Days between deleting a secret and its destruction.
    package static let recoveryDays = 7...30

    /// Makes a secret unusable now, and has it destroyed in `days`. When, in seconds since 1970. Throws `secretNotFound`, `secretDeleted`, `validation`.
    package func delete(_ name: String, days: Int = 30) throws(KeyError) -> Int64 {
        guard Self.recoveryDays.contains(days) else {
            throw .validation("a secret is destroyed \(Self.recoveryDays.lowerBound) to \(Self.recoveryDays.upperBound) days after it is deleted")
        }
        return try change(.delete, name) { safe, _ in
            var row = try safe.requireUsable(name)
            let now = keystore.now()
            // A clock that was set back must not shorten the days.
            let date = max(now, try Keystore.seenTime(safe.database) ?? 0) + Int64(days) * Keystore.day
            (row.deletesAt, row.changedAt) = (date, now)
            try safe.put(row, isNew: false)
            return (date, SafeOperation.delete.event(of: row.id))
        }
    }

    /// Takes a deletion back. Throws `secretNotFound`; a secret that was not deleted stays as it is.
    package func restore(_ name: String) throws(KeyError) {
        try change(.restore, name) { safe, _ in
            var row = try safe.require(name)
            let event = SafeOperation.restore.event(of: row.id)
            guard row.deletesAt != nil else { return ((), event) }
            (row.deletesAt, row.changedAt) = (nil, keystore.now())
            try safe.put(row, isNew: false)
            return ((), event)
        }
    }

    /// How many secrets have a version under a key: they are lost with it. Counted without checking the rows, for a warning.
    package func count(under keyID: KeyID) throws(KeyError) -> Int {
        let sql = "SELECT count(DISTINCT secret_id) FROM secret_version WHERE key_id = ?"
        return try read { safe in try Int.fetchOne(safe.database, sql: sql, arguments: [Data(keyID.bytes)]) ?? 0 } ?? 0
    }

    /// Destroys every secret whose time was over at `now`, and overwrites its place in the file. Their names.
    package func destroyDue(at now: Int64) throws(KeyError) -> [String] {
        let due = try deleted(before: now + 1)
        if due.isEmpty { return [] }
        let names = try change { safe, _ in
            var names: [String] = []
            for id in due {
                guard let row = try safe.find(id), let date = row.deletesAt, date <= now else { continue }
                names.append(try row.metadata(safe.keys).name)
                try safe.remove(row)
                safe.events.append(SafeOperation.destroy.event(of: id))
            }
            return names
        }
        // What the log still holds of them goes too.
        keystore.owesCheckpoint.store(true, ordering: .relaxed)
        try keystore.forgetDestroyed()
        return names
    }

    /// Every secret that was to be destroyed before `date` is to be destroyed then. How many wait for it in all, also later.
    func putOffDeletions(to date: Int64) throws(KeyError) -> Int {
        let due = try deleted(before: date)
        if !due.isEmpty {
            try change { safe, _ in
                for id in due {
                    guard var row = try safe.find(id), let known = row.deletesAt, known < date else { continue }
                    row.deletesAt = date
                    try safe.put(row, isNew: false)
                    safe.events.append(SafeOperation.delete.event(of: id))
                }
            }
        }
        return try deleted(before: .max).count
    }

    private func deleted(before date: Int64) throws(KeyError) -> [SecretID] {
        let found = try read { safe in
            try Row.fetchAll(safe.database, sql: "SELECT secret_id FROM secret WHERE deletes_at < ?", arguments: [date])
                .compactMap { SecretID(Array(try $0.checked("secret_id", of: "secret") as Data)) }
        }
        return found ?? []
    }
}
