// The kernel's values in the vault's words, and back.

import Bytes
import CFUSE
import Filesystem
import Glibc
import POSIX

extension Timestamp {
    fileprivate var kernelForm: timespec { timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds)) }
    fileprivate init(_ time: timespec) { self.init(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec)) }
}

extension FileStatus {
    /// As libfuse takes it.
    var kernelForm: stat {
        var form = stat()
        form.st_dev = dev_t(device)
        form.st_ino = ino_t(inode)
        form.st_mode = mode
        form.st_nlink = nlink_t(linkCount)
        form.st_uid = userID
        form.st_gid = groupID
        form.st_rdev = dev_t(specialDevice)
        form.st_size = off_t(size)
        form.st_blksize = blksize_t(blockSize)
        form.st_blocks = blkcnt_t(blocks)
        form.st_atim = accessTime.kernelForm
        form.st_mtim = modificationTime.kernelForm
        form.st_ctim = changeTime.kernelForm
        return form
    }
}

extension FilesystemStatistics {
    /// As libfuse takes it.
    var kernelForm: statvfs {
        var form = statvfs()
        form.f_bsize = UInt(blockSize)
        form.f_frsize = UInt(fragmentSize)
        form.f_blocks = fsblkcnt_t(blocks)
        form.f_bfree = fsblkcnt_t(freeBlocks)
        form.f_bavail = fsblkcnt_t(availableBlocks)
        form.f_files = fsfilcnt_t(files)
        form.f_ffree = fsfilcnt_t(freeFiles)
        form.f_favail = fsfilcnt_t(availableFiles)
        form.f_namemax = UInt(longestName)
        return form
    }
}

extension StatusChange {
    /// What a SETATTR asks for. The change time is left out: a write-back kernel sends its own, which the backing file system keeps itself.
    /// - Parameter mask: `FUSE_SET_ATTR_*` bits that say which fields of `values` count.
    init(_ values: stat, mask: Int32) {
        self.init()
        if mask & FUSE_SET_ATTR_MODE != 0 { mode = values.st_mode & 0o7777 }
        if mask & FUSE_SET_ATTR_UID != 0 { userID = values.st_uid }
        if mask & FUSE_SET_ATTR_GID != 0 { groupID = values.st_gid }
        if mask & FUSE_SET_ATTR_SIZE != 0 { size = UInt64(bitPattern: Int64(values.st_size)) }
        // A write-back kernel sends its change time with everything that a program asks for.
        isAskedFor = mask & FUSE_SET_ATTR_CTIME != 0
        access = Self.time(values.st_atim, isSet: mask & FUSE_SET_ATTR_ATIME != 0, isNow: mask & FUSE_SET_ATTR_ATIME_NOW != 0)
        modification = Self.time(values.st_mtim, isSet: mask & FUSE_SET_ATTR_MTIME != 0, isNow: mask & FUSE_SET_ATTR_MTIME_NOW != 0)
    }

    /// "Now" comes with the "set" bit and a time of the kernel's clock, and wins over it.
    private static func time(_ value: timespec, isSet: Bool, isNow: Bool) -> TimeChange {
        if isNow { return .now }
        return isSet ? .set(Timestamp(value)) : .omit
    }
}

/// The bytes of a name, target or attribute name that libfuse passes, without their final NUL; none for nil.
/// INVARIANT: they are used only before the request is answered, since they live in its buffer.
@unsafe @_lifetime(immortal)
func bytes(of text: UnsafePointer<CChar>?) -> ByteSpan {
    guard let text = unsafe text else { return ByteSpan() }
    return unsafe bytes(at: text, count: strlen(text))
}

/// The `count` bytes at an address inside the request. INVARIANT: as above.
@unsafe @_lifetime(immortal)
func bytes(at address: UnsafePointer<CChar>, count: Int) -> ByteSpan {
    let start = unsafe UnsafeRawPointer(address).assumingMemoryBound(to: UInt8.self)
    return unsafe _overrideLifetime(ByteSpan(_unsafeStart: start, count: count), copying: ())
}
