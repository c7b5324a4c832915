// Seeing to it that one slow request does not hold up the others.

import POSIX
import Synchronization

extension RequestLoop {
    /// So long the watch goes on looking when nothing moves: the first request after that has to wake it. Milliseconds.
    private static let settling: Int32 = 100
    /// So many requests are served between two times that free memory is given back.
    private static let trimmedAfter: UInt64 = 256

    /// Looks every few milliseconds, while requests come, whether a reading worker is still in the request that it was in before; if so, another reads on.
    /// When nothing has moved for a while it sleeps until a request is begun, and gives free memory back when that is not soon.
    func watch() {
        var last: [UInt64] = []
        var nextTrim: UInt64 = 0
        while !hasEnded {
            if !watchBell.wait(atMost: Worker.patience) {
                // Not for a program that asks for one thing every few seconds.
                let served = served
                if served >= nextTrim {
                    ResourceLimits.trimMemoryPools()
                    nextTrim = served + Self.trimmedAfter
                }
                watchBell.wait()
            }
            var quiet: Int32 = 0
            while quiet < max(1, Self.settling / options.patience), !hasEnded {
                SystemClock.sleep(nanoseconds: UInt64(options.patience) * 1_000_000)
                quiet = look(&last) ? 0 : quiet + 1
            }
            isWatched.store(false, ordering: .sequentiallyConsistent)
            // A request that began before the flag fell has rung for nobody. One that begins from here on sees the flag: each side tells its own before it
            // looks at the other's, in one order for all.
            if look(&last) { wakeWatch() }
        }
    }

    /// At the beginning of every request; one load while the watch is awake.
    func wakeWatch() {
        if !isWatched.load(ordering: .sequentiallyConsistent), !isWatched.exchange(true, ordering: .sequentiallyConsistent) { watchBell.ring() }
    }

    /// - Parameter last: what each worker's progress was when it was looked at before; brought up to date.
    /// - Returns: whether anything is being done.
    private func look(_ last: inout [UInt64]) -> Bool {
        var isActive = false
        for worker in workers {
            let now = worker.progress.load(ordering: .sequentiallyConsistent)
            let isServing = now & 1 == 1
            if worker.number < last.count {
                if isServing && now == last[worker.number] { relieve(worker) }
                if now != last[worker.number] { isActive = true }
                last[worker.number] = now
            } else {
                last.append(now)
                isActive = true
            }
            if isServing { isActive = true }
        }
        return isActive
    }
}
