// SharedDescriptor: an open file descriptor, closed when its last owner lets go. Opening lives here.
import Bytes
import CLinux

/// An open descriptor (files, directories, O_PATH objects, pipes). Calls on it are safe from any thread.
///
/// It is closed when the last reference goes: what must stay open (a lock!) must be kept in a property.
/// All are close-on-exec. EINTR is handled in every call.
package final class SharedDescriptor: Sendable {
    /// The kernel's number, valid while this object lives.
    package let raw: Int32
    private let isOwned: Bool

    /// Takes over `raw`: nobody else may close it.
    package init(adopting raw: Int32) {
        self.raw = raw
        isOwned = true
    }
    private init(borrowed raw: Int32) {
        self.raw = raw
        isOwned = false
    }
    // The answer of close is of no use here: what was written is either synchronised by its owner or the kernel's.
    deinit { if isOwned { _ = linux_close(raw) } }

    /// Descriptor 0, never closed.
    package static let standardInput = SharedDescriptor(borrowed: 0)
    /// Descriptor 1, never closed.
    package static let standardOutput = SharedDescriptor(borrowed: 1)
    /// Descriptor 2, never closed.
    package static let standardError = SharedDescriptor(borrowed: 2)
    /// A number somebody else owns and keeps open for as long as this is used.
    package static func borrowing(_ raw: Int32) -> SharedDescriptor { SharedDescriptor(borrowed: raw) }

    /// Opens a path relative to the current directory. Links are followed unless flags say otherwise.
    package static func open(_ path: String, _ flags: OpenFlags, mode: UInt32 = 0o666) throws(Errno) -> SharedDescriptor {
        let path = try terminatedPath(path)
        return SharedDescriptor(adopting: try unsafe checked(linux_open(path, flags.rawValue, mode)))
    }
    /// The same for a path of any bytes.
    package static func open(_ path: ByteSpan, _ flags: OpenFlags, mode: UInt32 = 0o666) throws(Errno) -> SharedDescriptor {
        let path = try terminatedPath(path)
        return SharedDescriptor(adopting: try unsafe checked(linux_open(path, flags.rawValue, mode)))
    }

    /// Opens an entry of this directory. A symbolic link is never followed: ELOOP, or with `pathOnly` the link itself.
    package func openAt(_ name: FileName, _ flags: OpenFlags, mode: UInt32 = 0o666) throws(Errno) -> SharedDescriptor {
        SharedDescriptor(
            adopting: try unsafe checked(linux_openat(raw, name.terminated, flags.rawValue | LINUX_O_NOFOLLOW, mode)))
    }
    /// An unnamed regular file in this directory, to be given a name by `link(to:as:)` (O_TMPFILE).
    package func openTemporary(_ flags: OpenFlags = .readWrite, mode: UInt32 = 0o600) throws(Errno) -> SharedDescriptor {
        let flags = flags.union(.temporary).rawValue
        return SharedDescriptor(adopting: try unsafe checked(linux_openat(raw, FileName.current.terminated, flags, mode)))
    }
    /// Opens the same object again with other flags, also from an O_PATH descriptor, through /proc/self/fd. ELOOP for a symbolic link.
    package func reopen(_ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        SharedDescriptor(adopting: try checked(linux_reopen(raw, flags.rawValue)))
    }
    /// Another number for the same open file (shared offset, flags and flock), at least `minimum`.
    package func duplicate(minimum: Int32 = 0) throws(Errno) -> SharedDescriptor {
        SharedDescriptor(adopting: try checked(linux_duplicate(raw, minimum)))
    }
    /// The access mode and status flags it was opened with (`F_GETFL`).
    package func statusFlags() throws(Errno) -> OpenFlags {
        OpenFlags(rawValue: try checked(linux_status_flags(raw)))
    }
    /// The kernel's present path of the object, any bytes; " (deleted)" behind it when it has none.
    package func path() throws(Errno) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try unsafe checked(linux_descriptor_path(raw, &buffer, buffer.count))
        return Array(buffer.prefix(count))
    }

    /// The object's status; of an O_PATH descriptor too.
    package func status() throws(Errno) -> FileStatus {
        var status = linux_status()
        try unsafe succeed(linux_fstat(raw, &status))
        return FileStatus(status)
    }
    /// An entry's status, of a symbolic link itself.
    package func statusAt(_ name: FileName) throws(Errno) -> FileStatus {
        var status = linux_status()
        try unsafe succeed(linux_fstatat(raw, name.terminated, &status))
        return FileStatus(status)
    }
}
