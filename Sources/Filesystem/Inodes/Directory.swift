// What a directory of a mounted vault knows of itself.

import Format
import POSIX
import Synchronization

/// The state of a directory inode: identity, way of access, list of its subdirectories.
final class Directory: DescriptorHolder {
    let id: DirectoryID
    /// Held by whoever adds, removes or renames entries.
    let mutation = Mutex<Void>(())
    /// Odd while somebody takes names away.
    let removals = Atomic<UInt64>(0)
    /// Whether a listing had to leave a name out that could not be read.
    let hadGap = Atomic<Bool>(false)
    /// The subdirectories by plain name; complete or not built at all.
    let subdirectories = Mutex<SubdirectoryIndex?>(nil)
    private let open = Mutex<SharedDescriptor?>(nil)
    private let pool: DescriptorPool
    let access: OwnerAccess
    private let isPinned: Bool

    init(id: DirectoryID, pool: DescriptorPool, access: OwnerAccess) {
        self.id = id
        self.pool = pool
        self.access = access
        isPinned = false
    }

    /// The root, whose descriptor stays open.
    init(root: SharedDescriptor, id: DirectoryID, pool: DescriptorPool, access: OwnerAccess) {
        self.id = id
        self.pool = pool
        self.access = access
        isPinned = true
        open.withLock { $0 = root }
    }

    /// An `O_PATH` descriptor of the backing directory, opened through its parent when it was given back.
    /// - Throws: `ENOENT` when the directory was removed; other errors of open.
    func descriptor(of inode: Inode) throws(Errno) -> SharedDescriptor {
        if let descriptor = open.withLock({ $0 }) { return descriptor }
        let opened = try inode.whereabouts.withLock { (places: inout Whereabouts) throws(Errno) -> SharedDescriptor in
            guard let place = places.first else { throw .noEntry }
            let parent = try place.parent.directory.descriptor(of: place.parent)
            return try access.through(parent) { () throws(Errno) in
                try parent.openAt(place.name, [.pathOnly, .directory, .noFollow])
            }
        }
        let (kept, isNew) = open.withLock { (slot: inout SharedDescriptor?) -> (SharedDescriptor, Bool) in
            if let known = slot { return (known, false) }
            slot = opened
            return (opened, true)
        }
        if isNew { pool.opened(self) }
        return kept
    }

    /// Runs `body`, which takes names away, as the only one who changes entries.
    func removing<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        try mutation.withLock { (_: inout Void) throws(Errno) -> R in
            removals.add(1, ordering: .sequentiallyConsistent)
            defer { removals.add(1, ordering: .sequentiallyConsistent) }
            return try body()
        }
    }

    /// Makes sure that the directory can still be reached after its name is gone.
    func keepOpen(of inode: Inode) { _ = try? descriptor(of: inode) }

    func giveBackDescriptor() {
        guard !isPinned else { return }
        open.withLock { $0 = nil }
    }
}
