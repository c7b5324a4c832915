// What happens when its time has come: rotations, deletions, the expiry of imported material. Docs/decisions/0040 says how far the clock is believed.

import FoundationEssentials
import GRDB

/// What `applySchedule` did, and what it did not do.
package struct ScheduleReport: Sendable, Equatable {
    package enum Waiting: Sendable, Equatable {
        /// The clock is further ahead of the last use than is believed: deletions and expiries wait for `acceptTime`.
        case timeNotAccepted(seen: Int64, now: Int64, deletions: [KeyID], expiries: [KeyID])
        /// The keystore could not be written; the text says why.
        case notWritten(String)
    }
    package var rotated: [KeyID] = []
    package var destroyed: [KeyID] = []
    package var expired: [KeyID] = []
    /// How many deleted secrets of the password safe.
    package var destroyedSecrets = 0
    package var waiting: Waiting?
}

extension Keystore {
    /// Seconds that the clock may be ahead of the highest time seen, to be believed where something is destroyed: 30 days.
    static let believedJump = 30 * day
    /// Seconds after which the time seen is written down again.
    static let timeGranularity = day

    /// The highest time that was believed; nil when none was written down yet.
    static func seenTime(_ database: Database) throws -> Int64? {
        try Int64.fetchOne(database, sql: "SELECT seen_at FROM clock WHERE id = 1")
    }

    /// Writes `now` down with a change, if it is believed and news.
    func noteTime(_ now: Int64, _ database: Database, _ authentication: RowAuthentication) throws {
        let seen = try Self.seenTime(database)
        if let seen, now - seen < Self.timeGranularity || now - seen > Self.believedJump { return }
        try authentication.put(.clock, [1.databaseValue, now.databaseValue], database)
    }

    /// Believes the clock although it is far ahead of the last use. What is due then happens now.
    package func acceptTime(dryRun: Bool = false) throws(KeyError) -> ScheduleReport {
        try perform(.acceptTime, dryRun: dryRun) { change in
            try change.authentication.put(.clock, [1.databaseValue, max(change.now, Self.seenTime(change.database) ?? 0).databaseValue], change.database)
        }
        return applySchedule()
    }

    /// Does what is due, in one change, and then leaves no trace of destroyed material in the file. Runs when a keystore is opened; a mount calls it now and then.
    @discardableResult
    package func applySchedule() -> ScheduleReport {
        var report = ScheduleReport()
        do throws(KeyError) {
            let plan = try read { try SchedulePlan($0, now: now()) }
            report.waiting = plan.waiting
            if plan.isSomethingDue { try apply(plan, &report) }
            if plan.areSecretsDue { report.destroyedSecrets = try PasswordSafe(self).destroyDue(at: plan.time).count }
            // Not audited: nobody did it, and AcceptTime is a person's word.
            if plan.isTimeNews { try change { try noteTime(now(), $0, $1) } }
        } catch {
            report.waiting = .notWritten(error.description)
        }
        do throws(KeyError) { try forgetDestroyed() } catch { report.waiting = report.waiting ?? .notWritten(error.description) }
        return report
    }

    private func apply(_ plan: SchedulePlan, _ report: inout ScheduleReport) throws(KeyError) {
        for known in plan.deletions {
            let isDone = try applyOne(.deleteKey, known, isDue: { SchedulePlan.isDeletionDue($0, at: plan.time) }) { try destroy($1, $2, $0) }
            if isDone { report.destroyed.append(known.keyID) }
        }
        for known in plan.expiries {
            let isDone = try applyOne(.expireKeyMaterial, known, isDue: { $0.isExpired(at: plan.time) }) { try removeImported($1, $2, $0) }
            if isDone { report.expired.append(known.keyID) }
        }
        let now = now()
        for known in plan.rotations {
            let isDone = try applyOne(.rotateKeyAutomatically, known, isDue: { SchedulePlan.isDue($0, now: now) }) { change, row, settings in
                _ = try rotate(row, .automatic, change)
                var settings = settings
                settings.rotateAt = change.now + Int64(settings.rotationDays ?? 0) * Self.day
                try change.put(settings)
            }
            if isDone { report.rotated.append(known.keyID) }
        }
    }

