// Sealing the blocks of a large write before its turn to change the file.
//
// Writes of one file change it one after the other. The kernel hands over many at once, and sealing takes longer than writing out: what needs nothing of
// the file but its keys is done before, by several threads side by side.

import Bytes
import Format
import POSIX

extension FileContent {
    /// Writes of fewer bytes are sealed when it is their turn.
    static let leastSealedAhead = 32 * BlockLayout.blockSize

    /// Room for the runs of a write as `sealAhead` lays them out: for each a page of slots, then its blocks. In bytes; `count` is not 0.
    static func roomForRuns(of count: Int, at offset: UInt64) -> Int {
        let covering = BlockLayout.blocks(covering: offset..<offset + UInt64(count))
        let groups = (covering.upperBound - 1).groupOfBlock - covering.lowerBound.groupOfBlock + 1
        return (covering.count + Int(groups)) * BlockLayout.blockSize
    }

    /// Seals the blocks that `bytes` cover as a whole into `area`, run after run, and their current entries into the slots before them.
    /// The lock is held only to learn the keys: whoever calls has the file open, and they are not forgotten before it is closed.
    /// - Returns: what has sealed them; nil where there is nothing to seal with yet, or that fails.
    func sealAhead(_ bytes: ByteSpan, at offset: UInt64, into area: inout MutableByteSpan) -> FileCipher? {
        let known = lock.withReadLock { form == .blocks && !isUnknown && !isResting.load(ordering: .relaxed) ? identity?.cipher : nil }
        guard let cipher = known else { return nil }
        let covering = BlockLayout.blocks(covering: offset..<offset + UInt64(bytes.count))
        var start = 0, block = covering.lowerBound
        while block < covering.upperBound {
            let run = BlockLayout.run(from: block, in: covering)
            for (number, block) in run.enumerated() {
                guard let place = Self.place(of: block, in: bytes, at: offset) else { continue }
                let target = start + BlockLayout.blockSize * (1 + number)
                do throws(FormatError) {
                    var sealed = area.slice(target, BlockLayout.blockSize)
                    let entry = try cipher.sealBlock(block, bytes.slice(place, BlockLayout.blockSize), into: &sealed)
                    entry.store(into: &area, at: start + SlotPage.place(of: block))
                } catch { return nil }  // When it is the write's turn, it fails again and is told.
            }
            start += BlockLayout.blockSize * (1 + run.count)
            block = run.upperBound
        }
        return cipher
    }

    /// Writes `bytes` at `offset` of a file in blocks. `area` is as `sealAhead` has left it, with the keys that the file has now.
    func writeBlocks(_ bytes: ByteSpan, at offset: UInt64, sealedIn area: inout MutableByteSpan) throws(Errno) {
        var start = 0
        try writeRuns(bytes, at: offset) { (run: Range<UInt64>, page: SlotPage, isDiskTouched: inout Bool) throws(Errno) in
            let room = BlockLayout.blockSize * (1 + run.count)
            var scratch = area.slice(start, room)
            start += room
            let places = SlotPage.places(of: run)
            page.bytes.withBytes {
                scratch.copy($0.slice(0, places.lowerBound))
                scratch.copy($0.slice(places.upperBound..<BlockLayout.blockSize), to: places.upperBound)
            }
            var end = 0
            for (number, block) in run.enumerated() {
                end = BlockLayout.blockSize * (1 + number)
                if Self.place(of: block, in: bytes, at: offset) == nil {
                    end += try seal(block, bytes, at: offset, false, page, into: &scratch, blockAt: end)
                } else {
                    end += BlockLayout.blockSize
                    try replacedEntry(block, page).store(into: &scratch, at: SlotPage.place(of: block) + Entry.byteCount)
                }
            }
            try writeRun(run, page, scratch.span.slice(0, end), &isDiskTouched)
        }
    }

    /// Where `block` begins in `bytes`, which stand at `offset`; nil when they do not cover it as a whole.
    private static func place(of block: UInt64, in bytes: ByteSpan, at offset: UInt64) -> Int? {
        let start = block << 12
        guard start >= offset, start + UInt64(BlockLayout.blockSize) <= offset + UInt64(bytes.count) else { return nil }
        return Int(start - offset)
    }
}
