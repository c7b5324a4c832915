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
    let access: OwnerAccess
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
    let overlayLock = ReadWriteLock()
    var overlay: Overlay
    let isOverlaid: Atomic<Bool>
    /// The last record.
    let lastSequence = Atomic<UInt64>(0)
    let descriptor: Mutex<SharedDescriptor>
    /// As its content knows.
    let mayHaveCapability = Atomic<Bool>(false)
    /// A change that is durable in the journal could not be made in the file, and that was said.
    let isStuck = Atomic<Bool>(false)

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
    /// Another content takes the file over, and with it what waits for it. `descriptor` is nil where it may not be written through.
    func passOn(to descriptor: SharedDescriptor?, place: (DirectoryID, [UInt8])?) {
        if let descriptor { use(descriptor) }
        if let place { self.place.withLock { $0 = place } }
        discardStaged()
        // What was changed by path meanwhile, nobody has noted.
        noteFailedSync()
        (isForced, shownTime, isTimeMoved) = (false, nil, true)
    }
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

    /// What the length will be. Both are asked for at one moment: changes that are made in the file meanwhile leave the overlay.
    func length(_ onDisk: () throws(Errno) -> UInt64) throws(Errno) -> UInt64 {
        let length = try overlayLock.withReadLock { () throws(Errno) in overlay.length(onDisk: try onDisk()) }
        return staged.reduce(length) { if case .write(let place, let bytes) = $1 { max($0, place + UInt64(bytes.count)) } else { $0 } }
    }

    /// The first byte at or after `offset` that waits to be written to the file.
    func nextPending(from offset: UInt64) -> UInt64? { isPending ? overlayLock.withReadLock { overlay.next(from: offset) } : nil }

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
        return try movingTime(body)
    }

    /// Runs `body`, which moves the modification time of the file, and changes nothing of it that programs count on.
    func movingTime<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
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

    /// Before slots are written whose blocks, up to `end`, become zeros: where records of the file stand in the journal, all of that goes through it, and so
    /// does what is written there later. Else that would go to the file at once, and the record would make it zeros again after a kill.
    func prepareZero(upTo end: UInt64) {
        if hasStaged || isLive { protect(end) }
    }

    /// Records that a range becomes zeros; false where that may be done without a record.
    func stageZero(_ offset: UInt64, _ count: UInt64) -> Bool {
        prepareZero(upTo: offset + count)
        guard offset < protectedEnd else { return false }
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
        guard var record = record(shownTime ?? SystemClock.now) else { throw .ioError }
        let empty = JournalRecord.emptySize(nameCount: record.name.count)
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
        guard isLive, let journal, var record = record(time) else { return false }
        try journal.append(&record, for: self)
        return true
    }

    /// One without pieces; nil as long as the file has no id.
    private func record(_ time: Timestamp) -> JournalRecord? {
        guard let fileID else { return nil }
        let (directory, name) = place.withLock { $0 } ?? (DirectoryID.none, [])
        return JournalRecord(
            sequence: 0, seconds: time.seconds, nanoseconds: UInt32(clamping: time.nanoseconds), fileID: fileID, directoryID: directory, name: name,
            pieces: [])
    }

    /// Makes every record of the file durable, and the changes in it.
    func flush() throws(Errno) { try journal?.flush(upTo: lastSequence.load(ordering: .acquiring), for: self) }

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
}
