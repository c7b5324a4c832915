// Where the slots and blocks of a file stand in its backing file: the arithmetic, written once, with its inverse.
import Bytes

/// Block i stands, with j = i + 16, in group g = j >> 6 at place n = j & 63. A group is one page of 64 slots and its 64 blocks; the header and
/// the state record take the place of the first sixteen slots, so group 0 lacks blocks for these. Hence page 65 g - 16 holds the slots of group
/// g >= 1 (page 0 those of group 0), and block (g, n) is page 65 g + n - 15.
package enum BlockLayout {
    /// Bytes of plain content per block, and of a page of the backing file.
    package static let blockSize = 4096
    /// Bytes of header sector and state sector each.
    package static let sectorSize = 512
    /// Bytes of the header.
    package static let headerSize = 512
    /// Where the state record starts.
    package static let stateOffset: UInt64 = 512
    /// Bytes of header and state record: the backing length of an empty file that has a header.
    package static let headSize = 1024
    /// Bytes of a slot.
    package static let slotSize = 64
    /// Where an inline file's entry starts.
    package static let inlineEntryOffset: UInt64 = 1024
    /// Where an inline file's content starts.
    package static let inlineContentOffset: UInt64 = 1056
    /// Longest content of an inline file, in bytes: the rest of page 0.
    package static let inlineLimit = 3040
    /// Longest content of a file, in bytes: 2^62, for which every place is below 2^63.
    package static let maximumContentSize: UInt64 = 1 << 62

    /// The highest block index: the one after the last block of the longest content.
    package static let lastBlock: UInt64 = 1 << 50

    private static let page: UInt64 = 4096

    /// Offset of block `i` in the backing file. Traps above 2^50 (content beyond `maximumContentSize`).
    @inlinable package static func blockOffset(of i: UInt64) -> UInt64 {
        precondition(i <= lastBlock)
        let j = i + 16
        return (65 * (j >> 6) + (j & 63) - 15) << 12
    }

    /// Offset of the slot of block `i` in the backing file. Traps above 2^50.
    @inlinable package static func slotOffset(of i: UInt64) -> UInt64 {
        precondition(i <= lastBlock)
        let j = i + 16
        let g = j >> 6
        return (g == 0 ? 0 : (65 * g - 16) << 12) + (j & 63) << 6
    }

    /// How many blocks from `i` on, `i` included, have their slots side by side (and their blocks too): those to the end of its group, 1 to 64.
    @inlinable package static func contiguousSlots(from i: UInt64) -> UInt64 { 64 - ((i &+ 16) & 63) }

    /// The blocks of `range` from `i` on that have their slots side by side. `i` is one of them.
    @inlinable package static func run(from i: UInt64, in range: Range<UInt64>) -> Range<UInt64> { i..<min(range.upperBound, i + contiguousSlots(from: i)) }

    /// Blocks that hold a part of the plain bytes `range`; empty for an empty range.
    @inlinable package static func blocks(covering range: Range<UInt64>) -> Range<UInt64> {
        if range.isEmpty { return (range.lowerBound >> 12)..<(range.lowerBound >> 12) }
        return (range.lowerBound >> 12)..<((range.upperBound - 1) >> 12) + 1
    }

    /// Backing length of content of `size` bytes that is neither inline nor has other reason for a header: 0 for 0; else to the end of the last block's content.
    package static func blockedLength(ofContent size: UInt64) -> UInt64 {
        if size == 0 { return 0 }
        let last = (size - 1) >> 12
        return blockOffset(of: last) + (size - last << 12)
    }

    /// Backing length in bytes of a file of `size` plain bytes at rest: 0; 1056 + size up to `inlineLimit`; else as blocks.
    package static func backingLength(ofContent size: UInt64) -> UInt64 {
        if size == 0 { return 0 }
        return size <= UInt64(inlineLimit) ? inlineContentOffset + size : blockedLength(ofContent: size)
    }

    /// What a backing file of `length` bytes holds, judged by its length alone.
    package static func contentSize(ofBacking length: UInt64) -> Extent {
        switch length {
        case 0: return Extent(size: 0, form: .empty)
        case 1024: return Extent(size: 0, form: .headerOnly)
        case 1057...4096: return Extent(size: length - inlineContentOffset, form: .inline)
        case ..<4097: return Extent(size: 0, form: .damaged)
        default: return blockedExtent(length)
        }
    }

    /// The same for a file whose header does not say INLINE: no content before the first block, so that 1024..4096 bytes are an empty file.
    package static func blockedContentSize(ofBacking length: UInt64) -> Extent {
        switch length {
        case 0: Extent(size: 0, form: .empty)
        case 1024: Extent(size: 0, form: .headerOnly)
        case ..<1024: Extent(size: 0, form: .damaged)
        case ...4096: Extent(size: 0, form: .slotPage)
        default: blockedExtent(length)
        }
    }

    private static func blockedExtent(_ length: UInt64) -> Extent {
        // The page of the last byte: p = 65 g + n - 15 with n < 64 for a block; 65 g - 16 for a slot page.
        let last = (length - 1) / page
        let g = (last + 16) / 65, r = (last + 16) % 65
        let isSlotPage = r == 0
        let blocks = 64 * g + (isSlotPage ? 0 : r - 1) - 16
        let size = blocks * page + (isSlotPage ? 0 : length - last * page)
        // Nothing that this program writes; every place past the limit would be out of range.
        guard size <= maximumContentSize else { return Extent(size: 0, form: .damaged) }
        return Extent(size: size, form: isSlotPage ? .slotPage : .blocks)
    }

    /// Where the group ends that holds the last of `length` backing bytes: the first byte after all its blocks; 0 for no byte.
    package static func groupEnd(ofBacking length: UInt64) -> UInt64 {
        if length == 0 { return 0 }
        return (65 * (((length - 1) / page + 16) / 65 + 1) - 16) * page
    }

    /// What stands at `offset` of the backing file of a file that is not inline.
    package static func place(ofBacking offset: UInt64) -> Place {
        if offset < stateOffset { return .header }
        if offset < UInt64(headSize) { return .state }
        let number = offset / page
        let g = (number + 16) / 65, r = number == 0 ? 0 : (number + 16) % 65
        if r == 0 { return .slot(64 * g + (offset % page) / UInt64(slotSize) - 16) }
        return .block(64 * g + (r - 1) - 16, at: Int(offset % page))
    }
}

/// What a backing file's length says about its content.
package struct Extent: Equatable, Sendable {
    package enum Form: Equatable, Sendable {
        /// No byte at all: an empty file.
        case empty
        /// 1024 bytes: an empty file that has a header.
        case headerOnly
        /// One page at most, content behind the state record.
        case inline
        /// Ends inside or at the end of a block.
        case blocks
        /// Ends inside or at the end of a page of slots: the content ends before it. Illegal in a sealed file.
        case slotPage
        /// A length that no file has.
        case damaged
    }
    /// Plain bytes.
    package let size: UInt64
    package let form: Form
    /// Whether the length ends inside a page of slots.
    package var isInsideSlotPage: Bool { form == .slotPage }
}

/// What a byte of a backing file belongs to.
package enum Place: Equatable, Sendable {
    case header
    case state
    /// The slot of this block.
    case slot(UInt64)
    /// This block, at this byte of it.
    case block(UInt64, at: Int)
}
