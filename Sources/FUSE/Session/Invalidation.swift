// Telling the kernel to let go of what it keeps.

import Bytes
import CFUSE
import Filesystem
import POSIX

extension Session {
    /// Makes the kernel send its unwritten pages of a file and drop all; returns when that is done.
    /// - Throws: `EDEADLK` on a serving thread, which the kernel would wait for.
    package func dropContent(of inode: Inode) throws(Errno) {
        try checkThread()
        try unsafe accept(fuse_lowlevel_notify_inval_inode(handle, service.node(of: inode), 0, 0))
    }

    /// Makes the kernel ask for the status of an object again.
    /// - Throws: `EDEADLK` on a serving thread.
    package func dropStatus(of inode: Inode) throws(Errno) {
        try checkThread()
        // A negative offset means that the pages may stay.
        try unsafe accept(fuse_lowlevel_notify_inval_inode(handle, service.node(of: inode), -1, 0))
    }

    /// Makes the kernel look a name up again, and so forget an object that nobody uses.
    /// - Throws: `EDEADLK` on a serving thread; `ENOTEMPTY` or `EBUSY` for what is in use.
    package func dropEntry(_ name: ByteSpan, in parent: Inode) throws(Errno) {
        try checkThread()
        let text = name.array + [0]
        let result = unsafe text.withUnsafeBufferPointer { text in
            unsafe text.withMemoryRebound(to: CChar.self) {
                unsafe fuse_lowlevel_notify_inval_entry(handle, service.node(of: parent), $0.baseAddress, name.count)
            }
        }
        try accept(result)
    }

    private func checkThread() throws(Errno) {
        if Worker.isServingThread { throw .deadlock }
    }

    /// "No entry" means that the kernel kept nothing.
    private func accept(_ result: Int32) throws(Errno) {
        if result != 0 && result != -Errno.noEntry.code { throw Errno(code: -result) }
    }
}
