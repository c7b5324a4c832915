// Errno: the one error of the POSIX door and of the data path, four bytes.
import CLinux

/// A Linux error number. Typed throws of it cost no allocation.
package struct Errno: Error, Equatable, Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    /// The positive `E…` value.
    package let code: Int32

    /// `code` is the positive `E…` value.
    @inlinable package init(code: Int32) { self.code = code }
    /// The same as `init(code:)`, for RawRepresentable.
    @inlinable package init(rawValue: Int32) { self.code = rawValue }
    /// The positive `E…` value.
    @inlinable package var rawValue: Int32 { code }
    /// The C library's English text, as "No such file or directory".
    package var description: String { unsafe String(cString: linux_error_text(code)) }
}

extension Errno {
    /// `EPERM`.
    package static var notPermitted: Errno { Errno(code: LINUX_EPERM) }
    /// `ENOENT`.
    package static var noEntry: Errno { Errno(code: LINUX_ENOENT) }
    /// `EINTR`.
    package static var interrupted: Errno { Errno(code: LINUX_EINTR) }
    /// `EIO`.
    package static var ioError: Errno { Errno(code: LINUX_EIO) }
    /// `ENXIO`.
    package static var noDeviceOrAddress: Errno { Errno(code: LINUX_ENXIO) }
    /// `E2BIG`.
    package static var tooBig: Errno { Errno(code: LINUX_E2BIG) }
    /// `EBADF`.
    package static var badDescriptor: Errno { Errno(code: LINUX_EBADF) }
    /// `ECHILD`.
    package static var noChild: Errno { Errno(code: LINUX_ECHILD) }
    /// `EAGAIN`.
    package static var tryAgain: Errno { Errno(code: LINUX_EAGAIN) }
    /// `ENOMEM`.
    package static var noMemory: Errno { Errno(code: LINUX_ENOMEM) }
    /// `EACCES`.
    package static var accessDenied: Errno { Errno(code: LINUX_EACCES) }
    /// `EBUSY`.
    package static var busy: Errno { Errno(code: LINUX_EBUSY) }
    /// `EEXIST`.
    package static var exists: Errno { Errno(code: LINUX_EEXIST) }
    /// `ENODEV`.
    package static var noDevice: Errno { Errno(code: LINUX_ENODEV) }
    /// `ENOTDIR`.
    package static var notDirectory: Errno { Errno(code: LINUX_ENOTDIR) }
    /// `EISDIR`.
    package static var isDirectory: Errno { Errno(code: LINUX_EISDIR) }
    /// `EINVAL`.
    package static var invalidArgument: Errno { Errno(code: LINUX_EINVAL) }
    /// `ENOTTY`.
    package static var notTerminal: Errno { Errno(code: LINUX_ENOTTY) }
    /// `EFBIG`.
    package static var fileTooLarge: Errno { Errno(code: LINUX_EFBIG) }
    /// `ENOSPC`.
    package static var noSpace: Errno { Errno(code: LINUX_ENOSPC) }
    /// `ESPIPE`.
    package static var illegalSeek: Errno { Errno(code: LINUX_ESPIPE) }
    /// `EROFS`.
    package static var readOnlyFilesystem: Errno { Errno(code: LINUX_EROFS) }
    /// `EPIPE`.
    package static var brokenPipe: Errno { Errno(code: LINUX_EPIPE) }
    /// `ERANGE`.
    package static var outOfRange: Errno { Errno(code: LINUX_ERANGE) }
    /// `EDEADLK`.
    package static var deadlock: Errno { Errno(code: LINUX_EDEADLK) }
    /// `ENAMETOOLONG`.
    package static var nameTooLong: Errno { Errno(code: LINUX_ENAMETOOLONG) }
    /// `ENOSYS`.
    package static var notImplemented: Errno { Errno(code: LINUX_ENOSYS) }
    /// `ENOTEMPTY`.
    package static var notEmpty: Errno { Errno(code: LINUX_ENOTEMPTY) }
    /// `ELOOP`.
    package static var tooManySymbolicLinks: Errno { Errno(code: LINUX_ELOOP) }
    /// `ENODATA`.
    package static var noData: Errno { Errno(code: LINUX_ENODATA) }
    /// `EPROTO`.
    package static var protocolError: Errno { Errno(code: LINUX_EPROTO) }
    /// `EOPNOTSUPP`.
    package static var notSupported: Errno { Errno(code: LINUX_EOPNOTSUPP) }
    /// `ENOTCONN`.
    package static var notConnected: Errno { Errno(code: LINUX_ENOTCONN) }
    /// `ESTALE`.
    package static var stale: Errno { Errno(code: LINUX_ESTALE) }
    /// `EUCLEAN`.
    package static var damaged: Errno { Errno(code: LINUX_EUCLEAN) }
    /// `EDQUOT`.
    package static var quotaExceeded: Errno { Errno(code: LINUX_EDQUOT) }
    /// `ECANCELED`.
    package static var canceled: Errno { Errno(code: LINUX_ECANCELED) }
    /// `ENOKEY`.
    package static var noKey: Errno { Errno(code: LINUX_ENOKEY) }
    /// `EKEYREVOKED`.
    package static var keyRevoked: Errno { Errno(code: LINUX_EKEYREVOKED) }
}

/// The result of a CLinux call, or its error.
@inline(__always)
func checked(_ result: Int32) throws(Errno) -> Int32 {
    if result < 0 { throw Errno(code: 0 &- result) }
    return result
}
/// The result of a CLinux call, or its error.
@inline(__always)
func checked(_ result: Int) throws(Errno) -> Int {
    if result < 0 { throw Errno(code: Int32(truncatingIfNeeded: 0 &- result)) }
    return result
}
/// Throws the error of a CLinux call whose result says nothing.
@inline(__always)
func succeed(_ result: Int32) throws(Errno) {
    if result < 0 { throw Errno(code: 0 &- result) }
}
/// The same for a CLinux call whose result is a count that says nothing: it moves all, or fails.
@inline(__always)
func succeed(_ result: Int) throws(Errno) { _ = try checked(result) }
