// A mounted vault: what the front door calls. The operations are in `Operations/`.

import Cryptography
import Format
import KeyManagement
import POSIX
import Synchronization

/// What a vault is opened for.
package enum VaultUse: Sendable {
    /// Every operation, alone: with the lock, putting right what a crash left.
    case mounting
    /// Reading beside whoever has it: without the lock, changing nothing.
    case looking
    /// Single repairs, alone: with the lock; nothing is put right unasked.
    case repairing
}

/// An open vault. It owns the truth about the backing directory from open to close.
package final class Vault: Sendable {
    package let root: Inode
    package let context: VaultContext
    let names: NameCipher
    let table: InodeTable
    let directories: DescriptorPool
    /// Descriptors of objects that have names, of which none is known.
    let anchors: DescriptorPool
    let sealer: Sealer
    /// Files whose lengths do not tell their sizes, though everything was sealed.
    let misleadingLengths = Mutex<Set<InodeKey>>([])
    var access: OwnerAccess { context.access }
    /// Of the process, asked once.
    let userID: UInt32
    var isRoot: Bool { userID == 0 }

    private let directory: VaultDirectory
    let recovery = RecoverySweep()
    private let lock: VaultLock
    private let configuration: ConfigurationKeeper

    /// Inodes in memory, of files of every type; a few more than the kernel knows.
    package var inodeCount: Int { table.count }
    /// Files that are to be sealed when they have been quiet for a while.
    package var unsealedCount: Int { sealer.count }

    /// Opens a vault: checks that it is whole and of this keystore, takes its lock.
    /// - Parameters:
    ///   - keyring: unlocked; used as long as the vault is open.
    ///   - mountPoint: for whoever finds the vault in use.
    ///   - uses: counts what is done with keys from then on, for the audit log.
    ///   - isShared: another process has the vault: what is in its journal comes to the files without us.
    ///   - use: for anything but `mounting`, `isReadOnly` says whether something may be changed at all.
    package init(
        opening path: String, keyring: Keyring, mountPoint: String, isReadOnly: Bool, acceptsOlderKeystore: Bool = false,
        use: VaultUse = .mounting, isShared: Bool = false, uses: KeyUses? = nil, log: VaultLog
    ) throws(VaultError) {
        directory = try VaultDirectory(opening: path)
        let unverified = try ConfigurationKeeper.parse(directory.readConfiguration())
        try unverified.claimed.requireKeystore(keyring, acceptsOlder: acceptsOlderKeystore)
        lock = use == .looking ? VaultLock(nil) : try directory.lock(mountPoint: mountPoint, readOnly: isReadOnly)
        // Read again under the lock: its last holder may just have written it.
        configuration = try ConfigurationKeeper(reading: directory, keyring: keyring, acceptsOlderKeystore: acceptsOlderKeystore)
        let keeper = configuration
        guard isReadOnly || !keeper.hasDirectoryPolicies else { throw .unsupported("it has keys for single directories, by which this one does not go; it can be mounted read-only") }
        let seenGeneration = keyring.generation
        let opening = try JournalOpening(directory, keeper, isReadOnly: isReadOnly, isShared: isShared, generation: seenGeneration, log: log)
        let journal = opening.journal
        context = VaultContext(
            vaultID: keeper.vaultID, keyring: keyring, defaultKey: keeper.defaultKey, isReadOnly: isReadOnly,
            wasClean: keeper.wasClean, log: log, uses: uses, opening: opening, isShared: isShared
        ) { () throws(Errno) in
            guard let journal else { return try keeper.update(isClean: false, generation: seenGeneration) }
            try JournalOpening.begin(journal, keeper, generation: seenGeneration)
        }
        do throws(FormatError) {
            names = try NameCipher(vaultKey: keeper.vaultKey)
        } catch {
            throw .damagedConfiguration("the vault key cannot be used: \(error)")
        }
        userID = CurrentProcess.effectiveUserID
        table = InodeTable()
        let limit = Self.descriptorLimit
        directories = DescriptorPool(limit: limit)
        anchors = DescriptorPool(limit: limit)
        sealer = Sealer(context: context, crowd: min(limit / 2, 4096))
        do throws(Errno) {
            let status = try directory.root.status()
            root = Inode(
                key: InodeKey(status),
                role: .directory(Directory(root: directory.root, id: keeper.rootDirectoryID, pool: directories, access: context.access)), place: nil)
            // The root is never taken back.
            _ = try table.found(root.key, at: nil) { [root] () throws(Errno) in root }
        } catch {
            throw .system("stat \(path)", error)
        }
        if isReadOnly { return }
        do throws(Errno) {
            try keeper.note(generation: seenGeneration, isAccepted: acceptsOlderKeystore)
        } catch {
            switch error {
            // Files must be removable on a full disk. It is noted with the first change.
            case .noSpace, .quotaExceeded:
                log.failed("note the generation of the keystore", error)
                keeper.remember(generation: seenGeneration, isAccepted: acceptsOlderKeystore)
            case .readOnlyFilesystem: throw .readOnlyFileSystem(path: path)
            default: throw .system("write \(path)/.envelopefs/vault.json", error)
            }
        }
        if !context.wasClean && use == .mounting { recovery.start(self) }
    }

    /// Somebody else has looked at every file, and left none unfinished: the vault may be called clean when it is closed.
    func noteRecovered() { recovery.noteComplete() }

    /// A quarter of what the process may have open.
    private static var descriptorLimit: Int {
        guard let limit = try? ResourceLimits.openFiles().soft else { return 64 }
        return Int(clamping: min(limit / 4, 1 << 16))
    }

    /// Seals everything, sets the clean mark, lets go of the lock and wipes the keys. Nothing may use the vault afterwards.
    /// - Parameter last: runs in any case, when all keys were used for the last time and before the lock goes: who waits for the lock finds what this did.
    /// - Returns: whether everything was sealed.
    @discardableResult
    package func close(last: () -> Void = {}) throws(VaultError) -> Bool {
        lock.noteSealing()
        recovery.stop()
        // Where the connection was cut, nobody has closed what was open.
        for inode in table.inodes { inode.regularFile?.handOver(of: inode, in: self) }
        if !sealer.drain() { context.noteUnfinished() }
        defer {
            configuration.wipe()
            last()
            lock.release()
        }
        // One that was found not clean is made clean, though there was nothing to change in it.
        guard context.isChanged || (!context.wasClean && !context.isReadOnly) else { return true }
        do throws(Errno) {
            try context.checkpoint { [directory] () throws(Errno) in try directory.syncFilesystem() }
            guard !context.isUnfinished, context.wasClean || recovery.isComplete else { return false }
            try configuration.update(isClean: true, generation: context.keyring.generation)
            context.journal?.end()
        } catch {
            throw .system("close \(directory.path)", error)
        }
        return true
    }
}
