// What a backing file is to hold and does not hold yet: pages of it that stand in the journal only.

import Bytes
import Format
import POSIX

/// The difference between a backing file on disk and what its records in the journal make of it.
struct Overlay: Sendable {
    static let pageSize = BlockLayout.blockSize

    /// One page of the backing file, of which the bytes in `range` count.
    struct Page: Sendable {
        var bytes = [UInt8](repeating: 0, count: Overlay.pageSize)
        var range: Range<Int>
        /// The last record that changed it.
        var sequence: UInt64
    }

    private(set) var pages: [UInt64: Page] = [:]
    /// Bytes of the disk from here on do not count: the file was cut.
    private var diskLimit = UInt64.max
    /// How long the file is, where its length on disk does not tell.
    private var length: UInt64?

    /// Of a file that is only read: its time after the last record.
    var modificationTime: Timestamp?

    var isEmpty: Bool { pages.isEmpty && length == nil }

    /// The length of the file, of which the disk holds `onDisk` bytes.
    func length(onDisk: UInt64) -> UInt64 {
        if let length { return length }
        return pages.reduce(onDisk) { max($0, $1.key << 12 + UInt64($1.value.range.upperBound)) }
    }

    /// The first byte at or after `offset` that stands here.
    func next(from offset: UInt64) -> UInt64? {
        pages.lazy.compactMap { number, page -> UInt64? in
            let start = number << 12 + UInt64(page.range.lowerBound), end = number << 12 + UInt64(page.range.upperBound)
            return end > offset ? max(start, offset) : nil
        }.min()
    }

    /// The pages in which a record's pieces leave a gap between themselves, or to what is here already.
    func gaps(of record: JournalRecord) -> Set<UInt64> {
        var ranges: [UInt64: Range<Int>] = [:]
        var gaps: Set<UInt64> = []
        for case .write(let offset, let bytes) in record.pieces where !bytes.isEmpty {
            for number in offset >> 12...(offset + UInt64(bytes.count) - 1) >> 12 {
                let start = Int(max(offset, number << 12) & 4095)
                let end = Int(min(offset + UInt64(bytes.count) - number << 12, UInt64(Self.pageSize)))
                guard let known = ranges[number] ?? pages[number]?.range else {
                    ranges[number] = start..<end
                    continue
                }
                if start > known.upperBound || end < known.lowerBound { gaps.insert(number) }
                ranges[number] = min(start, known.lowerBound)..<max(end, known.upperBound)
            }
        }
        return gaps
    }

    /// Takes in a write. `disk` reads bytes of the disk that lie between two ranges of one page.
    mutating func write<E: Error>(
        _ bytes: ByteSpan, at offset: UInt64, sequence: UInt64, disk: (inout MutableByteSpan, UInt64) throws(E) -> Int
    ) throws(E) {
        var done = 0
        while done < bytes.count {
            let place = offset + UInt64(done)
            let number = place >> 12, start = Int(place & 4095)
            let count = min(Self.pageSize - start, bytes.count - done)
            try write(bytes.slice(done, count), to: number, start..<start + count, sequence, disk)
            done += count
        }
        if let known = length { length = max(known, offset + UInt64(bytes.count)) }
    }

    private mutating func write<E: Error>(
        _ bytes: ByteSpan, to number: UInt64, _ range: Range<Int>, _ sequence: UInt64, _ disk: (inout MutableByteSpan, UInt64) throws(E) -> Int
    ) throws(E) {
        var page = pages.removeValue(forKey: number) ?? Page(range: range, sequence: sequence)
        defer { pages[number] = page }
        if range.lowerBound > page.range.upperBound { try fill(&page, page.range.upperBound..<range.lowerBound, number, disk) }
        if range.upperBound < page.range.lowerBound { try fill(&page, range.upperBound..<page.range.lowerBound, number, disk) }
        var all = page.bytes.mutableSpan
        all.copy(bytes, to: range.lowerBound)
        page.range = min(page.range.lowerBound, range.lowerBound)..<max(page.range.upperBound, range.upperBound)
        page.sequence = sequence
    }

    private func fill<E: Error>(
        _ page: inout Page, _ gap: Range<Int>, _ number: UInt64, _ disk: (inout MutableByteSpan, UInt64) throws(E) -> Int
    ) throws(E) {
        var all = page.bytes.mutableSpan
        var part = all.slice(gap)
        let place = number << 12 + UInt64(gap.lowerBound)
        let got = place < diskLimit ? min(try disk(&part, place), Int(clamping: diskLimit - place)) : 0
        if got < part.count { part.zero(got..<part.count) }
    }

    /// Takes in a cut or growth, where it is not done on disk at once.
    mutating func setLength(_ length: UInt64) {
        for (number, page) in pages where number << 12 + UInt64(page.range.upperBound) > length {
            let start = number << 12
            if start + UInt64(page.range.lowerBound) >= length {
                pages[number] = nil
            } else {
                pages[number]?.range = page.range.lowerBound..<Int(length - start)
            }
        }
        diskLimit = min(diskLimit, length)
        self.length = length
    }

    /// Makes `target`, which the disk has filled with `got` bytes from `offset` on, what the file holds there. Returns how many bytes the file has there.
    func patch(_ target: inout MutableByteSpan, at offset: UInt64, got: Int) -> Int {
        var count = offset < diskLimit ? min(got, Int(clamping: diskLimit - offset)) : 0
        if let length {
            let wanted = length > offset ? min(target.count, Int(clamping: length - offset)) : 0
            if wanted > count { target.zero(count..<wanted) }
            count = wanted
        }
        guard target.count > 0 else { return count }
        for number in offset >> 12...(offset + UInt64(target.count) - 1) >> 12 {
            guard let page = pages[number] else { continue }
            let start = number << 12
            let from = max(start + UInt64(page.range.lowerBound), offset)
            let to = min(start + UInt64(page.range.upperBound), offset + UInt64(target.count))
            guard from < to else { continue }
            let place = Int(from - offset), end = Int(to - offset)
            if place > count { target.zero(count..<place) }
            target.copy(page.bytes.span.slice(Int(from - start)..<Int(to - start)), to: place)
            count = max(count, end)
        }
        return count
    }

    /// Pages of records up to `sequence`, in the order in which they stand in the file.
    func ready(upTo sequence: UInt64) -> [UInt64] {
        pages.filter { $0.value.sequence <= sequence }.keys.sorted()
    }

    mutating func remove(_ numbers: ArraySlice<UInt64>) { for number in numbers { pages[number] = nil } }
}
