// The redo journal of a mounted vault: changes of bytes that programs count on are durable here before the files are touched. Docs/FORMAT.md, section 10.

import Bytes
import Cryptography
import Format
import POSIX
import Synchronization

/// Records go to one of two files. `flush` makes them durable and then makes the changes in their files; `checkpoint` makes those durable too, and the records invalid.
///
/// Lock order: a content's lock, `checkpointing`, `syncing`, `state`, `FileProtection.overlayLock`. No lock of a content is taken in here.
final class Journal: Sendable {
    /// Bytes of one piece at most.
    static let pieceLimit = 128 << 10
    /// A journal file has at least so many bytes, also on a full disk, and grows by steps up to its limit.
    static let smallestArea: UInt64 = 288 << 10
    private static let step: UInt64 = 1 << 20
    static let largestArea: UInt64 = 16 << 20
    /// So many pages may wait to be written to their files.
    private static let waitingLimit = 2048

    private struct State {
        var files: [SharedDescriptor] = []
        /// Bytes of each that were written, with zeros at least.
        var allocated: [UInt64] = [0, 0]
        var current = 0
        /// Where the next record goes.
        var end: UInt64 = 0
        var sequence: UInt64 = 1
        var cipher: JournalCipher?
        /// Files with changes that are not made in them yet, by identity, with how many pages.
        var waiting: [ObjectIdentifier: (FileProtection, pages: Int)] = [:]
        var waitingPages = 0
        /// Nobody knows what of it came to the disk: nothing is promised any more.
        var failure: Errno?

        /// So many pages of a file wait now.
        mutating func note(_ file: FileProtection, pages: Int) {
            waitingPages += pages - (waiting[ObjectIdentifier(file)]?.pages ?? 0)
            waiting[ObjectIdentifier(file)] = pages > 0 ? (file, pages) : nil
        }
    }
    /// What stands in one of the files: records up to `last`.
    private struct Records {
        let file: SharedDescriptor
        let last: UInt64
    }
    private let state = Mutex(State())
    private let syncing = Mutex<Void>(())
    /// What a checkpoint has begun and not ended, because a sync failed: these records still count.
    private let checkpointing = Mutex<Records?>(nil)
    /// Files with records that count, whose content has gone: what was to be sealed and could not be.
    private let kept = Mutex<[InodeKey: FileProtection]>([:])
    private let synced = Atomic<UInt64>(0)
    private let released = Atomic<UInt64>(0)
    private let directory: VaultDirectory
    private let log: VaultLog

    init(in directory: VaultDirectory, log: VaultLog) {
        self.directory = directory
        self.log = log
    }

    /// Records up to this one are no longer in the journal.
    var releasedSequence: UInt64 { released.load(ordering: .acquiring) }

    /// Opens the journal files for the records of a new epoch, which `vault.json` names already. No change is made before this.
    func begin(_ cipher: JournalCipher) throws(Errno) {
        var files: [SharedDescriptor] = []
        var sizes: [UInt64] = []
        for index in 0...1 {
            let file = try directory.openJournal(index)
            let size = UInt64(max(0, try file.status().size))
            sizes.append(size)
            files.append(file)
            // What an older epoch left there is no record of this one.
            if size < Self.smallestArea { sizes[index] = try Self.grow(file, from: size, to: Self.smallestArea) }
        }
        state.withLock { state in
            state.files = files
            state.allocated = sizes
            state.cipher = cipher
        }
    }

    /// Zeros, so that a sync of a record later has only the record to write. Returns the new size.
    static func grow(_ file: SharedDescriptor, from start: UInt64, to end: UInt64) throws(Errno) -> UInt64 {
        let zeros = [UInt8](repeating: 0, count: Int(min(end - start, 1 << 20)))
        var place = start
        while place < end {
            let count = Int(min(UInt64(zeros.count), end - place))
            try file.writeAll(zeros.span.slice(0, count), at: place)
            place += UInt64(count)
        }
        return end
    }

    // MARK: records

