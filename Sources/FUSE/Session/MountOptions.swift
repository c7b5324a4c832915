// How a vault is mounted.

import POSIX

/// What a person or a test may choose about a mount. The defaults are right for a vault that only this mount changes.
package struct MountOptions: Sendable {
    // MARK: what is mounted, and for whom
    /// First column of mount tables: the vault's path.
    package var fsname = "envelopefs"
    /// Nothing in the vault can be changed through the mount.
    package var readOnly = false
    /// Other users may enter; permissions are checked by the kernel as on any file system.
    package var allowOther = false
    /// The kernel checks permission bits and ACLs. Where it does not, whoever may enter may do everything: for a mount that only root may enter, whom no
    /// bits hold up elsewhere either. It saves the kernel a question for the parent's status after each change of a directory.
    package var checksPermissions = true
    /// Set-id bits work inside the mount (root only; off as in every FUSE file system).
    package var allowsSetUserID = false
    /// Device files work inside the mount (root only; off as in every FUSE file system).
    package var allowsDevices = false
    /// Further `-o` words for mount(8), as `noexec` or `noatime`.
    package var extra: [String] = []

    // MARK: what the kernel may keep
    /// Programs' writes are collected by the kernel and sent later.
    package var isWriteBack = true
    /// File content and listings stay in the kernel's cache when a file is opened again.
    package var keepsCaches = true
    /// For how many seconds status is kept.
    package var attributeLifetime: Double = 86400
    /// For how many seconds a name leads where it led.
    package var entryLifetime: Double = 86400
    /// For names that are not there; 0 = look again each time.
    package var absenceLifetime: Double = 86400

    /// For a vault that others change meanwhile: nothing is kept.
    package mutating func makeShared() {
        isWriteBack = false
        keepsCaches = false
        attributeLifetime = 0
        entryLifetime = 0
        absenceLifetime = 0
    }

    // MARK: how requests are carried
    /// Largest read or write in bytes; a multiple of the page size, at most 1 MiB unless the kernel's own limit was raised.
    package var maxRequest = 1 << 20
    /// Bytes that the kernel reads ahead; more than its default only where the mount's bdi may be written (root).
    package var readAhead = 1 << 20
    /// Requests that the kernel may send without a program waiting for each.
    package var maxBackground: UInt16 = 64
    /// Most threads that serve.
    package var maxThreads = 32
    /// So many large reads and writes at a time each have a thread of their own; who takes one more serves it before reading on, unless another comes
    /// free: with it they are as many as the CPUs. More threads only wait for each other, each with its buffers.
    package var mostTransfers = Thread.cpuCount - 1
    /// Most threads that read requests at the same time. With two CPUs one keeps up with what the other CPU's programs ask.
    package var maxReaders = Thread.cpuCount > 2 ? 2 : 1
    /// How long a thread looks for the next request before it sleeps, in nanoseconds.
    package var spin: UInt64 = 50_000
    /// By which device CPUs are kept from halting while small requests come (Loop/Wakefulness.swift); nil: they are not.
    package var latencyDevice: String? = "/dev/cpu_dma_latency"
    /// Machines with more CPUs are left alone.
    package var mostCPUsAwake = 8
    /// Requests taken without any pause after which a second thread reads too.
    package var backlog = 16
    /// After how many milliseconds in one request another thread takes over the reading.
    package var patience: Int32 = 4

    /// Capabilities of the kernel that are used where they are offered. Each can be left out, for tests and measurements.
    package var capabilities: Capabilities = .all

    /// The defaults.
    package init() {}
}

/// What a FUSE kernel may offer, and this daemon can use.
package struct Capabilities: OptionSet, Sendable, Hashable {
    /// One bit for each.
    package let rawValue: UInt32
    /// From `rawValue`.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Several reads of one file at a time.
    package static let parallelReads = Self(rawValue: 1 << 0)
    /// Several direct transfers of one file at a time.
    package static let parallelDirectTransfers = Self(rawValue: 1 << 1)
    /// Look-ups and listings of one directory at a time.
    package static let parallelDirectories = Self(rawValue: 1 << 2)
    /// Listings that bring the status of each entry, when the kernel thinks that it will be asked for.
    package static let listingsWithStatus = Self(rawValue: 1 << 3)
    /// Collecting writes.
    package static let writeBack = Self(rawValue: 1 << 4)
    /// Keeping the targets of links.
    package static let cachedLinks = Self(rawValue: 1 << 5)
    /// Content stays cached until the daemon says otherwise.
    package static let explicitInvalidation = Self(rawValue: 1 << 6)
    /// The kernel enforces ACLs, which are kept as attributes.
    package static let accessControlLists = Self(rawValue: 1 << 7)
    /// O_TRUNC comes with OPEN.
    package static let truncatingOpen = Self(rawValue: 1 << 8)
    /// The daemon clears set-id bits, and is not asked for capabilities at every write.
    package static let clearingPrivileges = Self(rawValue: 1 << 9)

    /// The daemon takes the set-group-id bit when somebody outside the group sets an ACL.
    package static let clearingSetGroupID = Self(rawValue: 1 << 10)

    /// Every one of them.
    package static let all = Self(rawValue: (1 << 11) - 1)
}
