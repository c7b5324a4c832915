// Taking requests from the kernel's descriptor.

import Glibc
import POSIX
import Synchronization

extension RequestLoop {
    /// What reading came to.
    enum Received { case request(Int, hadToWait: Bool), quiet, ended(Ending) }

    /// The next request, for which it looks a little while: sleeping and being woken costs more than most requests.
    func receive(_ worker: Worker) -> Received {
        var began: UInt64 = 0
        while true {
            let count = unsafe read(descriptor, worker.start, worker.capacity)
            if count > 0 { return .request(count, hadToWait: began != 0) }
            switch count == 0 ? ENODEV : errno {
            case EAGAIN:
                let now = SystemClock.monotonic
                if began == 0 { began = now }
                if now - began >= options.spin { return .quiet }
                sched_yield()
            case EINTR, ENOENT: continue  // ENOENT: the program that asked was killed before the request was read
            case ENODEV, ECONNABORTED: return .ended(.unmounted)
            case let code:
                service.logger.error("requests can no longer be read from the kernel: \(Errno(code: code))")
                return .ended(.failed(Errno(code: code)))
            }
        }
    }

    /// Blocks until a request, or the end of the mount, is there.
    /// - Returns: whether that was soon.
    func sleepUntilRequest(_ worker: Worker) -> Bool {
        var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if unsafe poll(&descriptors, 1, Wakefulness.patience) > 0 { return true }
        wakefulness.whileAsleep {
            if worker.holdsMemory {
                guard unsafe poll(&descriptors, 1, Int32(Worker.patience / .milliseconds(1))) == 0 else { return }
                worker.giveMemoryBack()
            }
            unsafe poll(&descriptors, 1, -1)
        }
        return false
    }
}
