// The journal's view of one backing file: which of its bytes are changed through the journal, and which changes are on their way.

import Bytes
import Format
import POSIX
import Synchronization

/// Bytes that a program may count on (they were there when the file was opened, or a sync promised them) are changed through the journal; what is new goes to
/// the file at once.
///
/// INVARIANT: `var`s are used under the content's lock, held for writing by whoever changes them. Lock order: the content's, then the journal's, then `overlayLock`.
final class FileProtection: @unchecked Sendable {
    /// Nil when the vault is only read: the records were taken in when it was opened.
    let journal: Journal?
    private let access: OwnerAccess
    /// Bytes before this are changed through the journal: whole groups, since slots and blocks have to go the same way.
    private var protectedEnd: UInt64 = 0
    /// A cut stands in the journal: as long as it does, everything goes through it.
    private var isCut = false
    /// Everything goes through the journal: an inline file grows, whose content is to become its first block.
    var isForced = false
    /// Pieces of the running operation.
    private var staged: [JournalPiece] = []
    /// Ranges that are to be punched once their records are durable.
    private var zeros: [Range<UInt64>] = []
    /// A record that says OPEN is on its way: it has to be durable before the file is changed past the protected bytes.
    private var isBarrierDue = false
    /// What was staged did not get into the journal as a whole: what memory says of the file may be wrong.
    private var isLost = false
    /// Changed directly since the last sync, or before anybody here knew it.
    private var isChangedDirectly = true
    /// A direct change has moved the file's own time since it was last looked at or put back.
    var isTimeMoved = true
    private let isMetadataChanged = Atomic<Bool>(true)
    /// Of the header.
    var fileID: FileID?
    /// The modification time that programs see while the daemon's own writes hide it.
    var shownTime: Timestamp?
    private let place: Mutex<(directory: DirectoryID, name: [UInt8])?>

    /// Guards `overlay`, and the file's modification time.
    private let overlayLock = ReadWriteLock()
    private var overlay: Overlay
    private let isOverlaid: Atomic<Bool>
    /// The last record.
    private let lastSequence = Atomic<UInt64>(0)
    private let descriptor: Mutex<SharedDescriptor>

    init(_ descriptor: SharedDescriptor, journal: Journal, access: OwnerAccess, place: (DirectoryID, [UInt8])?) {
        self.journal = journal
        self.access = access
        self.descriptor = Mutex(descriptor)
        self.place = Mutex(place)
        overlay = Overlay()
        isOverlaid = Atomic(false)
    }

    /// Of a file that is only read, with what the journal makes of it.
    init(_ descriptor: SharedDescriptor, replayed: Overlay, access: OwnerAccess) {
        journal = nil
        self.access = access
        self.descriptor = Mutex(descriptor)
        place = Mutex(nil)
        overlay = replayed
        isOverlaid = Atomic(!replayed.isEmpty)
    }

    /// Whether records of the file stand in the journal.
    var isLive: Bool {
        guard let journal else { return false }
        return lastSequence.load(ordering: .acquiring) > journal.releasedSequence
    }
    var hasStaged: Bool { !staged.isEmpty }
    var isProtecting: Bool { protectedEnd > 0 }
    /// Whether changes wait to be made in the file.
    var isPending: Bool { isOverlaid.load(ordering: .acquiring) }

    func use(_ descriptor: SharedDescriptor) { self.descriptor.withLock { $0 = descriptor } }
    func noteMoved(to directory: DirectoryID, _ name: [UInt8]) {
        place.withLock { $0 = (directory, name) }
        noteMetadata()
    }
    /// Something was changed that no record holds: a full sync has to go to the file.
    func noteMetadata() { isMetadataChanged.store(true, ordering: .releasing) }

    /// What stands in the first `length` bytes may be counted on from now on.
    func protect(_ length: UInt64) { protectedEnd = max(protectedEnd, BlockLayout.groupEnd(ofBacking: length)) }

    // MARK: reading

    /// As `SharedDescriptor.read`, of what the file will hold.
    func read(_ file: SharedDescriptor, into target: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        if staged.isEmpty && !isPending { return try file.read(into: &target, at: offset) }
        var got = try overlayLock.withReadLock { () throws(Errno) -> Int in
            let got = try file.read(into: &target, at: offset)
            return overlay.patch(&target, at: offset, got: got)
        }
        for case .write(let place, let bytes) in staged {
            let from = max(place, offset), to = min(place + UInt64(bytes.count), offset + UInt64(target.count))
            guard from < to else { continue }
            if Int(from - offset) > got { target.zero(got..<Int(from - offset)) }
            target.copy(bytes.span.slice(Int(from - place)..<Int(to - place)), to: Int(from - offset))
            got = max(got, Int(to - offset))
        }
        return got
    }

