// New files with secrets in them.

import Bytes
import POSIX

enum PrivateFile {
    /// Makes `path` with `bytes`, for its owner alone: whole when this returns, or removed again. Throws `exists` where something is already.
    /// - Parameter isDurable: on the disk when this returns, with its name.
    static func make(_ path: String, _ bytes: ByteSpan, isDurable: Bool = false) throws(Errno) {
        let file = try SharedDescriptor.open(path, [.writeOnly, .create, .exclusive, .noFollow, .noControllingTerminal], mode: 0o600)
        do throws(Errno) {
            try file.writeSequence(bytes)
            guard isDurable else { return }
            try file.synchronize()
            try SharedDescriptor.open(path.parentPath, [.readOnly, .directory]).synchronize()
        } catch {
            try? Paths.remove(path)
            throw error
        }
    }

    /// Puts a new file with `bytes` at `path`, for its owner alone; what was there is gone then, or still whole.
    static func replace(_ path: String, _ bytes: ByteSpan) throws(Errno) {
        let number = SystemClock.monotonic ^ UInt64(CurrentProcess.id) << 40
        let new = path + ".new-" + String(number, radix: 16)
        try make(new, bytes)
        do throws(Errno) { try Paths.rename(new, to: path) } catch {
            try? Paths.remove(new)
            throw error
        }
    }
}
