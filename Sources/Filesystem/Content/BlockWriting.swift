// Writing blocks: group by group in rising order, the slots of a run before its blocks.

import Bytes
import Format
import POSIX

extension FileContent {
    /// Writes all of `bytes` at `offset` of a file in blocks.
    /// Groups before one that fails stay written; of the one that fails, what was there before stays readable.
    /// With `replacingTail`, `bytes` are all that their block is to hold from now on.
    func writeBlocks(_ bytes: ByteSpan, at offset: UInt64, replacingTail: Bool = false) throws(Errno) {
        try writeRuns(bytes, at: offset) { (run: Range<UInt64>, page: SlotPage, isDiskTouched: inout Bool) throws(Errno) in
            try PageBuffer.withScratch(BlockLayout.blockSize * (1 + run.count)) { (scratch: inout MutableByteSpan) throws(Errno) in
                // A page of slots, then the sealed blocks: as they stand on disk when the run starts its group.
                page.bytes.withBytes { scratch.copy($0) }
                var end = BlockLayout.blockSize
                for (number, block) in run.enumerated() {
                    end = BlockLayout.blockSize * (1 + number)
                    end += try seal(block, bytes, at: offset, replacingTail, page, into: &scratch, blockAt: end)
                }
                try writeRun(run, page, scratch.span.slice(0, end), &isDiskTouched)
            }
        }
    }

    /// Makes ready for blocks that cover `bytes`, then has `write` write them, run by run.
    func writeRuns(_ bytes: ByteSpan, at offset: UInt64, _ write: (Range<UInt64>, SlotPage, inout Bool) throws(Errno) -> Void) throws(Errno) {
        try openRecord()
        let end = offset + UInt64(bytes.count)
        let covering = BlockLayout.blocks(covering: offset..<end)
        if covering.upperBound > blockCount { try prepareGrowth() }
        if covering.lowerBound > blockCount { mayHaveHoles = true }
        var block = covering.lowerBound
        while block < covering.upperBound {
            let run = BlockLayout.run(from: block, in: covering)
            var isDiskTouched = false
            do throws(Errno) {
                try write(run, try slotPage(block.groupOfBlock), &isDiskTouched)
            } catch {
                if isDiskTouched && !head.isAfterBlocks { settle(afterFailureAt: run) }
                throw error
            }
            block = run.upperBound
            contentSize = max(contentSize, min(end, block << 12))
        }
    }

    /// Slots past the end in the last group may be left over from a longer content: they are zeroed before the file grows over them.
    func prepareGrowth() throws(Errno) {
        let group = blockCount.groupOfBlock
        guard contentSize > 0, group.firstBlockOfGroup < blockCount else { return }
        let page = try slotPage(group)
        guard page.hasStaleSlots else { return }
        try writeSlots(of: page, blockCount..<(group + 1).firstBlockOfGroup)
        page.hasStaleSlots = false
    }

    /// Writes a run, `scratch` being its page of slots and its sealed blocks. `isDiskTouched` tells whether writing had begun when it fails.
    func writeRun(_ run: Range<UInt64>, _ page: SlotPage, _ scratch: ByteSpan, _ isDiskTouched: inout Bool) throws(Errno) {
        isDiskTouched = true
        if backing.isJournalled { try reserveLater(page, run) }
        try writeOut(page, run, scratch)
        let places = SlotPage.places(of: run)
        page.bytes.withMutableBytes { $0.copy(scratch.slice(places), to: places.lowerBound) }
    }

    /// What goes through the journal comes to the file when nobody waits for an answer any more: where there is nothing yet, the space is taken now.
    private func reserveLater(_ page: SlotPage, _ run: Range<UInt64>) throws(Errno) {
        let isNew = run.upperBound > blockCount || run.contains { page.isHole($0..<$0 + 1) }
        let start = run.lowerBound == page.group.firstBlockOfGroup ? page.group.slotPageOffset : BlockLayout.blockOffset(of: run.lowerBound)
        guard isNew, let protection, protection.protectedCount(1, at: BlockLayout.blockOffset(of: run.lowerBound)) > 0 else { return }
        let end = BlockLayout.blockOffset(of: run.upperBound - 1) + UInt64(BlockLayout.blockSize)
        do throws(Errno) {
            try backing.reserve(start, count: end - start)
        } catch {
            guard error == .notSupported else { throw error }
        }
    }

