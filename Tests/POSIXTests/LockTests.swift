// Tests of locks: advisory file locks and the read-write lock.
import Bytes
import Testing

@testable import POSIX

@Suite struct LockTests {
    @Test func fileLocksExcludeAndNameTheirHolder() throws {
        let directory = try TemporaryDirectory()
        let first = try directory.file("f")
        let second = try directory.descriptor.openAt(FileName("f"), .readWrite)
        try first.lock(.exclusive)
        #expect(throws: Errno.tryAgain) { try second.lock(.shared) }
        let holders = try second.lockHolders()
        // Only where /proc/locks has the same device number as stat: not on btrfs, overlays and network file systems.
        let isPlain = [0xEF53, 0x0102_1994, 0x5846_5342].contains(try directory.descriptor.statistics().type)
        #expect(holders == [CurrentProcess.id] || holders.isEmpty && !isPlain)
        try first.lock(.shared)
        try second.lock(.shared)
        #expect(throws: Errno.tryAgain) { try first.lock(.exclusive) }
        try second.unlock()
        try first.unlock()
        try second.lock(.exclusive)
        #expect(try second.status().size == 0)
    }

    @Test func rangeLocksBelongToTheOpenFile() throws {
        let directory = try TemporaryDirectory()
        let first = try directory.file("f")
        let second = try directory.descriptor.openAt(FileName("f"), .readWrite)
        try first.lockRange(.exclusive, start: 0, length: 10)
        #expect(throws: Errno.tryAgain) { try second.lockRange(.exclusive, start: 9, length: 1) }
        try second.lockRange(.exclusive, start: 10, length: 5)
        try first.unlockRange()
        try second.lockRange(.exclusive)
    }

    @Test func readsHoldersFromTheKernelsList() {
        let listing = """
            1: FLOCK  ADVISORY  WRITE 708 08:01:1134 0 EOF
            2: POSIX  ADVISORY  WRITE 709 08:01:1134 0 EOF
            2: -> FLOCK  ADVISORY  WRITE 710 08:01:1134 0 EOF
            3: FLOCK  ADVISORY  READ 711 08:01:1135 0 EOF
            4: FLOCK  ADVISORY  READ 712 103:01:1134 0 EOF
            5: FLOCK  ADVISORY  READ -1 08:01:1134 0 EOF

            """
        let device = DeviceNumber(major: 8, minor: 1).combined
        #expect(flockHolders(inListing: Array(listing.utf8), device: device, inode: 1134) == [708])
        let other = DeviceNumber(major: 0x103, minor: 1)
        #expect(flockHolders(inListing: Array(listing.utf8), device: other.combined, inode: 1134) == [712])
        #expect(DeviceNumber(other.combined) == other)
    }

    @Test func readWriteLockExcludesWriters() throws {
        let lock = ReadWriteLock()
        let counter = Unguarded()
        let threads = try (0..<4).map { _ in
            try Thread.start(name: "adder") {
                for _ in 0..<20_000 { lock.withWriteLock { counter.value += 1 } }
            }
        }
        var reads = 0
        for _ in 0..<1000 { reads += lock.withReadLock { counter.value >= 0 ? 1 : 0 } }
        for thread in threads { try thread.join() }
        #expect(counter.value == 80_000 && reads == 1000)
    }

    /// Guarded by nothing but the lock under test.
    private final class Unguarded: @unchecked Sendable { var value = 0 }

    @Test func readersShareAndAWaitingWriterGoesFirst() throws {
        let lock = ReadWriteLock()
        let isWritten = Shared(false)
        lock.lockForReading()
        #expect(lock.tryLockForReading())
        lock.unlock()
        #expect(!lock.tryLockForWriting())
        #expect(lock.withWriteLockIfAvailable { 1 } == nil)
        let writer = try Thread.start(name: "writer") {
            lock.withWriteLock { isWritten.change { $0 = true } }
        }
        // Once the writer waits, no new reader gets in although a reader holds the lock.
        var isRefused = false
        for _ in 0..<2000 where !isRefused {
            SystemClock.sleep(nanoseconds: 1_000_000)
            if lock.tryLockForReading() { lock.unlock() } else { isRefused = true }
        }
        #expect(isRefused)
        #expect(!isWritten.value)
        lock.unlock()
        try writer.join()
        #expect(isWritten.value)
    }

    @Test func errorsLeaveTheLockFree() throws {
        let lock = ReadWriteLock()
        #expect(throws: Errno.ioError) { try lock.withWriteLock { () throws(Errno) in throw .ioError } }
        #expect(throws: Errno.ioError) { try lock.withReadLock { () throws(Errno) in throw .ioError } }
        #expect(lock.withWriteLockIfAvailable { 5 } == 5)
    }
}
