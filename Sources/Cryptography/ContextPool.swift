// Idle libcrypto contexts, kept for the next call.

import CLibCrypto
import Synchronization

/// Holds up to eight idle contexts without a lock. Each thread first tries a place of its own, so one thread alone
/// always gets the same context, and several do not wait for each other.
/// INVARIANT: an address is in at most one place; whoever took it owns it.
struct ContextPool: ~Copyable, Sendable {
    private static var capacity: Int { 8 }
    private let places = InlineArray<8, Atomic<UInt>> { _ in Atomic(0) }

    /// An idle context, now the caller's; nil when there is none.
    @inline(__always)
    borrowing func take() -> OpaquePointer? {
        let first = Int(truncatingIfNeeded: clibcrypto_thread_number())
        for step in 0..<Self.capacity {
            let index = (first &+ step) & (Self.capacity - 1)
            if places[index].load(ordering: .relaxed) == 0 { continue }
            let taken = places[index].exchange(0, ordering: .sequentiallyConsistent)
            if taken != 0 { return unsafe OpaquePointer(bitPattern: taken) }
        }
        return nil
    }

    /// An idle context, or the one that `make` makes.
    @inline(__always)
    borrowing func take(
        orMake make: () throws(CryptographyError) -> OpaquePointer
    ) throws(CryptographyError) -> OpaquePointer {
        if let context = unsafe take() { return unsafe context }
        return unsafe try make()
    }

    /// Takes `context` in; false when all places are full, and the context stays the caller's.
    @inline(__always)
    borrowing func put(_ context: OpaquePointer) -> Bool {
        let first = Int(truncatingIfNeeded: clibcrypto_thread_number())
        for step in 0..<Self.capacity {
            let index = (first &+ step) & (Self.capacity - 1)
            let (isPut, _) = places[index].compareExchange(
                expected: 0, desired: UInt(bitPattern: context), ordering: .sequentiallyConsistent)
            if isPut { return true }
        }
        return false
    }
}
