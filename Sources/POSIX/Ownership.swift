// Mode, owner and times of an object: by descriptor (O_PATH too) or by (directory, name). A link is never followed.
import CLinux

extension SharedDescriptor {
    /// Sets the lower twelve mode bits of an entry. EOPNOTSUPP for a symbolic link.
    package func changeModeAt(_ name: FileName, _ mode: UInt32) throws(Errno) {
        try unsafe succeed(linux_fchmodat(raw, name.terminated, mode & FileMode.permissionMask))
    }
    /// The same for this object.
    package func changeMode(_ mode: UInt32) throws(Errno) {
        try succeed(linux_fchmod(raw, mode & FileMode.permissionMask))
    }
    /// Sets owner and group of an entry; nil leaves one as it is. The kernel clears set-id bits of files.
    package func changeOwnerAt(_ name: FileName, userID: UInt32?, groupID: UInt32?) throws(Errno) {
        try unsafe succeed(linux_fchownat(raw, name.terminated, userID ?? .max, groupID ?? .max))
    }
    /// The same for this object.
    package func changeOwner(userID: UInt32?, groupID: UInt32?) throws(Errno) {
        try succeed(linux_fchown(raw, userID ?? .max, groupID ?? .max))
    }
    /// Sets the two times of an entry.
    package func setTimesAt(_ name: FileName, access: TimeChange, modification: TimeChange) throws(Errno) {
        try unsafe succeed(linux_utimensat(raw, name.terminated, linux_times(access, modification)))
    }
    /// Sets the two times of this object.
    package func setTimes(access: TimeChange, modification: TimeChange) throws(Errno) {
        try succeed(linux_futimens(raw, linux_times(access, modification)))
    }
}

extension linux_times {
    fileprivate init(_ access: TimeChange, _ modification: TimeChange) {
        let (a, b) = (access.kernelForm, modification.kernelForm)
        self.init(
            access_seconds: a.seconds, access_nanoseconds: a.nanoseconds,
            modification_seconds: b.seconds, modification_nanoseconds: b.nanoseconds)
    }
}
extension TimeChange {
    /// Seconds and nanoseconds as utimensat wants them.
    fileprivate var kernelForm: (seconds: Int64, nanoseconds: Int64) {
        switch self {
        case .omit: (0, Int64(LINUX_UTIME_OMIT))
        case .now: (0, Int64(LINUX_UTIME_NOW))
        case .set(let time): (time.seconds, Int64(time.nanoseconds))
        }
    }
}