    func length(onDisk: UInt64) -> UInt64 {
        let length = isPending ? overlayLock.withReadLock { overlay.length(onDisk: onDisk) } : onDisk
        return staged.reduce(length) { if case .write(let place, let bytes) = $1 { max($0, place + UInt64(bytes.count)) } else { $0 } }
    }

    // MARK: changing

    /// How many of the first bytes of a write have to go through the journal.
    func protectedCount(_ count: Int, at offset: UInt64) -> Int {
        if isCut && !isLive {
            // All of it was made durable when the journal was released.
            isCut = false
        }
        if isForced || isCut { return count }
        return offset < protectedEnd ? Int(min(UInt64(count), protectedEnd - offset)) : 0
    }

    func stage(_ bytes: ByteSpan, at offset: UInt64) {
        var done = 0
        while done < bytes.count {
            let part = min(Journal.pieceLimit, bytes.count - done)
            staged.append(.write(offset: offset + UInt64(done), bytes: bytes.slice(done, part).array))
            done += part
        }
        protect(offset + UInt64(bytes.count))
    }

    /// The state record that is staged says OPEN of a file that was sealed.
    func noteBarrier() { isBarrierDue = true }

    /// Takes back what the running operation has staged.
    func discardStaged() {
        staged.removeAll()
        zeros.removeAll()
    }

    /// Whether something that was staged since the last time did not get into the journal.
    func takeLoss() -> Bool {
        defer { isLost = false }
        return isLost
    }

