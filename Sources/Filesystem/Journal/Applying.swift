// What the journal does with a file: takes its records over, and makes their changes in it when they are durable.

import Bytes
import Format
import POSIX
import Synchronization

extension FileProtection {
    var file: SharedDescriptor { descriptor.withLock { $0 } }
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

    /// Makes the changes of records up to `sequence` in the file, which keeps its modification time.
    /// After an error all that was not written waits on.
    func apply(upTo sequence: UInt64) throws(Errno) {
        let file = file
        try overlayLock.withWriteLock { () throws(Errno) in
            let ready = overlay.ready(upTo: sequence)
            if ready.isEmpty { return }
            defer { isOverlaid.store(!overlay.isEmpty, ordering: .releasing) }
            let before = try file.status()
            let capability = mayHaveCapability.load(ordering: .acquiring) ? KeptCapability(of: file) : nil
            defer { try? capability?.giveBack() }
            defer { if access.isNeeded && before.mode & FileMode.setIDMask != 0 { Self.giveBackSetID(before.mode, to: file) } }
            try Self.write(ready, &overlay, to: file)
            // Of somebody else's file it cannot be kept.
            try? file.setTimes(access: .omit, modification: .set(before.modificationTime))
        }
    }

    /// The kernel takes set-id bits at each write of an ordinary user. Not in a moment of `OwnerAccess`, whose lock is taken before the journal's.
    private static func giveBackSetID(_ mode: UInt32, to file: SharedDescriptor) {
        guard let after = try? file.status().mode, after & FileMode.setIDMask != mode & FileMode.setIDMask else { return }
        try? file.changeMode((after | mode & FileMode.setIDMask) & FileMode.permissionMask)
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
