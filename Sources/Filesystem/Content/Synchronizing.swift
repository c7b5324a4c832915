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

    /// Runs `body`, which seals an attribute for the file's id and sets it on the descriptor. An empty file without header gets one first.
    /// Nothing happens to the file in between: its id would change with its first write.
    package func settingAttribute<R>(_ body: (FileID, SharedDescriptor) throws(Errno) -> R) throws(Errno) -> R {
        try changing { () throws(Errno) -> R in try body(headerForAttributes(), backing.descriptor) }
    }

    /// Plain bytes of a regular backing file, judged by its length alone. Exact in a cleanly unmounted vault; else inline files may be shorter.
    package static func size(of status: FileStatus) -> Int64 {
        Int64(BlockLayout.contentSize(ofBacking: UInt64(max(0, status.size))).size)
    }
}
