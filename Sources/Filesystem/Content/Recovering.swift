// Files that a crash left OPEN, or whose last write failed: which entry matches a block, and setting the slots right.

import Bytes
import Format
import POSIX

/// What an unsettled block turns out to be.
enum Finding {
    /// All-zero slot.
    case hole
    /// This entry opens it.
    case entry(Entry)
    /// A first write that never reached the block: no previous entry, and all bytes zero.
    case unwritten
    /// No entry opens it.
    case nothing
}

extension FileContent {
    /// Content above this many bytes is not compared as a whole at open: it stays RECOVER and is settled block by block as it is overwritten.
    static let recoveryLimit: UInt64 = 64 << 20

    /// Finds out which entry opens a block, and opens it into `plain` (a page), zeros behind its end.
    func examine(_ block: UInt64, into plain: inout MutableByteSpan) throws(Errno) -> Finding {
        let slot = try slotPage(block.groupOfBlock).slot(of: block)
        plain.zeroAll()
        if slot.isHole { return .hole }
        guard let identity, !slot.current.isEmpty else { return .nothing }
        return try withStored(block) { (stored: ByteSpan) throws(Errno) -> Finding in
            for entry in [slot.current, slot.previous] where !entry.isEmpty && entry.length <= stored.count {
                do throws(FormatError) {
                    try identity.cipher.openBlock(block, entry, stored.slice(0, entry.length), into: &plain)
                    return .entry(entry)
                } catch {
                    guard error == .authenticationFailed || error == .damaged else { throw refused(error, "block \(block)") }
                }
            }
            return slot.previous.isEmpty && stored.isAllZero ? .unwritten : .nothing
        }
    }

    /// The bytes of a block as they stand on disk, as many as there are.
    private func withStored<R>(_ block: UInt64, _ body: (ByteSpan) throws(Errno) -> R) throws(Errno) -> R {
        try withPage { (page: inout MutableByteSpan) throws(Errno) -> R in
            let count = try backing.read(into: &page, at: BlockLayout.blockOffset(of: block))
            return try body(page.span.slice(0, count))
        }
    }

    /// Reads a block of a file in RECOVER.
    func readUnsettled(_ block: UInt64, into page: inout MutableByteSpan) throws(Errno) {
        switch try examine(block, into: &page) {
        case .nothing: throw damaged(block: block, .authenticationFailed)
        case .hole where isSalvaging && !mayHaveHoles: throw damaged(block: block, .damaged)
        default: return
        }
    }

    /// Right after a writable open: brings the backing file to the length of its content, and settles every block of a file that is not too large.
    func finishUnfinished() throws(Errno) {
        guard isWritable, isLengthDue || isRecovering else { return }
        try context.willChange()
        try keepingPrivileges { () throws(Errno) in try setLengthAndBlocks() }
    }

    private func setLengthAndBlocks() throws(Errno) {
        try hideTime()
        if isLengthDue {
            switch form {
            case .inline: try backing.truncate(to: BlockLayout.inlineContentOffset + contentSize)
            case .blocks: try backing.truncate(to: BlockLayout.blockedLength(ofContent: contentSize))
            case .empty: try cutToNothing()
            }
            isLengthDue = false
        }
        if form != .blocks { isRecovering = false }
        if isRecovering && contentSize <= Self.recoveryLimit { try settleAll() }
        try showTimeUnlessStaged()
    }

    /// Settles a file in RECOVER of any size, for `check`: every block is read, and nobody else uses the file meanwhile.
    /// - Throws: errors of reading and writing, after which the file stays in RECOVER.
    package func recover() throws(Errno) {
        try changing { () throws(Errno) in
            guard isRecovering else { return }
            try hideTime()
            try settleAll()
            try showTimeUnlessStaged()
        }
    }

    /// Compares every slot with its block and sets it right, then the file is no longer in RECOVER. Blocks that nothing opens stay, and are reported:
    /// the next state record says UNFINISHED then.
    func settleAll() throws(Errno) {
        var group: UInt64 = 0
        var isWhole = true
        // What is a hole on disk has neither slots nor blocks.
        while group.firstBlockOfGroup < blockCount, let stored = try nextStoredGroup(from: group) {
            group = max(group, stored)
            guard group.firstBlockOfGroup < blockCount else { break }
            if try !settle(group.firstBlockOfGroup..<min((group + 1).firstBlockOfGroup, blockCount)) { isWhole = false }
            group += 1
        }
        isRecovering = false
        isUnfinished = !isWhole
    }

