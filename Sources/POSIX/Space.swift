// Sizes, allocation, holes, synchronising and statistics of a descriptor's file.
import Bytes
import CLinux

extension SharedDescriptor {
    /// Sets the length in bytes; what is added reads as zeros.
    package func truncate(to size: UInt64) throws(Errno) { try succeed(linux_ftruncate(raw, size)) }
    /// `fallocate` of `length` bytes from `offset`. EOPNOTSUPP where the file system has no such mode.
    package func allocate(_ flags: AllocationFlags, offset: UInt64, length: UInt64) throws(Errno) {
        try succeed(linux_fallocate(raw, flags.rawValue, offset, length))
    }
    /// The next data or hole at or after `offset`; ENXIO at or past the end (the end itself is a hole). Moves the current position.
    package func seek(_ offset: UInt64, to target: SeekTarget) throws(Errno) -> UInt64 {
        let whence = target == .data ? LINUX_SEEK_DATA : LINUX_SEEK_HOLE
        return UInt64(try checked(Int(linux_lseek(raw, offset, whence))))
    }
    /// Sets the current position from the start of the file.
    package func setPosition(_ offset: UInt64) throws(Errno) { _ = try checked(Int(linux_lseek(raw, offset, LINUX_SEEK_SET))) }
    /// Data and metadata to the disk (`fsync`).
    package func synchronize() throws(Errno) { try succeed(linux_fsync(raw)) }
    /// Data and the metadata needed to read it (`fdatasync`).
    package func synchronizeData() throws(Errno) { try succeed(linux_fdatasync(raw)) }
    /// Everything of the file system that holds this file (`syncfs`). EBADF for an O_PATH descriptor.
    package func syncFilesystem() throws(Errno) { try succeed(linux_syncfs(raw)) }
    /// Tells the kernel of coming access; `length` 0 = to the end.
    package func advise(_ advice: AccessAdvice, offset: UInt64 = 0, length: UInt64 = 0) throws(Errno) {
        try succeed(linux_fadvise(raw, offset, length, advice.number))
    }
    /// The numbers of the file system that holds this file.
    package func statistics() throws(Errno) -> FilesystemStatistics {
        var statistics = linux_statistics()
        try unsafe succeed(linux_fstatvfs(raw, &statistics))
        return FilesystemStatistics(statistics)
    }
}

/// The answer of `statvfs`.
package struct FilesystemStatistics: Hashable, Sendable {
    /// Preferred size of a transfer, bytes.
    package var blockSize: UInt64
    /// The unit of the three block counts, bytes.
    package var fragmentSize: UInt64
    /// All blocks.
    package var blocks: UInt64
    /// Free for root.
    package var freeBlocks: UInt64
    /// Free for those who are not root.
    package var availableBlocks: UInt64
    /// All inodes, 0 where there is no such limit.
    package var files: UInt64
    /// Free inodes.
    package var freeFiles: UInt64
    /// Free inodes for those who are not root.
    package var availableFiles: UInt64
    /// `f_fsid`.
    package var filesystemID: UInt64
    /// `ST_…` flags; 1 = read-only.
    package var flags: UInt64
    /// Longest file name, bytes.
    package var longestName: UInt64
    /// The `…_SUPER_MAGIC` of `statfs`.
    package var type: UInt64

    /// Whether it is mounted read-only.
    package var isReadOnly: Bool { flags & 1 != 0 }

    /// All zero.
    package init() { self.init(linux_statistics()) }
    init(_ s: linux_statistics) {
        blockSize = s.block_size; fragmentSize = s.fragment_size
        blocks = s.blocks; freeBlocks = s.free_blocks; availableBlocks = s.available_blocks
        files = s.files; freeFiles = s.free_files; availableFiles = s.available_files
        filesystemID = s.filesystem_id; flags = s.flags; longestName = s.name_max; type = s.type
    }
}