    /// Writes a run's slots, then its blocks: with one call where they stand side by side.
    /// `scratch` holds the page of slots, then the blocks.
    private func writeOut(_ page: SlotPage, _ run: Range<UInt64>, _ scratch: ByteSpan) throws(Errno) {
        let pageSize = BlockLayout.blockSize
        let blocks = scratch.slice(pageSize, scratch.count - pageSize)
        let isGroupStart = run.lowerBound == page.group.firstBlockOfGroup
        switch head {
        case .afterBlocks where page.group == 0:
            return try backing.write(blocks, at: BlockLayout.blockOffset(of: run.lowerBound))
        case .withFirstRun where isGroupStart && page.group == 0:
            try backing.write(scratch, at: 0)
            head = .onDisk
        case _ where isGroupStart:
            let start = SlotPage.firstPlace(of: page.group)
            try backing.write(scratch.slice(start, scratch.count - start), at: page.group.slotPageOffset + UInt64(start))
            page.hasStaleSlots = false
        default:
            let places = SlotPage.places(of: run)
            try backing.write(scratch.slice(places), at: page.group.slotPageOffset + UInt64(places.lowerBound))
            try backing.write(blocks, at: BlockLayout.blockOffset(of: run.lowerBound))
        }
    }

    /// Seals one block with its new content into `scratch` at `place`, and its slot into the page at the start of it. Returns the sealed length.
    func seal(
        _ block: UInt64, _ bytes: ByteSpan, at offset: UInt64, _ replacingTail: Bool, _ page: SlotPage, into scratch: inout MutableByteSpan,
        blockAt place: Int
    ) throws(Errno) -> Int {
        let start = block << 12
        let from = max(offset, start), to = min(offset + UInt64(bytes.count), start + 4096)
        let piece = bytes.slice(Int(from - offset), Int(to - from))
        if from == start && (to == start + 4096 || to >= contentSize || replacingTail) {
            let previous = try replacedEntry(block, page)
            return try seal(block, piece, previous, into: &scratch, blockAt: place)
        }
        return try withPage { (plain: inout MutableByteSpan) throws(Errno) -> Int in
            let old = try oldContent(block, page, into: &plain)
            plain.copy(piece, to: Int(from - start))
            let length = max(old.length, Int(to - start))
            return try seal(block, plain.span.slice(0, length), old.entry, into: &scratch, blockAt: place)
        }
    }

    private func seal(
        _ block: UInt64, _ plain: ByteSpan, _ previous: Entry, into scratch: inout MutableByteSpan, blockAt place: Int
    ) throws(Errno) -> Int {
        guard let identity else { throw .ioError }
        do throws(FormatError) {
            var target = scratch.slice(place, plain.count)
            let current = try identity.cipher.sealBlock(block, plain, into: &target)
            Slot(current: current, previous: previous).store(into: &scratch, at: SlotPage.place(of: block))
            return plain.count
        } catch {
            throw refused(error, "sealing block \(block)")
        }
    }

    /// The entry that matches a block which is overwritten as a whole; none where nothing matches.
    func replacedEntry(_ block: UInt64, _ page: SlotPage) throws(Errno) -> Entry {
        let slot = page.slot(of: block)
        guard isRecovering, block < blockCount else { return slot.isDamaged ? .empty : slot.current }
        return try withPage { (plain: inout MutableByteSpan) throws(Errno) -> Entry in
            switch try examine(block, into: &plain) {
            case .entry(let entry): return entry
            case .hole: try punchUnlessZero(block)
            case .unwritten, .nothing: break
            }
            return .empty
        }
    }

    /// The content of a block that is overwritten in part, zeros behind it, with its length and the entry that matches it.
    private func oldContent(_ block: UInt64, _ page: SlotPage, into plain: inout MutableByteSpan) throws(Errno) -> (length: Int, entry: Entry) {
        if block == 0, case .afterBlocks(let inline) = head {
            plain.copy(inline.span)
            return (inline.count, .empty)
        }
        guard block < blockCount else { return (0, .empty) }
        if !isRecovering {
            try readOne(block, into: &plain)
            let entry = page.slot(of: block).current
            return (entry.length, entry)
        }
        switch try examine(block, into: &plain) {
        case .entry(let entry): return (entry.length, entry)
        case .hole: try punchUnlessZero(block)
        case .unwritten: break
        case .nothing: throw damaged(block: block, .authenticationFailed)
        }
        return (0, .empty)
    }
}

extension FileContent.Head {
    var isAfterBlocks: Bool { if case .afterBlocks = self { true } else { false } }
}
