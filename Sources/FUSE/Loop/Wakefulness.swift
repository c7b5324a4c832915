// Keeping CPUs from halting while programs wait for one small answer after another.
//
// A program that waits for its answer leaves its CPU idle. On a virtual machine an idle CPU halts at once, and waking it takes longer than serving most
// requests. Whoever may (root) asks the kernel meanwhile that waking take no time, and idle CPUs look for work instead of halting.

import CFUSE
import POSIX
import Synchronization

/// One for each session. Held from the fourth of some small requests in quick succession on, until none has come for a while.
final class Wakefulness: Sendable {
    /// Small requests in quick succession after which it is held.
    static let burst = 4
    /// After this long without a request it is let go. Milliseconds.
    static let patience: Int32 = 1
    /// Heavy requests without any small one after which it is let go: a long transfer gains nothing.
    static let heavies: UInt32 = 16

    /// Microseconds, in the machine's order of bytes: the longest that waking may take, while the descriptor is open. The kernel forgets it with the
    /// descriptor, also when the daemon is killed.
    private let device: SharedDescriptor?
    private let held = Atomic<Bool>(false)
    private let heavyStreak = Atomic<UInt32>(0)
    /// Reading threads that sleep for as long as it takes. INVARIANT: while it is held, a thread is awake that will let go of it.
    private let sleepers = Atomic<Int>(0)

    var isHeld: Bool { held.load(ordering: .relaxed) }

    /// Holds nothing where the device is not there or not for this user, or where there are more CPUs than allowed: it is all of them that are kept awake.
    init(_ options: MountOptions) {
        guard let path = options.latencyDevice, Thread.cpuCount <= options.mostCPUsAwake, let device = try? SharedDescriptor.open(path, .writeOnly),
            (try? Self.ask(device, Self.noLimit)) != nil
        else {
            device = nil
            return
        }
        self.device = device
    }

    /// A small request that a program waits for has come, as the `number`th in quick succession.
    func noteSmall(_ number: Int) {
        if heavyStreak.load(ordering: .relaxed) != 0 { heavyStreak.store(0, ordering: .relaxed) }
        if number >= Self.burst, !isHeld { hold() }
    }

    /// A heavy request has come.
    func noteHeavy() {
        if isHeld, heavyStreak.add(1, ordering: .relaxed).newValue >= Self.heavies { letGo() }
    }

    private func hold() {
        guard let device, !held.exchange(true, ordering: .sequentiallyConsistent) else { return }
        try? Self.ask(device, 0)
    }

    /// A reading thread sleeps, without end, in `body`.
    func whileAsleep(_ body: () -> Void) {
        sleepers.add(1, ordering: .sequentiallyConsistent)
        letGo()
        body()
        sleepers.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// A thread has lost its turn to read. Where those that have one sleep, none of them would let go of what it has held.
    func noteTurnLost() {
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 { letGo() }
    }

    func letGo() {
        guard let device, held.exchange(false, ordering: .sequentiallyConsistent) else { return }
        try? Self.ask(device, Self.noLimit)
    }

    /// What the kernel assumes when nobody asks for anything (`PM_QOS_CPU_LATENCY_DEFAULT_VALUE`).
    static let noLimit: Int32 = 2_000_000_000

    private static func ask(_ device: SharedDescriptor, _ microseconds: Int32) throws(Errno) {
        let bytes = unsafe withUnsafeBytes(of: microseconds) { unsafe Array($0) }
        try device.writeAll(bytes.span, at: 0)
    }
}
