// The database under a keystore: opening, transactions that leave nothing half, and errors in our own words.

import Cryptography
import FoundationEssentials
import GRDB

/// One connection, used by one thread at a time. Any number of processes may have the same file open.
final class KeystoreDatabase: Sendable {
    let path: String
    private let queue: DatabaseQueue

    /// Seconds that a connection waits for another's transaction to end.
    static let patience = 10.0

    /// Opens a keystore that is there. Throws `notFound`, `notAKeystore`, `newerVersion`, `damaged` and others.
    static func open(_ path: String) throws(KeystoreError) -> KeystoreDatabase {
        guard FileManager.default.fileExists(atPath: path) else { throw .notFound(path: path) }
        return try translating(path) {
            let database = KeystoreDatabase(path: path, queue: try DatabaseQueue(path: path, configuration: configuration))
            _ = try database.queue.read { try Schema.check($0, path: path) }
            // Persistent, and set when the keystore is made; a tool may have changed it since.
            try database.queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
            return database
        }
    }

    /// Makes an empty database in one file, for `KeystoreCreation`.
    static func create(_ path: String) throws(KeystoreError) -> KeystoreDatabase {
        try translating(path) {
            let database = KeystoreDatabase(path: path, queue: try DatabaseQueue(path: path, configuration: configuration))
            try database.queue.write { try Schema.create(in: $0) }
            return database
        }
    }

    private init(path: String, queue: DatabaseQueue) {
        self.path = path
        self.queue = queue
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "keystore"
        configuration.busyMode = .timeout(patience)
        configuration.prepareDatabase { database in
            // A commit is on the disk when it returns: a key must not be lost after its first wrap.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            // Deleted content is overwritten, not only unlinked.
            try database.execute(sql: "PRAGMA secure_delete = ON")
            try database.execute(sql: "PRAGMA trusted_schema = OFF")
            try database.execute(sql: "PRAGMA temp_store = MEMORY")
        }
        return configuration
    }

    /// Runs `body` on one unchanging state of the database.
    func read<R>(_ body: (Database) throws -> R) throws(KeystoreError) -> R {
        try Self.translating(path) { try queue.read(body) }
    }

    /// Runs `body` without a transaction: for one cheap question.
    func ask<R>(_ body: (Database) throws -> R) throws(KeystoreError) -> R {
        try Self.translating(path) { try queue.unsafeRead(body) }
    }

    /// Runs `body` alone among all processes; all of it is durable when this returns, or none of it happened.
    /// `KeyError` and `KeystoreError` of `body` come out as they are: see `KeystoreFailure`.
    func write<R>(_ body: (Database) throws -> R) throws(KeystoreFailure) -> R {
        do {
            return try queue.writeWithoutTransaction { database in
                var result: R?
                try database.inTransaction(.immediate) {
                    result = try body(database)
                    return .commit
                }
                guard let result else { throw KeystoreError.storage(path: path, "a transaction gave no result") }
                return result
            }
        } catch let error as KeyError {
            throw .key(error)
        } catch {
            throw .keystore(Self.translate(error, path))
        }
    }

    /// Changes whenever another connection has committed something, and never by what this one commits. In a transaction: what it sees.
    static func dataVersion(_ database: Database) throws -> Int64 { try Int64.fetchOne(database, sql: "PRAGMA data_version") ?? 0 }

    func execute(_ statement: String, arguments: StatementArguments = []) throws(KeystoreError) {
        try Self.translating(path) { try queue.writeWithoutTransaction { try $0.execute(sql: statement, arguments: arguments) } }
    }

    /// Moves the write-ahead log into the database and cuts it to nothing. False when another process reads from it just now.
    func emptyLog() throws(KeystoreError) -> Bool {
        try Self.translating(path) {
            try queue.writeWithoutTransaction { try Row.fetchOne($0, sql: "PRAGMA wal_checkpoint(TRUNCATE)").map { ($0[0] as Int) == 0 } ?? false }
        }
    }

    func close() throws(KeystoreError) {
        try Self.translating(path) { try queue.close() }
    }

    private static func translating<R>(_ path: String, _ body: () throws -> R) throws(KeystoreError) -> R {
        do { return try body() } catch { throw translate(error, path) }
    }

    /// Nothing of the database library leaves this file.
    private static func translate(_ error: any Error, _ path: String) -> KeystoreError {
        if let error = error as? KeystoreError { return error }
        if let error = error as? CryptographyError { return .cryptography(error) }
        guard let error = error as? DatabaseError else { return .storage(path: path, "\(error)") }
        let text = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_NOTADB: return .notAKeystore(path: path, "it is no SQLite database")
        case .SQLITE_CORRUPT: return .damaged(path: path, text)
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .busy(path: path)
        case .SQLITE_PERM, .SQLITE_AUTH: return .permissionDenied(path: path)
        case .SQLITE_READONLY: return isOnReadOnlyDisk(path) ? .readOnlyDisk(path: path) : .permissionDenied(path: path)
        // The write-ahead log cannot be opened where nothing can be made.
        case .SQLITE_CANTOPEN where isOnReadOnlyDisk(path): return .readOnlyDisk(path: path)
        case .SQLITE_FULL: return .diskFull(path: path)
        // The index of the write-ahead log, which is a file of its own, cannot be made or grow.
        case .SQLITE_IOERR where isOnFullDisk(path): return .diskFull(path: path)
        case .SQLITE_MISUSE: return .closed
        default: return .storage(path: path, text)
        }
    }
}

/// Whether there is less room than the index of a write-ahead log takes.
private func isOnFullDisk(_ path: String) -> Bool {
    let free = try? FileManager.default.attributesOfFileSystem(forPath: path)[.systemFreeSize]
    return (free as? UInt64 ?? (free as? Int).map { UInt64($0) }).map { $0 < 32768 } ?? false
}

/// Whether the disk is why nothing can be written: tried with a change of the mode to what it is.
private func isOnReadOnlyDisk(_ path: String) -> Bool {
    do {
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        try FileManager.default.setAttributes([.posixPermissions: mode ?? 0o600], ofItemAtPath: path)
        return false
    } catch { return (error as? CocoaError)?.code == .fileWriteVolumeReadOnly }
}

/// What a transaction may fail with.
enum KeystoreFailure: Error {
    case key(KeyError)
    case keystore(KeystoreError)

    var asKeyError: KeyError {
        switch self {
        case .key(let error): error
        case .keystore(let error): .storage(error)
        }
    }

    func asKeystoreError(_ path: String) -> KeystoreError {
        switch self {
        case .key(let error): .storage(path: path, error.description)
        case .keystore(let error): error
        }
    }
}
