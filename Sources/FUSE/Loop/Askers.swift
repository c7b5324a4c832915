// Who asks: one program alone, or several.

import POSIX
import Synchronization

/// Tells whether one thread of one program has been the only one to ask lately. Waking another thread to read on while the answer is being made is for the
/// others; where there are none, it only costs.
final class Askers: Sendable {
    /// So long nobody else must have asked, in nanoseconds.
    static let memory: UInt64 = 100_000_000

    private let last = Atomic<Int32>(0)
    private let changed = Atomic<UInt64>(0)

    /// A request that a program waits for has come. `now`, of the monotonic clock in nanoseconds, is looked at only when it is another one's.
    func note(_ processID: Int32, at now: @autoclosure () -> UInt64 = SystemClock.monotonic) {
        if last.load(ordering: .relaxed) == processID { return }
        last.store(processID, ordering: .relaxed)
        changed.store(now(), ordering: .relaxed)
    }

    func areOne(at now: UInt64 = SystemClock.monotonic) -> Bool { now >= changed.load(ordering: .relaxed) + Self.memory }
}
