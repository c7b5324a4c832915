// What the audit log says of a mount: that it began, which keys were used for whom, that it ended.

import Filesystem
import Format
import FUSE
import KeyManagement
import POSIX
import Synchronization

/// The entries of one mount. Thread-safe.
final class MountJournal: Sendable {
    /// Counts the uses of keys for those who ask; written now and then, and at the end.
    let uses: KeyUses
    private let keystore: Keystore
    private struct Mounted {
        let subject: String
        let keyID: KeyID
    }
    /// Nil until the kernel has the mount.
    private let mounted = Mutex(Mounted?.none)

    init(_ keystore: Keystore) {
        self.keystore = keystore
        // What is not done for anybody's request is this program's own.
        let own = KeyUses.Asker.thisProcess
        uses = KeyUses(asker: { Asker.current.map { KeyUses.Asker(userID: $0.userID, processID: $0.processID) } ?? own }, program: { $0 == own.processID ? "envelopefs" : Processes.name(of: $0) ?? "" })
    }

    /// When the kernel has the mount.
    func begin(_ vault: Vault, acceptsOlderKeystore: Bool) {
        let mounted = Mounted(subject: vault.context.vaultID.auditSubject, keyID: vault.context.defaultKey)
        self.mounted.withLock { $0 = mounted }
        keystore.record(AuditEvent("MountVault", keyID: mounted.keyID, subject: mounted.subject, reason: acceptsOlderKeystore ? "--accept-older-keystore" : nil))
    }

    /// A mount that a key refused. What else may be wrong with a vault is no use of a key.
    func refused(_ error: VaultError) {
        guard case .keyUnavailable(let why) = error else { return }
        keystore.record(AuditEvent("MountVault", result: why.awsName))
    }

    /// Writes the uses that were counted since the last time. What could not be written stays counted.
    func flush() throws(KeystoreError) {
        guard let subject = mounted.withLock({ $0?.subject }) else { return }
        try uses.flush(to: keystore, subject: subject)
    }

    /// After the last use of a key, while the keystore is open.
    func end() {
        guard let mounted = mounted.withLock({ $0 }) else { return }
        uses.end(in: keystore, subject: mounted.subject)
        keystore.record(AuditEvent("UnmountVault", keyID: mounted.keyID, subject: mounted.subject))
    }
}

extension VaultID {
    /// As entries of the audit log that are about the vault have it.
    var auditSubject: String { "vault/\(self)" }
}

extension KeyUses.Asker {
    fileprivate static var thisProcess: Self { Self(userID: CurrentProcess.userID, processID: CurrentProcess.id) }
}

extension KeyUses {
    /// Those of a command that works for itself.
    static func ofThisProgram() -> KeyUses {
        let own = Asker.thisProcess
        return KeyUses(asker: { own }, program: { _ in "envelopefs" })
    }

    /// Writes what was counted since the last time, when no key is used any more. Nobody may overlook that it could not be.
    func end(in keystore: Keystore, subject: String) {
        do throws(KeystoreError) { try flush(to: keystore, subject: subject) } catch { Console.note("WARNING: uses of keys are missing in the audit log: \(error)") }
    }
}
