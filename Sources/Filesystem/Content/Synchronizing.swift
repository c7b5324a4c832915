// Making durable, sizes without a key, and the file id that attributes are sealed for.

import Format
import POSIX

extension FileContent {
    /// Makes what was written durable; without `dataOnly`, attributes and times too. The state record stays as it is.
    package func synchronize(dataOnly: Bool) throws(Errno) {
        try restoreTimes()
        if let protection, backing.isJournalled { return try synchronize(protection, dataOnly: dataOnly) }
        let (file, counter, isInline) = lock.withReadLock { (backing, changeCounter, form == .inline) }
        if dataOnly { try file.synchronizeData() } else { try file.synchronize() }
        guard isInline else { return }
        lock.withWriteLock { if changeCounter == counter && form == .inline { isInlineDurable = true } }
    }

    /// The journal holds all that was changed of what programs count on; what was changed besides stands in the file.
    private func synchronize(_ protection: FileProtection, dataOnly: Bool) throws(Errno) {
        let (file, isFileDue) = lock.withWriteLock { () -> (BackingFile, Bool) in
            protection.protect(backingLength)
            return (backing, protection.takeDirectChanges(dataOnly: dataOnly))
        }
        do throws(Errno) {
            try protection.flush()
            guard isFileDue else { return }
            if dataOnly { try file.synchronizeData() } else { try file.synchronize() }
        } catch {
            lock.withWriteLock { protection.noteFailedSync() }
            throw error
        }
    }

    /// Runs `body`, which seals an attribute for the file's id and sets it on the descriptor. An empty file without header gets one first.
    /// Nothing happens to the file in between: its id would change with its first write.
    package func settingAttribute<R>(_ body: (FileID, SharedDescriptor) throws(Errno) -> R) throws(Errno) -> R {
        try changing { () throws(Errno) -> R in
            try body(headerForAttributes(), backing.descriptor)
        }
    }

    /// Plain bytes of a regular backing file, judged by its length alone. Exact in a cleanly unmounted vault; else inline files may be shorter.
    package static func size(of status: FileStatus) -> Int64 {
        Int64(BlockLayout.contentSize(ofBacking: UInt64(max(0, status.size))).size)
    }
}
