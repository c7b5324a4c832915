// The keystore: the persistent side of the embedded KMS core. Making, opening, closing; the verbs stand in ../Verbs.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB
import Synchronization

/// An unlocked keystore. Thread-safe; several processes may have the same one open.
package final class Keystore: Sendable {
    static let rootKeySize = 32
    static let materialSize = 32

    /// The id of this keystore, for ever.
    package let id: KeystoreID
    /// The file, as given.
    package let path: String

    let database: KeystoreDatabase
    private struct State {
        /// Nil once closed.
        var keys: RootKeys?
        /// Only for the verbs that seal it again, in a keystore opened for them.
        var rootKey: SecretBytes?
        var openedBy: UnlockSlot
        /// Who the audit log says it was, and who is told of an entry that could not be written.
        var actor = AuditActor.unknown
        var auditFailed: @Sendable (KeystoreError) -> Void = { _ in }
        /// What a keyring read last, and SQLite's counter of others' commits just before; nil after a change of our own.
        var seen: (dataVersion: Int64, generation: UInt64)?
        /// How many changes of our own there were since it was opened: what was read before the last is not what was seen.
        var changes: UInt64
        /// Those of them that were made while it was opened.
        var openingChanges: UInt64 = 0
        /// The rows that were last found whole; nil while none were.
        var whole: WholeRows?
        /// What the verbs that use keys work with; made when the first of them runs.
        var keyring: Keyring?
        var openingReport = ScheduleReport()
        var observer: (@Sendable (KeyEvent) -> Void)?
    }
    private let state: Mutex<State>
    /// Something was removed, here or perhaps by another process, and its sealed form may still stand in the write-ahead log.
    let owesCheckpoint = Atomic(false)
    /// Seconds since 1970. Tests set it.
    let clock: @Sendable () -> Int64
    /// What was done, or was not, by itself when the keystore was opened.
    package var openingReport: ScheduleReport { state.withLock { $0.openingReport } }

    /// The slot that opened it, as it is sealed now.
    var openedBy: UnlockSlot { state.withLock { $0.openedBy } }

    private init(
        id: KeystoreID, database: KeystoreDatabase, keys: RootKeys, rootKey: SecretBytes?, openedBy: UnlockSlot, whole: WholeRows?, changes: UInt64 = 0,
        clock: @escaping @Sendable () -> Int64
    ) {
        self.id = id
        self.clock = clock
        self.database = database
        path = database.path
        state = Mutex(State(keys: keys, rootKey: rootKey, openedBy: openedBy, seen: nil, changes: changes, whole: whole))
    }

    /// Makes a keystore with a slot for `secret` and a recovery slot, and no keys yet. The file is complete and durable or not there at all.
    /// Throws `alreadyExists`, `validation`, `permissionDenied`, `diskFull`, `readOnlyDisk`, `noHardLinks`, `recoveryCodeNotShown` and others.
    /// - Parameter showing: gets the text of the recovery code (55 characters) once, before the keystore gets its name, to show it to a person;
    ///   the code is kept nowhere, so if this throws, there is no keystore either.
    package static func create(
        at path: String, secret: UnlockSecret, scrypt: ScryptParameters = .standard, actor: AuditActor = .unknown,
        clock: @escaping @Sendable () -> Int64 = { now() },
        showing: (_ recoveryCode: SecretBytes) throws -> Void
    ) throws(KeystoreError) -> Keystore {
        guard secret.kind != .recovery else { throw .validation("a new keystore makes its recovery code itself") }
        try UnlockSlot.check(secret, scrypt)
        let creation = try KeystoreCreation(path: path)
        let (id, rootKey, keys, slots, code) = try makeRoot(secret, scrypt: scrypt)
        let authentication = RowAuthentication(keys: keys, path: path)
        try creation.run(showing: { try showing(code) }) { database in
            for slot in slots { try authentication.put(.unlockSlot, slot.values, database) }
            let log = AuditLog(database: database, authentication: authentication)
            try log.start(rootKey: rootKey)
            try log.append([AuditEvent("CreateKeystore")], by: actor, now: now())
            let header = KeystoreHeader(keystoreID: id, createdAt: now(), generation: 0, rowCount: 0, digest: [])
            try authentication.seal(header, database)
        }
        // Opening turns on the write-ahead log, and thereby syncs the directory.
        let keystore = Keystore(
            id: id, database: try KeystoreDatabase.open(path), keys: keys, rootKey: nil, openedBy: slots[0], whole: nil, clock: clock)
        keystore.identify(as: actor) { _ in }
        _ = try keystore.verify()
        return keystore
    }

    /// The same with a passphrase.
    package static func create(
        at path: String, passphrase: SecretBytes, scrypt: ScryptParameters = .standard, clock: @escaping @Sendable () -> Int64 = { now() },
        showing: (_ recoveryCode: SecretBytes) throws -> Void
    ) throws(KeystoreError) -> Keystore {
        try create(at: path, secret: .passphrase(passphrase), scrypt: scrypt, clock: clock, showing: showing)
    }

    private static func makeRoot(
        _ secret: UnlockSecret, scrypt: ScryptParameters
    ) throws(KeystoreError) -> (KeystoreID, SecretBytes, RootKeys, [UnlockSlot], SecretBytes) {
        do throws(CryptographyError) {
            let rootKey = try SecretBytes.random(count: rootKeySize)
            let recovery = try SecretBytes.random(count: RecoveryCode.byteCount)
            let slots = [
                try UnlockSlot.seal(
                    rootKey, with: secret.bytes, kind: secret.kind, scrypt: secret.kind == .passphrase ? scrypt : nil, number: 1, createdAt: now(),
                    salt: try Random.bytes(32)),
                try UnlockSlot.seal(
                    rootKey, with: recovery, kind: .recovery, scrypt: nil, number: 2, createdAt: now(), salt: try Random.bytes(32)),
            ]
            return (try KeystoreID.random(), rootKey, try RootKeys(rootKey: rootKey), slots, try RecoveryCode.text(of: recovery))
        } catch { throw .cryptography(error) }
    }

    /// Unlocks the keystore at `path`, checks every row of it, and does what is due. Takes half a second with a passphrase.
    /// - Parameters:
    ///   - keepsRootKey: for the verbs on slots, rotation of the root key, backups: they need it again.
    ///   - appliesSchedule: false where nothing may be changed: in a proof, and before the deletions of a restored keystore are put off.
    ///   - actor: who does what is due, for the audit log; and everything later, until `identify`.
    package static func open(
        at path: String, unlockingWith secret: UnlockSecret, keepsRootKey: Bool = false, appliesSchedule: Bool = true, actor: AuditActor = .unknown,
        clock: @escaping @Sendable () -> Int64 = { now() }
    ) throws(KeystoreError) -> Keystore {
        let database = try KeystoreDatabase.open(path)
        let slots = try database.read { try UnlockSlot.all(in: $0, path: path) }
        let (rootKey, slot) = try UnlockSlot.unlock(slots, with: secret)
        let keys: RootKeys
        do throws(CryptographyError) { keys = try RootKeys(rootKey: rootKey) } catch { throw .cryptography(error) }
        let authentication = RowAuthentication(keys: keys, path: path)
        let changes: UInt64
        let found: (header: KeystoreHeader, whole: WholeRows)
        do throws(KeystoreError) {
            changes = try migrate(database, authentication, rootKey: rootKey) ? 1 : 0
            found = try database.read { database in
                let dataVersion = try KeystoreDatabase.dataVersion(database)
                let header = try authentication.verify(database)
                try SafeTransaction.probe(database)
                return (header, WholeRows(dataVersion, header))
            }
        } catch { throw explained(error, database, openedBy: slot) }
        let keystore = Keystore(
            id: found.header.keystoreID, database: database, keys: keys, rootKey: keepsRootKey ? rootKey : nil, openedBy: slot, whole: found.whole,
            changes: changes, clock: clock)
        keystore.identify(as: actor) { _ in }
        if appliesSchedule {
            let report = keystore.applySchedule()
            keystore.state.withLock { $0.openingReport = report }
        }
        keystore.state.withLock { $0.openingChanges = $0.changes }
        return keystore
    }

    /// Brings a keystore of an older version to this one; nobody is asked, since nothing is lost by it.
    /// - Returns: whether it was one.
    private static func migrate(_ database: KeystoreDatabase, _ authentication: RowAuthentication, rootKey: SecretBytes) throws(KeystoreError) -> Bool {
        let path = database.path
        let found = try database.read { try Schema.check($0, path: path) }
        guard found < Schema.version else { return false }
        do throws(KeystoreFailure) {
            return try database.write { database in
                try Schema.migrate(database, authentication, path: path) { database in
                    let log = AuditLog(database: database, authentication: authentication)
                    if try !log.isThere() { try log.start(rootKey: rootKey) }
                }
            }
        } catch {
            let why = error.asKeystoreError(path)
            switch why {
            case .permissionDenied, .readOnlyDisk, .diskFull, .busy, .storage:
                throw .notMigrated(path: path, found: found, to: Schema.version, why)
            default: throw why
            }
        }
    }

    /// Who uses this keystore, for the audit log, and who is to be told when an entry for a use could not be written.
    package func identify(as actor: AuditActor, onAuditFailure: @escaping @Sendable (KeystoreError) -> Void) {
        state.withLock { ($0.actor, $0.auditFailed) = (actor, onAuditFailure) }
    }
    var auditActor: AuditActor { state.withLock { $0.actor } }
    func auditFailed(_ error: KeystoreError) { state.withLock { $0.auditFailed }(error) }

    /// Throws `closed`, and `validation` for a keystore that was not opened with `keepsRootKey`.
    func rootKey() throws(KeystoreError) -> SecretBytes {
        let (keys, rootKey) = state.withLock { ($0.keys, $0.rootKey) }
        guard keys != nil else { throw .closed }
        guard let rootKey else { throw .validation("this keystore was not opened for work on its slots") }
        return rootKey
    }

    /// After the root key was rotated.
    func takeRoot(_ rootKey: SecretBytes, _ keys: RootKeys, openedBy slot: UnlockSlot) {
        state.withLock { state in
            guard state.keys != nil else { return }
            (state.rootKey, state.keys, state.openedBy, state.seen, state.whole) = (rootKey, keys, slot, nil, nil)
        }
    }

    /// How many changes were made so far, by anybody. Checks every row.
    package func generation() throws(KeystoreError) -> UInt64 { try verify().generation }

    /// The keys, in memory, as they are now. The keyring sees later changes by `refresh`, as long as this keystore is not closed.
    package func keyring() throws(KeyError) -> Keyring {
        guard let contents = try contents(newerThan: nil) else { throw .storage(.storage(path: path, "it gave no keys")) }
        return Keyring(keystoreID: id, contents: contents, source: self, ownChanges: state.withLock { $0.openingChanges })
    }

    /// The keyring of the verbs that use keys, as the keystore is now.
    func ownKeyring() throws(KeyError) -> Keyring {
        if let known = state.withLock({ $0.keyring }) {
            try known.refresh()
            return known
        }
        let made = try keyring()
        state.withLock { $0.keyring = made }
        return made
    }

    /// Has `observer` told of every verb, after it was done or refused. One at a time.
    package func observe(_ observer: @escaping @Sendable (KeyEvent) -> Void) { state.withLock { $0.observer = observer } }

    func report(_ event: KeyEvent) {
        let observer = state.withLock { $0.observer }
        observer?(event)
    }

    /// Forgets the keys and closes the file. Keyrings keep what they hold until they are locked.
    package func close() throws(KeystoreError) {
        let own = state.withLock { state in
            (state.keys, state.rootKey) = (nil, nil)
            defer { state.keyring = nil }
            return state.keyring
        }
        own?.lock()
        try database.close()
    }

    func authentication() throws(KeystoreError) -> RowAuthentication {
        guard let keys = state.withLock({ $0.keys }) else { throw .closed }
        return RowAuthentication(keys: keys, path: path)
    }

    private func verify() throws(KeystoreError) -> KeystoreHeader {
        let authentication = try authentication()
        return try database.read { try verify($0, authentication) }
    }

    /// Checks every row, as the transaction that runs sees it, unless this found the same rows whole before. Throws as `RowAuthentication.verify`.
    @discardableResult
    func verify(_ database: Database, _ authentication: RowAuthentication) throws -> KeystoreHeader {
        let dataVersion = try KeystoreDatabase.dataVersion(database)
        let header = try authentication.verifyHeader(database)
        let whole = WholeRows(dataVersion, header)
        if state.withLock({ $0.whole }) == whole { return header }
        _ = try authentication.verify(database)
        state.withLock { $0.whole = whole }
        return header
    }

    /// Runs `body` on rows that were all checked.
    func read<R>(_ body: (Database) throws -> R) throws(KeyError) -> R {
        do throws(KeystoreError) {
            let authentication = try authentication()
            return try database.read { database in
                try verify(database, authentication)
                return try body(database)
            }
        } catch { throw .storage(explained(error)) }
    }

    /// Runs `body` on rows that were all checked, and counts what it changed as one change. Durable when this returns.
    func change<R>(_ body: (Database, RowAuthentication) throws -> R) throws(KeyError) -> R {
        do throws(KeystoreFailure) { return try transaction(body) } catch { throw error.asKeyError }
    }

    /// The same, for verbs on the keystore itself.
    func transaction<R>(_ body: (Database, RowAuthentication) throws -> R) throws(KeystoreFailure) -> R {
        let authentication: RowAuthentication
        do throws(KeystoreError) { authentication = try self.authentication() } catch { throw .keystore(error) }
        do throws(KeystoreFailure) {
            let (result, whole) = try database.write { database in
                let header = try verify(database, authentication)
                let result = try body(database, authentication)
                let sealed = try authentication.seal(header, database)
                return (result, WholeRows(try KeystoreDatabase.dataVersion(database), sealed))
            }
            // What was whole and was changed by this program alone is whole.
            state.withLock { ($0.seen, $0.whole, $0.changes) = (nil, whole, $0.changes + 1) }
            return result
        } catch {
            if case .keystore(let refused) = error { throw .keystore(explained(refused)) }
            throw error
        }
    }

    /// A keystore whose own row has another MAC, or whose audit log another key, may be one whose root key was rotated meanwhile: then the slot that
    /// opened it was sealed anew.
    func explained(_ error: KeystoreError) -> KeystoreError { Self.explained(error, database, openedBy: openedBy) }

    private static func explained(_ error: KeystoreError, _ database: KeystoreDatabase, openedBy: UnlockSlot) -> KeystoreError {
        switch error {
        case .rowRefused("keystore/1", .edited), .auditBroken: break
        default: return error
        }
        let path = database.path
        let slots = (try? database.read { try UnlockSlot.all(in: $0, path: path) }) ?? []
        let isSame = slots.isEmpty || slots.contains { $0.salt == openedBy.salt }
        return isSame ? error : .rootKeyRotated
    }

    func now() -> Int64 { clock() }

    /// Seconds since 1970.
    package static func now() -> Int64 { Int64(Date().timeIntervalSince1970) }
}

