// Secrets from outside: typed at a terminal, in a file or from a descriptor, straight into the caller's memory.
import Bytes
import CLinux

/// The terminal a person sits at.
package enum Terminal {
    /// Asks on /dev/tty without echo and puts the line into `secret`; the bytes are nowhere else in this process. Returns the length.
    ///
    /// ENXIO without a terminal, E2BIG when longer than `secret`, EINTR after Ctrl-C, ENODATA at the end of input; `secret` is wiped then.
    @_lifetime(secret: copy secret)
    package static func readSecret(prompt: String, into secret: inout MutableByteSpan) throws(Errno) -> Int {
        let terminal = try SharedDescriptor.open("/dev/tty", [.readWrite, .noControllingTerminal])
        return try readSecret(prompt: prompt, from: terminal, into: &secret)
    }
    /// The same on a given terminal. ENOTTY when it is none.
    @_lifetime(secret: copy secret)
    package static func readSecret(
        prompt: String, from terminal: SharedDescriptor, into secret: inout MutableByteSpan
    ) throws(Errno) -> Int {
        let prompt = Array(prompt.utf8)
        let result = unsafe secret.withUnsafeMutableBufferPointer {
            unsafe linux_terminal_read_secret(terminal.raw, prompt, prompt.count, $0.baseAddress, $0.count)
        }
        return try checked(result)
    }
    /// Whether a person may sit behind it.
    package static func isTerminal(_ descriptor: SharedDescriptor) -> Bool { linux_is_terminal(descriptor.raw) == 1 }
    /// Columns and rows. ENOTTY when it is no terminal.
    package static func size(_ descriptor: SharedDescriptor) throws(Errno) -> (columns: Int, rows: Int) {
        var (columns, rows): (Int32, Int32) = (0, 0)
        try unsafe succeed(linux_terminal_size(descriptor.raw, &columns, &rows))
        return (Int(columns), Int(rows))
    }
}

/// Secrets in files.
package enum SecretSource {
    /// Reads to the end into `secret` without any buffer between; one line end at the end is left out. Returns the length.
    /// E2BIG when there is more than fits (the line end must fit too); `secret` is zeroed after an error.
    @_lifetime(secret: copy secret)
    package static func read(from descriptor: SharedDescriptor, into secret: inout MutableByteSpan) throws(Errno) -> Int {
        do throws(Errno) {
            return try readWithoutLineEnd(from: descriptor, into: &secret)
        } catch {
            secret.zeroAll()
            throw error
        }
    }
    @_lifetime(secret: copy secret)
    private static func readWithoutLineEnd(
        from descriptor: SharedDescriptor, into secret: inout MutableByteSpan
    ) throws(Errno) -> Int {
        var count = try descriptor.readSequence(into: &secret)
        if count == secret.count, try hasMore(descriptor) { throw .tooBig }
        guard count > 0, secret[count - 1] == UInt8(ascii: "\n") else { return count }
        count -= 1
        if count > 0, secret[count - 1] == UInt8(ascii: "\r") { count -= 1 }
        return count
    }
    /// Reads every byte to the end, line ends too: of a key file. Otherwise as `read`.
    @_lifetime(secret: copy secret)
    package static func readWhole(from descriptor: SharedDescriptor, into secret: inout MutableByteSpan) throws(Errno) -> Int {
        do throws(Errno) {
            let count = try descriptor.readSequence(into: &secret)
            if count == secret.count, try hasMore(descriptor) { throw .tooBig }
            return count
        } catch {
            secret.zeroAll()
            throw error
        }
    }
    /// The same from a file; a fifo or terminal is waited for.
    @_lifetime(secret: copy secret)
    package static func read(fromFile path: String, into secret: inout MutableByteSpan) throws(Errno) -> Int {
        try read(from: SharedDescriptor.open(path, [.readOnly, .noControllingTerminal]), into: &secret)
    }
    private static func hasMore(_ descriptor: SharedDescriptor) throws(Errno) -> Bool {
        var probe = InlineArray<1, UInt8>(repeating: 0)
        var span = probe.mutableSpan
        let count = try descriptor.readNext(into: &span)
        span.zeroAll()
        return count > 0
    }
}
