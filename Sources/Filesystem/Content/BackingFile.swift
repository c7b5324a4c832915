// The backing file of one content: every call that reads, writes or shapes it goes through here.

import Bytes
import Format
import POSIX

/// A descriptor of the backing file with what the journal knows of it, and in tests something that counts the calls or breaks them.
struct BackingFile: Sendable {
    let descriptor: SharedDescriptor
    let probe: BackingProbe?
    /// Nil where there is no journal.
    let protection: FileProtection?

    init(_ descriptor: SharedDescriptor, probe: BackingProbe? = nil, protection: FileProtection? = nil) {
        self.descriptor = descriptor
        self.probe = probe
        self.protection = protection
    }

    func replaced(by descriptor: SharedDescriptor) -> BackingFile {
        protection?.use(descriptor)
        return BackingFile(descriptor, probe: probe, protection: protection)
    }

    /// Whether changes of the file go through a journal.
    var isJournalled: Bool { protection?.journal != nil }

    /// Reads until `target` is full or the file ends. Returns how many bytes.
    func read(into target: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        try probe?.allow(.read, at: offset, count: target.count)
        if let protection { return try protection.read(descriptor, into: &target, at: offset) }
        return try descriptor.read(into: &target, at: offset)
    }

    /// Reads `first` and what follows it on disk in one call, until both are full or the file ends. Returns how many bytes.
    func read(into first: inout MutableByteSpan, then second: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        try probe?.allow(.read, at: offset, count: first.count + second.count)
        if let protection, protection.hasStaged || protection.isPending {
            let got = try protection.read(descriptor, into: &first, at: offset)
            return got < first.count ? got : got + (try protection.read(descriptor, into: &second, at: offset + UInt64(got)))
        }
        return try descriptor.read(into: &first, &second, at: offset)
    }

    /// Writes all of `bytes`: through the journal as far as the file's bytes there are counted on. After an error some of them may stand on disk.
    func write(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        guard let protection, isJournalled else { return try writeDirectly(bytes, at: offset) }
        let count = protection.protectedCount(bytes.count, at: offset)
        if count > 0 { protection.stage(bytes.slice(0, count), at: offset) }
        if count == bytes.count { return }
        try protection.directly { () throws(Errno) in try writeDirectly(bytes.slice(count, bytes.count - count), at: offset + UInt64(count)) }
    }

    /// The same past the journal: a state record that says sealed, when no record of the file is left.
    func writeSealed(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        guard let protection, isJournalled else { return try writeDirectly(bytes, at: offset) }
        try protection.directly { () throws(Errno) in try writeDirectly(bytes, at: offset) }
    }

    private func writeDirectly(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        if let probe {
            if let taken = try probe.limit(ofWriteAt: offset, count: bytes.count) {
                try descriptor.writeAll(bytes.slice(0, taken), at: offset)
                throw .noSpace
            }
        }
        try descriptor.writeAll(bytes, at: offset)
    }

    func length() throws(Errno) -> UInt64 {
        guard let protection else { return UInt64(try status().size) }
        return try protection.length { () throws(Errno) in UInt64(try status().size) }
    }

    func status() throws(Errno) -> FileStatus {
        try probe?.allow(.status, at: 0, count: 0)
        return try descriptor.status()
    }

    /// Not that of a change of the journal's which is being made in the file just now.
    func modificationTime() throws(Errno) -> Timestamp {
        guard let protection else { return try status().modificationTime }
        return try protection.overlayLock.withReadLock { () throws(Errno) in try status() }.modificationTime
    }

    func truncate(to length: UInt64) throws(Errno) {
        try probe?.allow(.truncate, at: length, count: 0)
        guard let protection, isJournalled else { return try descriptor.truncate(to: length) }
        let before = try self.length(), isCut = length < before
        do throws(Errno) {
            try protection.prepareLength(length, isCut: isCut)
            try protection.directly { () throws(Errno) in try descriptor.truncate(to: length) }
        } catch {
            // Whoever is told that nothing was cut counts on it: no record of the cut is to be left for the next mount, if the disk still takes a checkpoint.
            if isCut {
                try? protection.release()
                protection.protect(before)
            }
            throw error
        }
    }

    /// Makes content and length durable.
    func synchronizeData() throws(Errno) {
        try probe?.allow(.synchronize, at: 0, count: 0)
        try descriptor.synchronizeData()
    }

    func synchronize() throws(Errno) {
        try probe?.allow(.synchronize, at: 0, count: 0)
        try descriptor.synchronize()
    }

    func setModificationTime(_ change: TimeChange) throws(Errno) {
        try setTimes(access: .omit, modification: change)
    }

    func setTimes(access: TimeChange, modification: TimeChange) throws(Errno) {
        try probe?.allow(.times, at: 0, count: 0)
        guard let protection, isJournalled else { return try descriptor.setTimes(access: access, modification: modification) }
        try protection.untimed { () throws(Errno) in try descriptor.setTimes(access: access, modification: modification) }
    }

