// How many descriptors are kept for objects that nobody has open.

import Synchronization

/// Something that keeps a descriptor for its convenience.
protocol DescriptorHolder: AnyObject, Sendable {
    /// Closes the descriptor if it is there.
    func giveBackDescriptor()
}

/// Bounds how many descriptors are kept: the ones opened first are given back first. Holders are only known, not held: one that is gone has closed its own.
final class DescriptorPool: Sendable {
    private struct Entry {
        weak var holder: (any DescriptorHolder)?
    }
    private struct State {
        /// In the order in which they opened; from `head` on.
        var queue: [Entry] = []
        var head = 0
        /// Opened since the queue was last rid of those that are gone.
        var sinceSweep = 0

        mutating func sweep() {
            queue.removeFirst(head)
            queue.removeAll { $0.holder == nil }
            head = 0
            sinceSweep = 0
        }
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = max(limit, 16) }

    /// Call without any lock that `giveBackDescriptor` of a holder takes.
    func opened(_ holder: any DescriptorHolder) {
        let oldest = state.withLock { (state: inout State) -> (any DescriptorHolder)? in
            state.queue.append(Entry(holder: holder))
            state.sinceSweep += 1
            guard state.queue.count - state.head > limit else { return nil }
            // Not each time: it looks at all of them.
            if state.sinceSweep > limit / 4 {
                state.sweep()
                guard state.queue.count > limit else { return nil }
            }
            let oldest = state.queue[state.head].holder
            state.queue[state.head].holder = nil
            state.head += 1
            return oldest
        }
        oldest?.giveBackDescriptor()
    }

    /// How many holders are known, of which some may be gone.
    var count: Int { state.withLock { $0.queue.count - $0.head } }
}
