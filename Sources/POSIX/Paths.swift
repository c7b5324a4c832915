// Paths: calls on whole paths, for commands that start from what a person wrote. The mount itself works with descriptors.
import Bytes
import CLinux

/// Calls on paths relative to the current directory. Links are followed except in the last part where said.
package enum Paths {
    /// The status of what a path leads to.
    package static func status(_ path: String, followsLink: Bool = true) throws(Errno) -> FileStatus {
        try status(Array(path.utf8).span, followsLink: followsLink)
    }
    /// The same for a path of any bytes.
    package static func status(_ path: ByteSpan, followsLink: Bool = true) throws(Errno) -> FileStatus {
        let path = try terminatedPath(path)
        var status = linux_status()
        try unsafe succeed(linux_stat(path, followsLink ? 1 : 0, &status))
        return FileStatus(status)
    }
    /// Whether there is something at a path; errors other than ENOENT and ENOTDIR are thrown.
    package static func exists(_ path: String) throws(Errno) -> Bool {
        do throws(Errno) {
            _ = try status(path, followsLink: false)
            return true
        } catch {
            if error == .noEntry || error == .notDirectory { return false }
            throw error
        }
    }
    /// The absolute path without links, "." and "..". Everything must exist.
    package static func resolve(_ path: String) throws(Errno) -> [UInt8] {
        let path = try terminatedPath(path)
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try unsafe checked(linux_realpath(path, &buffer))
        return Array(buffer.prefix(Int(count)))
    }
    /// The text of a symbolic link.
    package static func readLink(_ path: String) throws(Errno) -> [UInt8] {
        try SharedDescriptor.open(path, [.pathOnly, .noFollow]).readLink()
    }
    /// Makes a directory and those above it that are missing; content to find it there. ENOTDIR when something else is.
    package static func makeDirectories(_ path: String, mode: UInt32 = 0o777) throws(Errno) {
        let bytes = Array(path.utf8)
        var end = 0
        while end < bytes.count {
            end += 1
            while end < bytes.count, bytes[end] != UInt8(ascii: "/") { end += 1 }
            let part = try terminatedPath(bytes.span.slice(0, end))
            let result = unsafe linux_mkdirat(LINUX_AT_FDCWD, part, mode)
            if result == -LINUX_EEXIST || result == -LINUX_EISDIR { continue }
            // A read-only file system or a forbidden parent says so even where the directory is there.
            if result < 0, (try? status(bytes.span.slice(0, end)))?.isDirectory != true { throw Errno(code: -result) }
        }
        guard try status(path).isDirectory else { throw .notDirectory }
    }
    /// Removes an entry: an empty directory if `directory`.
    package static func remove(_ path: String, directory: Bool = false) throws(Errno) {
        let path = try terminatedPath(path)
        try unsafe succeed(linux_unlinkat(LINUX_AT_FDCWD, path, directory ? 1 : 0))
    }
    /// Moves an entry; see `SharedDescriptor.renameAt`.
    package static func rename(_ path: String, to newPath: String, flags: RenameFlags = []) throws(Errno) {
        let (path, newPath) = (try terminatedPath(path), try terminatedPath(newPath))
        try unsafe succeed(linux_renameat2(LINUX_AT_FDCWD, path, LINUX_AT_FDCWD, newPath, flags.rawValue))
    }
    /// Moves a file to a name where nothing is: EEXIST else. Also where the file system does not know such moves (NFS, older FUSE).
    package static func moveToFreeName(_ path: String, to newPath: String) throws(Errno) {
        do throws(Errno) { return try rename(path, to: newPath, flags: .noReplace) } catch {
            guard error == .invalidArgument else { throw error }
        }
        try link(path, to: newPath)
        try remove(path)
    }
    /// Gives a file a second name, where nothing is: EEXIST else. EPERM where the file system knows no hard links.
    package static func link(_ path: String, to newPath: String) throws(Errno) {
        let (old, new) = (try terminatedPath(path), try terminatedPath(newPath))
        try unsafe succeed(linux_linkat(LINUX_AT_FDCWD, old, LINUX_AT_FDCWD, new))
    }
    /// Takes a mount away (root; others use fusermount3). EBUSY when in use and not `lazily`.
    /// `cutsConnection`: whatever serves the file system (a FUSE daemon, a server) is let go of first; its users get errors from then on.
    package static func unmount(_ path: String, lazily: Bool = false, cutsConnection: Bool = false) throws(Errno) {
        let path = try terminatedPath(path)
        try unsafe succeed(linux_unmount(path, lazily ? 1 : 0, cutsConnection ? 1 : 0))
    }
    /// The bytes of a file. EFBIG past `limit`. Never for secrets.
    package static func read(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        try SharedDescriptor.open(path, .readOnly).readToEnd(limit: limit)
    }
}
