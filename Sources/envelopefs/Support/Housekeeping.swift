// What a mount does beside serving: it sees changes of keys within a second, does what is due in the keystore, and writes the audit log.

import KeyManagement
import Logging
import POSIX
import Synchronization

/// A thread that keeps a keyring up to date, from `start` to `end`.
final class Housekeeping: Sendable {
    private static let step: UInt64 = 100_000_000
    /// Steps between looks at the keystore, at its calendar, and between writing down who used keys.
    private static let refreshSteps = 8
    private static let scheduleSteps = 600
    private static let journalSteps = 300

    private let keystore: Keystore
    private let keyring: Keyring
    private let journal: MountJournal
    private let logger: Logger
    private let isOver = Atomic(false)
    private let thread = Mutex(POSIX.Thread?.none)
    /// What was last said to be wrong, so that it is said once. Held while the thread works with the keystore.
    private struct Complaints {
        var refreshing = ""
        var journal = ""
        var schedule: ScheduleReport.Waiting?
    }
    private let complaints = Mutex(Complaints())

    private init(_ keystore: Keystore, _ keyring: Keyring, _ journal: MountJournal, _ logger: Logger) {
        self.journal = journal
        self.keystore = keystore
        self.keyring = keyring
        self.logger = logger
    }

    static func start(_ keystore: Keystore, _ keyring: Keyring, _ journal: MountJournal, logger: Logger) throws(Errno) -> Housekeeping {
        let housekeeping = Housekeeping(keystore, keyring, journal, logger)
        let thread = try Thread.start(name: "housekeeping") { housekeeping.run() }
        housekeeping.thread.withLock { $0 = thread }
        return housekeeping
    }

    /// The thread does nothing more with the keystore when this returns; it ends a moment later.
    func end() {
        isOver.store(true, ordering: .relaxed)
        complaints.withLock { _ in }
    }

    /// Returns when the thread has ended.
    func join() {
        end()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        do throws(Errno) { try thread?.join() } catch { logger.warning("the housekeeping thread did not end well: \(error)") }
    }

    private func run() {
        var count = 0
        while !isOver.load(ordering: .relaxed) {
            SystemClock.sleep(nanoseconds: Self.step)
            count += 1
            complaints.withLock { complaints in
                if !isOver.load(ordering: .relaxed) { look(count, &complaints) }
            }
        }
    }

    private func look(_ count: Int, _ complaints: inout Complaints) {
        if count % Self.refreshSteps == 0 { refresh(&complaints.refreshing) }
        if count % Self.scheduleSteps == 0 { log(keystore.applySchedule(), &complaints.schedule) }
        if count % Self.journalSteps == 0 { writeJournal(&complaints.journal) }
    }

    private func writeJournal(_ complaint: inout String) {
        do throws(KeystoreError) {
            try journal.flush()
            complaint = ""
        } catch {
            if complaint == error.description { return }
            complaint = error.description
            logger.error("uses of keys are not yet in the audit log: \(complaint)")
        }
    }

    private func refresh(_ complaint: inout String) {
        do throws(KeyError) {
            if try keyring.refresh() { logger.info("the keys in the keystore have changed: generation \(keyring.generation)") }
            complaint = ""
        } catch {
            // Locked on purpose: nothing to say. Else said once, and not every second.
            if keyring.isLocked || complaint == error.description { return }
            complaint = error.description
            logger.error("changes of keys are not seen: \(complaint)")
        }
    }

    private func log(_ report: ScheduleReport, _ complaint: inout ScheduleReport.Waiting?) {
        for key in report.rotated { logger.notice("key \(key) was rotated: its period is over") }
        for key in report.destroyed { logger.notice("key \(key) was destroyed: its deletion was due") }
        for key in report.expired { logger.notice("the imported material of key \(key) has expired and was removed") }
        if report.destroyedSecrets > 0 { logger.notice("deleted secrets that were destroyed, as their time was over: \(report.destroyedSecrets)") }
        // Once, and not every minute: the clock goes on, and it is still the same.
        let isKnown =
            switch (complaint, report.waiting) {
            case (.timeNotAccepted, .timeNotAccepted): true
            default: complaint == report.waiting
            }
        complaint = report.waiting
        if isKnown { return }
        switch report.waiting {
        case nil: break
        case .notWritten(let why): logger.error("what is due in the keystore was not done: \(why)")
        case .timeNotAccepted: logger.warning("the clock is far ahead of the keystore's last use: deletions wait for 'envelopefs key accept-time'")
        }
    }
}
