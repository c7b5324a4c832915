// PageBuffer: page-aligned bytes, owned by an object or lent from the thread's scratch stack.
import Bytes
import CLinux

/// `count` bytes at a page boundary, zero at first. Its owner sees to it that writers are alone.
@safe package final class PageBuffer: @unchecked Sendable {
    /// Bytes that may be used.
    package let count: Int
    @usableFromInline let pages: UnsafeMutablePointer<UInt8>

    /// Throws ENOMEM.
    package init(count: Int) throws(Errno) {
        precondition(count >= 0)
        guard let pages = unsafe linux_pages_create(count) else { throw .noMemory }
        self.count = count
        unsafe self.pages = pages.assumingMemoryBound(to: UInt8.self)
    }
    deinit { unsafe linux_pages_destroy(pages) }

    /// Lends the bytes for reading.
    @inlinable package func withBytes<R, E: Error>(_ body: (ByteSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe ByteSpan(_unsafeStart: pages, count: count))
    }
    /// Lends the bytes for writing.
    @inlinable package func withMutableBytes<R, E: Error>(_ body: (inout MutableByteSpan) throws(E) -> R) throws(E) -> R {
        var span = unsafe MutableByteSpan(_unsafeStart: pages, count: count)
        return try body(&span)
    }

    /// Lends `count` page-aligned bytes for the length of `body`. Their content is left over from earlier uses: write before reading.
    ///
    /// Calls may be nested (each level has its own buffer, 64 levels at most). The thread keeps buffers up to 1.25 MiB; larger ones are given back at once.
    /// Traps when there is no memory left.
    @inlinable package static func withScratch<R, E: Error>(
        _ count: Int, _ body: (inout MutableByteSpan) throws(E) -> R
    ) throws(E) -> R {
        let pages = unsafe pushScratch(count)
        defer { popScratch() }
        var span = unsafe MutableByteSpan(_unsafeStart: pages, count: count)
        return try body(&span)
    }
    /// Lets the kernel take the pages of the calling thread's scratch buffers that are not in use.
    package static func giveBackScratch() { linux_scratch_give_back() }

    @usableFromInline static func pushScratch(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(count >= 0)
        guard let pages = unsafe linux_scratch_push(count) else { preconditionFailure("no memory for a scratch buffer") }
        return unsafe pages.assumingMemoryBound(to: UInt8.self)
    }
    @usableFromInline static func popScratch() { linux_scratch_pop() }
}