    /// Writes a record, whose sequence it sets. The change is made in the file when the record is durable; until then the file's protection shows it.
    /// - Throws: `ENOSPC` and other errors of writing, after which the record does not count; `EIO` once a sync of the journal has failed.
    func append(_ record: inout JournalRecord, for file: FileProtection) throws(Errno) {
        while true {
            let waitingPages = try state.withLock { (state: inout State) throws(Errno) -> Int? in
                if let failure = state.failure { throw failure }
                guard try makeRoom(for: record.size, &state) else { return nil }
                record.sequence = state.sequence
                let gaps = try file.gaps(of: record)
                try write(record, &state)
                state.sequence += 1
                state.note(file, pages: file.adopt(record, gaps))
                return state.waitingPages
            }
            guard let waitingPages else {
                try checkpoint { [directory] () throws(Errno) in try directory.syncFilesystem() }
                continue
            }
            if waitingPages > Self.waitingLimit { try flush(upTo: record.sequence, for: file) }
            return
        }
    }

    /// Returns false when the file is full.
    private func makeRoom(for size: Int, _ state: inout State) throws(Errno) -> Bool {
        guard state.files.count == 2 else { throw .ioError }
        let wanted = state.end + UInt64(size)
        while state.allocated[state.current] < wanted {
            let size = state.allocated[state.current]
            guard size < Self.largestArea else { return false }
            do throws(Errno) {
                state.allocated[state.current] = try Self.grow(state.files[state.current], from: size, to: min(size + Self.step, Self.largestArea))
            } catch {
                // A full disk: what there is has to do.
                if state.end > 0 { return false }
                throw error
            }
        }
        return true
    }

    private func write(_ record: JournalRecord, _ state: inout State) throws(Errno) {
        guard let cipher = state.cipher else { throw .ioError }
        let size = record.size, place = state.end, file = state.files[state.current]
        try PageBuffer.withScratch(size) { (scratch: inout MutableByteSpan) throws(Errno) in
            do throws(FormatError) {
                try cipher.seal(record, into: &scratch)
            } catch {
                throw .ioError
            }
            try file.writeAll(scratch.span.slice(0, size), at: place)
        }
        state.end += UInt64(size)
    }

    // MARK: making durable

    /// Makes records durable up to `sequence`, and then makes the changes of all that are durable in their files. Whoever comes while another one
    /// syncs is served by the next sync, together with all others.
    /// - Throws: what kept the records from becoming durable, or the changes of `file` from being made in it. Those of other files wait on, and are theirs to tell.
    func flush(upTo sequence: UInt64, for file: FileProtection) throws(Errno) {
        if synced.load(ordering: .acquiring) < sequence {
            try syncing.withLock { (_: inout Void) throws(Errno) in
                if synced.load(ordering: .acquiring) < sequence { try synchronize() }
            }
        }
        try apply(for: file)
    }

    /// With `syncing` held.
    private func synchronize() throws(Errno) {
        let records = try state.withLock { (state: inout State) throws(Errno) -> Records in
            if let failure = state.failure { throw failure }
            guard state.files.count == 2 else { throw .ioError }
            return Records(file: state.files[state.current], last: state.sequence - 1)
        }
        try makeDurable(records) { fail($0) }
    }

    /// With `syncing` held. `failed` hears of a failure before it is thrown: a caller that holds `state` notes it there himself.
    private func makeDurable(_ records: Records, failed: (Errno) -> Void) throws(Errno) {
        do throws(Errno) {
            try records.file.synchronizeData()
        } catch {
            failed(error)
            throw error
        }
        raise(synced, to: records.last)
    }

    /// After a failed sync the kernel may have dropped what it could not write: a second one would say that all is well.
    private func fail(_ error: Errno) {
        state.withLock { $0.failure = error }
        sayFailed(error)
    }
    private func sayFailed(_ error: Errno) {
        log.failed("sync of the journal: nothing that needs it is written any more until the vault is mounted again", error)
    }

    private func raise(_ value: borrowing Atomic<UInt64>, to target: UInt64) {
        while true {
            let now = value.load(ordering: .acquiring)
            if now >= target || value.compareExchange(expected: now, desired: target, ordering: .acquiringAndReleasing).exchanged { return }
        }
    }

