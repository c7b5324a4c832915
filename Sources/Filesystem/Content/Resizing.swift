// Cutting and growing.

import Bytes
import Format
import POSIX

extension FileContent {
    /// Sets another size.
    func resize(to size: UInt64) throws(Errno) {
        if size == 0 { return try cutToNothing() }
        switch form {
        case .empty: try growFirst(to: size)
        case .inline: try resizeInline(to: size)
        case .blocks where size < contentSize: try shrinkBlocks(to: size)
        case .blocks: try growBlocks(to: size)
        }
    }

    /// Cuts to size 0: no backing byte stays, or only the header if attributes are sealed for the file id in it.
    func cutToNothing() throws(Errno) {
        try protection?.release()
        guard let identity, try backing.hasSealedAttributes() else {
            try backing.truncate(to: 0)
            return becomeEmpty(nil)
        }
        // A sealed record of another size over 1024 bytes would be a sealed file that was cut: OPEN comes first.
        if form != .empty { try openRecord() }
        try backing.truncate(to: UInt64(BlockLayout.headSize))
        let header = identity.header
        var plain = identity
        plain.header = FileHeader(fileID: header.fileID, isInline: false, wrappedKey: header.wrappedKey)
        becomeEmpty(plain)
        do throws(Errno) {
            try writeEmptyHead()
        } catch {
            loadAgain()
            throw error
        }
        record.isOpen = false
    }

    private func becomeEmpty(_ identity: Identity?) {
        self.identity = identity
        form = .empty
        contentSize = 0
        inlineRecord = []
        isInlineDurable = false
        isRecovering = false
        isUnfinished = false
        mayHaveHoles = false
        slots.dropAll()
        record.isOpen = identity != nil
        record.needsRecovery = false
        record.isBarrierDue = false
    }

    /// New tail first (slot, block), then the cut. If the cut fails, the tail gets its old content back.
    private func shrinkBlocks(to size: UInt64) throws(Errno) {
        try openRecord()
        let tail = size >> 12, length = Int(size & 4095)
        let isTailKept = length == 0 ? true : !(try isLonger(tail, than: length))
        if isTailKept {
            try backing.truncate(to: BlockLayout.blockedLength(ofContent: size))
        } else {
            try withPage { (plain: inout MutableByteSpan) throws(Errno) in
                try readOne(tail, into: &plain)
                try writeBlocks(plain.span.slice(0, length), at: tail << 12, replacingTail: true)
                do throws(Errno) {
                    try backing.truncate(to: BlockLayout.blockedLength(ofContent: size))
                } catch {
                    let old = Int(min(4096, contentSize - tail << 12))
                    try writeBlocks(plain.span.slice(0, old), at: tail << 12)
                    throw error
                }
            }
        }
        contentSize = size
        let group = (blockCount - 1).groupOfBlock
        slots.drop(above: group)
        if let page = slots.page(group), (group + 1).firstBlockOfGroup > blockCount { page.clear(from: blockCount) }
    }

    /// Whether a block holds sealed bytes past `length`.
    private func isLonger(_ block: UInt64, than length: Int) throws(Errno) -> Bool {
        let slot = try slotPage(block.groupOfBlock).slot(of: block)
        if slot.isHole {
            try requireHolesAllowed(block)
            return false
        }
        return isRecovering || slot.isDamaged || slot.current.length > length
    }

    /// What is new is holes; a partial tail block stays as it is sealed.
    private func growBlocks(to size: UInt64) throws(Errno) {
        try openRecord()
        try prepareGrowth()
        try backing.truncate(to: BlockLayout.blockedLength(ofContent: size))
        if (size + 4095) >> 12 > blockCount { mayHaveHoles = true }
        contentSize = size
    }
}
