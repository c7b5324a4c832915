// Seals files that nobody writes any more: in batches, with one sync of the backing file system for each.

import POSIX
import Synchronization

/// Holds the contents whose last writable handle is gone until they are sealed. A thread runs while any wait, and ends when none do.
package final class Sealer: Sendable {
    /// A file is sealed when it has waited this long, in nanoseconds: short-lived and soon reopened files never cost a sync.
    static let quietTime: UInt64 = 2_000_000_000
    /// So many waiting files are sealed at once: each holds a descriptor.
    static let crowd = 512
    private let crowd: Int
    private let quietTime: UInt64
    private static let tick: UInt64 = 100_000_000

    private struct Waiting {
        let content: FileContent
        let since: UInt64
        let isInUse: @Sendable () -> Bool
        let done: @Sendable () -> Void
    }
    private struct Queue {
        var waiting: [Waiting] = []
        var isThreadRunning = false
        var isClosed = false
    }
    private let queue = Mutex(Queue())
    /// One batch at a time.
    private let batching = Mutex<Void>(())
    private let context: VaultContext

    /// - Parameters:
    ///   - crowd: so many waiting files are sealed at once.
    ///   - quietTime: a file is sealed when it has waited this long, in nanoseconds.
    package init(context: VaultContext, crowd: Int = Sealer.crowd, quietTime: UInt64 = Sealer.quietTime) {
        self.context = context
        self.crowd = crowd
        self.quietTime = quietTime
    }

    /// How many files wait.
    package var count: Int { queue.withLock { $0.waiting.count } }

    /// Takes a content whose last writable handle is gone, and that does not wait already. `done` is called once it waits no longer, on the sealer's
    /// thread, in a batch, without any lock of contents: it is sealed, or has no name any more, or cannot be sealed now (logged), or `isInUse` says that somebody writes again.
    package func enqueue(
        _ content: FileContent, unless isInUse: @escaping @Sendable () -> Bool = { false }, _ done: @escaping @Sendable () -> Void
    ) {
        let mustStart = queue.withLock { queue in
            queue.waiting.append(Waiting(content: content, since: SystemClock.monotonicCoarse, isInUse: isInUse, done: done))
            if queue.isThreadRunning || queue.isClosed { return false }
            queue.isThreadRunning = true
            return true
        }
        if mustStart { startThread() }
    }

    /// Takes a content out whose last name is gone: while it waits, its descriptor holds room on the disk. `done` is called at once.
    func letGo(of content: FileContent) {
        let found = queue.withLock { queue -> Waiting? in
            guard let place = queue.waiting.firstIndex(where: { $0.content === content }) else { return nil }
            return queue.waiting.remove(at: place)
        }
        found?.done()
    }

    /// Before a file is opened for writing, with no lock held: each waiting file holds a descriptor, so whoever writes files faster than the disk syncs them
    /// waits for it. Not when one is closed: the kernel closes many at a time without waiting, and they would keep every thread from other requests;
    /// and `done` may hand a file in again in the middle of a batch.
    func waitForRoom() {
        if count > 2 * crowd { batching.withLock { _ in } }
    }

    /// Seals everything that waits, now. For unmounting: afterwards no thread is started any more.
    /// Returns whether every file could be sealed.
    @discardableResult
    package func drain() -> Bool {
        queue.withLock { $0.isClosed = true }
        var isComplete = true
        while true {
            let batch = take(all: true)
            if batch.isEmpty {
                // The thread may be in the middle of a batch, part of which comes back.
                batching.withLock { _ in }
                if count == 0 { return isComplete }
                continue
            }
            if !seal(batch, retrying: false) { isComplete = false }
        }
    }

    private func startThread() {
        do throws(Errno) {
            try Thread.start(name: "efs-sealer") { [self] in run() }.detach()
        } catch {
            // They wait for the next file, or for the unmount.
            queue.withLock { $0.isThreadRunning = false }
            context.log.failed("starting the sealer", error)
        }
    }

    private func run() {
        while true {
            SystemClock.sleep(nanoseconds: Self.tick)
            let batch = take(all: false)
            if !batch.isEmpty { _ = seal(batch, retrying: true) }
            let isFinished = queue.withLock { queue in
                guard queue.waiting.isEmpty || queue.isClosed else { return false }
                queue.isThreadRunning = false
                return true
            }
            if isFinished { return }
        }
    }

    /// Takes those out of the queue that have been quiet for long enough, or everything when too many wait.
    private func take(all: Bool) -> [Waiting] {
        queue.withLock { queue in
            if all || queue.waiting.count > crowd {
                defer { queue.waiting.removeAll() }
                return queue.waiting
            }
            let now = SystemClock.monotonicCoarse
            let end = queue.waiting.firstIndex { now < $0.since + quietTime } ?? queue.waiting.count
            defer { queue.waiting.removeFirst(end) }
            return Array(queue.waiting[..<end])
        }
    }

    /// Notes the change counters, syncs once, seals what has not changed since. Returns whether all are sealed or gone.
    private func seal(_ batch: [Waiting], retrying: Bool) -> Bool {
        batching.withLock { _ in
            var isComplete = true
            var prepared: [(Waiting, UInt64)] = []
            for waiting in batch {
                if waiting.isInUse() {
                    waiting.done()
                    continue
                }
                do throws(Errno) {
                    if let counter = try waiting.content.prepareToSeal() {
                        prepared.append((waiting, counter))
                    } else {
                        waiting.done()
                    }
                } catch {
                    report(waiting, error)
                    isComplete = false
                }
            }
            // Asked for now: a checkpoint must wait for no content's lock, whose holder may wait for the checkpoint.
            guard let any = prepared.first?.0.content.descriptor else { return isComplete }
            do throws(Errno) {
                try context.checkpoint { () throws(Errno) in try any.syncFilesystem() }
            } catch {
                for (waiting, _) in prepared { report(waiting, error) }
                return false
            }
            for (waiting, counter) in prepared where !finish(waiting, counter, retrying: retrying) { isComplete = false }
            return isComplete
        }
    }

    private func finish(_ waiting: Waiting, _ counter: UInt64, retrying: Bool) -> Bool {
        do throws(Errno) {
            switch try waiting.content.seal(ifUnchangedSince: counter) {
            case .sealed, .unlinked, .staysOpen:
                waiting.done()
                return true
            case .changed:
                // A writer came meanwhile. When it leaves, it hands the file in again; a change by path is waited for here.
                if retrying { requeue(waiting) } else { waiting.done() }
                return false
            }
        } catch {
            report(waiting, error)
            return false
        }
    }

    private func requeue(_ waiting: Waiting) {
        queue.withLock { queue in
            queue.waiting.append(
                Waiting(content: waiting.content, since: SystemClock.monotonicCoarse, isInUse: waiting.isInUse, done: waiting.done))
        }
    }

    /// A file that cannot be sealed stays OPEN on disk, and the vault is not clean.
    private func report(_ waiting: Waiting, _ error: Errno) {
        context.log.failed("sealing \(waiting.content.label)", error)
        context.noteUnfinished()
        waiting.done()
    }
}
