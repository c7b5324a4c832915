// Reading: straight into the caller's bytes where whole blocks are wanted, through one page where not.

import Bytes
import Format
import POSIX

extension FileContent {
    /// One page of scratch.
    func withPage<R>(_ body: (inout MutableByteSpan) throws(Errno) -> R) throws(Errno) -> R {
        var page = InlineArray<4096, UInt8>(repeating: 0)
        var span = page.mutableSpan
        return try body(&span)
    }

    /// Reads `count` bytes of inline content from `offset`.
    func readInline(into reply: inout MutableByteSpan, at offset: Int, count: Int) throws(Errno) {
        if offset == 0 && count == Int(contentSize) {
            var target = reply.slice(0, count)
            return try openInline(into: &target)
        }
        try withPage { (page: inout MutableByteSpan) throws(Errno) in
            var plain = page.slice(0, Int(contentSize))
            try openInline(into: &plain)
            reply.copy(plain.span.slice(offset, count))
        }
    }

    /// Opens the whole inline content; `plain` is as long as it, or longer.
    func openInline(into plain: inout MutableByteSpan) throws(Errno) {
        guard let identity else { throw .ioError }
        do throws(FormatError) {
            let record = inlineRecord
            let stored = record.span
            try identity.cipher.openInline(
                Entry(from: stored), stored.slice(Entry.byteCount, stored.count - Entry.byteCount), into: &plain)
        } catch {
            throw refused(error, "inline content", isUnfinished: callsUnfinished)
        }
    }

    /// Reads `count` bytes from `offset`, all inside the content. `reply` may be longer than `count`.
    func readBlocks(into reply: inout MutableByteSpan, at offset: UInt64, count: Int) throws(Errno) {
        var done = 0
        while done < count {
            let position = offset + UInt64(done)
            let block = position >> 12
            let run = isRecovering ? 0 : wholeBlocks(from: position, wanted: count - done, room: reply.count - done)
            if run > 0 {
                let bytes = Int(min(UInt64(run) << 12, contentSize - position))
                var target = reply.slice(done, bytes)
                try readRun(block..<block + UInt64(run), into: &target)
                done += bytes
            } else {
                let inBlock = Int(position & 4095)
                let part = min(4096 - inBlock, count - done)
                try withPage { (page: inout MutableByteSpan) throws(Errno) in
                    try readOne(block, into: &page)
                    reply.copy(page.span.slice(inBlock, part), to: done)
                }
                done += part
            }
        }
    }

    /// How many blocks from `position` on stand side by side on disk and are wanted whole, or can be opened whole in the `room` there is.
    private func wholeBlocks(from position: UInt64, wanted: Int, room: Int) -> Int {
        if position & 4095 != 0 { return 0 }
        let block = position >> 12
        let covering = (wanted + 4095) >> 12
        let run = min(covering, Int(BlockLayout.contiguousSlots(from: block)))
        let bytes = min(UInt64(run) << 12, contentSize - position)
        return bytes <= UInt64(room) ? run : run - 1
    }

    /// Reads blocks of one group with one call, and their slots with the same call if they come just before; opens them where they stand.
    /// `target` ends with the last block's content.
    private func readRun(_ run: Range<UInt64>, into target: inout MutableByteSpan) throws(Errno) {
        let group = run.lowerBound.groupOfBlock
        let page: SlotPage
        let got: Int
        if let known = slots.page(group) {
            page = known
            if page.isHole(run) {
                try requireHolesAllowed(run.lowerBound)
                return target.zeroAll()
            }
            got = try backing.read(into: &target, at: BlockLayout.blockOffset(of: run.lowerBound))
        } else if run.lowerBound == group.firstBlockOfGroup && group > 0 {
            let fresh = try SlotPage(group: group)
            let all = try fresh.bytes.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) -> Int in
                try backing.read(into: &bytes, then: &target, at: group.slotPageOffset)
            }
            got = max(0, all - BlockLayout.blockSize)
            clearPastEnd(fresh)
            page = slots.insert(fresh)
        } else {
            page = try slotPage(group)
            got = try backing.read(into: &target, at: BlockLayout.blockOffset(of: run.lowerBound))
        }
        if got < target.count { target.zero(got..<target.count) }
        for block in run {
            let start = Int(block - run.lowerBound) << 12
            var piece = target.slice(start, min(4096, target.count - start))
            try openInPlace(block, page.slot(of: block), &piece)
        }
    }

    private func openInPlace(_ block: UInt64, _ slot: Slot, _ piece: inout MutableByteSpan) throws(Errno) {
        if slot.isHole {
            try requireHolesAllowed(block)
            return piece.zeroAll()
        }
        guard let identity, !slot.isDamaged else { throw damaged(block: block, .damaged) }
        do throws(FormatError) {
            try identity.cipher.openBlockInPlace(block, slot.current, &piece)
        } catch {
            throw damaged(block: block, error)
        }
    }

    /// Reads one block into a page, zeros behind its end.
    func readOne(_ block: UInt64, into page: inout MutableByteSpan) throws(Errno) {
        if isRecovering { return try readUnsettled(block, into: &page) }
        let slot = try slotPage(block.groupOfBlock).slot(of: block)
        if !slot.isHole {
            let got = try backing.read(into: &page, at: BlockLayout.blockOffset(of: block))
            page.zero(got..<BlockLayout.blockSize)
        }
        try openInPlace(block, slot, &page)
    }

    /// An all-zero slot of a file that never had a hole is damage.
    func requireHolesAllowed(_ block: UInt64) throws(Errno) {
        guard mayHaveHoles else { throw damaged(block: block, .damaged) }
    }

    /// The slots of a group, from memory or from disk.
    func slotPage(_ group: UInt64) throws(Errno) -> SlotPage {
        if let page = slots.page(group) { return page }
        let page = try SlotPage(group: group)
        if group.firstBlockOfGroup < blockCount { try fill(page) }
        return slots.insert(page)
    }

    /// Reads a page of slots; those past the end count as zero.
    func fill(_ page: SlotPage) throws(Errno) {
        try page.bytes.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in
            _ = try backing.read(into: &bytes, at: page.group.slotPageOffset)
        }
        clearPastEnd(page)
    }

    private func clearPastEnd(_ page: SlotPage) {
        if (page.group + 1).firstBlockOfGroup > blockCount { page.clear(from: blockCount) }
    }
}
