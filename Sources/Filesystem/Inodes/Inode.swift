// One object of a mounted vault: file, directory, link or special file.

import Format
import POSIX
import Synchronization

/// Which object of the backing file system an inode stands for.
struct InodeKey: Hashable, Sendable {
    let device: UInt64
    let number: UInt64

    init(_ status: FileStatus) {
        device = status.device
        number = status.inode
    }
}

/// One object of a mounted vault. The kernel's node id is its address; it lives while the kernel counts look-ups of it.
///
/// Lock order: `Directory.mutation` (two: by address) → `whereabouts` (child before parent; two of one rename in the order of the code: the kernel holds both
/// objects meanwhile) → `RegularFile.use` → a content's own locks → `InodeTable`.
package final class Inode: DescriptorHolder {
    let key: InodeKey
    let role: Role
    let whereabouts: Mutex<Whereabouts>
    /// How often the kernel has been given this inode and not taken it back. Changed under the table's lock.
    let lookups = Atomic<UInt64>(0)
    /// Set when the object is known to have no `security.capability`, which the kernel asks for at every write.
    let hasNoCapability = Atomic<Bool>(false)

    /// When the kernel was last told of its status, and for whom; the front door keeps it (FUSE/Requests/LateAnswers.swift).
    package let statusTold = Atomic<UInt64>(0)

    /// When it last lost one of several names (monotonic, in nanoseconds); 0 for never.
    private let lostNameAt = Atomic<UInt64>(0)

    /// What an inode can do.
    enum Role: Sendable {
        case directory(Directory)
        case regular(RegularFile)
        case link
        case special
    }

    /// Another one for each inode of this process: the kernel tells by it an object from an earlier one at the same address.
    package let generation: UInt64
    private static let generations = Atomic<UInt64>(0)

    init(key: InodeKey, role: Role, place: Place?) {
        generation = Self.generations.add(1, ordering: .relaxed).newValue
        self.key = key
        self.role = role
        whereabouts = Mutex(Whereabouts(place))
    }

    /// The number that programs see.
    package var number: UInt64 { key.number }
    package var isDirectory: Bool { if case .directory = role { true } else { false } }
    package var isRegular: Bool { if case .regular = role { true } else { false } }

    /// - Throws: `ENOTDIR`.
    var directory: Directory {
        get throws(Errno) {
            guard case .directory(let directory) = role else { throw .notDirectory }
            return directory
        }
    }

    /// Closes the anchor. The object can be reached again when one of its names is looked up; until then it is stale.
    func giveBackDescriptor() { whereabouts.withLock { $0.anchor = nil } }

    /// The kernel counts its links down by itself when it has its answer to a removal, also where another answer has just told it the new count.
    /// So what it is told at such a time must not be kept.
    package var hasJustLostName: Bool {
        let time = lostNameAt.load(ordering: .relaxed)
        return time != 0 && SystemClock.monotonicCoarse < time + 2_000_000_000
    }
    func noteLosingName() { lostNameAt.store(SystemClock.monotonicCoarse, ordering: .relaxed) }

    var label: FileLabel {
        let place = whereabouts.withLock { $0.first }
        return FileLabel(inode: key.number, backingName: place?.name, in: place?.directoryID)
    }

    /// Runs one system call with a parent directory and sealed name that lead to this object, or with an `O_PATH` descriptor of it.
    /// No rename or removal of the object happens meanwhile. The name may stand in a directory that its owner has closed to himself.
    /// - Throws: as `locate`.
    func reach<R>(
        named: (SharedDescriptor, FileName) throws(Errno) -> R,
        anchored: (SharedDescriptor) throws(Errno) -> R
    ) throws(Errno) -> R {
        try locate(
            named: { (place, parent) throws(Errno) -> R in
                try place.parent.directory.access.through(parent) { () throws(Errno) in try named(parent, place.name) }
            }, anchored: anchored)
    }

    /// The same for more than one system call, which goes through the directory as it stands.
    /// - Throws: `ENOENT` for an object without any name, `ESTALE` for one whose names are not known; what `body` throws.
    func locate<R>(
        named: (Place, SharedDescriptor) throws(Errno) -> R,
        anchored: (SharedDescriptor) throws(Errno) -> R
    ) throws(Errno) -> R {
        if case .directory(let directory) = role {
            return try anchored(directory.descriptor(of: self))
        }
        return try whereabouts.withLock { (places: inout Whereabouts) throws(Errno) -> R in
            if let place = places.first {
                return try named(place, place.parent.directory.descriptor(of: place.parent))
            }
            if let anchor = places.anchor { return try anchored(anchor) }
            throw places.removed == nil ? .stale : .noEntry
        }
    }
}
