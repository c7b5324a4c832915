// The lock of a vault: one writer at a time, known by process and mount point.

import Bytes
import POSIX

/// Held from open to close of a vault; the kernel lets go of it when the process dies.
final class VaultLock: Sendable {
    private let file: SharedDescriptor?

    /// The lock of a vault that cannot be written to.
    init(_ file: SharedDescriptor?) { self.file = file }

    /// - Throws: `EAGAIN` when another process holds it.
    init(taking file: SharedDescriptor, mountPoint: String) throws(Errno) {
        try file.lock(.exclusive)
        self.file = file
        let text = "\(CurrentProcess.id)\n\(mountPoint)\n"
        try file.truncate(to: 0)
        try file.writeAll(Array(text.utf8).span, at: 0)
    }

    /// Whom the lock's file names.
    static func holder(in file: SharedDescriptor) -> VaultError {
        var bytes = [UInt8](repeating: 0, count: 8192)
        var span = bytes.mutableSpan
        guard let count = try? file.read(into: &span, at: 0) else { return .inUse(processID: 0, mountPoint: "") }
        let lines = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n", maxSplits: 1)
        let process = lines.first.flatMap { Int32($0) } ?? 0
        let mountPoint = lines.count > 1 ? String(lines[1].prefix { $0 != "\n" }) : ""
        return .inUse(processID: process, mountPoint: mountPoint)
    }

    /// Lets go of it, and says so in the file.
    func release() {
        try? file?.truncate(to: 0)
        try? file?.unlock()
    }
}
