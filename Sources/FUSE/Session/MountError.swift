// Why a vault could not be mounted, or a mount did not end well.

import POSIX

/// Each obstacle has its own case, and its text says what to do about it.
package enum MountError: Error, Equatable, CustomStringConvertible {
    /// `/dev/fuse` is not there: the kernel has no FUSE, or the container was given none.
    case noDevice
    /// `/dev/fuse` may not be opened.
    case deviceNotPermitted(Errno)
    /// An ordinary user cannot mount without the set-user-id helper.
    case noHelper
    /// The helper is there without its set-user-id bit.
    case helperNotPrivileged(path: String)
    /// Nothing is at the mount point's path.
    case missingMountPoint(String)
    /// Something else is there.
    case notADirectory(String)
    /// A mount whose daemon is gone is in the way.
    case deadMount(String)
    /// The mount point cannot be looked at.
    case mountPoint(String, Errno)
    /// `--allow-other` by an ordinary user needs a line in /etc/fuse.conf.
    case allowOtherNotPermitted
    /// libfuse or the helper refused; the words are theirs.
    case refused(String)
    /// The kernel and libfuse do not agree on how to talk.
    case negotiation(String)
    /// A call of the system failed; the text says at what.
    case system(String, Errno)
    /// The connection broke while the vault was mounted.
    case connectionLost(Errno)

    /// What is wrong, with what, and what to try.
    package var description: String {
        switch self {
        case .noDevice:
            "there is no /dev/fuse: load the kernel module (modprobe fuse), or give the container the device (--device /dev/fuse)"
        case .deviceNotPermitted(let error):
            "/dev/fuse cannot be opened (\(error)): ask for read and write permission on it, or give the container the device and CAP_SYS_ADMIN"
        case .noHelper:
            "fusermount3 was not found: install the package fuse3, or mount as root"
        case .helperNotPrivileged(let path):
            "\(path) has no set-user-id bit, so that ordinary users cannot mount: chmod u+s it, or mount as root"
        case .missingMountPoint(let path): "the mount point \(path) does not exist: mkdir it first"
        case .notADirectory(let path): "the mount point \(path) is not a directory"
        case .deadMount(let path): "\(path) is a mount whose daemon is gone: fusermount3 -u \(path), then mount again"
        case .mountPoint(let path, let error): "the mount point \(path) cannot be used: \(error)"
        case .allowOtherNotPermitted:
            "other users cannot be let in: the line user_allow_other is not in /etc/fuse.conf; root may add it, or mount without --allow-other"
        case .refused(let words): "mounting was refused: \(words)"
        case .negotiation(let words): "the kernel and libfuse do not agree: \(words)"
        case .system(let what, let error): "\(what): \(error)"
        case .connectionLost(let error): "the connection to the kernel broke: \(error)"
        }
    }
}
