// A mount, from mounting to its end.

import Bytes
import CFUSE
import Filesystem
import Logging
import POSIX
import Synchronization

/// One mounted vault. `mount`, then `run`, which returns when the vault is unmounted; the caller then closes the vault.
@safe package final class Session: @unchecked Sendable {
    let handle: OpaquePointer
    let service: Service
    let loop: RequestLoop
    let events: Events
    /// Absolute, without symbolic links.
    package let mountPoint: String
    /// The number of the mounted file system; nil until it serves.
    private let device = Mutex<DeviceNumber?>(nil)
    /// It was unmounted lazily, and its users were promised that they are served on.
    private let isOutOfSight = Atomic(false)

    /// Mounts a vault. Requests wait until `run` serves them, so nothing of this process may touch the mount before.
    /// - Parameter mountPoint: an existing directory.
    package static func mount(
        vault: Vault, at mountPoint: String, options: MountOptions = MountOptions(), logger: Logger = Logger(label: "envelopefs.fuse")
    ) throws(MountError) -> Session {
        let path = try MountChecks.run(mountPoint: mountPoint, options: options)
        LibraryLog.redirect(to: logger)
        let service = Service(vault: vault, options: options, logger: logger)
        let (made, words) = unsafe LibraryLog.collect { unsafe newSession(service, options) }
        guard let handle = unsafe made else { throw .refused(words.isEmpty ? "unknown option" : words) }
        let (result, refusal) = LibraryLog.collect { unsafe fuse_session_mount(handle, path) }
        if result != 0 {
            unsafe fuse_session_destroy(handle)
            throw .refused(refusal.isEmpty ? "see the message of fusermount3 above" : refusal)
        }
        do throws(Errno) {
            return unsafe Session(handle, service, path, try Events())
        } catch {
            unsafe fuse_session_unmount(handle)
            unsafe fuse_session_destroy(handle)
            throw .system("signals", error)
        }
    }

    private init(_ handle: OpaquePointer, _ service: Service, _ mountPoint: String, _ events: Events) {
        unsafe self.handle = handle
        self.service = service
        self.mountPoint = mountPoint
        self.events = events
        service.sessionAddress.store(UInt(bitPattern: handle), ordering: .releasing)
        loop = unsafe RequestLoop(session: handle, service: service) {
            do throws(Errno) { try events.ring() } catch { service.logger.critical("the end of the mount cannot be told: \(error)") }
        }
    }

    deinit {
        // Unmounts what was mounted and never run; closes the connection in any case.
        unsafe fuse_session_unmount(handle)
        unsafe fuse_session_destroy(handle)
    }

    private static func newSession(_ service: Service, _ options: MountOptions) -> OpaquePointer? {
        var table = operationsTable()
        let context = unsafe Unmanaged.passUnretained(service).toOpaque()
        return unsafe withArguments(options.words) { arguments in
            unsafe fuse_session_new(&arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, context)
        }
    }

    /// Lends libfuse a command line of its own.
    private static func withArguments<R>(_ words: [String], _ body: (inout fuse_args) -> R) -> R {
        var arguments = unsafe fuse_args()
        defer { unsafe fuse_opt_free_args(&arguments) }
        for word in words { unsafe fuse_opt_add_arg(&arguments, word) }
        return unsafe body(&arguments)
    }

    /// Requests served since the mount began: for noticing idleness.
    package var requestsServed: UInt64 { loop.served }

    /// Serves until the vault is unmounted: by anybody, or by SIGTERM, SIGINT or SIGHUP, which this thread takes.
    /// The three stay blocked in it, so that none ends the process while the vault is sealed afterwards.
    /// - Parameter ready: called once, when programs can use the mount.
    /// - Throws: `negotiation`, `connectionLost`, `system`.
    package func run(ready: () -> Void) throws(MountError) {
        do throws(Errno) {
            try Events.signals.block()
            try unsafe KernelChannel.attach(to: handle)
            try loop.start()
        } catch {
            throw .system("serving \(mountPoint)", error)
        }
        let watch = startWatch()
        defer { finish(watch) }
        var isReady = false
        var signals = 0
        while true {
            switch waitForEvent() {
            case .news: break
            case .signal(let signal):
                signals += 1
                endMount(signal, isFirst: signals == 1)
            }
            if !isReady && loop.isAgreed {
                isReady = true
                lookAtMount()
                ready()
            }
            if let ending = loop.ending { return try conclude(ending) }
        }
    }

    /// Asks for the end, as a signal does.
    /// - Returns: what came of it.
    package func unmount(lazily: Bool) -> UnmountOutcome {
        // As a whole: whoever renames a directory above it moves it along.
        let places = places ?? []
        let place = places.last { $0.mountPoint == Array(mountPoint.utf8) } ?? places.last { $0.root == [UInt8(ascii: "/")] } ?? places.last
        return Unmounting.unmount(place.map { String(decoding: $0.mountPoint, as: UTF8.self) } ?? mountPoint, lazily: lazily)
    }

    /// Where it is mounted now in this mount namespace; nil when that is not known.
    private var places: [MountedFilesystem]? {
        guard let device = device.withLock({ $0 }) else { return nil }
        return (try? MountTable.current())?.filter { $0.device == device }
    }

    private func waitForEvent() -> Events.Event {
        do throws(Errno) {
            return try events.next()
        } catch {
            // Without this descriptor nothing would end the wait; the loop's own end is still seen.
            service.logger.critical("waiting for signals failed: \(error)")
            loop.join()
            return .news
        }
    }

    private func startWatch() -> Thread? {
        do throws(Errno) {
            return try Thread.start(name: "watch") { [loop] in loop.watch() }
        } catch {
            service.logger.warning("slow requests will hold up others: \(error)")
            return nil
        }
    }

    private func finish(_ watch: Thread?) {
        loop.join()
        loop.wakefulness.letGo()
        loop.watchBell.ring()
        do throws(Errno) {
            try watch?.join()
        } catch {
            service.logger.error("ending the session: \(error)")
        }
    }

    private func lookAtMount() {
        do throws(Errno) {
            guard let mount = try MountTable.mount(at: Array(mountPoint.utf8)) else { return }
            device.withLock { $0 = mount.device }
            try ReadAhead.set(service.options.readAhead, of: mount)
        } catch {
            service.logger.debug("read-ahead stays as the kernel has it: \(error)")
        }
    }

    func endMount(_ signal: Signal, isFirst: Bool) {
        service.logger.notice("signal \(signal.rawValue): unmounting \(mountPoint)")
        if !isFirst && places?.isEmpty == true { return endElsewhere() }
        switch unmount(lazily: false) {
        case .unmounted: break
        case .failed(let error): service.logger.error("\(mountPoint) cannot be unmounted: \(error)")
        case .busy where !isFirst:
            service.logger.warning("\(mountPoint) is in use and goes out of sight; it is served until its users are done")
            isOutOfSight.store(true, ordering: .relaxed)
            _ = unmount(lazily: true)
        case .busy:
            let holders = Holder.all(of: mountPoint)
            let names = holders.isEmpty ? "a process that this user may not see" : holders.map(\.nameAndNumber).joined(separator: ", ")
            service.logger.error("\(mountPoint) is in use and stays mounted: \(names); a second signal unmounts it lazily")
        }
    }

    /// It is mounted nowhere here, and is served all the same: to those whom a lazy unmounting has left it, or as a copy in another mount namespace (a container).
    private func endElsewhere() {
        if isOutOfSight.load(ordering: .relaxed) { return service.logger.warning("\(mountPoint) is out of sight; it is served until its users are done") }
        service.logger.error("\(mountPoint) is not mounted here any more, but a copy of it is in another mount namespace, and is cut off")
        if let device = device.withLock({ $0 }), Unmounting.abort(device) { return }
        service.logger.error("it cannot be cut off without /sys/fs/fuse/connections; it is served until that namespace ends")
    }

    private func conclude(_ ending: RequestLoop.Ending) throws(MountError) {
        switch ending {
        case .unmounted: removeDeadMount()
        case .failed(.protocolError): throw .negotiation("see the log")
        case .failed(let error): throw .connectionLost(error)
        }
    }

    /// A connection that was cut (`/sys/fs/fuse/connections/*/abort`) leaves its mount behind, where every access fails.
    private func removeDeadMount() {
        do throws(Errno) {
            guard let mount = try MountTable.mount(at: Array(mountPoint.utf8)), mount.isVault,
                mount.source == Array(service.options.fsname.utf8)
            else { return }
            service.logger.warning("the connection of \(mountPoint) was cut; the dead mount is removed")
            _ = Unmounting.unmount(mountPoint, lazily: true)
        } catch {
            service.logger.warning("whether \(mountPoint) is gone is not known: \(error)")
        }
    }
}

extension MountOptions {
    /// The command line that libfuse understands.
    var words: [String] {
        var options = ["fsname=\(Self.escaped(fsname))", "subtype=envelopefs", "max_read=\(maxRequest)"]
        if checksPermissions { options.append("default_permissions") }
        if allowOther { options.append("allow_other") }
        options.append(readOnly ? "ro" : "rw")
        if allowsSetUserID { options.append("suid") }
        if allowsDevices { options.append("dev") }
        return ["envelopefs", "-o", (options + extra).joined(separator: ",")]
    }

    /// A value in which commas are no separators.
    static func escaped(_ value: String) -> String {
        var text = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            if scalar == "," || scalar == "\\" { text.append("\\") }
            text.append(scalar)
        }
        return String(text)
    }
}
