// Reserving space, punching holes and zeroing ranges.

import Bytes
import Format
import POSIX

/// What `fallocate` asks for.
package enum AllocationMode: Sendable {
    /// Reserve space, and grow over the range.
    case allocate
    /// Reserve space, also past the end.
    case keepSize
    /// A hole; the size stays.
    case punchHole
    /// Zeros, and grow over the range.
    case zeroRange
    case zeroRangeKeepSize

    /// From the mode of fallocate(2); nil for what the file system does not know.
    init?(fallocate mode: Int32) {
        switch AllocationFlags(rawValue: mode) {
        case []: self = .allocate
        case .keepSize: self = .keepSize
        case [.punchHole, .keepSize]: self = .punchHole
        case .zeroRange: self = .zeroRange
        case [.zeroRange, .keepSize]: self = .zeroRangeKeepSize
        default: return nil
        }
    }
}

extension FileContent {
    /// Changes how the plain bytes of `range` are stored, as `fallocate` does.
    /// - Throws: `EINVAL` for an empty range, `EFBIG`, `ENOSPC`, `EOPNOTSUPP` where the backing file system cannot reserve, `EIO`.
    package func allocate(mode: AllocationMode, _ range: Range<UInt64>) throws(Errno) {
        guard !range.isEmpty else { throw .invalidArgument }
        guard range.upperBound <= BlockLayout.maximumContentSize else { throw .fileTooLarge }
        try changing(takesCapability: true) { () throws(Errno) in
            switch mode {
            case .allocate, .keepSize:
                try reserve(range)
                if mode == .allocate && range.upperBound > contentSize { try resize(to: range.upperBound) }
            case .punchHole:
                try zero(range)
            case .zeroRange, .zeroRangeKeepSize:
                try zero(range)
                if mode == .zeroRange && range.upperBound > contentSize { try resize(to: range.upperBound) }
                do throws(Errno) { try reserve(range) } catch { guard error == .notSupported else { throw error } }
            }
            try backing.setModificationTime(.now)
            forgetTime()
        }
    }

    /// Reserves backing space for the blocks of a range and their slots. Reserved space reads as zeros, as holes do.
    private func reserve(_ range: Range<UInt64>) throws(Errno) {
        if range.upperBound <= UInt64(BlockLayout.inlineLimit) && form != .blocks {
            return try backing.reserve(0, count: BlockLayout.inlineContentOffset + range.upperBound)
        }
        let blocks = BlockLayout.blocks(covering: range)
        let start = BlockLayout.blockOffset(of: blocks.lowerBound)
        let end = BlockLayout.blockOffset(of: blocks.upperBound - 1) + UInt64(BlockLayout.blockSize)
        try backing.reserve(start, count: end - start)
    }

    /// Makes what is inside the content read as zeros.
    private func zero(_ range: Range<UInt64>) throws(Errno) {
        let range = range.clamped(to: 0..<max(contentSize, 1))
        guard contentSize > 0, !range.isEmpty else { return }
        switch form {
        case .empty: return
        case .inline: try zeroInline(Int(range.lowerBound)..<Int(range.upperBound))
        case .blocks: try zeroBlocks(range)
        }
    }

    private func zeroBlocks(_ range: Range<UInt64>) throws(Errno) {
        try openRecord()
        let firstWhole = (range.lowerBound + 4095) >> 12
        let endWhole = range.upperBound == contentSize ? blockCount : range.upperBound >> 12
        if firstWhole > endWhole { return try zeroPart(range) }
        if range.lowerBound < firstWhole << 12 { try zeroPart(range.lowerBound..<min(firstWhole << 12, range.upperBound)) }
        if range.upperBound > endWhole << 12 { try zeroPart(max(endWhole << 12, range.lowerBound)..<range.upperBound) }
        mayHaveHoles = true
        do throws(Errno) {
            try punchGroups(firstWhole..<endWhole)
        } catch {
            // What was begun is ended: slots that say hole stand over zeros.
            try? zeroUnderHoles()
            throw error
        }
        try zeroUnderHoles()
    }

    private func punchGroups(_ blocks: Range<UInt64>) throws(Errno) {
        var block = blocks.lowerBound
        while block < blocks.upperBound {
            let run = BlockLayout.run(from: block, in: blocks)
            try punch(run)
            block = try nextStored(from: run.upperBound)
        }
    }

    /// After an error some of these blocks may keep their bytes, and the file is in RECOVER.
    private func zeroUnderHoles() throws(Errno) {
        do throws(Errno) {
            try backing.zeroNow()
        } catch {
            isRecovering = true
            markToBeRecovered()
            throw error
        }
    }

    /// Writes zeros over a part of one block.
    private func zeroPart(_ range: Range<UInt64>) throws(Errno) {
        let block = range.lowerBound >> 12
        if try slotPage(block.groupOfBlock).slot(of: block).isHole { return try requireHolesAllowed(block) }
        try withPage { (zeros: inout MutableByteSpan) throws(Errno) in
            try writeBlocks(zeros.span.slice(0, Int(range.upperBound - range.lowerBound)), at: range.lowerBound)
        }
    }

    /// Turns blocks of one group into holes: their slots first, then the data.
    private func punch(_ run: Range<UInt64>) throws(Errno) {
        let page = try slotPage(run.lowerBound.groupOfBlock)
        if page.isHole(run) && !isRecovering { return }
        do throws(Errno) {
            let start = BlockLayout.blockOffset(of: run.lowerBound), count = UInt64(run.count) << 12
            page.clear(run)
            protection?.prepareZero(upTo: start + count)
            try writeSlots(of: page, run)
            try backing.zeroLater(start, count: count)
        } catch {
            settle(afterFailureAt: run)
            throw error
        }
    }

    /// The first block from `block` on, or one of its group before it, that may have anything on disk: skips wide holes without reading their slots.
    private func nextStored(from block: UInt64) throws(Errno) -> UInt64 {
        guard block < blockCount, block == block.groupOfBlock.firstBlockOfGroup else { return block }
        return try nextStoredGroup(from: block.groupOfBlock).map { max(block, $0.firstBlockOfGroup) } ?? blockCount
    }

    /// The first group from `group` on whose slots or blocks are not a hole of the backing file; nil when there is none.
    func nextStoredGroup(from group: UInt64) throws(Errno) -> UInt64? {
        guard let data = try backing.nextData(from: group.slotPageOffset) else { return nil }
        switch BlockLayout.place(ofBacking: data) {
        case .header, .state: return 0
        case .slot(let block), .block(let block, _): return block.groupOfBlock
        }
    }
}
