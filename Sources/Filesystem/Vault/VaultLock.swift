// The lock of a vault: one writer at a time, known by process and mount point.

import Bytes
import POSIX

/// Held from open to close of a vault; the kernel lets go of it when the process dies.
final class VaultLock: Sendable {
    private let file: SharedDescriptor?
    private let note: [UInt8]

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
        try? file?.writeAll(Array((LockNote.sealing + "\n").utf8).span, at: UInt64(note.count))
    }

    /// Whom the lock's file names.
    static func holder(in file: SharedDescriptor) -> VaultError {
        let note = LockNote(of: file)
        return .inUse(processID: note.process, mountPoint: note.mountPoint)
    }

    /// Lets go of it, and says so in the file.
    func release() {
        try? file?.truncate(to: 0)
        try? file?.unlockRange()
        try? file?.unlock()
    }
}

/// What the file of a lock says of who has it. Nobody vouches for it.
package struct LockNote {
    /// What it says from when nobody is served any more.
    static let sealing = "sealing"

    /// As it numbers itself; 0 where it could not say.
    package let process: Int32
    package let mountPoint: String
    /// Whether it serves nobody any more.
    package let isSealing: Bool

    package init(of file: SharedDescriptor) {
        let text = (try? file.readToEnd(limit: 65536)) ?? []
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        process = lines.first.flatMap { Int32($0) } ?? 0
        mountPoint = lines.count > 1 ? String(lines[1]) : ""
        isSealing = lines.count > 2 && lines[2] == Self.sealing
    }
}