extension Keystore: KeyringSource {
    func contents(newerThan generation: UInt64) throws(KeyError) -> KeyringContents? {
        try contents(newerThan: Optional(generation))
    }

    /// The counter is asked for before the rows are read: a commit between the two is seen next time.
    private func contents(newerThan known: UInt64?) throws(KeyError) -> KeyringContents? {
        do throws(KeystoreError) {
            let authentication = try authentication()
            let dataVersion = try database.ask(KeystoreDatabase.dataVersion)
            let (seen, changes) = state.withLock { ($0.seen, $0.changes) }
            if let seen, seen.dataVersion == dataVersion, seen.generation == known { return nil }
            if known != nil, seen?.dataVersion != dataVersion { owesCheckpoint.store(true, ordering: .relaxed) }
            let contents = try database.read { database in
                let header = try verify(database, authentication)
                if let known {
                    guard header.generation >= known else { throw KeystoreError.olderGeneration(seen: known, found: header.generation) }
                    if header.generation == known { return KeyringContents(generation: known, keys: [:]) }
                }
                return try load(database, header.generation, authentication)
            }
            state.withLock { if $0.changes == changes { $0.seen = (dataVersion, contents.generation) } }
            return contents.generation == known ? nil : contents
        } catch { throw .storage(explained(error)) }
    }

    private func load(_ database: Database, _ generation: UInt64, _ authentication: RowAuthentication) throws -> KeyringContents {
        var versions: [KeyID: [UInt32: SecretBytes]] = [:]
        let rows = try KeyRow.all(in: database)
        let settings = Dictionary(try KeySettings.all(in: database).map { ($0.keyID, $0) }) { first, _ in first }
        let open = Set(rows.filter { $0.state.allowsOpening }.map(\.keyID))
        for row in try KeyVersionRow.all(in: database) where open.contains(row.keyID) && row.version >= settings[row.keyID]?.minimumVersion ?? 1 {
            versions[row.keyID, default: [:]][row.version] = try row.material(authentication)
        }
        let keys = rows.map { row in
            let expiresAt = settings[row.keyID]?.materialExpiresAt
            let key = KeyringKey(
                state: row.state, currentVersion: row.currentVersion, versions: versions[row.keyID] ?? [:],
                minimumVersion: settings[row.keyID]?.minimumVersion ?? 1, expiry: expiresAt.map { KeyringKey.Expiry(date: $0, clock: clock) })
            return (row.keyID, key)
        }
        return KeyringContents(generation: generation, keys: Dictionary(keys, uniquingKeysWith: { first, _ in first }))
    }
}
