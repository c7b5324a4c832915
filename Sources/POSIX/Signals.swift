// Signals: held back and waited for in order, never handled in a handler.
import CLinux

/// A signal's number.
package struct Signal: Hashable, Sendable, RawRepresentable {
    /// The number, 1 to 64.
    package let rawValue: Int32
    /// From numbers 1 to 64.
    package init(rawValue: Int32) { self.rawValue = rawValue }
    /// `SIGHUP`.
    package static var hangUp: Signal { .init(rawValue: LINUX_SIGHUP) }
    /// `SIGINT`.
    package static var interrupt: Signal { .init(rawValue: LINUX_SIGINT) }
    /// `SIGQUIT`.
    package static var quit: Signal { .init(rawValue: LINUX_SIGQUIT) }
    /// `SIGTERM`.
    package static var terminate: Signal { .init(rawValue: LINUX_SIGTERM) }
    /// `SIGPIPE`.
    package static var pipe: Signal { .init(rawValue: LINUX_SIGPIPE) }
    /// `SIGXFSZ`.
    package static var fileSize: Signal { .init(rawValue: LINUX_SIGXFSZ) }
    /// `SIGUSR1`.
    package static var user1: Signal { .init(rawValue: LINUX_SIGUSR1) }
    /// `SIGUSR2`.
    package static var user2: Signal { .init(rawValue: LINUX_SIGUSR2) }
    /// `SIGCHLD`.
    package static var child: Signal { .init(rawValue: LINUX_SIGCHLD) }
    /// `SIGKILL`.
    package static var kill: Signal { .init(rawValue: LINUX_SIGKILL) }
    /// The signals by which a fault of the program itself ends it.
    package static var crashes: [Signal] {
        [LINUX_SIGILL, LINUX_SIGTRAP, LINUX_SIGABRT, LINUX_SIGBUS, LINUX_SIGFPE, LINUX_SIGSEGV, LINUX_SIGQUIT].map { Signal(rawValue: $0) }
    }

    /// ESRCH when there is no such process.
    package func send(to process: Int32) throws(Errno) { try succeed(linux_kill(process, rawValue)) }
    /// To one thread of this process, by its `Thread.currentID`.
    package func send(toThread id: Int32) throws(Errno) { try succeed(linux_kill_thread(id, rawValue)) }
    /// Whether a process with this id is there, also another user's.
    package static func isAlive(process: Int32) -> Bool {
        let result = linux_kill(process, 0)
        return result == 0 || result == -LINUX_EPERM
    }
    /// The whole process drops it from now on.
    package func ignore() throws(Errno) { try succeed(linux_signal_ignore(rawValue)) }
    /// The whole process does with it what is usual.
    package func restoreDefault() throws(Errno) { try succeed(linux_signal_default(rawValue)) }
    /// Whether this process ignores it, as `nohup` has it.
    package var isIgnored: Bool { linux_signal_is_ignored(rawValue) == 1 }
}

/// A set of signals of the first 64.
package struct SignalSet: Sendable {
    let bits: UInt64
    private init(bits: UInt64) { self.bits = bits }
    /// All 64.
    package static let all = SignalSet(bits: .max)
    /// From numbers 1 to 64.
    package init(_ signals: [Signal]) {
        bits = signals.reduce(0) { $0 | 1 << UInt64($1.rawValue - 1) }
    }
    /// Holds them back in the calling thread and in threads it starts from now on: call it before there are threads.
    package func block() throws(Errno) { try succeed(linux_signals_block(bits, 1)) }
    /// Lets them through in the calling thread.
    package func unblock() throws(Errno) { try succeed(linux_signals_block(bits, 0)) }
    /// Waits for one of them, all blocked. Nil after the timeout in nanoseconds.
    package func wait(timeout: Int64? = nil) throws(Errno) -> Signal? {
        let result = linux_signals_wait(bits, timeout ?? -1)
        if result == -LINUX_EAGAIN { return nil }
        return Signal(rawValue: try checked(result))
    }
    /// A descriptor that is readable while one of them, all blocked, is pending (signalfd).
    package func descriptor() throws(Errno) -> SharedDescriptor {
        SharedDescriptor(adopting: try checked(linux_signal_descriptor(bits)))
    }
}

extension SharedDescriptor {
    /// Takes one signal from a descriptor of `SignalSet.descriptor`; waits for it.
    package func readSignal() throws(Errno) -> Signal { Signal(rawValue: try checked(linux_signal_read(raw))) }
}
