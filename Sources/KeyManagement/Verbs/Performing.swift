// The one way through which every verb passes: state table, transaction, dry run, report.

import Cryptography
import GRDB

/// A verb that changes the keystore, while its transaction runs.
final class KeyChange {
    let operation: KeyOperation
    let keystore: Keystore
    let database: Database
    let authentication: RowAuthentication
    /// Seconds since 1970, as the clock says.
    let now: Int64
    /// For the report.
    var keyID: KeyID?
    var version: UInt32?

    init(_ operation: KeyOperation, _ keystore: Keystore, _ database: Database, _ authentication: RowAuthentication) {
        self.operation = operation
        self.keystore = keystore
        self.database = database
        self.authentication = authentication
        now = keystore.now()
    }

    /// The key, if its state allows the operation. Throws `notFound`, `disabled`, `invalidState`.
    func find(_ reference: KeyReference) throws -> KeyRow {
        let row = try keystore.find(reference, database)
        keyID = row.keyID
        if let refusal = operation.refusal(of: row.keyID, in: row.state) { throw refusal }
        return row
    }

    func settings(of row: KeyRow) throws -> KeySettings { try KeySettings.find(row.keyID, in: database) }

    func put(_ row: KeyRow) throws { try authentication.put(.cmk, row.values, database) }
    func put(_ settings: KeySettings) throws { try authentication.put(.cmkSettings, settings.values, database) }

    /// Changes the state, if it is another.
    func setState(_ state: KeyState, of row: KeyRow) throws {
        guard row.state != state else { return }
        var row = row
        row.state = state
        row.stateChangedAt = now
        try put(row)
    }
}

extension Keystore {
    /// Runs a verb that changes something: one transaction, durable when this returns. With `dryRun` everything is done and taken back, and `dryRun` is thrown where it
    /// would have been done. Every verb, done or refused, passes here or in `report`: the place for what follows all of them.
    /// - Parameter auditsRefusals: false for what nobody asked for.
    func perform<R>(
        _ operation: KeyOperation, dryRun: Bool = false, auditsRefusals: Bool = true, _ body: (KeyChange) throws -> R
    ) throws(KeyError) -> R {
        var event = KeyEvent(operation: operation, time: now())
        do throws(KeyError) {
            let result = try change { database, authentication in
                let change = KeyChange(operation, self, database, authentication)
                defer { (event.keyID, event.version) = (change.keyID, change.version) }
                let result = try body(change)
                try noteTime(change.now, database, authentication)
                if dryRun { throw KeyError.dryRun }
                let entry = KeyEvent(operation: operation, keyID: change.keyID, version: change.version, time: event.time)
                try audit(AuditEvent(entry), database, authentication)
                return result
            }
            report(event)
            return result
        } catch {
            event.error = error
            if !dryRun && auditsRefusals && error.isRefusalOfUse { record(AuditEvent(event)) }
            report(event)
            throw error
        }
    }

    /// Runs a verb that changes nothing; `body` fills in the event, and throws `dryRun` where only that was asked for.
    func observe<R>(_ operation: KeyOperation, dryRun: Bool = false, _ body: (inout KeyEvent) throws(KeyError) -> R) throws(KeyError) -> R {
        var event = KeyEvent(operation: operation, time: now())
        do throws(KeyError) {
            let result = try body(&event)
            if operation.isUse && !dryRun { record(AuditEvent(event)) }
            report(event)
            return result
        } catch {
            event.error = error
            if operation.isUse && !dryRun && error.isRefusalOfUse { record(AuditEvent(event)) }
            report(event)
            throw error
        }
    }
}

// What of all this stands in the audit log: every change, in its own transaction; every use of a key; and what a key or a wrapped key refused.
// Not there: looking, dry runs, and names and arguments that were mistyped.

extension KeyOperation {
    fileprivate var isUse: Bool {
        [.encrypt, .decrypt, .reEncryptFrom, .reEncryptTo, .generateDataKey, .generateDataKeyWithoutPlaintext].contains(self)
    }
}

extension KeyError {
    fileprivate var isRefusalOfUse: Bool {
        switch self {
        case .disabled, .invalidState, .versionTooOld, .protected, .keyUnavailable, .invalidCiphertext, .incorrectKey, .invalidMaterial, .incorrectKeyMaterial, .invalidImportToken,
            .expiredImportToken:
            true
        default: false
        }
    }
}

extension AuditEvent {
    fileprivate init(_ event: KeyEvent) {
        self.init(
            event.operation.rawValue, keyID: event.keyID, version: event.version, result: event.error?.awsName ?? Self.success, time: event.time)
    }
}
