// ReadWriteLock: many readers or one writer; a waiting writer goes before new readers.
import CLinux

/// A lock for one owner's data. Not recursive: a thread that holds it in either way must not take it again.
@safe package final class ReadWriteLock: @unchecked Sendable {
    private let lock: OpaquePointer

    /// Traps when there is no memory for a lock of 60 bytes.
    package init() {
        guard let lock = unsafe linux_rwlock_create() else { preconditionFailure("no memory for a lock") }
        unsafe self.lock = lock
    }
    deinit { unsafe linux_rwlock_destroy(lock) }

    /// Runs `body` while no writer runs.
    @inlinable package func withReadLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lockForReading()
        defer { unlock() }
        return try body()
    }
    /// Runs `body` while nobody else runs.
    @inlinable package func withWriteLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        lockForWriting()
        defer { unlock() }
        return try body()
    }
    /// Runs `body` if no one else holds the lock now; nil otherwise.
    @inlinable package func withWriteLockIfAvailable<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R? {
        guard tryLockForWriting() else { return nil }
        defer { unlock() }
        return try body()
    }

    // Only for pairs that a closure cannot span (two locks taken in an order known at run time).
    /// Must be followed by one `unlock`. Traps on a lock this thread already holds for writing.
    package func lockForReading() {
        let result = unsafe linux_rwlock_read(lock)
        precondition(result == 0, "read lock taken while held for writing")
    }
    /// Must be followed by one `unlock`. Traps on a lock this thread already holds for writing.
    package func lockForWriting() {
        let result = unsafe linux_rwlock_write(lock)
        precondition(result == 0, "write lock taken while held")
    }
    /// Whether it was taken; then it must be followed by one `unlock`.
    package func tryLockForWriting() -> Bool { unsafe linux_rwlock_try_write(lock) == 0 }
    /// Whether it was taken; then it must be followed by one `unlock`.
    package func tryLockForReading() -> Bool { unsafe linux_rwlock_try_read(lock) == 0 }
    /// Gives back what this thread took last.
    package func unlock() { unsafe linux_rwlock_unlock(lock) }
}
