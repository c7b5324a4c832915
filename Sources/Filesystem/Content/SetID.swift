// Set-id bits, which the kernel takes at each write of an ordinary user's daemon.

import POSIX

extension FileContent {
    /// Runs `body`, which writes to the backing file, so that set-id bits outlast it. A program's own write that is to take them has done so
    /// before (`clearPrivilegesBeforeWrite`); sealing and writing back are none. With the lock held for writing.
    func keepingSetID<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        guard context.access.isNeeded, !isKeepingSetID, mayHaveSetID.load(ordering: .acquiring) else { return try body() }
        // First, so that a change of mode after the look is not missed.
        mayHaveSetID.store(false, ordering: .sequentiallyConsistent)
        guard try backing.status().mode & FileMode.setIDMask != 0 else { return try body() }
        mayHaveSetID.store(true, ordering: .releasing)
        isKeepingSetID = true
        defer { isKeepingSetID = false }
        return try context.access.keepingSetID(of: backing.descriptor, body)
    }

    /// The mode was changed: there may be set-id bits now.
    func noteMode() {
        mayHaveSetID.store(true, ordering: .releasing)
        protection?.noteMetadata()
    }
}