    /// Runs `body`, which changes the file itself.
    func directly<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        if isBarrierDue {
            try commit()
            try flush()
            isBarrierDue = false
        }
        isChangedDirectly = true
        isTimeMoved = true
        return try untimed(body)
    }

    /// Runs `body`, which moves the modification time, while no change of the journal's is being made in the file.
    func untimed<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        try overlayLock.withWriteLock(body)
    }

    /// Before the length is set directly: a cut has to be in the journal where records of the file are, and then so has all that follows. Growth is recorded
    /// only after a cut: made again over a file that has grown further meanwhile, such a record would cut it.
    func prepareLength(_ length: UInt64, isCut isShorter: Bool) throws(Errno) {
        if isShorter ? hasStaged || isLive : isCut && isLive {
            staged.append(.length(length))
            isCut = true
            try commit()
            if isShorter { try flush() }
        }
        if isShorter { protectedEnd = min(protectedEnd, BlockLayout.groupEnd(ofBacking: length)) }
    }

    /// Records that a range becomes zeros; false where that may be done without a record.
    func stageZero(_ offset: UInt64, _ count: UInt64) -> Bool {
        guard hasStaged || isLive || offset < protectedEnd else { return false }
        staged.append(.zero(offset: offset, count: count))
        zeros.append(offset..<offset + count)
        return true
    }

    /// The ranges since the last time, when their records are durable.
    func takeZeros() throws(Errno) -> [Range<UInt64>] {
        if zeros.isEmpty { return [] }
        defer { zeros = [] }
        try commit()
        try flush()
        return zeros
    }

    /// Before the file gets another header: no record of it is left in the journal.
    func release() throws(Errno) {
        try commit()
        guard isLive, let journal else { return }
        try journal.checkpoint { () throws(Errno) in try file.syncFilesystem() }
    }

    /// Writes what the running operation has staged to the journal. Returns whether there was anything.
    @discardableResult
    func commit() throws(Errno) -> Bool {
        guard hasStaged, let journal else { return false }
        isLost = true
        defer { staged.removeAll() }
        guard let fileID else { throw .ioError }
        let time = shownTime ?? SystemClock.now
        let (directory, name) = place.withLock { $0 } ?? (DirectoryID.none, [])
        var record = JournalRecord(
            sequence: 0, seconds: time.seconds, nanoseconds: UInt32(clamping: time.nanoseconds), fileID: fileID, directoryID: directory, name: name,
            pieces: [])
        let empty = JournalRecord.emptySize(nameCount: name.count)
        var size = empty
        for piece in staged {
            let more = JournalRecord.size(of: piece)
            if size + more > JournalRecord.maximumSize {
                try journal.append(&record, for: self)
                record.pieces.removeAll()
                size = empty
            }
            record.pieces.append(piece)
            size += more
        }
        try journal.append(&record, for: self)
        isLost = false
        return true
    }

    /// Records a modification time that a program has set. Returns false where that is not needed or not enough.
    func recordTime(_ time: Timestamp) throws(Errno) -> Bool {
        guard isLive, let journal, let fileID else { return false }
        let (directory, name) = place.withLock { $0 } ?? (DirectoryID.none, [])
        var record = JournalRecord(
            sequence: 0, seconds: time.seconds, nanoseconds: UInt32(clamping: time.nanoseconds), fileID: fileID, directoryID: directory, name: name,
            pieces: [])
        try journal.append(&record, for: self)
        return true
    }

    /// Makes every record of the file durable, and the changes in it.
    func flush() throws(Errno) { try journal?.flush(upTo: lastSequence.load(ordering: .acquiring)) }

    // MARK: making durable

    /// What a sync has to do beside the journal; nothing is forgotten until `noteFailedSync` is out of the question.
    func takeDirectChanges(dataOnly: Bool) -> Bool {
        let isMetadata = dataOnly ? false : isMetadataChanged.exchange(false, ordering: .acquiringAndReleasing)
        defer { isChangedDirectly = false }
        return isChangedDirectly || isMetadata
    }
    func noteFailedSync() {
        isChangedDirectly = true
        noteMetadata()
    }

    // MARK: called by the journal

    private var file: SharedDescriptor { descriptor.withLock { $0 } }
    /// Pages that wait to be written to the file.
    var waitingPages: Int { overlayLock.withReadLock { overlay.pages.count } }

    /// What the disk has in pages of which `adopt` has to know more than the record says. Read before the record is written, so that `adopt` cannot
    /// fail half-way: the file would then be neither as before nor as after.
    func gaps(of record: JournalRecord) throws(Errno) -> [UInt64: [UInt8]] {
        let numbers = overlayLock.withReadLock { overlay.gaps(of: record) }
        let file = file
        var gaps: [UInt64: [UInt8]] = [:]
        for number in numbers {
            var page = [UInt8](repeating: 0, count: Overlay.pageSize)
            var span = page.mutableSpan
            let count = try file.read(into: &span, at: number << 12)
            page.removeLast(page.count - count)
            gaps[number] = page
        }
        return gaps
    }

    /// Takes the pieces of a record that stands in the journal. Returns how many pages wait.
    func adopt(_ record: JournalRecord, _ gaps: [UInt64: [UInt8]]) -> Int {
        lastSequence.store(record.sequence, ordering: .releasing)
        return overlayLock.withWriteLock { () -> Int in
            for case .write(let offset, let bytes) in record.pieces {
                overlay.write(bytes.span, at: offset, sequence: record.sequence) { target, place in
                    guard let page = gaps[place >> 12] else { return 0 }
                    let start = Int(place & 4095), count = max(0, min(target.count, page.count - start))
                    if count > 0 { target.copy(page.span.slice(start..<start + count)) }
                    return count
                }
            }
            isOverlaid.store(!overlay.isEmpty, ordering: .releasing)
            return overlay.pages.count
        }
    }

    /// Makes the changes of records up to `sequence` in the file, which keeps its modification time. Returns how many pages still wait.
    /// After an error all that was not written waits on.
    func apply(upTo sequence: UInt64) throws(Errno) -> Int {
        let file = file
        return try overlayLock.withWriteLock { () throws(Errno) -> Int in
            let ready = overlay.ready(upTo: sequence)
            if ready.isEmpty { return overlay.pages.count }
            defer { isOverlaid.store(!overlay.isEmpty, ordering: .releasing) }
            let before = try file.status()
            defer { if access.isNeeded && before.mode & Self.setID != 0 { Self.giveBackSetID(before.mode, to: file) } }
            try Self.write(ready, &overlay, to: file)
            // Of somebody else's file it cannot be kept.
            try? file.setTimes(access: .omit, modification: .set(before.modificationTime))
            return overlay.pages.count
        }
    }

    private static let setID = FileMode.setUserID | FileMode.setGroupID

    /// The kernel takes set-id bits at each write of an ordinary user. Not in a moment of `OwnerAccess`, whose lock is taken before the journal's.
    private static func giveBackSetID(_ mode: UInt32, to file: SharedDescriptor) {
        guard let after = try? file.status().mode, after & setID != mode & setID else { return }
        try? file.changeMode((after | mode & setID) & FileMode.permissionMask)
    }

    /// Side by side with one call.
    private static func write(_ ready: [UInt64], _ overlay: inout Overlay, to file: SharedDescriptor) throws(Errno) {
        var index = 0
        while index < ready.count {
            var end = index + 1
            while end < ready.count, end - index < 64, ready[end] == ready[end - 1] + 1, overlay.pages[ready[end - 1]]?.range.upperBound == Overlay.pageSize,
                overlay.pages[ready[end]]?.range.lowerBound == 0
            { end += 1 }
            try PageBuffer.withScratch(Overlay.pageSize * (end - index)) { (scratch: inout MutableByteSpan) throws(Errno) in
                var count = 0
                for number in ready[index..<end] {
                    guard let page = overlay.pages[number] else { continue }
                    scratch.copy(page.bytes.span.slice(page.range), to: count)
                    count += page.range.count
                }
                let first = overlay.pages[ready[index]]?.range.lowerBound ?? 0
                try file.writeAll(scratch.span.slice(0, count), at: ready[index] << 12 + UInt64(first))
            }
            overlay.remove(ready[index..<end])
            index = end
        }
    }
}
