// Set-id bits, which the kernel leaves to the daemon when HANDLE_KILLPRIV_V2 was agreed on.
//
// In return the kernel stops asking for `security.capability` at every write. It says with WRITE, OPEN (O_TRUNC) and SETATTR (size) when bits are to go;
// change of owner clears them in the backing file system already. With SETXATTR it says so of the set-group-id bit, if SETXATTR_EXT was agreed on.
// libfuse 3.14 does not pass those flags on, so they are read from the request itself.

import CFUSE
import Filesystem
import Glibc
import POSIX

extension Service {
    /// Adds to a change of size the loss of set-id bits, where the kernel asks for it.
    func clearPrivileges(of inode: Inode, in change: inout StatusChange) throws(Errno) {
        guard clearsPrivileges.load(ordering: .relaxed), change.mode == nil, Worker.killsPrivileges else { return }
        let mode = try vault.status(of: inode).mode
        let cleared = Self.withoutPrivileges(mode)
        if cleared != mode { change.mode = cleared & 0o7777 }
    }

    /// Clears set-id bits before a write, where the kernel asks for it.
    func clearPrivilegesBeforeWrite(of node: fuse_ino_t, _ caller: Caller) throws(Errno) {
        guard clearsPrivileges.load(ordering: .relaxed), Worker.killsPrivileges else { return }
        try changeMode(of: node, caller, Self.withoutPrivileges)
    }

    /// Clears set-id bits before a change of content for which the kernel cannot ask (FALLOCATE and COPY_FILE_RANGE have no flag for it):
    /// those of every caller but root lose them, as on a disk file system.
    func clearPrivilegesBeforeChange(of node: fuse_ino_t, _ caller: Caller) throws(Errno) {
        guard clearsPrivileges.load(ordering: .relaxed), caller.userID != 0 else { return }
        try changeMode(of: node, caller, Self.withoutPrivileges)
    }

    /// Takes the set-group-id bit, after somebody outside the group has set an object's own ACL.
    func takeSetGroupID(of node: fuse_ino_t, _ caller: Caller) throws(Errno) {
        try changeMode(of: node, caller) { $0 & ~FileMode.setGroupID }
    }

    /// Gives an object the mode that `cleared` makes of its own, if that is another.
    private func changeMode(of node: fuse_ino_t, _ caller: Caller, _ cleared: (UInt32) -> UInt32) throws(Errno) {
        let inode = try inode(node)
        let mode = try vault.status(of: inode).mode
        let new = cleared(mode)
        if new == mode { return }
        var change = StatusChange()
        change.mode = new & 0o7777
        _ = try vault.setStatus(of: inode, change, caller: caller)
    }

    /// A mode after a write by someone without special rights: no set-user-id; no set-group-id where the group may execute
    /// (without that, the bit means mandatory locking and stays).
    static func withoutPrivileges(_ mode: UInt32) -> UInt32 {
        var mode = mode & ~FileMode.setUserID
        if mode & 0o010 != 0 { mode &= ~FileMode.setGroupID }
        return mode
    }

    /// Seconds for which the kernel may keep attributes that it is about to be told. None for files with set-id bits: a write takes those away without telling the kernel.
    func lifetime(of inode: Inode, _ status: FileStatus) -> Double {
        noteTold(inode)
        if inode.hasJustLostName { return 0 }
        if status.isRegular && status.mode & FileMode.setIDMask != 0 && clearsPrivileges.load(ordering: .relaxed) { return 0 }
        return options.attributeLifetime
    }
}
