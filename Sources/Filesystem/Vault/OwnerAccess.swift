// What the kernel refuses or takes away when an ordinary user's daemon acts for that user: rights he has taken from himself, set-id bits.

import POSIX
import Synchronization

/// The kernel has decided that the caller may. The backing file system decides again, and knows no caller but the daemon: where it refuses
/// an ordinary user's daemon that user's own object, the object is opened to him for a moment. Nobody is shown a mode of such a moment,
/// and no change of a mode is lost in one.
final class OwnerAccess: Sendable {
    private let userID: UInt32
    /// Whether the backing file system may refuse the daemon anything, and the daemon may do something about it.
    let isNeeded: Bool
    /// Odd during a moment.
    private let moments = Atomic<UInt64>(0)
    /// Held during a moment. Taken with a content's lock held, never the other way round; nothing that runs under it asks for access again.
    private let lock = Mutex<Void>(())
    /// The thread that holds `lock`.
    private let holder = Atomic<Int32>(0)

    private static let all: UInt32 = 0o700
    private static let readWrite: UInt32 = 0o600

    /// - Parameter isReadOnly: nothing in the vault may be changed, a mode for a moment no more than anything else.
    init(userID: UInt32, isReadOnly: Bool) {
        self.userID = userID
        isNeeded = userID != 0 && !isReadOnly
    }

    /// Runs `body`, which reads a mode, so that no moment is seen. It may run twice. To be called inside of `through`, never around it.
    func steadily<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        guard isNeeded else { return try body() }
        let before = moments.load(ordering: .sequentiallyConsistent)
        let result = try body()
        if before & 1 == 0, moments.load(ordering: .sequentiallyConsistent) == before { return result }
        if isInMoment { return result }
        return try lock.withLock { (_: inout Void) throws(Errno) in try body() }
    }

    /// Runs `body`, which sets a mode, between moments. To be called inside of `through`, never around it.
    func alone(_ body: () throws(Errno) -> Void) throws(Errno) {
        if !isNeeded || isInMoment { return try body() }
        try lock.withLock { (_: inout Void) throws(Errno) in try body() }
    }

    /// Whether this thread has made the moment that is.
    private var isInMoment: Bool { holder.load(ordering: .relaxed) == Thread.currentID }

    /// Runs `body`, which goes through a directory, though the directory be closed to its owner. It may run twice.
    func through<R>(_ directory: SharedDescriptor, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        do throws(Errno) {
            return try body()
        } catch {
            guard error == .accessDenied, isNeeded else { throw error }
            return try openingForAMoment(directory, Self.all, body)
        }
    }

    /// Opens an entry for reading or writing.
    func open(_ name: FileName, in parent: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try quietly { (extra) throws(Errno) in try parent.openAt(name, [flags, extra]) }
        } catch {
            guard error == .accessDenied, isNeeded else { throw error }
            let object = try through(parent) { () throws(Errno) in try parent.openAt(name, [.pathOnly, .noFollow]) }
            return try open(object, flags.subtracting([.noFollow]))
        }
    }

    /// Opens an entry that was a regular file when it was looked up. Never waits for the other end of a FIFO that stands there now.
    func openRegular(_ name: FileName, in parent: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try open(name, in: parent, [flags, .nonBlocking])
        } catch {
            guard error == .tryAgain else { throw error }
        }
        // Somebody has a lease, and is to be waited for.
        let object = try through(parent) { () throws(Errno) in try parent.openAt(name, [.pathOnly, .noFollow]) }
        guard try object.status().isRegular else { throw .ioError }
        return try open(object, flags.subtracting([.noFollow]))
    }

    /// The same, of whatever stands there now: ENOENT when that is no regular file.
    func openCertainlyRegular(_ name: FileName, in parent: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        let file = try openRegular(name, in: parent, flags)
        guard try file.status().isRegular else { throw .noEntry }
        return file
    }

    /// Opens an object that is held by an `O_PATH` or other descriptor.
    func open(_ object: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try quietly { (extra) throws(Errno) in try object.reopen([flags, extra]) }
        } catch {
            guard error == .accessDenied, isNeeded else { throw error }
            let isDirectory = try object.status().isDirectory
            return try openingForAMoment(object, isDirectory ? Self.all : Self.readWrite) { () throws(Errno) in
                try object.reopen(flags)
            }
        }
    }

    /// Runs `body`, which writes to a regular file, and puts back the set-id bits that the kernel takes at each write of an ordinary user.
    func keepingSetID<R>(of file: SharedDescriptor, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        try duringMoment { () throws(Errno) -> R in
            let before = try file.status().mode & FileMode.permissionMask
            defer {
                if let after = try? file.status().mode & FileMode.permissionMask, after & FileMode.setIDMask != before & FileMode.setIDMask {
                    try? file.changeMode(after | before & FileMode.setIDMask)
                }
            }
            return try body()
        }
    }

    /// The mode that is put back at its end is to be read inside.
    private func duringMoment<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        try lock.withLock { (_: inout Void) throws(Errno) -> R in
            holder.store(Thread.currentID, ordering: .relaxed)
            moments.add(1, ordering: .sequentiallyConsistent)
            defer {
                moments.add(1, ordering: .sequentiallyConsistent)
                holder.store(0, ordering: .relaxed)
            }
            return try body()
        }
    }

    private func openingForAMoment<R>(
        _ object: SharedDescriptor, _ rights: UInt32, _ body: () throws(Errno) -> R
    ) throws(Errno) -> R {
        try duringMoment { () throws(Errno) -> R in
            let status = try object.status()
            let mode = status.mode & FileMode.permissionMask
            guard status.userID == userID, mode & rights != rights else { return try body() }
            try object.changeMode(mode | rights)
            do throws(Errno) {
                let result = try body()
                try object.changeMode(mode)
                return result
            } catch {
                try? object.changeMode(mode)
                throw error
            }
        }
    }

    /// With `O_NOATIME` where the caller may: reading the vault is no access to the plain file.
    private func quietly(_ open: (OpenFlags) throws(Errno) -> SharedDescriptor) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try open(.noAccessTime)
        } catch {
            guard error == .notPermitted else { throw error }
            return try open([])
        }
    }
}
