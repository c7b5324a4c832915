// The inodes that the kernel knows, by the backing object they stand for.

import POSIX
import Synchronization

/// Keeps every inode that the kernel has been given until it takes it back.
final class InodeTable: Sendable {
    private struct State {
        var byKey: [InodeKey: Inode] = [:]
        /// Objects that have no name any more: their inode number may be used again for another object.
        var nameless: [ObjectIdentifier: Inode] = [:]
    }
    private let state = Mutex(State())

    /// The inode of a backing object, counted as looked up once more; made by `make` when it is new.
    func found(_ key: InodeKey, at place: Place?, make: () throws(Errno) -> Inode) throws(Errno) -> Inode {
        let known = state.withLock { (state: inout State) -> Inode? in
            guard let inode = state.byKey[key] else { return nil }
            inode.lookups.add(1, ordering: .relaxed)
            return inode
        }
        if let known {
            if let place { known.note(place) }
            return known
        }
        let made = try make()
        return state.withLock { (state: inout State) -> Inode in
            let inode = state.byKey[key] ?? made
            inode.lookups.add(1, ordering: .relaxed)
            state.byKey[key] = inode
            return inode
        }
    }

    /// The inode of a backing object, if the kernel knows it; not counted.
    func known(_ key: InodeKey) -> Inode? { state.withLock { $0.byKey[key] } }

    /// Counts one more look-up of an inode that is known.
    func retain(_ inode: Inode) { _ = state.withLock { _ in inode.lookups.add(1, ordering: .relaxed) } }

    /// The kernel takes back `count` look-ups.
    func forget(_ inode: Inode, _ count: UInt64) {
        state.withLock { (state: inout State) in
            guard inode.lookups.subtract(count, ordering: .relaxed).newValue == 0 else { return }
            if state.byKey[inode.key] === inode { state.byKey[inode.key] = nil }
            state.nameless[ObjectIdentifier(inode)] = nil
        }
    }

    /// The object has lost its last name: another object may come with its number.
    func detach(_ inode: Inode) {
        state.withLock { (state: inout State) in
            guard state.byKey[inode.key] === inode else { return }
            state.byKey[inode.key] = nil
            state.nameless[ObjectIdentifier(inode)] = inode
        }
    }

    /// A removal that was announced by `detach` has failed: the object is what its number stands for after all.
    func attach(_ inode: Inode) {
        state.withLock { (state: inout State) in
            guard state.nameless.removeValue(forKey: ObjectIdentifier(inode)) != nil else { return }
            state.byKey[inode.key] = inode
        }
    }

    var count: Int { state.withLock { $0.byKey.count + $0.nameless.count } }

    /// All that are known now.
    var all: [Inode] { state.withLock { Array($0.byKey.values) + Array($0.nameless.values) } }
}

extension Inode {
    /// Remembers one more name that leads here.
    func note(_ place: Place) {
        whereabouts.withLock { $0.add(place) }
    }
}
