// What the kernel takes a thread's file calls for: umask, user, groups, of the calling thread alone.
import CLinux

/// Values of the calling thread alone. The rest of the process keeps its own.
package enum ThreadIdentity {
    /// Sets this thread's umask, lower nine bits. The first call detaches the thread's current directory and umask from the others'
    /// (`unshare(CLONE_FS)`); a call with the mask already set costs no system call.
    package static func setUmask(_ mask: UInt32) throws(Errno) { try succeed(linux_thread_umask(mask)) }

    /// Sets the user and group this thread's file calls are made as. EPERM when not allowed. A user other than 0 gives up root's file powers.
    package static func setFilesystemUser(_ userID: UInt32, groupID: UInt32) throws(Errno) {
        try succeed(linux_thread_identity(userID, groupID))
    }
    /// Sets this thread's supplementary groups. Needs CAP_SETGID.
    package static func setGroups(_ groups: [UInt32]) throws(Errno) {
        try unsafe succeed(linux_thread_groups(groups, groups.count))
    }
}
