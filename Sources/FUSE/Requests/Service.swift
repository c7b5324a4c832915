// What every callback of one session needs to know.

import CFUSE
import Filesystem
import Logging
import POSIX
import Synchronization

/// The vault that a session serves, and what was agreed with the kernel. libfuse hands it to each callback.
@safe final class Service: Sendable {
    let vault: Vault
    let options: MountOptions
    let logger: Logger
    let counters = Counters()
    /// libfuse's session, for notices to the kernel; 0 where there is none. INVARIANT: it lives while requests are served.
    let sessionAddress = Atomic<UInt>(0)
    /// Requests that are being served at the moment.
    let serving = Atomic<Int>(0)
    /// What the kernel offered and what was taken; set once, when INIT is answered.
    let agreement = Mutex<Agreement?>(nil)
    /// Whether the daemon clears set-id bits itself (Callbacks/Privileges.swift). Set with the agreement.
    let clearsPrivileges = Atomic<Bool>(false)
    /// Whether SETXATTR comes in a form that libfuse does not expect (Loop/Worker.swift). Set with the agreement.
    let extendsSetAttribute = Atomic<Bool>(false)
    /// Unique number of the INIT request whose reply is still to be completed (Session/KernelChannel.swift); 0 when there is none.
    let pendingInit = Atomic<UInt64>(0)
    /// What the kernel offered in its INIT request, in the protocol's own bits, of which libfuse knows some.
    let offeredFlags = Atomic<UInt32>(0)

    init(vault: Vault, options: MountOptions, logger: Logger) {
        self.vault = vault
        self.options = options
        self.logger = logger
    }

    /// The service behind the user data of a session.
    /// INVARIANT: `Session` keeps its service alive until libfuse's session is destroyed.
    static func from(_ userData: UnsafeMutableRawPointer!) -> Service {
        unsafe Unmanaged<Service>.fromOpaque(userData).takeUnretainedValue()
    }

    /// The inode behind a node id of the kernel.
    /// INVARIANT: a node id is the address of an inode that the vault keeps until the kernel has forgotten it.
    /// - Throws: `ESTALE` for the id 0, which no inode has.
    func inode(_ node: fuse_ino_t) throws(Errno) -> Inode {
        if node == UInt64(FUSE_ROOT_ID) { return vault.root }
        guard let address = unsafe UnsafeRawPointer(bitPattern: UInt(node)) else { throw .stale }
        return unsafe Unmanaged<Inode>.fromOpaque(address).takeUnretainedValue()
    }

    /// The node id that the kernel knows an inode by.
    func node(of inode: Inode) -> fuse_ino_t {
        if inode === vault.root { return UInt64(FUSE_ROOT_ID) }
        return unsafe UInt64(UInt(bitPattern: Unmanaged.passUnretained(inode).toOpaque()))
    }

    /// The reply to a look-up.
    func entry(for found: FoundEntry) -> fuse_entry_param { entry(for: found.inode, found.status) }

    /// The same, from its parts.
    func entry(for inode: Inode, _ status: FileStatus) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = node(of: inode)
        entry.generation = inode.generation
        entry.attr = status.kernelForm
        entry.attr_timeout = lifetime(of: inode, status)
        entry.entry_timeout = inode.hasJustLostName ? 0 : options.entryLifetime
        return entry
    }

    /// The reply to a look-up of a name that is not there, which the kernel may remember.
    var absentEntry: fuse_entry_param {
        var entry = fuse_entry_param()
        entry.entry_timeout = options.absenceLifetime
        return entry
    }
}
