// The values that the front door and the file system exchange.

import Format
import POSIX

/// Who asks for an operation.
package struct Caller: Sendable {
    package let userID: UInt32
    package let groupID: UInt32
    /// The file-mode creation mask of the asking process; applied by the backing file system, which knows about default ACLs.
    package let umask: UInt32

    package init(userID: UInt32, groupID: UInt32, umask: UInt32) {
        self.userID = userID
        self.groupID = groupID
        self.umask = umask
    }
}

/// What a setattr request changes; nil means that it stays.
package struct StatusChange: Sendable {
    /// Permission bits with set-id and sticky bits (07777).
    package var mode: UInt32?
    package var userID: UInt32?
    package var groupID: UInt32?
    /// Plain size in bytes.
    package var size: UInt64?
    package var access: TimeChange = .omit
    package var modification: TimeChange = .omit

    /// It is somebody's own wish, not what a write brings about (losing set-id bits).
    package var isAskedFor = false

    package init() {}

    /// Nothing is named: what `chown(path, -1, -1)` asks.
    var isEmpty: Bool {
        mode == nil && userID == nil && groupID == nil && size == nil && access == .omit && modification == .omit
    }
}

/// An object found or made by name. Its inode has been counted as looked up once more.
package struct FoundEntry: Sendable {
    package let inode: Inode
    package let status: FileStatus
}
