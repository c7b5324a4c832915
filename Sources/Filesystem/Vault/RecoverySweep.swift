// After a crash: opening every file once, in the background, so that what was left open is put right and sealed.

import Bytes
import Format
import POSIX
import Synchronization

/// Walks a vault that was not closed cleanly. The vault may be called clean again only when the walk came to its end.
final class RecoverySweep: Sendable {
    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(false)
    private let thread = Mutex<Thread?>(nil)

    /// Whether every file was looked at and none stayed unfinished.
    var isComplete: Bool { hasEnded.load(ordering: .acquiring) }

    /// Starts the walk. Nothing waits for it; `stop` ends it early.
    func start(_ vault: Vault) {
        do throws(Errno) {
            let started = try Thread.start(name: "efs-recovery") { [self] in
                if walk(vault) {
                    vault.context.noteLengthsTell()
                    hasEnded.store(true, ordering: .releasing)
                }
            }
            thread.withLock { $0 = started }
        } catch {
            vault.context.log.failed("start the recovery of the vault", error)
        }
    }

    /// The work was done by other means.
    func noteComplete() { hasEnded.store(true, ordering: .releasing) }

    /// Ends the walk after the file at hand and waits for that.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        let running = thread.withLock { (thread: inout Thread?) -> Thread? in
            defer { thread = nil }
            return thread
        }
        try? running?.join()
    }

    private var shouldStop: Bool { isStopped.load(ordering: .acquiring) }

    /// - Returns: whether everything was reached.
    private func walk(_ vault: Vault) -> Bool {
        var waiting = [vault.root]
        var isWhole = true
        var files = 0
        while let directory = waiting.popLast() {
            do throws(Errno) {
                try walk(directory, in: vault, &waiting, &files, &isWhole)
            } catch {
                // Removed meanwhile: nothing to put right.
                if error != .noEntry {
                    vault.context.log.failed("recovery of \(directory.label)", error)
                    isWhole = false
                }
            }
            if directory !== vault.root { vault.forget(directory, 1) }
            if shouldStop {
                for inode in waiting { vault.forget(inode, 1) }
                return false
            }
        }
        vault.context.log.note("recovery: looked at \(files) files\(isWhole ? "" : ", not at all of them")")
        return isWhole
    }

    private func walk(
        _ inode: Inode, in vault: Vault, _ waiting: inout [Inode], _ files: inout Int, _ isWhole: inout Bool
    ) throws(Errno) {
        try vault.removeHiddenDoubles(in: inode)
        let directory = try vault.openDirectory(inode)
        var offset: Int64 = 0
        while !shouldStop {
            var batch: [Inode] = []
            var next = offset
            try directory.list(from: offset, withStatus: true) { _, _, entry, position in
                if batch.count == 256 { return false }
                if let entry { batch.append(entry) }
                next = position
                return true
            }
            if next == offset { return }
            offset = next
            for entry in batch {
                if entry.isDirectory {
                    waiting.append(entry)
                    continue
                }
                if entry.isRegular && !shouldStop {
                    files += 1
                    if !putRight(entry, in: vault) { isWhole = false }
                }
                vault.forget(entry, 1)
            }
        }
    }

    private func isRight(_ content: FileContent) throws(Errno) -> Bool {
        guard try content.isWholeInline, try !content.hasAttributesWithoutHeader else { return false }
        // A small file whose growth was cut off is sealed, and its length tells a wrong size.
        return content.isSealed && !content.wasLonger
    }

    /// Opening a file for writing puts right what a crash left; closing it hands it to the sealer.
    /// - Returns: false when it could not be looked at. A damaged file was, and stays damaged.
    private func putRight(_ inode: Inode, in vault: Vault) -> Bool {
        do throws(Errno) {
            let reader = try vault.open(inode, writable: false)
            let found = Result { () throws(Errno) -> Bool in try isRight(reader.content) }
            reader.release()
            if try found.get() { return true }
            let writer = try vault.open(inode, writable: true)
            defer { writer.release() }
            try writer.content.markIfTorn()
            try writer.content.removeAttributesWithoutHeader()
            return true
        } catch {
            // One that does not open at all is marked at the attempt.
            if error == .ioError { try? vault.open(inode, writable: true).release() }
            return error == .ioError || error == .noEntry || error == .stale
        }
    }
}
