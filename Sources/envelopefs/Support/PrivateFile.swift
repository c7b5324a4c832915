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
}
