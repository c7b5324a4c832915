// envelopefs status: what is mounted, by whom.

import ArgumentParser
import FUSE
import POSIX

/// Lists the mounts of this mount namespace.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "status", abstract: "List mounts, their vaults and processes.")

    @Argument(help: "One mount point; else all.") var directory: String?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        if let directory {
            let status = try MountStatus(MountEnd.find(directory))
            try json ? Console.json(status) : Console.table(status.rows)
            return
        }
        let all = try Mounts.all().filter(\.isVault).map { MountStatus($0) }
        if json { return try Console.json(all) }
        if all.isEmpty { Console.note("nothing is mounted") }
        for (index, status) in all.enumerated() {
            if index > 0 { try Console.result("") }
            try Console.table(status.rows)
        }
    }
}

/// What can be known of a mount, most of it without asking its file system, which might not answer.
struct MountStatus: Encodable {
    let mountPoint: String
    let vault: String
    let vaultID: String?
    /// The key of new files.
    let defaultKey: String?
    let isReadOnly: Bool
    /// Whether a process serves it.
    let isAlive: Bool
    let daemon: Int32?
    /// The user who mounted it.
    let userID: UInt32?
    let options: String
    /// Nil when the daemon does not answer, or not to this user.
    let counters: MountCounters?

    init(_ mount: MountedFilesystem) {
        mountPoint = String(decoding: mount.mountPoint, as: UTF8.self)
        vault = String(decoding: mount.source, as: UTF8.self)
        let configuration = (try? VaultFiles(at: vault))?.configuration.claimed
        vaultID = configuration?.vaultID.description
        defaultKey = configuration?.defaultKey.keyText
        isReadOnly = mount.optionWords.contains("ro")
        let owner = VaultFiles.owner(of: vault)
        // Without a lock (a vault on a read-only disk) only the mount itself can say.
        isAlive = owner != nil || (try? MountPoint.ask(mountPoint)) != nil
        userID = mount.userID
        options = mount.options + "," + mount.superOptions
        counters = isAlive ? MountCounters(asking: mountPoint) : nil
        daemon = owner?.process ?? counters?.process
    }

    var rows: [(String, String)] {
        [
            ("mount", mountPoint), ("vault", vault), ("vault id", vaultID ?? "unknown"), ("default key", defaultKey ?? "unknown"),
            ("process", daemon.map(String.init) ?? (isAlive ? "unknown" : "gone: 'envelopefs unmount' clears the mount")),
            ("user id", userID.map(String.init) ?? "unknown"), ("options", options),
        ] + (counters?.rows ?? [])
    }
}
