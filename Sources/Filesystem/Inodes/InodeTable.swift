// The inodes that the kernel knows, by the backing object they stand for.

import POSIX
import Synchronization

/// Keeps every inode that the kernel has been given until it takes it back, and knows those that are alive for another reason:
/// an object's place holds its directory. INVARIANT: there is never a second inode of one backing object, so that a renamed
/// directory is found again from every place that names it.
final class InodeTable: Sendable {
    /// An inode, held while it is looked up, else only known.
    private struct Holding {
        weak var known: Inode?
        var held: Inode?
    }
    private struct State {
        var byKey: [InodeKey: Holding] = [:]
        /// Objects that have no name any more, so that their inode number may be used again for another object; and inodes in whose place another one stands.
        var nameless: [ObjectIdentifier: Inode] = [:]
        /// Keys of inodes that are no longer held; most are gone.
        var passed: [InodeKey] = []

        mutating func count(_ inode: Inode) {
            let before = inode.lookups.add(1, ordering: .relaxed).oldValue
            // Held already, by its number or as nameless.
            if before == 0 { byKey[inode.key] = Holding(known: inode, held: inode) }
        }

        mutating func letGo(_ inode: Inode) {
            nameless[ObjectIdentifier(inode)] = nil
            guard let holding = byKey[inode.key], holding.known === inode else { return }
            byKey[inode.key]?.held = nil
            passed.append(inode.key)
            guard passed.count > 1024 else { return }
            for key in passed {
                if let holding = byKey[key], holding.known == nil { byKey[key] = nil }
            }
            passed = []
        }
    }
    private let state = Mutex(State())

    /// The inode of a backing object, counted as looked up once more; made by `make` when it is new.
    func found(_ key: InodeKey, at place: Place?, make: () throws(Errno) -> Inode) throws(Errno) -> Inode {
        let known = state.withLock { (state: inout State) -> Inode? in
            guard let inode = state.byKey[key]?.known else { return nil }
            state.count(inode)
            return inode
        }
        if let known {
            if let place { known.note(place) }
            return known
        }
        let made = try make()
        return state.withLock { (state: inout State) -> Inode in
            let inode = state.byKey[key]?.known ?? made
            state.count(inode)
            return inode
        }
    }

    /// The inode of a backing object, if there is one; not counted.
    func known(_ key: InodeKey) -> Inode? { state.withLock { $0.byKey[key]?.known } }

    /// Those that the kernel has not taken back.
    var inodes: [Inode] { state.withLock { $0.byKey.values.compactMap(\.held) + $0.nameless.values } }

    /// How many the kernel knows, or did a short while ago.
    var count: Int { state.withLock { $0.byKey.count } }

    /// Counts one more look-up of an inode that is known.
    func retain(_ inode: Inode) { state.withLock { $0.count(inode) } }

    /// The kernel takes back `count` look-ups.
    func forget(_ inode: Inode, _ count: UInt64) {
        state.withLock { (state: inout State) in
            guard inode.lookups.subtract(count, ordering: .relaxed).newValue == 0 else { return }
            state.letGo(inode)
        }
    }

    /// The object loses its last name: another object may come with its number.
    func detach(_ inode: Inode) {
        state.withLock { (state: inout State) in
            guard state.byKey[inode.key]?.known === inode else { return }
            state.byKey[inode.key] = nil
            if inode.lookups.load(ordering: .relaxed) > 0 { state.nameless[ObjectIdentifier(inode)] = inode }
        }
    }

    /// A removal that was announced by `detach` has failed: the object is what its number stands for after all.
    func attach(_ inode: Inode) {
        state.withLock { (state: inout State) in
            // Somebody has looked the name up meanwhile, and the kernel may know that one by now.
            if let other = state.byKey[inode.key]?.known, other !== inode, other.lookups.load(ordering: .relaxed) > 0 {
                state.nameless[ObjectIdentifier(other)] = other
            }
            let isHeld = state.nameless.removeValue(forKey: ObjectIdentifier(inode)) != nil
            state.byKey[inode.key] = Holding(known: inode, held: isHeld ? inode : nil)
        }
    }
}

extension Inode {
    /// Remembers one more name that leads here.
    func note(_ place: Place) {
        whereabouts.withLock { $0.add(place) }
    }
}
