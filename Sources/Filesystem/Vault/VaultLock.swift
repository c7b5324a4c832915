// The lock of a vault: one writer at a time, known by process and mount point.

import Bytes
import POSIX

/// Held from open to close of a vault; the kernel lets go of it when the process dies.
final class VaultLock: Sendable {
    private let file: SharedDescriptor?
    private let note: [UInt8]
    /// What the note says from when nobody is served any more.
    static let sealing = "sealing"

    /// The lock of a vault that cannot be written to.
    init(_ file: SharedDescriptor?) { (self.file, note) = (file, []) }

    /// - Throws: `EAGAIN` when another process holds it.
    init(taking file: SharedDescriptor, mountPoint: String) throws(Errno) {
        try file.lock(.exclusive)
        self.file = file
        // Can be asked for without being taken. A file system of a network may answer that the lock above is in its way.
        try? file.lockRange(.exclusive)
        note = Array("\(CurrentProcess.id)\n\(mountPoint)\n".utf8)
        write(note)
    }

    /// For people, and for commands that wait. On a full disk there is none: the vault can be mounted all the same, to remove files.
    private func write(_ note: [UInt8]) {
        guard let file else { return }
        do throws(Errno) {
            try file.truncate(to: 0)
            try file.writeAll(note.span, at: 0)
        } catch {
            try? file.truncate(to: 0)
        }
    }

    /// Says that nobody is served any more.
    func noteSealing() {
        // Behind the note, which is there, or else does not fit: on a full disk this takes no room.
        try? file?.writeAll(Array((Self.sealing + "\n").utf8).span, at: UInt64(note.count))
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
        try? file?.unlockRange()
        try? file?.unlock()
    }
}
