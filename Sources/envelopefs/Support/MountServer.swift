// The process behind a mount, and how its end is seen from outside.

import POSIX

/// The daemon that serves a mount. It lets go of the vault when everything is sealed and synced and the keystore is closed, however long the disk takes.
struct MountServer {
    let process: Int32
    private let vault: String
    /// Nil where it has no lock: the vault is on a read-only disk.
    private let owner: VaultFiles.Owner?

    /// How long is waited for the answer of a mount, in seconds.
    private static let patience = 30

    /// The vault's lock tells it, unless that is another's: then the mount itself, which may hang.
    /// - Returns: nil when there is none, or nobody tells it.
    init?(of mount: MountedFilesystem) {
        vault = String(decoding: mount.source, as: UTF8.self)
        let path = String(decoding: mount.mountPoint, as: UTF8.self)
        let owner = VaultFiles.owner(of: vault)
        let told = owner?.mountPoint == path ? nil : MountCounters(asking: path, patience: Self.patience)?.process
        guard let process = told ?? owner?.process else { return nil }
        // One that could write no note (on a full disk) is known by its number here.
        let isOwner = owner != nil && (told == nil || told == owner?.ownNumber || owner?.ownNumber == 0 && told == owner?.process)
        self.process = isOwner ? owner?.process ?? process : process
        self.owner = isOwner ? owner : nil
    }

    /// Whether it says when it begins to seal; there is nothing to seal on a read-only disk.
    var canTell: Bool { owner.map { $0.ownNumber != 0 } ?? true }

    /// Whether it is done with its users, and seals; false also where nobody says so.
    var isSealing: Bool { owner != nil && VaultFiles.holding(vault)?.isSealing == true }

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
        // Its note goes a moment before its lock.
        guard let now = VaultFiles.owner(of: vault) else { return false }
        return now == owner || now.ownNumber == 0
    }
}
