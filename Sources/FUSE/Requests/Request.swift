// One request of the kernel, which is answered exactly once.

import Bytes
import CFUSE
import Filesystem
import Glibc
import POSIX

/// A request that has not been answered yet. Every reply consumes it; one that is dropped answers `EIO`, so that no program waits for ever.
@safe struct Request: ~Copyable {
    // INVARIANT: libfuse frees the handle with the first reply, so nothing may touch it after one.
    private let handle: fuse_req_t?

    /// Takes over a request from libfuse.
    init(_ handle: fuse_req_t?) { unsafe self.handle = handle }

    deinit { unsafe fuse_reply_err(handle, Errno.ioError.code) }

    /// What the session serves.
    var service: Service { unsafe Service.from(fuse_req_userdata(handle)) }

    /// Who asks.
    var caller: Caller {
        guard let context = unsafe fuse_req_ctx(handle) else { return Caller(userID: 0, groupID: 0, umask: 0) }
        return unsafe Caller(userID: context.pointee.uid, groupID: context.pointee.gid, umask: context.pointee.umask)
    }

    // MARK: replies without content

    /// Never `ENOSYS`, which means to the kernel that this kind of request need not be sent again: an errno from below is no such promise.
    consuming func fail(_ error: Errno) {
        let error = error == .notImplemented ? Errno.notSupported : error
        unsafe fuse_reply_err(handle, error.code)
        discard self
    }

    consuming func succeed() {
        unsafe fuse_reply_err(handle, 0)
        discard self
    }

    /// For FORGET, which the kernel does not wait for.
    consuming func finishWithoutReply() {
        unsafe fuse_reply_none(handle)
        discard self
    }

    // MARK: replies with values

    /// - Returns: false when the kernel no longer waits for the reply, so that what it grants must be taken back.
    consuming func reply(entry: fuse_entry_param) -> Bool {
        let isTaken = unsafe withUnsafePointer(to: entry) { unsafe fuse_reply_entry(handle, $0) == 0 }
        discard self
        return isTaken
    }

    /// - Returns: false when the kernel no longer waits for the reply, so that what it grants must be taken back.
    consuming func reply(created entry: fuse_entry_param, open information: fuse_file_info) -> Bool {
        let isTaken = unsafe withUnsafePointer(to: entry) { entry in
            unsafe withUnsafePointer(to: information) { unsafe fuse_reply_create(handle, entry, $0) == 0 }
        }
        discard self
        return isTaken
    }

    /// - Returns: false when the kernel no longer waits for the reply: no RELEASE will come.
    consuming func reply(open information: fuse_file_info) -> Bool {
        let isTaken = unsafe withUnsafePointer(to: information) { unsafe fuse_reply_open(handle, $0) == 0 }
        discard self
        return isTaken
    }

    /// - Parameter lifetime: seconds for which the kernel may keep the attributes.
    consuming func reply(attributes: FileStatus, lifetime: Double) {
        var status = attributes.kernelForm
        unsafe fuse_reply_attr(handle, &status, lifetime)
        discard self
    }

    consuming func reply(linkTarget: [UInt8]) {
        // libfuse takes a C string; a target holds no NUL, since symlink(2) cannot make one.
        _ = unsafe (linkTarget + [0]).withUnsafeBytes { unsafe fuse_reply_readlink(handle, $0.baseAddress?.assumingMemoryBound(to: CChar.self)) }
        discard self
    }

    consuming func reply(written count: Int) {
        unsafe fuse_reply_write(handle, count)
        discard self
    }

    consuming func reply(offset: Int64) {
        unsafe fuse_reply_lseek(handle, off_t(offset))
        discard self
    }

    consuming func reply(statistics: FilesystemStatistics) {
        var numbers = statistics.kernelForm
        unsafe fuse_reply_statfs(handle, &numbers)
        discard self
    }

    /// The size that an attribute value or list would have, for a caller that asked with no room.
    consuming func reply(attributeSize count: Int) {
        unsafe fuse_reply_xattr(handle, count)
        discard self
    }

    /// The bytes go to the kernel from where they are: no copy but the kernel's own.
    consuming func reply(bytes: ByteSpan) {
        unsafe bytes.withUnsafeBufferPointer { span in
            _ = unsafe span.withMemoryRebound(to: CChar.self) { unsafe fuse_reply_buf(handle, $0.baseAddress, $0.count) }
        }
        discard self
    }

    /// - Returns: false when the kernel no longer waits for the reply.
    consuming func reply(listing: borrowing DirectoryListing) -> Bool {
        let isTaken = unsafe fuse_reply_buf(handle, listing.start, listing.count) == 0
        discard self
        return isTaken
    }
}
