// The modification time, which the daemon's own writes must not change.

import POSIX

extension FileContent {
    /// Remembers the modification time before a write that programs must not see. Once, until it is put back.
    func hideTime() throws(Errno) {
        if hiddenTime != nil { return }
        hiddenTime = try backing.modificationTime()
        protection?.isTimeMoved = false
        hasHiddenTime.store(true, ordering: .releasing)
    }

    /// A program's own write has made a new modification time: nothing is to be put back.
    func forgetTime() {
        if hiddenTime == nil { return }
        hiddenTime = nil
        hasHiddenTime.store(false, ordering: .releasing)
    }

    /// Puts the modification time back. With the lock held for writing.
    func showTime() throws(Errno) {
        guard let time = hiddenTime else { return }
        // What goes through the journal moves no time.
        if protection?.isTimeMoved != false { try backing.setModificationTime(.set(time)) }
        protection?.isTimeMoved = false
        forgetTime()
    }

    /// The same at the end of changes that may go through the journal: their record still needs the time, and `restoreTimes` puts it back later.
    func showTimeUnlessStaged() throws(Errno) {
        if protection?.hasStaged != true { try showTime() }
    }

    /// Puts back the modification time that the daemon's own writes have changed. To be called before anybody looks: getattr, flush, release, fsync.
    /// Costs one atomic load when there is nothing to do.
    package func restoreTimes() throws(Errno) {
        guard hasHiddenTime.load(ordering: .acquiring) else { return }
        try lock.withWriteLock { () throws(Errno) in try showTime() }
    }

    /// The backing file's status with the plain size and the modification time that programs are to see.
    package func status() throws(Errno) -> FileStatus {
        try restoreTimes()
        return try lock.withReadLock { () throws(Errno) -> FileStatus in
            var status = try context.access.steadily { () throws(Errno) in try backing.status() }
            status.size = Int64(contentSize)
            if let time = hiddenTime ?? context.replayedTime(of: status) { status.modificationTime = time }
            return status
        }
    }

    /// Sets times as a program asks. A modification time that is set replaces one that was to be put back.
    package func setTimes(access: TimeChange, modification: TimeChange) throws(Errno) {
        try lock.withWriteLock { () throws(Errno) in
            if modification == .omit { try showTime() } else { forgetTime() }
            var modification = modification
            if modification == .now && protection?.isLive == true { modification = .set(SystemClock.now) }
            try backing.setTimes(access: access, modification: modification)
            guard let protection else { return }
            if access == .omit, case .set(let time) = modification, try protection.recordTime(time) { return }
            protection.noteMetadata()
        }
    }
}
