// How the rest of the program writes to the log, and reads it.

import FoundationEssentials
import GRDB

/// Which entries are wanted.
package struct AuditFilter: Sendable {
    package var keyID: KeyID?
    package var since: Int64?
    package var until: Int64?
    package var userID: UInt32?
    package var operation: String?
    package var subject: String?

    package init() {}

    var condition: (sql: String, arguments: StatementArguments) {
        var parts: [String] = []
        var arguments = StatementArguments()
        func add(_ part: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            parts.append(part)
            arguments += [value]
        }
        add("key_id = ?", keyID.map { Data($0.bytes) })
        add("time >= ?", since)
        add("time <= ?", until)
        add("user_id = ?", userID.map { Int64($0) })
        add("operation = ?", operation)
        add("subject = ?", subject)
        return (parts.isEmpty ? "1" : parts.joined(separator: " AND "), arguments)
    }
}

extension Keystore {
    /// Writes what was done or refused, now and durably. For what changes the keystore, the entry is written with the change itself; see `transaction`.
    package func audit(_ events: [AuditEvent]) throws(KeystoreError) {
        guard !events.isEmpty else { return }
        let authentication = try authentication()
        let actor = auditActor
        do throws(KeystoreFailure) {
            try database.write { database in
                try AuditLog(database: database, authentication: authentication).append(events, by: actor, now: Self.now())
            }
        } catch { throw explained(error.asKeystoreError(path)) }
    }

    /// The same for a use of keys or secrets that goes on also when it cannot be written: then whoever asked for it (`onAuditFailure`) is told, loudly.
    package func record(_ event: AuditEvent) {
        do throws(KeystoreError) { try audit([event]) } catch { auditFailed(error) }
    }

    /// Writes what a change does, inside its transaction: both happen, or neither. To be called before the change is sealed.
    func audit(_ event: AuditEvent, _ database: Database, _ authentication: RowAuthentication) throws {
        try AuditLog(database: database, authentication: authentication).appendChange([event], by: auditActor, now: Self.now())
    }

    /// The entries that fit, in the order in which they were written.
    /// - Parameters:
    ///   - last: at most so many, the newest.
    ///   - body: gets one after the other.
    package func auditEntries(_ filter: AuditFilter = AuditFilter(), last: Int? = nil, _ body: (AuditEntry) throws -> Void) throws(KeystoreError) {
        let authentication = try authentication()
        try database.read { database in
            try verify(database, authentication)
            let (condition, arguments) = filter.condition
            let columns = AuditEntry.columns.joined(separator: ", ") + ", mac"
            let newest = "SELECT \(columns) FROM audit_entry WHERE \(condition) ORDER BY number DESC LIMIT \(last ?? -1)"
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM (\(newest)) ORDER BY number", arguments: arguments)
            while let row = try rows.next() { try body(try AuditEntry(row)) }
        }
    }
}
