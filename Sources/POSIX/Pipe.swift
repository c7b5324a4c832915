// Pipes, events, and waiting until a descriptor has something to read.
import Bytes
import CLinux

/// The two ends of a new pipe, both close-on-exec.
package struct Pipe: Sendable {
    /// Ends (reads 0 bytes) when the last write end is closed.
    package let readEnd: SharedDescriptor
    /// EPIPE when the last read end is closed and SIGPIPE is ignored.
    package let writeEnd: SharedDescriptor
    /// Throws EMFILE, ENFILE.
    package init() throws(Errno) {
        var ends: (Int32, Int32) = (-1, -1)
        try unsafe succeed(linux_pipe(&ends.0, &ends.1))
        readEnd = SharedDescriptor(adopting: ends.0)
        writeEnd = SharedDescriptor(adopting: ends.1)
    }
}

/// A flag that one thread raises and another waits for in `poll` (eventfd).
package final class Event: Sendable {
    /// Readable while the flag is up.
    package let descriptor: SharedDescriptor
    /// Throws EMFILE, ENFILE.
    package init() throws(Errno) { descriptor = SharedDescriptor(adopting: try checked(linux_event_descriptor())) }
    /// Raises the flag.
    package func signal() throws(Errno) {
        let one: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
        try descriptor.writeSequence(one.span)
    }
    /// Lowers the flag; whether it was up.
    package func clear() throws(Errno) -> Bool {
        var counter = [UInt8](repeating: 0, count: 8)
        var span = counter.mutableSpan
        do throws(Errno) {
            return try descriptor.readNext(into: &span) == 8
        } catch {
            if error == .tryAgain { return false }
            throw error
        }
    }
}

extension SharedDescriptor {
    /// Waits until there is something to read, the other end is gone, or an error is there. False after the timeout (-1 = none).
    package func waitUntilReadable(timeoutMilliseconds: Int32 = -1) throws(Errno) -> Bool {
        try checked(linux_poll(raw, 1, timeoutMilliseconds)) > 0
    }
    /// The index of one of up to 32 descriptors that can be read, or nil after the timeout (-1 = none).
    package static func waitForAny(_ descriptors: [SharedDescriptor], timeoutMilliseconds: Int32 = -1) throws(Errno) -> Int? {
        let numbers = descriptors.map(\.raw)
        let result = unsafe linux_poll_any(numbers, Int32(numbers.count), timeoutMilliseconds)
        if result == -LINUX_EAGAIN { return nil }
        return Int(try checked(result))
    }
}
