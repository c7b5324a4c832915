// What the thread that started a session waits for.

import Logging
import POSIX

/// Signals, and news from the serving threads.
final class Events: Sendable {
    enum Event { case news, signal(Signal) }

    /// Those that end a mount. They must be blocked in every thread, so `run` blocks them before it starts any.
    static let signals = SignalSet([.terminate, .interrupt, .hangUp])

    private let bell: POSIX.Event
    private let pending: SharedDescriptor

    init() throws(Errno) {
        bell = try POSIX.Event()
        pending = try Self.signals.descriptor()
    }

    /// There is news: INIT was answered, or all threads have ended.
    func ring() throws(Errno) { try bell.signal() }

    /// Waits for the next of either.
    func next() throws(Errno) -> Event {
        while true {
            let ready = try SharedDescriptor.waitForAny([bell.descriptor, pending])
            if ready == 1 { return .signal(try pending.readSignal()) }
            if try bell.clear() { return .news }
        }
    }
}