    /// The same for blocks of one group.
    /// - Returns: whether an entry was found for each of them.
    @discardableResult
    func settle(_ run: Range<UInt64>) throws(Errno) -> Bool {
        let page = try slotPage(run.lowerBound.groupOfBlock)
        var isChanged = false
        var isWhole = true
        try withPage { (plain: inout MutableByteSpan) throws(Errno) in
            for block in run {
                let slot = page.slot(of: block)
                guard let settled = try settledSlot(block, slot, &plain) else {
                    isWhole = false
                    continue
                }
                guard settled != slot else { continue }
                isChanged = true
                page.set(settled, of: block)
            }
        }
        guard isChanged else { return isWhole }
        do {
            try writeSlots(of: page, run)
        } catch {
            slots.drop(page.group)
            throw error
        }
        return isWhole
    }

    /// Nil where nothing opens the block: its slot stays.
    private func settledSlot(_ block: UInt64, _ slot: Slot, _ plain: inout MutableByteSpan) throws(Errno) -> Slot? {
        switch try examine(block, into: &plain) {
        case .entry(let entry):
            return Slot(current: entry)
        case .unwritten:
            mayHaveHoles = true
            return .hole
        case .hole:
            try punchUnlessZero(block)
            return .hole
        case .nothing:
            context.log.damaged(label, "block \(block): no entry opens it", isUnfinished: callsUnfinished)
            return nil
        }
    }

    /// Under an all-zero slot there must be zeros before anything else is written there.
    func punchUnlessZero(_ block: UInt64) throws(Errno) {
        let isZero = try withStored(block) { (stored: ByteSpan) throws(Errno) -> Bool in stored.isAllZero }
        if !isZero { try backing.zero(BlockLayout.blockOffset(of: block), count: UInt64(BlockLayout.blockSize)) }
    }

    /// Writes the slots of these blocks, all of one group, as the page in memory has them.
    func writeSlots(of page: SlotPage, _ run: Range<UInt64>) throws(Errno) {
        let places = SlotPage.places(of: run)
        try page.bytes.withBytes { (bytes: ByteSpan) throws(Errno) in
            try backing.write(bytes.slice(places), at: page.group.slotPageOffset + UInt64(places.lowerBound))
        }
    }

    /// After a write of these blocks failed: finds out what reached the disk. What stood before stays readable, whole new blocks count,
    /// and if that cannot be brought about, the file is in RECOVER.
    func settle(afterFailureAt run: Range<UInt64>) {
        let wasRecovering = isRecovering
        isRecovering = true
        slots.drop(run.lowerBound.groupOfBlock)
        do throws(Errno) {
            try keepWhatFitted(run)
            let overwritten = run.lowerBound..<max(run.lowerBound, min(run.upperBound, blockCount))
            if !overwritten.isEmpty { try settle(overwritten) }
            isRecovering = wasRecovering
        } catch {
            context.log.failed("settling \(label) after a failed write", error)
        }
        markToBeRecovered()
    }

    /// Says RECOVER on disk where that is so in memory.
    func markToBeRecovered() {
        guard isRecovering && !record.needsRecovery else { return }
        do throws(Errno) { try writeRecord(isOpen: true) } catch { context.log.failed("marking \(label) as to be recovered", error) }
    }

    /// A growing write that stopped: the content ends with the last whole block that reached the disk.
    private func keepWhatFitted(_ run: Range<UInt64>) throws(Errno) {
        let before = contentSize
        let length = try backing.length()
        guard length > BlockLayout.blockedLength(ofContent: before) else { return }
        let reached = BlockLayout.blockedContentSize(ofBacking: length).size
        if reached > before {
            contentSize = reached
            var end = before
            defer {
                contentSize = end
                slots.drop(run.lowerBound.groupOfBlock)
            }
            try withPage { (plain: inout MutableByteSpan) throws(Errno) in
                for block in run where block << 12 < reached {
                    guard case .entry(let entry) = try examine(block, into: &plain) else { break }
                    end = max(end, block << 12 + UInt64(entry.length))
                }
            }
        }
        // With nothing there, the first write undoes itself.
        guard contentSize > 0 else { return }
        isLengthDue = true
        try backing.truncate(to: BlockLayout.blockedLength(ofContent: contentSize))
        isLengthDue = false
    }
}
