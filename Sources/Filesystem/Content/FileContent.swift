// The content of one regular file while it is in use: its state, and the entrances to every operation on it.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX
import Synchronization

/// One object per inode, whatever number of handles. Thread-safe: readers share `lock`, whoever changes anything holds it alone.
///
/// INVARIANT: every `var` is read under `lock` and assigned only while it is held for writing. What others ask without the lock
/// (`size`, `isSealed`, `changeCounter`, `isWritable`) stands in atomics that are written under it.
/// Lock order: `lock`, then the slot cache's own.
package final class FileContent: @unchecked Sendable {
    let lock = ReadWriteLock()
    let context: VaultContext
    let policyKey: KeyID
    /// Who opened it.
    let opener: KeyUses.Asker?
    package let label: FileLabel
    let slots = SlotCache()

    var backing: BackingFile
    /// What the journal has of the file; nil where there is no journal.
    let protection: FileProtection?
    var form = Form.empty
    /// Header and cipher; nil for a file without header.
    var identity: Identity? { didSet { protection?.fileID = identity?.header.fileID } }
    /// Plain bytes.
    var contentSize: UInt64 = 0
    /// The entry and sealed bytes of an inline file, as they stand from byte 1024 on.
    var inlineRecord: [UInt8] = []
    /// Whether the inline content may be what a program made durable: then it is not replaced before its successor is.
    var isInlineDurable = false
    /// How the file's head comes to disk in the running operation.
    var head = Head.onDisk
    var record = Record()
    /// The slots may name, as previous, the entry that matches the block (Docs/FORMAT.md, RECOVER).
    var isRecovering = false
    /// UNFINISHED: a power cut may have left what does not open (Docs/FORMAT.md, 5.2).
    var isUnfinished = false
    /// All-zero slots inside the content are holes, not damage.
    var mayHaveHoles = false
    /// Opened for saving what still authenticates: the file counts as unsealed whatever its state record or length says.
    let isSalvaging: Bool
    /// After an error nobody knows what is on disk, and reading it again failed too: nothing is read or written before that succeeds.
    var isUnknown = false
    /// The backing file is longer than its content needs, after a crash or an error.
    var isLengthDue = false
    /// Read again after an error, under a journal: the next change first does what opening does.
    var isSettlingDue = false
    /// An inline or empty file, behind whose content bytes stood when it was read: its length did not tell the size.
    var wasLonger = false
    /// Whether set-id bits are kept by a caller, and the capability.
    var isKeepingSetID = false
    var isKeepingCapability = false
    /// The modification time that the daemon's own writes have hidden.
    var hiddenTime: Timestamp? { didSet { protection?.shownTime = hiddenTime } }

    private let publishedSize = Atomic<UInt64>(0)
    private let publishedSealed = Atomic<Bool>(true)
    private let publishedWritable = Atomic<Bool>(false)
    let changes = Atomic<UInt64>(0)
    let hasHiddenTime = Atomic<Bool>(false)
    let mayHaveSetID = Atomic<Bool>(true)
    let mayHaveCapability: Atomic<Bool>
    let isResting = Atomic<Bool>(false)
    let mayBeUnknown = Atomic<Bool>(false)

    /// How the content is stored.
    enum Form { case empty, inline, blocks }

    /// What the header says, and what opens the rest.
    struct Identity {
        var header: FileHeader
        var cipher: FileCipher
        /// Outlives the content keys while the file waits to be sealed.
        var stateCipher: StateCipher
    }

    /// Where the header, state record and slots of group 0 stand while blocks are written.
    enum Head {
        case onDisk
        /// New file: page 0 is written together with its first blocks.
        case withFirstRun
        /// An inline file that grows: page 0 follows when all blocks are written; until then this is the plain content.
        case afterBlocks([UInt8])
    }

    /// What the state record on disk says.
    struct Record {
        var generation: UInt64 = 0
        /// Written as OPEN, or not there yet.
        var isOpen = false
        /// An OPEN record was written over a SEALED one, and is not known to be durable.
        var isBarrierDue = false
        var needsRecovery = false
    }

    /// Content behind `descriptor`, which is open for reading, and for writing too if `isWritable`. Reads header and state unless the file is empty.
    /// - Throws: `EIO` for a damaged file (logged), `EKEYREVOKED` or `ENOKEY` when its key may not be used or is not there, errors of reading.
    package convenience init(
        _ descriptor: SharedDescriptor, isWritable: Bool, context: VaultContext, policyKey: KeyID, label: FileLabel
    ) throws(Errno) {
        let backing = BackingFile(descriptor, protection: try context.protection(of: descriptor, isWritable: isWritable, label))
        try self.init(backing, isWritable: isWritable, context: context, policyKey: policyKey, label: label)
    }

    /// The content of a file that was made a moment ago by whoever holds `descriptor`, which is open for reading and writing: nothing.
    package init(new descriptor: SharedDescriptor, context: VaultContext, policyKey: KeyID, label: FileLabel) {
        protection = context.journal.map { FileProtection(descriptor, journal: $0, access: context.access, place: label.place) }
        backing = BackingFile(descriptor, protection: protection)
        isSalvaging = false
        mayHaveCapability = Atomic(false)
        self.context = context
        opener = context.asker
        self.policyKey = policyKey
        self.label = label
        publishedWritable.store(true, ordering: .relaxed)
        publish()
    }

    init(
        _ backing: BackingFile, isWritable: Bool, context: VaultContext, policyKey: KeyID, label: FileLabel, isSalvaging: Bool = false
    ) throws(Errno) {
        self.backing = backing
        protection = backing.protection
        self.isSalvaging = isSalvaging
        mayHaveCapability = Atomic(true)
        self.context = context
        self.policyKey = policyKey
        opener = context.asker
        self.label = label
        publishedWritable.store(isWritable && !context.isReadOnly, ordering: .relaxed)
        try load()
        try journalling { () throws(Errno) in try finishUnfinished() }
        publish()
    }

    /// Plain bytes.
    package var size: UInt64 { publishedSize.load(ordering: .acquiring) }
    /// Whether the state on disk is final, and the journal has nothing of the file: nothing for the sealer to do.
    package var isSealed: Bool { publishedSealed.load(ordering: .acquiring) && protection?.isLive != true }
    /// Whether the descriptor may be written to.
    package var isWritable: Bool { publishedWritable.load(ordering: .acquiring) }
    /// The backing file's descriptor, for what is not content: owner, mode, attributes.
    package var descriptor: SharedDescriptor { backingFile().descriptor }
    /// Grows with every change.
    package var changeCounter: UInt64 { changes.load(ordering: .acquiring) }
    /// The file's id; nil for a file without header.
    package var fileID: FileID? { lock.withReadLock { identity?.header.fileID } }

    /// A content that was opened for reading gets a descriptor that is open for reading and writing.
    /// What a crash left behind is set right now, if the file is not too large for that.
    package func adoptWritable(_ descriptor: SharedDescriptor) {
        guard !context.isReadOnly else { return }
        lock.withWriteLock {
            backing = backing.replaced(by: descriptor)
            publishedWritable.store(true, ordering: .releasing)
            do throws(Errno) {
                if isResting.load(ordering: .relaxed) { try wake() }
                try journalling { () throws(Errno) in try finishUnfinished() }
            } catch {
                context.log.failed("recovering \(label)", error)
            }
            publish()
        }
    }

    /// Reads from `offset` into `reply`. Returns how many bytes; short only at the end of the file. Bytes of `reply` after them are scratch.
    /// - Throws: `EIO` when something does not authenticate (logged); errors of reading.
    package func read(into reply: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        while true {
            try wakeIfResting()
            try loadIfUnknown()
            if let count = try readAwake(into: &reply, at: offset) { return count }
        }
    }

    /// Nil when the keys were forgotten in between.
    private func readAwake(into reply: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int? {
        try lock.withReadLock { () throws(Errno) -> Int? in
            if isResting.load(ordering: .relaxed) { return nil }
            if isUnknown { throw .ioError }
            guard offset < contentSize, reply.count > 0 else { return 0 }
            let count = Int(min(UInt64(reply.count), contentSize - offset))
            switch form {
            case .empty: return 0
            case .inline: try readInline(into: &reply, at: Int(offset), count: count)
            case .blocks: try readBlocks(into: &reply, at: offset, count: count)
            }
            return count
        }
    }

    /// Writes all of `bytes` at `offset`, filling a gap with zeros. A write-back write leaves the modification time as it was.
    /// - Throws: `EFBIG`, `ENOSPC` and other errors of writing (what stood before stays readable), `EIO`, key errors of a first write.
    package func write(_ bytes: ByteSpan, at offset: UInt64, isWriteBack: Bool = false) throws(Errno) {
        if bytes.count == 0 { return }
        let (end, isTooFar) = offset.addingReportingOverflow(UInt64(bytes.count))
        guard !isTooFar, end <= BlockLayout.maximumContentSize else { throw .fileTooLarge }
        guard bytes.count >= Self.leastSealedAhead else {
            return try changing(isWriteBack) { () throws(Errno) in try writeInTurn(bytes, at: offset) }
        }
        try PageBuffer.withScratch(Self.roomForRuns(of: bytes.count, at: offset)) { (area: inout MutableByteSpan) throws(Errno) in
            let cipher = sealAhead(bytes, at: offset, into: &area)
            try write(bytes, at: offset, isWriteBack: isWriteBack, sealedBy: cipher, in: &area)
        }
    }

    /// The second half of a large write. `area` is as `sealAhead` has left it; not used if the file has other keys by now, or is no longer in blocks.
    func write(
        _ bytes: ByteSpan, at offset: UInt64, isWriteBack: Bool = false, sealedBy cipher: FileCipher?, in area: inout MutableByteSpan
    ) throws(Errno) {
        try changing(isWriteBack) { () throws(Errno) in
            if form == .blocks, let cipher, identity?.cipher === cipher {
                try writeBlocks(bytes, at: offset, sealedIn: &area)
            } else {
                try writeInTurn(bytes, at: offset)
            }
        }
    }

    private func writeInTurn(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        switch form {
        case .empty: try writeFirst(bytes, at: offset)
        case .inline: try writeInline(bytes, at: Int(clamping: offset))
        case .blocks: try writeBlocks(bytes, at: offset)
        }
    }

    /// Runs `body`, which writes; a write-back write leaves the modification time as it was.
    private func changing(_ isWriteBack: Bool, _ body: () throws(Errno) -> Void) throws(Errno) {
        try changing(takesCapability: !isWriteBack) { () throws(Errno) in
            if isWriteBack { try hideTime() }
            try body()
            if !isWriteBack { forgetTime() }
        }
    }

    /// Cuts or grows the content to `size` bytes; what is new reads as zeros.
    /// - Throws: as `write`.
    package func truncate(to size: UInt64) throws(Errno) {
        guard size <= BlockLayout.maximumContentSize else { throw .fileTooLarge }
        try changing(takesCapability: true) { () throws(Errno) in
            // The time stays, as the kernel has it: where it is to move, a change of times comes along.
            if size == contentSize { return }
            try resize(to: size)
            forgetTime()
        }
    }

    /// Runs `body` alone, with the vault marked as changed and the keys at hand.
    /// - Parameter takesCapability: it is a program's own change, which takes the capability; most kernels have removed it before.
    /// - Throws: `EROFS`, `EBADF` when the descriptor is not writable.
    func changing<R>(takesCapability: Bool = false, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        try context.willChange()
        return try lock.withWriteLock { () throws(Errno) -> R in
            guard isWritable else { throw .badDescriptor }
            if isResting.load(ordering: .relaxed) { try wake() }
            if isUnknown { try load() }
            changes.add(1, ordering: .releasing)
            defer { publish() }
            if takesCapability { takeCapability() }
            return try journalling { () throws(Errno) -> R in
                if isLengthDue || isSettlingDue {
                    isSettlingDue = false
                    try finishUnfinished()
                }
                return try keepingPrivileges(body)
            }
        }
    }

    /// Runs `body`, which changes the file; what of it goes through the journal stands there afterwards. With the lock held for writing.
    func journalling<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        guard let protection else { return try body() }
        let result: R
        do throws(Errno) {
            result = try body()
        } catch {
            do throws(Errno) { try commit(protection) } catch { context.log.failed("journal of \(label)", error) }
            throw error
        }
        try commit(protection)
        return result
    }

    private func commit(_ protection: FileProtection) throws(Errno) {
        do throws(Errno) {
            // A commit in the middle of the operation failed.
            if protection.takeLoss() { throw .ioError }
            guard try protection.commit() else { return }
            // The file itself is changed later, and by nobody's wish.
            if hiddenTime == nil { try backing.setModificationTime(.now) }
        } catch {
            protection.discardStaged()
            _ = protection.takeLoss()
            loadAgain()
            throw error
        }
    }

    /// Shows the outside what the lock protects. Called at the end of everything that holds it for writing.
    func publish() {
        publishedSize.store(contentSize, ordering: .releasing)
        publishedSealed.store(!record.isOpen, ordering: .releasing)
        mayBeUnknown.store(isUnknown, ordering: .releasing)
    }
}
