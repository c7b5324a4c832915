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

/// The pages used last. Readers fill it while they share the content's lock, so it has its own.
final class SlotCache: Sendable {
    /// 32 pages know the slots of 8 MiB of content.
    static let capacity = 32

    private struct Pages {
        /// The page used last stands last.
        var list: [SlotPage] = []
    }
    private let pages = Mutex(Pages())

    func page(_ group: UInt64) -> SlotPage? {
        pages.withLock { pages in
            guard let i = pages.list.lastIndex(where: { $0.group == group }) else { return nil }
            let page = pages.list[i]
            if i < pages.list.count - 1 {
                pages.list.remove(at: i)
                pages.list.append(page)
            }
            return page
        }
    }

    /// Adds a page, unless another thread was faster. Returns the one that is in use.
    @discardableResult
    func insert(_ page: SlotPage) -> SlotPage {
        pages.withLock { pages in
            if let other = pages.list.first(where: { $0.group == page.group }) { return other }
            if pages.list.count == Self.capacity { pages.list.removeFirst() }
            pages.list.append(page)
            return page
        }
    }

    func drop(_ group: UInt64) { pages.withLock { $0.list.removeAll { $0.group == group } } }
    func dropAll() { pages.withLock { $0.list.removeAll() } }
    func drop(above group: UInt64) { pages.withLock { $0.list.removeAll { $0.group > group } } }
}
