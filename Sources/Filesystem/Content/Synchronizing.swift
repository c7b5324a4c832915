// Making durable, sizes without a key, and the file id that attributes are sealed for.

import Format
import POSIX

extension FileContent {
    /// Makes what was written durable; without `dataOnly`, attributes and times too. The state record stays as it is.
    package func synchronize(dataOnly: Bool) throws(Errno) {
        try restoreTimes()
        let (file, counter, isInline) = lock.withReadLock { (backing, changeCounter, form == .inline) }
        if dataOnly { try file.synchronizeData() } else { try file.synchronize() }
        guard isInline else { return }
        lock.withWriteLock { if changeCounter == counter && form == .inline { isInlineDurable = true } }
    }

    /// The id that attributes of this file are sealed for. An empty file without header gets one now.
    package func objectIDForAttributes() throws(Errno) -> FileID {
        if let fileID { return fileID }
        return try changing { () throws(Errno) -> FileID in try headerForAttributes() }
    }

    /// Plain bytes of a regular backing file, judged by its length alone. Exact in a cleanly unmounted vault; else inline files may be shorter.
    package static func size(of status: FileStatus) -> Int64 {
        Int64(BlockLayout.contentSize(ofBacking: UInt64(max(0, status.size))).size)
    }
}
