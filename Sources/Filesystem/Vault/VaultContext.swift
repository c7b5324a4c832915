// What every part of a mounted vault shares: identity, keys, log and the marks of its state.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX
import Synchronization

/// Shared, immutable but for three marks: changed, unfinished, lengths are known. The keyring is used, never owned: the hall opened it.
package final class VaultContext: Sendable {
    package let vaultID: VaultID
    package let keyring: Keyring
    /// Counts what is done with keys, for the audit log; nil where nobody writes one.
    private let uses: KeyUses?
    /// The CMK under which new files get their data key.
    package let defaultKey: KeyID
    package let isReadOnly: Bool
    /// Whether the last mount ended with everything sealed. If not, sizes are read from the files and not only from their lengths.
    package let wasClean: Bool
    package let log: VaultLog
    let access: OwnerAccess
    private let opening: JournalOpening
    /// Nil for a vault without one, or one that is only read.
    var journal: Journal? { opening.journal }

    /// Called once, before the first change: takes the clean mark away durably.
    private let takeCleanMark: @Sendable () throws(Errno) -> Void
    private let isMarked = Atomic<Bool>(false)
    private let marking = Mutex<Void>(())
    private let failures = Atomic<Bool>(false)
    private let lengthsAreKnown = Atomic<Bool>(false)
    /// Another process has the vault: that it is not clean says nothing of a crash.
    private let isShared: Bool

    package init(
        vaultID: VaultID, keyring: Keyring, defaultKey: KeyID, isReadOnly: Bool, wasClean: Bool, log: VaultLog, uses: KeyUses? = nil,
        opening: JournalOpening = JournalOpening(), isShared: Bool = false, takeCleanMark: @escaping @Sendable () throws(Errno) -> Void
    ) {
        self.vaultID = vaultID
        self.keyring = keyring
        self.uses = uses
        self.defaultKey = defaultKey
        self.isReadOnly = isReadOnly
        self.wasClean = wasClean
        self.log = log
        self.opening = opening
        self.isShared = isShared
        access = OwnerAccess(userID: CurrentProcess.effectiveUserID, isReadOnly: isReadOnly)
        self.takeCleanMark = takeCleanMark
        lengthsAreKnown.store(wasClean, ordering: .relaxed)
    }

    /// To be called before anything in the vault is changed. Costs one atomic load after the first time.
    /// - Throws: `EROFS` on a read-only vault; the errno of writing `vault.json`.
    func willChange() throws(Errno) {
        if isMarked.load(ordering: .acquiring) { return }
        try requireWritable()
        try marking.withLock { (_: inout Void) throws(Errno) in
            if isMarked.load(ordering: .acquiring) { return }
            // Without a mark there is none to take away.
            if wasClean { try takeCleanMark() }
            isMarked.store(true, ordering: .releasing)
        }
    }

    /// To be called before a change that leaves no file unsealed: it needs no mark, and so no room on the disk.
    func requireWritable() throws(Errno) {
        if isReadOnly { throw .readOnlyFilesystem }
    }

    /// Whether anything was changed since the vault was opened.
    var isChanged: Bool { isMarked.load(ordering: .acquiring) }

    /// Something could not be sealed or written: the vault must not be called clean when it is closed.
    func noteUnfinished() { failures.store(true, ordering: .releasing) }
    var isUnfinished: Bool { failures.load(ordering: .acquiring) }

    /// Whether the length of a backing file tells the plain size: in a vault that was closed cleanly, or once the recovery has seen every file.
    var lengthsTell: Bool { lengthsAreKnown.load(ordering: .acquiring) }
    /// Whether a crash may have left first pages that nobody has marked yet.
    var mayBeTorn: Bool { !isShared && !lengthsTell }
    func noteLengthsTell() { lengthsAreKnown.store(true, ordering: .releasing) }

    /// Makes every change durable by `sync`, which syncs the file system of the vault and takes no content's lock; no record of the journal counts any more then.
    func checkpoint(_ sync: () throws(Errno) -> Void) throws(Errno) {
        if let journal { try journal.checkpoint(sync) } else { try sync() }
    }

    /// What the journal knows of the file behind `descriptor`, which is open for writing too if `isWritable`.
    func protection(of descriptor: SharedDescriptor, isWritable: Bool, _ label: FileLabel) throws(Errno) -> FileProtection? {
        if let journal {
            guard let kept = try journal.kept(descriptor) else {
                return FileProtection(descriptor, journal: journal, access: access, place: label.place)
            }
            kept.passOn(to: isWritable ? descriptor : nil, place: label.place)
            return kept
        }
        if opening.replayed.isEmpty { return nil }
        let found = opening.replayed[InodeKey(try descriptor.status())]
        return found.map { FileProtection(descriptor, replayed: $0, access: access) }
    }

    /// The modification time that the journal gives a file which may not be written; nil for others.
    func replayedTime(of backing: FileStatus) -> Timestamp? {
        if opening.replayed.isEmpty { return nil }
        return opening.replayed[InodeKey(backing)]?.modificationTime
    }

    // MARK: data keys

    /// A fresh data key for a file, wrapped under `key`.
    /// - Throws: `EKEYREVOKED` when the key may not be used, `ENOKEY` when it is not there.
    /// - Parameter opener: who opened the file, as `asker` said then: the kernel asks for what it wrote to its cache long after that.
    func newDataKey(for file: FileID, under key: KeyID, opener: KeyUses.Asker?) throws(Errno) -> GeneratedDataKey {
        do throws(KeyError) {
            let made = try keyring.generateDataKey(under: key, context: context(of: file))
            uses?.note(.generateDataKey, made.ciphertext.span, opener: opener)
            return made
        } catch {
            uses?.note(refused: error, by: key, opener: opener)
            throw error.errno
        }
    }

    /// The data key of a file, from the wrapped key in its header.
    /// - Throws: `EIO` when the wrapped key does not authenticate, `EKEYREVOKED`, `ENOKEY`.
    func dataKey(of file: FileID, wrapped: ByteSpan, opener: KeyUses.Asker?) throws(Errno) -> SecretBytes {
        do throws(KeyError) {
            let opened = try keyring.decrypt(wrapped, context: context(of: file))
            uses?.note(.decrypt, wrapped, opener: opener)
            return opened
        } catch {
            uses?.note(.decrypt, wrapped, refused: error, opener: opener)
            throw error.errno
        }
    }

    /// The same vault for another reader.
    func lookingAgain(_ log: VaultLog) -> VaultContext {
        VaultContext(vaultID: vaultID, keyring: keyring, defaultKey: defaultKey, isReadOnly: true, wasClean: wasClean, log: log, uses: uses, opening: JournalOpening(replayed: opening.replayed), isShared: isShared) {
            () throws(Errno) in throw .readOnlyFilesystem
        }
    }

    /// For whom the calling thread works; nil where nobody writes an audit log.
    var asker: KeyUses.Asker? { uses?.current }

    private func context(of file: FileID) throws(KeyError) -> EncryptionContext {
        try EncryptionContext(FileContexts.file(file, in: vaultID))
    }
}

extension KeyError {
    /// What a program sees when a key does not open a file.
    var errno: Errno {
        switch self {
        case .notFound: .noKey
        case .disabled, .invalidState, .versionTooOld, .keyUnavailable: .keyRevoked
        case .invalidCiphertext, .incorrectKey, .validation: .ioError
        default: .ioError
        }
    }
}
