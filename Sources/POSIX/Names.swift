// Entries of a directory: making, reading, linking, renaming, removing. The directory may be an O_PATH descriptor.
import Bytes
import CLinux

extension SharedDescriptor {
    /// The mode is cut by the thread's umask, here and in `makeNodeAt`.
    package func makeDirectoryAt(_ name: FileName, mode: UInt32) throws(Errno) {
        try unsafe succeed(linux_mkdirat(raw, name.terminated, mode))
    }
    /// `mode` holds the kind too (fifo, socket, device, regular).
    package func makeNodeAt(_ name: FileName, mode: UInt32, device: UInt64 = 0) throws(Errno) {
        try unsafe succeed(linux_mknodat(raw, name.terminated, mode, device))
    }
    /// A symbolic link with `target` as its text. ENOENT for an empty target, EINVAL for one with NUL.
    package func makeSymbolicLinkAt(_ name: FileName, target: ByteSpan) throws(Errno) {
        let target = try terminatedPath(target)
        try unsafe succeed(linux_symlinkat(target, raw, name.terminated))
    }
    /// The text of a symbolic link. EINVAL when the entry is none.
    package func readLinkAt(_ name: FileName) throws(Errno) -> [UInt8] { try readLink(name.terminated) }
    /// The text of the symbolic link this O_PATH descriptor stands for. ENOENT when it stands for something else.
    package func readLink() throws(Errno) -> [UInt8] { try readLink([0]) }

    private func readLink(_ name: [UInt8]) throws(Errno) -> [UInt8] {
        // One byte more than the kernel's longest target (PATH_MAX - 1), so a full buffer cannot hide a cut.
        var buffer = [UInt8](repeating: 0, count: 4097)
        let count = try unsafe checked(linux_readlinkat(raw, name, &buffer, buffer.count))
        guard count < buffer.count else { throw .nameTooLong }
        return Array(buffer.prefix(count))
    }

    /// Removes an entry: an empty directory if `directory`, else anything but a directory.
    package func unlinkAt(_ name: FileName, directory: Bool = false) throws(Errno) {
        try unsafe succeed(linux_unlinkat(raw, name.terminated, directory ? 1 : 0))
    }
    /// Another name for the object `name` of this directory; a symbolic link itself gets it, not its target.
    package func linkAt(_ name: FileName, to directory: SharedDescriptor, as newName: FileName) throws(Errno) {
        try unsafe succeed(linux_linkat(raw, name.terminated, directory.raw, newName.terminated))
    }
    /// A name for this open object: O_PATH, O_TMPFILE or ordinary. ENOENT when its last name is already gone.
    package func link(to directory: SharedDescriptor, as newName: FileName) throws(Errno) {
        try unsafe succeed(linux_link_descriptor(raw, directory.raw, newName.terminated))
    }
    /// Moves `name` of this directory to `newName` of `directory`.
    package func renameAt(
        _ name: FileName, to directory: SharedDescriptor, as newName: FileName, flags: RenameFlags = []
    ) throws(Errno) {
        try unsafe succeed(linux_renameat2(raw, name.terminated, directory.raw, newName.terminated, flags.rawValue))
    }
}
