// FileStatus: what `stat` says of an object, with its kind, mode bits and times.
import CLinux

/// A point of time: seconds since 1970 and nanoseconds 0..<10^9, also before 1970.
package struct Timestamp: Hashable, Sendable, Comparable {
    /// Seconds since 1970, negative before.
    package var seconds: Int64
    /// 0..<10^9, counted forward also before 1970.
    package var nanoseconds: Int32
    /// Nanoseconds are not checked.
    @inlinable package init(seconds: Int64, nanoseconds: Int32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
    /// Earlier than.
    @inlinable package static func < (a: Timestamp, b: Timestamp) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }
}

/// What happens to one time of an object.
package enum TimeChange: Hashable, Sendable {
    case omit
    case now
    case set(Timestamp)
}

/// The kind of an object.
package enum FileKind: UInt8, Sendable {
    case unknown, regular, directory, symbolicLink, fifo, socket, characterDevice, blockDevice

    /// From the `S_IFMT` bits of a mode.
    package init(mode: UInt32) {
        switch mode & FileMode.kindMask {
        case FileMode.regular: self = .regular
        case FileMode.directory: self = .directory
        case FileMode.symbolicLink: self = .symbolicLink
        case FileMode.fifo: self = .fifo
        case FileMode.socket: self = .socket
        case FileMode.characterDevice: self = .characterDevice
        case FileMode.blockDevice: self = .blockDevice
        default: self = .unknown
        }
    }
    /// From the `d_type` of a directory entry, which is `mode >> 12`.
    package init(entryType: UInt8) { self.init(mode: UInt32(entryType) << 12) }
    /// The `S_IFMT` bits; 0 for `unknown`.
    package var mode: UInt32 {
        switch self {
        case .unknown: 0
        case .regular: FileMode.regular
        case .directory: FileMode.directory
        case .symbolicLink: FileMode.symbolicLink
        case .fifo: FileMode.fifo
        case .socket: FileMode.socket
        case .characterDevice: FileMode.characterDevice
        case .blockDevice: FileMode.blockDevice
        }
    }
}

/// The bits of `st_mode`.
package enum FileMode {
    /// `S_IFMT`.
    package static let kindMask: UInt32 = 0o170000
    /// `S_IFREG`.
    package static let regular: UInt32 = 0o100000
    /// `S_IFDIR`.
    package static let directory: UInt32 = 0o040000
    /// `S_IFLNK`.
    package static let symbolicLink: UInt32 = 0o120000
    /// `S_IFIFO`.
    package static let fifo: UInt32 = 0o010000
    /// `S_IFSOCK`.
    package static let socket: UInt32 = 0o140000
    /// `S_IFCHR`.
    package static let characterDevice: UInt32 = 0o020000
    /// `S_IFBLK`.
    package static let blockDevice: UInt32 = 0o060000
    /// `S_ISUID`.
    package static let setUserID: UInt32 = 0o4000
    /// `S_ISGID`.
    package static let setGroupID: UInt32 = 0o2000
    /// x of all three.
    package static let executeMask: UInt32 = 0o111
    /// rwx of all three, set-user-id, set-group-id and the sticky bit.
    package static let permissionMask: UInt32 = 0o7777
    /// Set-user-id and set-group-id.
    package static let setIDMask = setUserID | setGroupID
}

/// The answer of `stat`.
package struct FileStatus: Hashable, Sendable {
    /// The file system's device number; see `DeviceNumber`.
    package var device: UInt64
    /// The object's number in its file system.
    package var inode: UInt64
    /// Kind and permission bits.
    package var mode: UInt32
    /// How many names it has.
    package var linkCount: UInt64
    /// Its owner.
    package var userID: UInt32
    /// Its group.
    package var groupID: UInt32
    /// Of a device file: which device it stands for.
    package var specialDevice: UInt64
    /// Bytes.
    package var size: Int64
    /// Preferred size of a transfer, bytes.
    package var blockSize: Int64
    /// Allocated space in units of 512 bytes.
    package var blocks: Int64
    /// When it was last read, as far as the mount records it.
    package var accessTime: Timestamp
    /// When its content last changed.
    package var modificationTime: Timestamp
    /// When its content or metadata last changed.
    package var changeTime: Timestamp

    /// All zero.
    package init() {
        let zero = Timestamp(seconds: 0, nanoseconds: 0)
        device = 0; inode = 0; mode = 0; linkCount = 0; userID = 0; groupID = 0; specialDevice = 0
        size = 0; blockSize = 0; blocks = 0
        accessTime = zero; modificationTime = zero; changeTime = zero
    }
    init(_ s: linux_status) {
        device = s.device; inode = s.inode; mode = s.mode; linkCount = s.link_count
        userID = s.user; groupID = s.group; specialDevice = s.special_device
        size = s.size; blockSize = s.block_size; blocks = s.blocks
        accessTime = Timestamp(seconds: s.access_seconds, nanoseconds: s.access_nanoseconds)
        modificationTime = Timestamp(seconds: s.modification_seconds, nanoseconds: s.modification_nanoseconds)
        changeTime = Timestamp(seconds: s.change_seconds, nanoseconds: s.change_nanoseconds)
    }

    /// The kind from the mode.
    package var kind: FileKind { FileKind(mode: mode) }
    /// Whether it is a directory.
    package var isDirectory: Bool { mode & FileMode.kindMask == FileMode.directory }
    /// Whether it is a regular file.
    package var isRegular: Bool { mode & FileMode.kindMask == FileMode.regular }
    /// Whether it is a symbolic link itself.
    package var isSymbolicLink: Bool { mode & FileMode.kindMask == FileMode.symbolicLink }
    /// The lower twelve bits of the mode.
    package var permissions: UInt32 { mode & FileMode.permissionMask }
}
