// Opening a vault's journal: what a mount that did not end left in it is done first, then it is begun anew.

import Format
import POSIX

/// What comes of it.
package struct JournalOpening: Sendable {
    /// For changes; nil where there is none or nothing may be changed.
    private(set) var journal: Journal?
    /// What is to be laid over files that may not be written.
    private(set) var replayed: [InodeKey: Overlay] = [:]

    /// No journal.
    package init() {}
    init(replayed: [InodeKey: Overlay]) { self.replayed = replayed }

    /// - Parameter isShared: somebody else has the vault, and does what is in the journal himself.
    init(
        _ directory: VaultDirectory, _ keeper: ConfigurationKeeper, isReadOnly: Bool, isShared: Bool, generation: UInt64, log: VaultLog
    ) throws(VaultError) {
        guard keeper.hasJournal else { return }
        do throws(Errno) {
            if !keeper.wasClean && !isShared { try replay(directory, keeper, isReadOnly: isReadOnly, log: log) }
            if isReadOnly { return }
            let journal = Journal(in: directory, log: log)
            // A clean vault stays clean until its first change. In another one the new epoch makes all records void at once: there is no moment in which
            // the older ones count and the later ones do not.
            if !keeper.wasClean, try !Self.begin(onFullDisk: journal, directory, keeper, generation, log) { return }
            self.journal = journal
        } catch {
            throw error == .readOnlyFilesystem ? .readOnlyFileSystem(path: directory.path) : .system("use the journal of \(directory.path)", error)
        }
    }

    private mutating func replay(_ directory: VaultDirectory, _ keeper: ConfigurationKeeper, isReadOnly: Bool, log: VaultLog) throws(Errno) {
        let cipher = try Self.cipher(keeper)
        defer { cipher.wipe() }
        let first = try directory.readJournal(0), second = try directory.readJournal(1)
        let records = cipher.records(in: first.span, second.span)
        if records.isEmpty { return }
        let access = OwnerAccess(userID: CurrentProcess.effectiveUserID, isReadOnly: isReadOnly)
        let replay = Replay(records, root: directory.root, rootID: keeper.rootDirectoryID, access: access)
        if isReadOnly {
            replayed = try replay.overlays()
            return
        }
        let count = try replay.write()
        try directory.syncFilesystem()
        log.note("journal: \(records.count) records of \(count) files were not known to be in them, and are now")
    }

    /// On a full disk files must be removable: there is no journal until the next mount.
    private static func begin(
        onFullDisk journal: Journal, _ directory: VaultDirectory, _ keeper: ConfigurationKeeper, _ generation: UInt64, _ log: VaultLog
    ) throws(Errno) -> Bool {
        do throws(Errno) {
            try begin(journal, keeper, generation: generation)
            return true
        } catch {
            guard error == .noSpace || error == .quotaExceeded else { throw error }
            log.failed("beginning the journal: until the next mount a power cut can take what is being overwritten", error)
            // What is written now must not be undone by the records.
            try directory.invalidateJournals(try oldestFirst(directory, keeper))
            return false
        }
    }

    /// Of the epoch that `vault.json` names.
    private static func cipher(_ keeper: ConfigurationKeeper) throws(Errno) -> JournalCipher {
        do throws(FormatError) { return try JournalCipher(vaultKey: keeper.vaultKey, epoch: keeper.journalEpoch) } catch { throw .ioError }
    }

    /// The journal files in the order of their records.
    private static func oldestFirst(_ directory: VaultDirectory, _ keeper: ConfigurationKeeper) throws(Errno) -> [Int] {
        let cipher = try cipher(keeper)
        defer { cipher.wipe() }
        let first = try directory.readJournal(0), second = try directory.readJournal(1)
        guard let a = cipher.open(first.span), let b = cipher.open(second.span) else { return [0, 1] }
        return b.record.sequence < a.record.sequence ? [1, 0] : [0, 1]
    }

    /// Takes the clean mark away and names a new epoch, durably, before the first record.
    static func begin(_ journal: Journal, _ keeper: ConfigurationKeeper, generation: UInt64) throws(Errno) {
        let (number, cipher) = try keeper.newEpoch()
        try keeper.update(isClean: false, generation: generation, epoch: number)
        try journal.begin(cipher)
    }
}
