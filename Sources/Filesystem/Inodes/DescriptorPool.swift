// How many descriptors are kept for objects that nobody has open.

import Synchronization

/// Something that keeps a descriptor for its convenience.
protocol DescriptorHolder: AnyObject, Sendable {
    /// Closes the descriptor if it is there.
    func giveBackDescriptor()
}

/// Bounds how many descriptors are kept: the ones opened first are given back first.
final class DescriptorPool: Sendable {
    private struct State {
        var queue: [any DescriptorHolder] = []
        var head = 0
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = max(limit, 16) }

    /// Call without any lock that `giveBackDescriptor` of a holder takes.
    func opened(_ holder: any DescriptorHolder) {
        let oldest = state.withLock { (state: inout State) -> (any DescriptorHolder)? in
            state.queue.append(holder)
            guard state.queue.count - state.head > limit else { return nil }
            let oldest = state.queue[state.head]
            state.head += 1
            if state.head > limit {
                state.queue.removeFirst(state.head)
                state.head = 0
            }
            return oldest
        }
        oldest?.giveBackDescriptor()
    }
}