    /// Runs `body` as a verb of its own. False, and no word in the audit log, when another process was faster: then it is due no more, or refused by the state.
    private func applyOne(
        _ operation: KeyOperation, _ known: KeySettings, isDue: (KeySettings) -> Bool, _ body: (KeyChange, KeyRow, KeySettings) throws -> Void
    ) throws(KeyError) -> Bool {
        do throws(KeyError) {
            try perform(operation, auditsRefusals: false) { change in
                let row = try change.find(KeyReference(known.keyID))
                let settings = try change.settings(of: row)
                guard isDue(settings) else { throw KeyError.invalidState(row.keyID, row.state) }
                try body(change, row, settings)
            }
            return true
        } catch {
            switch error {
            case .notFound, .disabled, .invalidState: return false
            default: throw error
            }
        }
    }

    /// Empties the write-ahead log after material was removed, or another process has changed anything: pages of the database are overwritten then, and the log is cut.
    /// What could not be done, as somebody reads, is tried again at the next call; a mount that goes on does so within a minute, for commands that have ended too.
    func forgetDestroyed() throws(KeyError) {
        guard owesCheckpoint.load(ordering: .relaxed) else { return }
        do throws(KeystoreError) {
            if try database.emptyLog() { owesCheckpoint.store(false, ordering: .relaxed) }
        } catch { throw .storage(error) }
    }
}

/// What is due at one moment.
private struct SchedulePlan {
    /// The time up to which what destroys something is due.
    let time: Int64
    let deletions, expiries, rotations: [KeySettings]
    let areSecretsDue: Bool
    let waiting: ScheduleReport.Waiting?
    let isTimeNews: Bool

    var isSomethingDue: Bool { !(deletions.isEmpty && expiries.isEmpty && rotations.isEmpty) }

    init(_ database: Database, now: Int64) throws {
        let seen = try Keystore.seenTime(database)
        let isBelieved = now - (seen ?? now) <= Keystore.believedJump
        let latest = max(now, seen ?? now)
        time = isBelieved ? latest : seen ?? now
        // Before the first change there is nothing to wait for.
        isTimeNews = isBelieved && seen.map { now - $0 >= Keystore.timeGranularity } ?? false
        let due = try KeySettings.all(in: database, where: "delete_at <= ? OR material_expires_at <= ?", [latest, latest])
        func isSecretDue(_ time: Int64) throws -> Bool {
            try Int.fetchOne(database, sql: "SELECT 1 FROM secret INDEXED BY secret_by_deletion WHERE deletes_at <= ? LIMIT 1", arguments: [time]) != nil
        }
        areSecretsDue = try isSecretDue(time)
        let limit = time
        let deletions = due.filter { Self.isDeletionDue($0, at: limit) }
        let expiries = due.filter { !Self.isDeletionDue($0, at: limit) && $0.isExpired(at: limit) }
        (self.deletions, self.expiries) = (deletions, expiries)
        let states = Dictionary(try KeyRow.all(in: database).map { ($0.keyID, $0.state) }) { first, _ in first }
        rotations = try KeySettings.all(in: database, where: "rotation_days IS NOT NULL")
            .filter { states[$0.keyID] == .enabled && Self.isDue($0, now: now) }
        let held = due.filter { settings in !deletions.contains(settings) && !expiries.contains(settings) }
        waiting =
            try held.isEmpty && (limit == latest || !isSecretDue(latest))
            ? nil
            : .timeNotAccepted(
                seen: seen ?? now, now: now, deletions: held.filter { $0.deleteAt != nil }.map(\.keyID),
                expiries: held.filter { $0.deleteAt == nil }.map(\.keyID))
    }

    static func isDeletionDue(_ settings: KeySettings, at time: Int64) -> Bool { settings.deleteAt.map { $0 <= time } ?? false }

    /// A rotation destroys nothing, so the clock is believed; one that is planned a day further away than its period was planned by a clock that was wrong.
    /// Nearer ones were planned just now by another process.
    static func isDue(_ settings: KeySettings, now: Int64) -> Bool {
        guard let days = settings.rotationDays, let date = settings.rotateAt else { return false }
        return date <= now || date > now + Int64(days + 1) * Keystore.day
    }
}
