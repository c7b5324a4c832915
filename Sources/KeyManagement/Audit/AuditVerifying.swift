// Proving that the log is whole: every entry, in order, to the end.

import Cryptography
import FoundationEssentials
import GRDB

/// What checking the log found.
package struct AuditReport: Sendable, Equatable {
    /// Entries that are as they were written, from the first on.
    package let count: Int64
    /// The MAC of the last of them, 64 hexadecimal digits: with the count, what to write down elsewhere and to compare later.
    package let mac: String
    /// The first thing that is wrong; nil when nothing is.
    package let fault: String?
}

extension Keystore {
    /// Checks the whole log. The keystore was opened with `keepsRootKey`.
    /// - Parameter expected: count and MAC (hexadecimal) of an earlier report: that entry must still be there.
    package func verifyAudit(expecting expected: (count: Int64, mac: String)? = nil) throws(KeystoreError) -> AuditReport {
        let rootKey = try rootKey()
        let authentication = try authentication()
        return try database.read { database in
            try verify(database, authentication)
            let log = AuditLog(database: database, authentication: authentication)
            var chain = AuditChain(count: 0, mac: AuditChain.firstMAC, key: try log.firstKey(rootKey: rootKey))
            var pins = [(count: Int64, mac: [UInt8], what: String)]()
            if let mark = try log.marked() { pins.append((mark.count, mark.mac, "the rows of keys know of")) }
            if let expected { pins.append((expected.count, Hexadecimal.decode(Array(expected.mac.utf8)) ?? [], "was expected:")) }
            let fault = try log.firstFault(&chain, pins)
            chain.key.wipe()
            return AuditReport(count: chain.count, mac: Hexadecimal.encode(chain.mac), fault: fault)
        }
    }
}

extension AuditLog {
    fileprivate func firstFault(_ chain: inout AuditChain, _ pins: [(count: Int64, mac: [UInt8], what: String)]) throws -> String? {
        let rows = try Row.fetchCursor(database, sql: "SELECT \(AuditEntry.columns.joined(separator: ", ")), mac FROM audit_entry ORDER BY number")
        while let row = try rows.next() {
            let expected = chain.count + 1
            let entry: AuditEntry
            do { entry = try AuditEntry(row) } catch { return "entry \(expected) was changed: it does not read" }
            if entry.number != expected {
                return entry.number < expected ? "entry \(entry.number) was added" : missing(expected, entry.number - 1, "are not there, although later ones are")
            }
            // The chain moves only over what is right.
            var trial = AuditChain(count: chain.count, mac: chain.mac, key: try chain.key.copied())
            let code = try trial.next(entry.values)
            guard constantTimeEqual(code.span, entry.mac.span) else {
                trial.key.wipe()
                return "entry \(expected) was changed, or is not the one that was written there"
            }
            chain.key.wipe()
            chain = trial
            for pin in pins where pin.count == chain.count && pin.mac != chain.mac { return "entry \(chain.count) is another than \(pin.what) entry \(pin.count)" }
        }
        let head: AuditChain
        do { head = try self.head() } catch let error as KeystoreError {
            if case .auditBroken(let why) = error { return why }
            throw error
        }
        defer { head.key.wipe() }
        if head.count > chain.count { return missing(chain.count + 1, head.count, "were cut off the end") }
        if head.count < chain.count { return "entries after \(head.count) were added, or the head record is an older one" }
        guard head.mac == chain.mac else { return "the head record belongs to another log" }
        for pin in pins where pin.count > chain.count { return "\(missing(chain.count + 1, pin.count, "were cut off the end")), together with the head record (\(pin.what) entry \(pin.count))" }
        return nil
    }

    private func missing(_ first: Int64, _ last: Int64, _ words: String) -> String {
        first == last ? "entry \(first): \(words)" : "entries \(first) to \(last): \(words)"
    }
}

extension SecretBytes {
    fileprivate func copied() throws(CryptographyError) -> SecretBytes { try withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes) } }
}
