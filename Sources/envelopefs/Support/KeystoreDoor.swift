// Opening and making the keystore, with the refusals of a person's language.

import Cryptography
import KeyManagement
import POSIX

enum KeystoreDoor {
    /// Whether there is something at the keystore's path.
    static func isThere(_ path: String) throws(Failure) -> Bool {
        do throws(Errno) { return try Paths.exists(path) } catch { throw Failure("the keystore \(path) cannot be looked at", error) }
    }

    /// Before a passphrase is asked for: something that can be read is at the path.
    /// - Parameter hint: where the vault thinks that its keystore was; said, never opened.
    static func requireReadable(_ path: String, hint: String?) throws(Failure) {
        guard try isThere(path) else { throw missing(path, hint: hint) }
        do throws(Errno) {
            _ = try SharedDescriptor.open(path, [.readOnly, .nonBlocking])
        } catch {
            throw Failure(.keystoreUnreadable, "the keystore \(path) cannot be read: \(error)", hint: "It belongs to its user alone; is this the right one?")
        }
    }

    private static func missing(_ path: String, hint: String?) -> Failure {
        let known = hint.map { $0 == path ? "The vault was made with it; restore it from a copy." : "The vault was made with \($0); give --keystore if it is there." }
        return Failure(.keystoreMissing, "there is no keystore at \(path)", hint: known ?? "Give its path with --keystore, or set ENVELOPEFS_KEYSTORE.")
    }

    /// - Parameters:
    ///   - forSlots: the root key stays in memory, for the verbs that need it again.
    ///   - appliesSchedule: false where nothing may be changed.
    ///   - protects: false inside `protected`.
    static func open(
        _ path: String, secret: UnlockSecret, forSlots: Bool = false, appliesSchedule: Bool = true, protects: Bool = true
    ) throws(Failure) -> Keystore {
        if protects { try protect() }
        let keystore: Keystore
        do throws(KeystoreError) {
            keystore = try Keystore.open(at: path, unlockingWith: secret, keepsRootKey: forSlots, appliesSchedule: appliesSchedule, actor: actor)
        } catch { throw Failure(error) }
        identify(keystore)
        Console.note(keystore.openingReport)
        return keystore
    }

    /// This program, as the audit log names it.
    static var actor: AuditActor { AuditActor(userID: CurrentProcess.userID, processID: CurrentProcess.id, program: "envelopefs") }

    /// What was asked for is done although it could not be audited: nobody may overlook that.
    private static func identify(_ keystore: Keystore) {
        keystore.identify(as: actor) { error in Console.note("WARNING: this use is missing in the audit log: \(error)") }
    }

    static func keyring(of keystore: Keystore) throws(Failure) -> Keyring {
        do throws(KeyError) { return try keystore.keyring() } catch { throw Failure(error) }
    }

    /// What was asked for is done by then; a failure to close harms nothing, and is said.
    static func close(_ keystore: Keystore) {
        do throws(KeystoreError) { try keystore.close() } catch { Console.note("the keystore was not closed well: \(error)") }
    }

    /// Makes a keystore and prints its recovery code, the only time that anybody sees it.
    static func create(_ path: String, secret: UnlockSecret) throws(Failure) -> Keystore {
        if secret.kind == .recovery { throw Failure(.usage, "a new keystore needs a passphrase or a key file, not a recovery code") }
        try protect()
        do throws(Errno) {
            try Paths.makeDirectories(path.parentPath, mode: 0o700)
        } catch {
            throw Failure("the directory of the keystore \(path) cannot be made", error)
        }
        do throws(KeystoreError) {
            let keystore = try Keystore.create(at: path, secret: secret, actor: actor) { try show($0, under: "making the keystore \(path)") }
            identify(keystore)
            return keystore
        } catch {
            throw Failure(error)
        }
    }

    /// Of a process that holds keys: core limit 0, and files that only this user can read. Not of `run`, whose job would inherit both.
    private static func protect() throws(Failure) {
        CurrentProcess.setUmask(0o077)
        do throws(Errno) { try ResourceLimits.forbidDumps() } catch { throw Failure("the process cannot be protected from dumps", error) }
    }

    /// Runs `body` as a process that holds keys; what is started afterwards has umask and core limit as they were. Its memory stays closed to other processes.
    static func protected<R>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
        let mask = CurrentProcess.setUmask(0o077)
        defer { CurrentProcess.setUmask(mask) }
        let limit: UInt64
        do throws(Errno) {
            limit = try ResourceLimits.coreSize().soft
            try ResourceLimits.setCoreSize(soft: 0)
            try CurrentProcess.setDumpable(false)
        } catch { throw Failure("the process cannot be protected from dumps", error) }
        defer { try? ResourceLimits.setCoreSize(soft: limit) }
        return try body()
    }

    /// Runs `work`, which shows a recovery code before its change is durable. A failure after that says `hint` of the code.
    static func showing<Answer>(
        _ heading: String, hint: String, _ work: (_ show: (SecretBytes) throws -> Void) throws(KeystoreError) -> Answer
    ) throws(Failure) -> Answer {
        var isShown = false
        do throws(KeystoreError) {
            return try work {
                try show($0, under: heading)
                isShown = true
            }
        } catch {
            let failure = Failure(error)
            throw isShown ? Failure(failure.status, failure.what, hint: hint) : failure
        }
    }

    /// Throws when not all of it could be written. A reader that has gone (`2>&1 | head -1`) is an error here too, not the end of the program.
    static func show(_ code: SecretBytes, under heading: String) throws(Errno) {
        defer { code.wipe() }
        try Signal.pipe.ignore()
        let out = SharedDescriptor.standardError
        try out.writeSequence("envelopefs: \(heading)\n\n  Recovery code, shown only this once:\n\n    ")
        try code.withBytes { bytes throws(Errno) in try out.writeSequence(bytes) }
        try out.writeSequence(
            """


              It opens the keystore when the passphrase is lost. Write it down, and keep it elsewhere.
              Losing the keystore is losing the data: 'envelopefs keystore backup FILE' makes a copy.


            """)
    }
}
