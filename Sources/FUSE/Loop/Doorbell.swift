// A place where one thread sleeps until another rings.

import Glibc

/// A counting semaphore: a ring before the wait is not lost.
@safe final class Doorbell: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func ring() { unsafe sem_post(semaphore) }

    func wait() {
        while unsafe sem_wait(semaphore) != 0 && errno == EINTR {}
    }

    /// - Parameter patience: by the clock of the day: longer when that is set back.
    /// - Returns: false if nobody has rung in that time.
    func wait(atMost patience: Duration) -> Bool {
        let (seconds, attoseconds) = patience.components
        var end = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &end)
        end.tv_nsec += Int(attoseconds / 1_000_000_000)
        end.tv_sec += Int(seconds) + end.tv_nsec / 1_000_000_000
        end.tv_nsec %= 1_000_000_000
        while unsafe sem_timedwait(semaphore, &end) != 0 {
            guard errno == EINTR else { return false }
        }
        return true
    }
}
