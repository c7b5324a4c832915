// SystemClock: the clocks of the system, and sleeping.
import CLinux

/// Nanoseconds unless said otherwise.
package enum SystemClock {
    /// Since some point of the past; never jumps.
    package static var monotonic: UInt64 { linux_monotonic() }
    /// The same, exact to some milliseconds, cheaper.
    package static var monotonicCoarse: UInt64 { linux_monotonic_coarse() }
    /// The time of day.
    package static var now: Timestamp {
        var time = Timestamp(seconds: 0, nanoseconds: 0)
        unsafe linux_realtime(&time.seconds, &time.nanoseconds)
        return time
    }
    /// Sleeps; less when a signal handler runs.
    package static func sleep(nanoseconds: UInt64) { _ = linux_sleep(nanoseconds) }
}