    /// Reserves space without changing the length.
    func reserve(_ offset: UInt64, count: UInt64) throws(Errno) {
        try probe?.allow(.shape, at: offset, count: Int(clamping: count))
        guard let protection, isJournalled else { return try descriptor.allocate(.keepSize, offset: offset, length: count) }
        try protection.movingTime { () throws(Errno) in try descriptor.allocate(.keepSize, offset: offset, length: count) }
    }

    /// Makes a range read as zeros without changing the length: as a hole where the file system can.
    func zero(_ offset: UInt64, count: UInt64) throws(Errno) {
        try probe?.allow(.shape, at: offset, count: Int(clamping: count))
        guard isJournalled else { return try zeroDirectly(offset, count: count) }
        try zeroLater(offset, count: count)
        try zeroNow()
    }

    /// The same, to be followed by `zeroNow` in the same operation: what has to be in the journal before is made durable once for many ranges.
    func zeroLater(_ offset: UInt64, count: UInt64) throws(Errno) {
        guard let protection, isJournalled else { return try zero(offset, count: count) }
        if !protection.stageZero(offset, count) { try protection.directly { () throws(Errno) in try zeroDirectly(offset, count: count) } }
    }

    func zeroNow() throws(Errno) {
        guard let protection else { return }
        for range in try protection.takeZeros() {
            try protection.directly { () throws(Errno) in try zeroDirectly(range.lowerBound, count: range.upperBound - range.lowerBound) }
        }
    }

    private func zeroDirectly(_ offset: UInt64, count: UInt64) throws(Errno) {
        do throws(Errno) {
            return try descriptor.allocate([.punchHole, .keepSize], offset: offset, length: count)
        } catch {
            guard error == .notSupported else { throw error }
        }
        let end = min(offset + count, UInt64(max(0, try descriptor.status().size)))
        let zeros = [UInt8](repeating: 0, count: 64 << 10)
        var place = offset
        while place < end {
            let part = Int(min(UInt64(zeros.count), end - place))
            try writeDirectly(zeros.span.slice(0, part), at: place)
            place += UInt64(part)
        }
    }

    /// The next byte at or after `offset` that may be data; nil when there is none.
    func nextData(from offset: UInt64) throws(Errno) -> UInt64? {
        if let protection, protection.isPending { try protection.flush() }
        // What stands in the journal alone is no hole: of a file that is only read, and where a change could not be made.
        let waiting = protection?.nextPending(from: offset)
        do throws(Errno) {
            let stored = try descriptor.seek(offset, to: .data)
            return min(stored, waiting ?? stored)
        } catch {
            if error == .noDeviceOrAddress { return waiting }
            if error == .invalidArgument || error == .notSupported { return offset }
            throw error
        }
    }

    /// Whether the file has attributes that were sealed for its file id (all of `user.`).
    func hasSealedAttributes() throws(Errno) -> Bool {
        try !attributeNames(Array("user.".utf8)).isEmpty
    }

    /// The names of attributes on disk that begin so.
    func attributeNames(_ prefix: [UInt8]) throws(Errno) -> [[UInt8]] {
        try probe?.allow(.status, at: 0, count: 0)
        do throws(Errno) {
            return splitAttributeNames(try descriptor.attributeNames()).filter { $0.starts(with: prefix) }
        } catch {
            if error == .notSupported { return [] }
            throw error
        }
    }
}

/// Watches the calls on a backing file, and makes them fail where a test wants it.
package final class BackingProbe: Sendable {
    /// Kinds of calls; `shape` is fallocate, `status` also stands for listing attributes.
    package enum Call: Sendable { case read, write, truncate, synchronize, status, shape, times }
    /// What becomes of a call.
    package enum Verdict: Sendable {
        case proceed
        case fail(Errno)
        /// A write that takes only so many bytes, then the disk is full.
        case short(Int)
    }
    private let judge: @Sendable (_ call: Call, _ offset: UInt64, _ count: Int) -> Verdict

    /// `judge` is asked before each call, on the thread that makes it: which kind, at which byte of the backing file, how many bytes.
    package init(_ judge: @escaping @Sendable (_ call: Call, _ offset: UInt64, _ count: Int) -> Verdict) { self.judge = judge }

    func allow(_ call: Call, at offset: UInt64, count: Int) throws(Errno) {
        if case .fail(let error) = judge(call, offset, count) { throw error }
    }

    func limit(ofWriteAt offset: UInt64, count: Int) throws(Errno) -> Int? {
        switch judge(.write, offset, count) {
        case .proceed: return nil
        case .fail(let error): throw error
        case .short(let limit): return min(limit, count)
        }
    }
}
