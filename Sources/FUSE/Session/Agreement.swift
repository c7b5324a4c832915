// What is agreed on with the kernel in INIT: only what it offers, never assumed.

import CFUSE

/// The outcome of INIT.
struct Agreement: Equatable {
    /// Protocol version of the kernel.
    var major: UInt32
    var minor: UInt32
    /// libfuse's bits for what will be used.
    var used: UInt32
    /// What was wanted and is not offered.
    var missing: Capabilities
    /// Bits of the protocol that libfuse does not know and that are added to its reply.
    var added: UInt32

    /// Chooses from what is offered.
    /// - Parameters:
    ///   - capable: libfuse's bits for what the kernel offers.
    ///   - offered: the protocol's bits for the same.
    init(capable: UInt32, offered: UInt32, major: UInt32, minor: UInt32, options: MountOptions) {
        self.major = major
        self.minor = minor
        used = 0
        missing = []
        added = 0
        var wanted = options.capabilities
        if !options.isWriteBack || options.readOnly { wanted.remove(.writeBack) }
        // With them the kernel checks permissions, whatever it was told at mounting; without them it still passes them on as attributes.
        if !options.checksPermissions { wanted.subtract([.accessControlLists, .clearingSetGroupID]) }
        if !options.keepsCaches { wanted.subtract([.cachedLinks, .explicitInvalidation]) }

        for (capability, bits) in Self.bits where wanted.contains(capability) {
            if capable & bits == bits { used |= bits } else { missing.insert(capability) }
        }
        used |= capable & Self.ownMask
        // The umask is applied by the backing file system, which knows about default ACLs. Where the kernel cannot leave it to us,
        // ACLs are not taken either: it would apply no umask at all then.
        if used & Self.acl != 0, used & Self.ownMask == 0 {
            used &= ~Self.acl
            missing.insert(.accessControlLists)
        }
        // Vaults that others change: the kernel compares times and drops what it kept.
        if !options.keepsCaches { used |= capable & UInt32(FUSE_CAP_AUTO_INVAL_DATA) }
        for (capability, bit) in Self.addedBits where wanted.contains(capability) {
            if offered & bit != 0 { added |= bit } else { missing.insert(capability) }
        }
    }

    var clearsPrivileges: Bool { added & Self.killingPrivileges != 0 }
    /// Whether SETXATTR comes with flags of its own, which libfuse does not expect.
    var extendsSetAttribute: Bool { added & Self.extendedSetAttribute != 0 }

    private static let killingPrivileges = UInt32(FUSE_HANDLE_KILLPRIV_V2)
    private static let extendedSetAttribute = UInt32(FUSE_SETXATTR_EXT)
    /// The protocol's bits of the capabilities that libfuse does not know.
    private static let addedBits: [(Capabilities, UInt32)] = [
        (.clearingPrivileges, killingPrivileges), (.clearingSetGroupID, extendedSetAttribute),
    ]
    private static let acl = UInt32(FUSE_CAP_POSIX_ACL)
    private static let ownMask = UInt32(FUSE_CAP_DONT_MASK)

    /// libfuse's bits of each capability. AUTO_INVAL_DATA is no capability of ours: it beats explicit invalidation, and costs a GETATTR at each expiry.
    /// Not here, and so refused: splicing (no gain was measured), locks (the kernel's own serve), ioctls of directories, export to NFS,
    /// HANDLE_KILLPRIV (the first version, which asks the daemon at every write).
    private static let bits: [(Capabilities, UInt32)] = [
        (.parallelReads, UInt32(FUSE_CAP_ASYNC_READ)),
        (.parallelDirectTransfers, UInt32(FUSE_CAP_ASYNC_DIO)),
        (.parallelDirectories, UInt32(FUSE_CAP_PARALLEL_DIROPS)),
        // Adaptive: forced, a listing of a million names looks each of them up (gocryptfs 1026).
        (.listingsWithStatus, UInt32(FUSE_CAP_READDIRPLUS) | UInt32(FUSE_CAP_READDIRPLUS_AUTO)),
        (.writeBack, UInt32(FUSE_CAP_WRITEBACK_CACHE)),
        (.cachedLinks, UInt32(FUSE_CAP_CACHE_SYMLINKS)),
        (.explicitInvalidation, UInt32(FUSE_CAP_EXPLICIT_INVAL_DATA)),
        (.accessControlLists, UInt32(FUSE_CAP_POSIX_ACL)),
        // With write-back too: the kernel holds the inode's lock and waits for its own unwritten pages before it sends such an OPEN,
        // and it saves the SETATTR that would follow.
        (.truncatingOpen, UInt32(FUSE_CAP_ATOMIC_O_TRUNC)),
    ]
}
