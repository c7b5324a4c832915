// envelopefs unmount: takes a mount away, and waits until everything is sealed.

import ArgumentParser
import FUSE
import POSIX

/// Takes a mount away.
struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Take a mount away; return when everything is sealed.",
        discussion: "Programs that hold the mount are named by pid, program and path.")

    @Argument(help: "The mount point.") var directory: String
    @Option(help: ArgumentHelp("Wait for programs that hold the mount: 30s, 5m.", valueName: "time")) var wait: TimeSpan?
    @Flag(help: "Take it away from programs that hold it.") var force = false

    func validate() throws {
        if force && wait != nil { throw ValidationError("--wait and --force exclude each other.") }
    }

    func run() throws {
        try MountEnd.unmount(MountEnd.find(directory), patience: wait ?? TimeSpan(milliseconds: 0), force: force)
    }
}

/// The end of a mount, as `unmount` and `run` bring it about.
enum MountEnd {
    /// The mount at a path, found by its text: asking the file system might wait for a daemon that does not answer.
    static func find(_ given: String) throws(Failure) -> MountedFilesystem {
        let mounts = try Mounts.all()
        var candidates = [Array(given.absolutePath.utf8)]
        if let resolved = try? Paths.resolve(given) { candidates.append(resolved) }
        guard let mount = mounts.last(where: { candidates.contains($0.mountPoint) }), mount.isVault else {
            throw Failure(.notMounted, "no vault is mounted at \(given)", hint: "'envelopefs status' lists the mounts.")
        }
        return mount
    }

    /// Returns when the mount is gone and its daemon has let go of the vault, or when that goes on at another place.
    /// - Throws: `Failure` (mountBusy) that names the holders.
    static func unmount(_ mount: MountedFilesystem, patience: TimeSpan, force: Bool) throws(Failure) {
        let path = String(decoding: mount.mountPoint, as: UTF8.self)
        try requireOwn(mount, path)
        let server = MountServer(of: mount)
        let end = SystemClock.monotonic + UInt64(patience.milliseconds) * 1_000_000
        // One that is gone from here is cut off by nobody: its number may be another's by now.
        let isCut = force && stillMounted(mount) != nil && cutOff(mount, path)
        // Of those from whom it was not cut: they may still be served.
        let holders = force && !isCut ? Holder.all(of: path).filter { $0.processID != server?.process } : []
        waiting: while true {
            switch Unmounting.unmount(path, lazily: force) {
            case .unmounted: break waiting
            case .failed(let error): throw Failure("\(path) cannot be unmounted", error)
            case .busy:
                guard SystemClock.monotonic < end else { throw busy(path, daemon: server?.process) }
                SystemClock.sleep(nanoseconds: 50_000_000)
            }
        }
        if !isCut, let other = stillMounted(mount) {
            Console.note("it is still mounted at \(String(decoding: other.mountPoint, as: UTF8.self)), and served there")
            return
        }
        guard let server, !server.hasLetGo(within: 3_000_000_000) else { return }
        try requireUnserved(server, path, holders)
        if !isCut && server.canTell { try waitForUsersElsewhere(server, path, until: end) }
        if server.hasLetGo(within: 0) { return }
        Console.note("\(path) is gone; process \(server.process) still seals")
        while !server.hasLetGo(within: 3_000_000_000) {}
    }

    private static func stillMounted(_ mount: MountedFilesystem) -> MountedFilesystem? {
        (try? MountTable.current())?.last { $0.device == mount.device && $0.type == mount.type && $0.source == mount.source }
    }

    /// `fusermount3` takes a mount away from nobody but its user, and says so as if it were in use.
    private static func requireOwn(_ mount: MountedFilesystem, _ path: String) throws(Failure) {
        guard let user = mount.userID, CurrentProcess.effectiveUserID != 0, user != CurrentProcess.userID else { return }
        throw Failure(.permissionDenied, "\(path) was mounted by user \(user)", hint: "That user or root unmounts it.")
    }

    /// Has the kernel write out what it can, and then end the connection, where it lets this user do so: root always, others through fusectl.
    /// Where it does not, the unmounting that follows is a lazy one.
    /// - Returns: whether it has ended.
    private static func cutOff(_ mount: MountedFilesystem, _ path: String) -> Bool {
        if let root = try? SharedDescriptor.open(mount.mountPoint.span, [.readOnly, .directory]) { try? root.syncFilesystem() }
        if CurrentProcess.effectiveUserID == 0, (try? Paths.unmount(path, lazily: true, cutsConnection: true)) != nil { return true }
        return Unmounting.abort(mount.device)
    }

    private static func busy(_ path: String, daemon: Int32?) -> Failure {
        let holders = Holder.all(of: path).filter { $0.processID != daemon }
        let list = holders.isEmpty ? "It is used by a process that this user may not see." : holders.map(\.description).joined(separator: "\n")
        return Failure(.mountBusy, "\(path) is in use", hint: list + "\nEnd them, or use --wait 30s to wait for them, or --force to take it away from them.")
    }

    /// - Parameter holders: programs from which the mount was taken by force, but not cut. If they are still served, that is waited for only shortly.
    private static func requireUnserved(_ server: MountServer, _ path: String, _ holders: [Holder]) throws(Failure) {
        let left = holders.filter { Signal.isAlive(process: $0.processID) }
        guard left.isEmpty || server.isSealing else {
            throw Failure(
                .mountBusy, "\(path) is out of sight, but process \(server.process) still serves the programs that hold it; it seals the vault when they end",
                hint: left.map(\.description).joined(separator: "\n"))
        }
    }

    /// A copy of the mount in another mount namespace (a container that was started meanwhile) is seen by nothing here but that the daemon does not begin to seal.
    private static func waitForUsersElsewhere(_ server: MountServer, _ path: String, until end: UInt64) throws(Failure) {
        let end = max(end, SystemClock.monotonic + 30_000_000_000)
        while !server.isSealing && !server.hasLetGo(within: 100_000_000) {
            guard SystemClock.monotonic < end else {
                throw Failure(
                    .mountBusy, "\(path) is gone, but process \(server.process) has not begun to seal: a copy of the mount in another mount namespace, as of a container, may still be served",
                    hint: "It seals the vault when that ends.")
            }
        }
    }
}
