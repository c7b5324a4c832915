// The log in the keystore: beginning it, appending to it, reading it.

import Cryptography
import FoundationEssentials
import GRDB

/// The rows of the log, inside one transaction.
struct AuditLog {
    let database: Database
    let authentication: RowAuthentication

    func isThere() throws -> Bool { try Int.fetchOne(database, sql: "SELECT 1 FROM audit_start") != nil }

    /// The first key is sealed for verifying, and for appending the first entry. Says in rows that no one can take away that there is a log.
    func start(rootKey: SecretBytes) throws {
        let first = try SecretBytes.random(count: AuditChain.keySize)
        try putStart(first, rootKey: rootKey)
        try putMark(count: 0, mac: AuditChain.firstMAC)
        try putHead(AuditChain(count: 0, mac: AuditChain.firstMAC, key: first))
    }

    private func putStart(_ first: SecretBytes, rootKey: SecretBytes) throws {
        let sealed = try SealedAuditKey(sealing: first, under: SealedAuditKey.verificationKey(of: rootKey), authenticating: SealedAuditKey.startContext)
        try authentication.put(.auditStart, [1.databaseValue, Data(sealed.nonce).databaseValue, Data(sealed.sealed).databaseValue], database)
    }

    /// The key of the first entry.
    func firstKey(rootKey: SecretBytes) throws -> SecretBytes {
        guard let row = try Row.fetchOne(database, sql: "SELECT nonce, sealed_key FROM audit_start") else { throw KeystoreError.auditBroken("it was never begun") }
        let sealed = SealedAuditKey(
            nonce: Array(try row.checked("nonce", of: "audit_start/1") as Data), sealed: Array(try row.checked("sealed_key", of: "audit_start/1") as Data))
        return try sealed.open(under: SealedAuditKey.verificationKey(of: rootKey), authenticating: SealedAuditKey.startContext)
    }

    /// For a rotation of the root key: the chain goes on.
    func reseal(from oldRoot: SecretBytes, to newRoot: SecretBytes, _ new: RowAuthentication) throws {
        let chain = try head()
        let first = try firstKey(rootKey: oldRoot)
        defer { first.wipe() }
        let resealed = AuditLog(database: database, authentication: new)
        try resealed.putStart(first, rootKey: newRoot)
        try resealed.putHead(chain)
    }

    /// Appends in order. Throws `auditBroken` when the log's head is not as this program left it.
    func append(_ events: [AuditEvent], by actor: AuditActor, now: Int64) throws { _ = try append(events, to: head(), by: actor, now: now) }

    /// Appends what a change does, and ties the log as it then is to the rows of keys: one that is put back to before the change is noticed.
    /// Where it was put back to before the last change, the rows keep what shows that, for ever: what follows is written down, but no more tied.
    func appendChange(_ events: [AuditEvent], by actor: AuditActor, now: Int64) throws {
        let chain = try head()
        let goesOn = try isMarked(chain)
        let end = try append(events, to: chain, by: actor, now: now)
        if goesOn { try putMark(count: end.count, mac: end.mac) }
    }

    /// - Returns: where the log ends then.
    private func append(_ events: [AuditEvent], to head: AuditChain, by actor: AuditActor, now: Int64) throws -> (count: Int64, mac: [UInt8]) {
        var chain = head
        defer { chain.key.wipe() }
        let columns = AuditEntry.columns + ["mac"]
        let statement = try database.cachedStatement(
            sql: "INSERT INTO audit_entry (\(columns.joined(separator: ", "))) VALUES (\(databaseQuestionMarks(count: columns.count)))")
        for event in events {
            let entry = AuditEntry(event, number: chain.count + 1, time: event.time ?? now, actor: event.actor ?? actor)
            let code = try chain.next(entry.values)
            try statement.execute(arguments: StatementArguments(entry.values + [Data(code).databaseValue]))
        }
        try putHead(chain)
        return (chain.count, chain.mac)
    }

    /// Whether the log goes on from what the rows of keys know of it.
    private func isMarked(_ chain: AuditChain) throws -> Bool {
        guard let mark = try marked(), mark.count > 0 else { return true }
        if mark.count >= chain.count { return mark.count == chain.count && mark.mac == chain.mac }
        let row = try Row.fetchOne(database, sql: "SELECT mac FROM audit_entry WHERE number = ?", arguments: [mark.count])
        return try row.map { Array(try $0.checked("mac", of: "audit_entry/\(mark.count)") as Data) } == mark.mac
    }

    private func putMark(count: Int64, mac: [UInt8]) throws {
        try authentication.put(.auditMark, [1.databaseValue, count.databaseValue, Data(mac).databaseValue], database)
    }

    private func putHead(_ chain: AuditChain) throws {
        let sealed = try SealedAuditKey(
            sealing: chain.key, under: authentication.keys.audit, authenticating: SealedAuditKey.headContext(count: chain.count, mac: chain.mac))
        try database.execute(
            sql: "INSERT OR REPLACE INTO audit_head (id, count, mac, nonce, sealed_key) VALUES (1, ?, ?, ?, ?)",
            arguments: [chain.count, Data(chain.mac), Data(sealed.nonce), Data(sealed.sealed)])
    }

    private func headRow() throws -> (count: Int64, mac: [UInt8], sealed: SealedAuditKey)? {
        let sizes = "SELECT 1 FROM audit_head WHERE NOT (length(mac) = 32 AND length(nonce) = 12 AND length(sealed_key) = 48)"
        if try Int.fetchOne(database, sql: sizes) != nil { throw KeystoreError.auditBroken("its head record was changed") }
        guard let row = try Row.fetchOne(database, sql: "SELECT count, mac, nonce, sealed_key FROM audit_head WHERE id = 1") else { return nil }
        let name = "audit_head/1"
        let sealed = SealedAuditKey(nonce: Array(try row.checked("nonce", of: name) as Data), sealed: Array(try row.checked("sealed_key", of: name) as Data))
        return (try row.checked("count", of: name), Array(try row.checked("mac", of: name) as Data), sealed)
    }

    /// Where the chain stands. Throws `auditBroken`.
    func head() throws -> AuditChain {
        guard let row = try headRow() else { throw KeystoreError.auditBroken("its head record was deleted") }
        do throws(CryptographyError) {
            let key = try row.sealed.open(under: authentication.keys.audit, authenticating: SealedAuditKey.headContext(count: row.count, mac: row.mac))
            return AuditChain(count: row.count, mac: row.mac, key: key)
        } catch {
            throw error == .authenticationFailed ? KeystoreError.auditBroken("its head record was changed") : .cryptography(error)
        }
    }

    /// What the rows of keys know of the log.
    func marked() throws -> (count: Int64, mac: [UInt8])? {
        guard let row = try Row.fetchOne(database, sql: "SELECT count, mac FROM audit_mark") else { return nil }
        return (try row.checked("count", of: "audit_mark/1"), Array(try row.checked("mac", of: "audit_mark/1") as Data))
    }
}