    /// Makes changes of durable records in their files.
    private func apply(for asking: FileProtection) throws(Errno) {
        let files = state.withLock { $0.waiting.values.map { $0.0 } }
        if files.isEmpty { return }
        let target = synced.load(ordering: .acquiring)
        var failure: Errno?
        for file in files {
            do throws(Errno) { try apply(file, target) } catch { if file === asking { failure = error } }
        }
        if let failure { throw failure }
    }

    private func apply(_ file: FileProtection, _ target: UInt64) throws(Errno) {
        do throws(Errno) {
            try file.apply(upTo: target)
        } catch {
            // The record stays, and so does what it says.
            if !file.isStuck.exchange(true, ordering: .relaxed) { log.failed("making changes of the journal in a file", error) }
            throw error
        }
        file.isStuck.store(false, ordering: .relaxed)
        state.withLock { $0.note(file, pages: file.waitingPages) }
    }

    /// Makes every change durable in its file, by `sync`, which syncs the file system of the vault; then no record made before counts any more.
    /// - Throws: what kept a change from being made; the records stay then.
    /// - Parameter sync: takes no content's lock.
    func checkpoint(_ sync: () throws(Errno) -> Void) throws(Errno) {
        try checkpointing.withLock { (begun: inout Records?) throws(Errno) in
            if begun != nil { try finish(&begun, sync) }
            begun = try turnOver()
            if begun == nil { return try sync() }
            try finish(&begun, sync)
        }
    }

    private func finish(_ begun: inout Records?, _ sync: () throws(Errno) -> Void) throws(Errno) {
        guard let records = begun else { return }
        try sync()
        try invalidate(records.file)
        raise(released, to: records.last)
        begun = nil
        kept.withLock { $0 = $0.filter { $0.value.isLive || $0.value.isPending } }
    }

    /// Makes everything so far durable in the journal, makes all changes, and begins the other file. Nil when there is no record that counts.
    private func turnOver() throws(Errno) -> Records? {
        try syncing.withLock { (_: inout Void) throws(Errno) in
            try state.withLock { (state: inout State) throws(Errno) -> Records? in
                if let failure = state.failure { throw failure }
                guard state.end > 0, state.files.count == 2 else { return nil }
                let records = Records(file: state.files[state.current], last: state.sequence - 1)
                if synced.load(ordering: .acquiring) < records.last {
                    try makeDurable(records) { error in
                        state.failure = error
                        sayFailed(error)
                    }
                }
                for (file, _) in state.waiting.values { try file.apply(upTo: records.last) }
                state.waiting = [:]
                state.waitingPages = 0
                state.current = 1 - state.current
                state.end = 0
                return records
            }
        }
    }

    private func invalidate(_ file: SharedDescriptor) throws(Errno) {
        do throws(Errno) {
            try file.invalidateJournal()
        } catch {
            fail(error)
            throw error
        }
    }

    /// After the vault was marked clean: gives back space.
    func end() {
        state.withLock { state in
            for file in state.files { try? file.truncate(to: Self.smallestArea) }
            state.files = []
            state.cipher?.wipe()
            state.cipher = nil
        }
    }

    // MARK: files that nobody has open

    /// Keeps what is known of a file whose content goes while records of it count, for the one who opens it next.
    func keep(_ file: FileProtection) {
        guard file.isLive || file.isPending, let status = try? file.file.status() else { return }
        // Nobody notes any more what becomes of it.
        file.mayHaveCapability.store(true, ordering: .releasing)
        kept.withLock { $0[InodeKey(status)] = file }
    }

    /// What `keep` was given of the file behind `descriptor`. As long as it stands here its own descriptor is open, so that no other file has its number.
    func kept(_ descriptor: SharedDescriptor) throws(Errno) -> FileProtection? {
        if kept.withLock({ $0.isEmpty }) { return nil }
        let key = InodeKey(try descriptor.status())
        return kept.withLock { $0[key] }
    }
}
