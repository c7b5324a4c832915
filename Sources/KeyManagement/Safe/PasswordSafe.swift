// The password safe: secrets in the keystore, each value under its own data key that a CMK wraps. How it is used: Docs/KEYS.md.

import Cryptography
import FoundationEssentials
import GRDB
import Synchronization

/// What there is to know about a secret, without its value.
package struct SecretDescription: Sendable, Equatable {
    package let metadata: SecretMetadata
    /// Seconds since 1970.
    package let createdAt: Int64
    /// When a version, label or the metadata last changed.
    package let changedAt: Int64
    /// When it will be destroyed; nil unless it was deleted.
    package let destroyedAt: Int64?
    package let currentVersion: UInt32
    package let previousVersion: UInt32?

    package var name: String { metadata.name }
    /// `secret/` and 32 hexadecimal digits: what the audit log calls it.
    package let auditSubject: String

    init(_ row: SecretRow, _ keys: SafeKeys) throws {
        metadata = try row.metadata(keys)
        auditSubject = row.name
        (createdAt, changedAt, destroyedAt) = (row.createdAt, row.changedAt, row.deletesAt)
        (currentVersion, previousVersion) = (row.currentVersion, row.previousVersion)
    }
}

/// One version of a secret's value.
package struct SecretVersionDescription: Sendable, Equatable {
    package let version: UInt32
    package let createdAt: Int64
    /// The key that wraps its data key.
    package let keyID: KeyID
    /// current, previous, or nothing.
    package let label: SecretLabel?
}

/// Stage labels: each is on one version at most.
package enum SecretLabel: String, Sendable, CaseIterable { case current, previous }

/// Which version of a secret is meant.
package enum SecretVersionChoice: Sendable, Equatable {
    case version(UInt32)
    case label(SecretLabel)
}

/// The safe of an unlocked keystore. Thread-safe; several processes may use the same one.
package final class PasswordSafe: Sendable {
    /// Longest value, in bytes.
    package static let maximumValueSize = 65536
    /// Versions of a secret that are kept; those without a label go first, the oldest of them before the others.
    package static let maximumVersionCount = 100
    /// The key that seals when nobody names another.
    package static let defaultKeyAlias = "alias/safe"

    let keystore: Keystore
    /// The row of the safe as it was in a keystore that was checked whole, and by what that keystore is known again.
    private struct Known {
        let generation: UInt64
        let digest: [UInt8]
        /// Nil while there is no safe.
        let safe: (row: SafeRow, keys: SafeKeys)?
    }
    private let known = Mutex<Known?>(nil)

    package init(_ keystore: Keystore) { self.keystore = keystore }

    /// Runs `body` on the safe as it is; nil where there was never a secret. Only what `body` reads is checked, against the row of a checked keystore.
    func read<R>(_ body: (inout SafeTransaction) throws -> R) throws(KeyError) -> R? {
        // Refusals come out of the transaction as values: it translates every error that it does not know.
        let result: Result<R?, KeyError>
        do throws(KeystoreError) {
            let authentication = try keystore.authentication()
            result = try keystore.database.read { database in
                guard let (row, keys) = try safe(database, authentication) else { return .success(nil) }
                var transaction = SafeTransaction(database, keys, row)
                do { return .success(try body(&transaction)) } catch let error as KeyError { return .failure(error) }
            }
        } catch { throw .storage(keystore.explained(error)) }
        return try result.get()
    }

    /// The keystore's own row says, authentically, whether anything changed since all rows were checked.
    private func safe(_ database: Database, _ authentication: RowAuthentication) throws -> (row: SafeRow, keys: SafeKeys)? {
        let header = try authentication.verifyHeader(database)
        if let known = known.withLock({ $0 }), known.generation == header.generation, known.digest == header.digest { return known.safe }
        try keystore.verify(database, authentication)
        let row = try SafeRow(in: database)
        let safe = try row.map { (row: $0, keys: try $0.keys(authentication.keys)) }
        known.withLock { $0 = Known(generation: header.generation, digest: header.digest, safe: safe) }
        return safe
    }

    /// Runs `body` as one durable change of the keystore, all of whose keys were checked; makes the safe where there is none.
    func change<R>(_ body: (inout SafeTransaction, RowAuthentication) throws -> R) throws(KeyError) -> R {
        try keystore.change { database, authentication in
            var row = try SafeRow(in: database) ?? SafeRow(newFor: authentication.keys)
            var transaction = SafeTransaction(database, try row.keys(authentication.keys), row)
            let result = try body(&transaction, authentication)
            try transaction.finish(&row)
            try authentication.put(.safe, row.values, database)
            // As every change of keys does.
            try keystore.noteTime(keystore.now(), database, authentication)
            if !transaction.events.isEmpty {
                let log = AuditLog(database: database, authentication: authentication)
                try log.appendChange(transaction.events, by: keystore.auditActor, now: keystore.now())
            }
            return result
        }
    }
}
