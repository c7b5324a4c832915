// The slots of one file that are known in memory: a bounded number of pages.

import Bytes
import Format
import POSIX
import Synchronization

/// One page of slots of a group, as it stands on disk but for slots past the end of the content, which are zero here.
/// The bytes and `hasStaleSlots` change only while the content's lock is held for writing.
final class SlotPage: @unchecked Sendable {
    let group: UInt64
    let bytes: PageBuffer
    /// On disk, slots past the end of the content may not be zero.
    var hasStaleSlots = false

    /// - Throws: `ENOMEM`.
    init(group: UInt64) throws(Errno) {
        self.group = group
        bytes = try PageBuffer(count: BlockLayout.blockSize)
    }

    func slot(of block: UInt64) -> Slot { bytes.withBytes { Slot(from: $0, at: SlotPage.place(of: block)) } }

    func set(_ slot: Slot, of block: UInt64) { bytes.withMutableBytes { slot.store(into: &$0, at: SlotPage.place(of: block)) } }

    /// Whether all these blocks are holes.
    func isHole(_ run: Range<UInt64>) -> Bool {
        bytes.withBytes { $0.slice(SlotPage.places(of: run)).isAllZero }
    }

    /// Zeroes the slots of these blocks here.
    func clear(_ run: Range<UInt64>) { bytes.withMutableBytes { $0.zero(SlotPage.places(of: run)) } }

    /// Zeroes the slots from `block` on here, and remembers whether there was anything.
    func clear(from block: UInt64) {
        let start = block <= group.firstBlockOfGroup ? SlotPage.firstPlace(of: group) : SlotPage.place(of: block)
        let isClear = bytes.withMutableBytes { (bytes: inout MutableByteSpan) -> Bool in
            if bytes.span.slice(start..<BlockLayout.blockSize).isAllZero { return true }
            bytes.zero(start..<BlockLayout.blockSize)
            return false
        }
        if !isClear { hasStaleSlots = true }
    }

    /// Where the slot of `block` stands in its page, in bytes.
    static func place(of block: UInt64) -> Int { Int(BlockLayout.slotOffset(of: block) & 4095) }
    /// Where the slots of these blocks, all of one group, stand in its page, in bytes.
    static func places(of run: Range<UInt64>) -> Range<Int> {
        let start = place(of: run.lowerBound)
        return start..<start + run.count * Slot.byteCount
    }
    /// Where the slots of a group start in its page: group 0 has header and state record before them.
    static func firstPlace(of group: UInt64) -> Int { group == 0 ? BlockLayout.headSize : 0 }
}

extension UInt64 {
    /// The group of this block.
    var groupOfBlock: UInt64 { (self + 16) >> 6 }
    /// The first block of this group.
    var firstBlockOfGroup: UInt64 { self == 0 ? 0 : (self << 6) - 16 }
    /// Where this group's page of slots starts in the backing file.
    var slotPageOffset: UInt64 { self == 0 ? 0 : BlockLayout.slotOffset(of: firstBlockOfGroup) }
}

/// The pages read last. Readers fill it while they share the content's lock, so it has its own.
final class SlotCache: Sendable {
    /// 1024 pages (4 MiB) know the slots of 256 MiB of content.
    static let capacity = 1024
    /// What each file may keep when all files together have many: the slots of 8 MiB of content.
    static let smallCapacity = 32
    /// "Many", in pages: 16 MiB.
    static let commonLimit = 4096
    private static let common = Atomic<Int>(0)

    private struct Pages {
        var known: [UInt64: SlotPage] = [:]
        /// Groups in the order in which their pages came; those before `oldest` are gone, others may be.
        var order: [UInt64] = []
        var oldest = 0

        /// Returns how many pages went.
        mutating func removeOldest() -> Int {
            while oldest < order.count {
                let group = order[oldest]
                oldest += 1
                if known.removeValue(forKey: group) != nil { return 1 }
            }
            return 0
        }

        mutating func forgetPassed() {
            guard oldest > SlotCache.capacity else { return }
            order.removeFirst(oldest)
            oldest = 0
        }
    }
    private let pages = Mutex(Pages())

    deinit { _ = Self.common.subtract(pages.withLock { $0.known.count }, ordering: .relaxed) }

    func page(_ group: UInt64) -> SlotPage? { pages.withLock { $0.known[group] } }

    /// Adds a page, unless another thread was faster. Returns the one that is in use.
    @discardableResult
    func insert(_ page: SlotPage) -> SlotPage {
        pages.withLock { pages in
            if let other = pages.known[page.group] { return other }
            let capacity = Self.common.load(ordering: .relaxed) < Self.commonLimit ? Self.capacity : Self.smallCapacity
            var gone = 0
            while pages.known.count >= capacity {
                let removed = pages.removeOldest()
                if removed == 0 { break }
                gone += removed
            }
            pages.known[page.group] = page
            pages.order.append(page.group)
            pages.forgetPassed()
            Self.common.add(1 - gone, ordering: .relaxed)
            return page
        }
    }

    func drop(_ group: UInt64) { dropAll { $0 == group } }
    func dropAll() { dropAll { _ in true } }
    func drop(above group: UInt64) { dropAll { $0 > group } }

    private func dropAll(where isDropped: (UInt64) -> Bool) {
        pages.withLock { pages in
            let before = pages.known.count
            pages.known = pages.known.filter { !isDropped($0.key) }
            if pages.known.isEmpty { (pages.order, pages.oldest) = ([], 0) }
            Self.common.subtract(before - pages.known.count, ordering: .relaxed)
        }
    }
}
