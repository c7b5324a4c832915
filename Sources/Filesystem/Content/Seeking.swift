// Where data and holes begin.

import Format
import POSIX

extension FileContent {
    /// The next data or hole at or after `offset`; the end is a hole. By whole blocks.
    /// Exact only while nobody holds unwritten pages of the file: the caller sees to that.
    /// - Throws: `ENXIO` at or past the end, or when only a hole follows.
    package func seek(_ offset: UInt64, to target: SeekTarget) throws(Errno) -> UInt64 {
        try lock.withReadLock { () throws(Errno) -> UInt64 in
            if isUnknown { throw .ioError }
            guard offset < contentSize else { throw .noDeviceOrAddress }
            guard form == .blocks else { return target == .data ? offset : contentSize }
            return target == .data ? try nextData(from: offset) : try nextHole(from: offset)
        }
    }

    private func nextData(from offset: UInt64) throws(Errno) -> UInt64 {
        var block = offset >> 12
        while block < blockCount {
            let page = try slotPage(block.groupOfBlock)
            let run = BlockLayout.run(from: block, in: 0..<blockCount)
            for candidate in run where !page.isHole(candidate..<candidate + 1) { return max(offset, candidate << 12) }
            guard run.upperBound < blockCount, let next = try nextStoredGroup(from: run.upperBound.groupOfBlock) else { break }
            block = max(run.upperBound, next.firstBlockOfGroup)
        }
        throw .noDeviceOrAddress
    }

    private func nextHole(from offset: UInt64) throws(Errno) -> UInt64 {
        var block = offset >> 12
        while block < blockCount {
            let page = try slotPage(block.groupOfBlock)
            let run = BlockLayout.run(from: block, in: 0..<blockCount)
            for candidate in run where page.isHole(candidate..<candidate + 1) { return max(offset, candidate << 12) }
            block = run.upperBound
        }
        return contentSize
    }
}
