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
    /// What was renamed since the walk has begun, counted as looked up: it may have left where the walk was to come for where it has been. Nil while there is none.
    private let moved = Mutex<[Inode]?>(nil)
    /// More that were renamed are not remembered: the next mount looks again.
    private static let greatestCount = 10_000
    private let hasMissed = Atomic<Bool>(false)

    /// Whether every file was looked at and none stayed unfinished.
    var isComplete: Bool { hasEnded.load(ordering: .acquiring) }

    /// Starts the walk. Nothing waits for it; `stop` ends it early.
    func start(_ vault: Vault) {
        moved.withLock { $0 = [] }
        do throws(Errno) {
            let started = try Thread.start(name: "efs-recovery") { [self] in
                if walk(vault) {
                    vault.context.noteLengthsTell()
                    hasEnded.store(true, ordering: .releasing)
                }
            }
            thread.withLock { $0 = started }
        } catch {
            for inode in takeMoved(isLast: true) { vault.forget(inode, 1) }
            vault.context.log.failed("start the recovery of the vault", error)
        }
    }

    /// An object has another place now.
    func noteMoved(_ inode: Inode, in vault: Vault) {
        moved.withLock { (moved: inout [Inode]?) in
            guard let count = moved?.count else { return }
            guard count < Self.greatestCount else { return hasMissed.store(true, ordering: .releasing) }
            vault.table.retain(inode)
            moved?.append(inode)
        }
    }

    /// What was noted since the last time. Nothing is noted any more after the last one.
    private func takeMoved(isLast: Bool = false) -> [Inode] {
        moved.withLock { (moved: inout [Inode]?) -> [Inode] in
            defer { moved = isLast ? nil : [] }
            return moved ?? []
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
        defer { for inode in takeMoved(isLast: true) { vault.forget(inode, 1) } }
        vault.table.retain(vault.root)
        var waiting = [vault.root]
        var isWhole = true
        var files = 0
        while !waiting.isEmpty {
            while let directory = waiting.popLast() {
                defer { vault.forget(directory, 1) }
                if shouldStop { continue }
                do throws(Errno) {
                    try walk(directory, in: vault, &waiting, &files, &isWhole)
                } catch {
                    // Removed meanwhile: nothing to put right.
                    if error == .noEntry { continue }
                    vault.context.log.failed("recovery of \(directory.label)", error)
                    isWhole = false
                }
            }
            if shouldStop { return false }
            look(at: takeMoved(), in: vault, &waiting, &files, &isWhole)
        }
        isWhole = isWhole && !hasMissed.load(ordering: .acquiring)
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
            do throws(Errno) {
                try directory.list(from: offset, withStatus: true) { _, _, entry, position in
                    if batch.count == 256 { return false }
                    if let entry { batch.append(entry) }
                    next = position
                    return true
                }
            } catch {
                look(at: batch, in: vault, &waiting, &files, &isWhole)
                throw error
            }
            if next == offset { return }
            offset = next
            look(at: batch, in: vault, &waiting, &files, &isWhole)
        }
    }

    /// Puts files right; directories are for later. Gives the inodes back.
    private func look(at batch: [Inode], in vault: Vault, _ waiting: inout [Inode], _ files: inout Int, _ isWhole: inout Bool) {
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
