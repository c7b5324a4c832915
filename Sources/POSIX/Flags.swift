// Flags of the calls on files: option sets over the kernel's numbers, which FUSE requests carry too.
import CLinux

/// How a file is opened. `O_CLOEXEC` is always added.
package struct OpenFlags: OptionSet, Sendable {
    /// The kernel's bits.
    package let rawValue: Int32
    /// From the kernel's bits.
    package init(rawValue: Int32) { self.rawValue = rawValue }

    /// `O_RDONLY`, which is 0.
    package static var readOnly: OpenFlags { [] }
    /// `O_WRONLY`.
    package static var writeOnly: OpenFlags { .init(rawValue: LINUX_O_WRONLY) }
    /// `O_RDWR`.
    package static var readWrite: OpenFlags { .init(rawValue: LINUX_O_RDWR) }
    /// `O_CREAT`.
    package static var create: OpenFlags { .init(rawValue: LINUX_O_CREAT) }
    /// `O_EXCL`.
    package static var exclusive: OpenFlags { .init(rawValue: LINUX_O_EXCL) }
    /// `O_TRUNC`.
    package static var truncate: OpenFlags { .init(rawValue: LINUX_O_TRUNC) }
    /// `O_APPEND`.
    package static var append: OpenFlags { .init(rawValue: LINUX_O_APPEND) }
    /// `O_NONBLOCK`.
    package static var nonBlocking: OpenFlags { .init(rawValue: LINUX_O_NONBLOCK) }
    /// `O_DIRECTORY`.
    package static var directory: OpenFlags { .init(rawValue: LINUX_O_DIRECTORY) }
    /// `O_NOFOLLOW`.
    package static var noFollow: OpenFlags { .init(rawValue: LINUX_O_NOFOLLOW) }
    /// `O_NOATIME`: EPERM unless the caller owns the file or is privileged.
    package static var noAccessTime: OpenFlags { .init(rawValue: LINUX_O_NOATIME) }
    /// `O_PATH`: names the object without opening it. With `noFollow`, also a symbolic link itself.
    package static var pathOnly: OpenFlags { .init(rawValue: LINUX_O_PATH) }
    /// `O_TMPFILE`: an unnamed regular file in the directory that is opened.
    package static var temporary: OpenFlags { .init(rawValue: LINUX_O_TMPFILE) }
    /// `O_NOCTTY`.
    package static var noControllingTerminal: OpenFlags { .init(rawValue: LINUX_O_NOCTTY) }

    /// The two bits of the access mode: `readOnly`, `writeOnly` or `readWrite`.
    package var accessMode: OpenFlags { .init(rawValue: rawValue & LINUX_O_ACCMODE) }
    /// Whether the access mode allows writing.
    package var allowsWriting: Bool { rawValue & LINUX_O_ACCMODE != LINUX_O_RDONLY }
}

/// How `fallocate` changes a range.
package struct AllocationFlags: OptionSet, Sendable {
    /// The kernel's bits.
    package let rawValue: Int32
    /// From the kernel's bits.
    package init(rawValue: Int32) { self.rawValue = rawValue }
    /// `FALLOC_FL_KEEP_SIZE`.
    package static var keepSize: AllocationFlags { .init(rawValue: LINUX_FALLOC_FL_KEEP_SIZE) }
    /// Only together with `keepSize`.
    package static var punchHole: AllocationFlags { .init(rawValue: LINUX_FALLOC_FL_PUNCH_HOLE) }
    /// `FALLOC_FL_ZERO_RANGE`.
    package static var zeroRange: AllocationFlags { .init(rawValue: LINUX_FALLOC_FL_ZERO_RANGE) }
}

/// What `renameat2` does beyond a plain rename.
package struct RenameFlags: OptionSet, Sendable {
    /// The kernel's bits.
    package let rawValue: UInt32
    /// From the kernel's bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// `RENAME_NOREPLACE`.
    package static var noReplace: RenameFlags { .init(rawValue: UInt32(LINUX_RENAME_NOREPLACE)) }
    /// `RENAME_EXCHANGE`.
    package static var exchange: RenameFlags { .init(rawValue: UInt32(LINUX_RENAME_EXCHANGE)) }
}

/// Whether an attribute must be new (EEXIST) or there already (ENODATA).
package struct AttributeFlags: OptionSet, Sendable {
    /// The kernel's bits.
    package let rawValue: Int32
    /// From the kernel's bits.
    package init(rawValue: Int32) { self.rawValue = rawValue }
    /// `XATTR_CREATE`.
    package static var create: AttributeFlags { .init(rawValue: LINUX_XATTR_CREATE) }
    /// `XATTR_REPLACE`.
    package static var replace: AttributeFlags { .init(rawValue: LINUX_XATTR_REPLACE) }
}

/// What `lseek` looks for from an offset on.
package enum SeekTarget: Sendable {
    case data
    case hole
}

/// What the kernel is told of coming access to a range.
package enum AccessAdvice: Sendable {
    case normal, random, sequential, willNeed, dontNeed
    var number: Int32 {
        switch self {
        case .normal: LINUX_POSIX_FADV_NORMAL
        case .random: LINUX_POSIX_FADV_RANDOM
        case .sequential: LINUX_POSIX_FADV_SEQUENTIAL
        case .willNeed: LINUX_POSIX_FADV_WILLNEED
        case .dontNeed: LINUX_POSIX_FADV_DONTNEED
        }
    }
}
