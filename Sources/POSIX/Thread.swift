// Thread: starting and joining threads, the CPU they run on, and how willing they are.
import CLinux

/// A running thread. It must be joined or detached once.
package struct Thread: Sendable {
    private let handle: UInt64

    /// Starts a thread. `name` is cut to 15 bytes; `stackSize` in bytes, 0 = the system's. Throws EAGAIN, ENOMEM.
    package static func start(
        name: String, stackSize: Int = 0, _ body: @escaping @Sendable () -> Void
    ) throws(Errno) -> Thread {
        let context = unsafe Unmanaged.passRetained(Body(body))
        var handle: UInt64 = 0
        let result = unsafe linux_thread_start(runBody, context.toOpaque(), stackSize, name, &handle)
        if result < 0 {
            unsafe context.release()
            throw Errno(code: -result)
        }
        return Thread(handle: handle)
    }
    /// Waits for its end. Throws EDEADLK for the calling thread itself.
    package func join() throws(Errno) { try succeed(linux_thread_join(handle)) }
    /// Lets it end by itself.
    package func detach() throws(Errno) { try succeed(linux_thread_detach(handle)) }

    /// The kernel's number of the calling thread.
    package static var currentID: Int32 { linux_thread_id() }
    /// The CPU the calling thread runs on at this moment; 0 where the kernel does not say.
    package static var currentCPU: Int32 { max(linux_thread_cpu(), 0) }
    /// CPUs that are switched on.
    package static var cpuCount: Int { Int(linux_cpu_count()) }
    /// The CPUs (of the first 64) that the calling thread may use.
    package static var allowedCPUs: [Int32] {
        let bits = linux_thread_cpus()
        return (0..<64).filter { bits >> UInt64($0) & 1 == 1 }
    }
    /// Binds a thread (by its `currentID`; 0 = the calling one) to one CPU; nil = to all the process may use.
    package static func bind(thread id: Int32 = 0, toCPU cpu: Int32?) throws(Errno) {
        try succeed(linux_thread_set_cpu(id, cpu ?? -1))
    }
    /// Makes the calling thread run only where a CPU has nothing else to do (SCHED_IDLE), or as before.
    /// The way back is EPERM for an ordinary user (RLIMIT_NICE).
    package static func setCurrentIdle(_ isIdle: Bool) throws(Errno) {
        try succeed(linux_thread_set_idle(isIdle ? 1 : 0))
    }
    /// Lets other threads of this CPU go first.
    package static func yield() { linux_thread_yield() }
}

/// Carries the closure across the C boundary.
private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
/// A named function, because libpthread's thread must not enter a closure with an actor of its own.
private func runBody(_ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
}
