// The process behind a mount, and how its end is seen from outside.

import POSIX

/// The daemon that serves a mount. It lets go of the vault when everything is sealed and synced and the keystore is closed, however long the disk takes.
struct MountServer {
    let process: Int32
    private let vault: String
    /// Nil where it has no lock: the vault is on a read-only disk.
    private let owner: VaultFiles.Owner?

    /// The vault's lock tells it, unless that is another's: then the mount itself, which may hang, and is waited for during a second.
    /// - Returns: nil when there is none, or nobody tells it.
    init?(of mount: MountedFilesystem) {
        vault = String(decoding: mount.source, as: UTF8.self)
        let path = String(decoding: mount.mountPoint, as: UTF8.self)
        let owner = VaultFiles.owner(of: vault)
        let told = owner?.mountPoint == path ? nil : MountCounters(asking: path)?.process
        guard let process = told ?? owner?.process else { return nil }
        self.process = process
        self.owner = owner?.process == process ? owner : nil
    }

    /// Waits until it has let go of the vault, for so many nanoseconds at most. Whether it has.
    func hasLetGo(within time: UInt64) -> Bool {
        let end = SystemClock.monotonic + time
        while isHolding {
            guard SystemClock.monotonic < end else { return false }
            SystemClock.sleep(nanoseconds: 10_000_000)
        }
        return true
    }

    private var isHolding: Bool {
        guard let owner else { return VaultFiles.isServing(process) }
        return VaultFiles.owner(of: vault) == owner
    }
}
