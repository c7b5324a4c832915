// Page-aligned memory of one thread, in which replies are built.

import Bytes
import Glibc
import POSIX

/// The vault decrypts into it and the kernel copies out of it. One for each thread that serves, kept for the thread's life.
@safe final class ReplyBuffer {
    let base: UnsafeMutableRawPointer
    let count: Int

    private init(count: Int) throws(Errno) {
        let page = 4096
        self.count = (count + page - 1) & ~(page - 1)
        let memory = unsafe mmap(nil, self.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { throw .noMemory }
        unsafe base = memory
    }

    deinit { unsafe munmap(base, count) }

    /// The first `count` bytes.
    /// INVARIANT: used by its own thread only, and by one request at a time.
    @unsafe @_lifetime(immortal)
    func span(_ count: Int) -> MutableByteSpan {
        let bytes = unsafe UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: UInt8.self), count: min(count, self.count))
        return unsafe _overrideLifetime(MutableByteSpan(_unsafeElements: bytes), copying: ())
    }

    /// Freed by the threads library when a thread ends.
    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key) { held in
            if let held = unsafe held { unsafe Unmanaged<ReplyBuffer>.fromOpaque(held).release() }
        }
        return key
    }()

    /// Lets the kernel take the pages of the calling thread's buffer.
    static func giveBackOfThisThread() {
        guard let held = unsafe pthread_getspecific(slot) else { return }
        let buffer = unsafe Unmanaged<ReplyBuffer>.fromOpaque(held).takeUnretainedValue()
        unsafe madvise(buffer.base, buffer.count, MADV_DONTNEED)
    }

    /// The buffer of the calling thread.
    /// - Throws: `ENOMEM`.
    static func ofThisThread(atLeast count: Int) throws(Errno) -> ReplyBuffer {
        let held = unsafe pthread_getspecific(slot)
        if let held = unsafe held {
            let buffer = unsafe Unmanaged<ReplyBuffer>.fromOpaque(held).takeUnretainedValue()
            if buffer.count >= count { return buffer }
        }
        let buffer = try ReplyBuffer(count: max(count, 1 << 17))
        unsafe pthread_setspecific(slot, Unmanaged.passRetained(buffer).toOpaque())
        if let held = unsafe held { unsafe Unmanaged<ReplyBuffer>.fromOpaque(held).release() }
        return buffer
    }
}
