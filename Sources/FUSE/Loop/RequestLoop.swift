// Which thread reads the next request, and which serves it.
//
// One hot thread reads requests and serves cheap ones itself: waking another thread costs more than most requests. Before a heavy request it wakes another
// to read on, where that is of use; else whoever comes free meanwhile takes its turn, so that no CPU waits for a thread to be woken. On more than two CPUs
// a second reader joins while requests pile up. A thread that has been in one request for too long loses its turn to another (Watch.swift).

import CFUSE
import Glibc
import Logging
import POSIX
import Synchronization

@safe final class RequestLoop: @unchecked Sendable {
    let session: OpaquePointer
    let service: Service
    let options: MountOptions
    /// libfuse's descriptor of the connection, set not to block.
    let descriptor: Int32
    /// Rung when INIT was answered, and when the loop has ended.
    let news: @Sendable () -> Void
    let isWatched = Atomic<Bool>(false)
    let watchBell = Doorbell()
    let wakefulness: Wakefulness
    private let askers = Askers()
    /// Requests that move content (`KernelRequest.isTransfer`), are being served and keep a CPU busy.
    private let transfers = Atomic<Int>(0)
    private let state = Mutex(State())

    struct State {
        var workers: [Worker] = []
        var threads: [Thread] = []
        /// Workers that wait for their turn.
        var waiting: [Worker] = []
        /// Workers whose turn it is. INVARIANT: at least one while the session lasts, unless every thread is in a request.
        var readers = 0
        var running = 0
        var isAgreed = false
        var ended: Ending?
    }

    enum Ending: Equatable { case unmounted, failed(Errno) }

    init(session: OpaquePointer, service: Service, news: @escaping @Sendable () -> Void) {
        unsafe self.session = session
        self.service = service
        options = service.options
        descriptor = unsafe fuse_session_fd(session)
        wakefulness = Wakefulness(service.options)
        self.news = news
    }

    var ending: Ending? { state.withLock { $0.running == 0 ? $0.ended : nil } }
    var isAgreed: Bool { state.withLock { $0.isAgreed } }
    var hasEnded: Bool { state.withLock { $0.ended != nil } }
    /// Requests begun since the session began.
    var served: UInt64 { workers.reduce(0) { $0 + ($1.progress.load(ordering: .relaxed) + 1) / 2 } }
    var workers: [Worker] { state.withLock { $0.workers } }

    /// Starts the first thread.
    /// - Throws: what making a thread answers.
    func start() throws(Errno) {
        if cfuse_set_nonblocking(descriptor) != 0 { throw Errno(code: errno) }
        try state.withLock { (state: inout State) throws(Errno) in try hire(&state) }
    }

    /// Waits until every thread has ended.
    func join() {
        let threads = state.withLock { state in
            defer { state.threads = [] }
            return state.threads
        }
        for thread in threads {
            do throws(Errno) { try thread.join() } catch { service.logger.error("a serving thread could not be joined: \(error)") }
        }
    }

    // MARK: turns

    /// Starts a thread whose turn it is to read.
    private func hire(_ state: inout State) throws(Errno) {
        let worker = try Worker(number: state.workers.count, maxRequest: options.maxRequest)
        worker.isReading.store(true, ordering: .relaxed)
        state.threads.append(try Thread.start(name: "serve \(worker.number)") { [self] in run(worker) })
        state.workers.append(worker)
        state.readers += 1
        state.running += 1
    }

    /// Gives the turn to a waiting worker, or to a new one.
    /// - Returns: false when there is neither.
    private func admitReader(_ state: inout State) -> Bool {
        guard state.ended == nil else { return false }
        if let next = state.waiting.popLast() {
            next.isReading.store(true, ordering: .relaxed)
            state.readers += 1
            next.turn.ring()
            return true
        }
        guard state.workers.count < options.maxThreads else { return false }
        do throws(Errno) {
            try hire(&state)
            return true
        } catch {
            service.logger.warning("another serving thread could not be started: \(error)")
            return false
        }
    }

    /// Takes the worker's turn away and gives it to another, unless there is nobody to take it.
    func relieve(_ worker: Worker) {
        state.withLock { state in
            guard worker.isReading.load(ordering: .relaxed) else { return }
            if state.readers > 1 || admitReader(&state) {
                worker.isReading.store(false, ordering: .relaxed)
                state.readers -= 1
            }
        }
    }

    /// Requests pile up: another reads too.
    private func reinforce() {
        state.withLock { state in
            if state.readers < options.maxReaders { _ = admitReader(&state) }
        }
    }

    /// Nothing to read: all readers but the last give up their turn.
    /// - Returns: whether this worker did.
    private func retire(_ worker: Worker) -> Bool {
        state.withLock { state in
            guard worker.isReading.load(ordering: .relaxed) else { return true }
            guard state.readers > 1 else { return false }
            worker.isReading.store(false, ordering: .relaxed)
            state.readers -= 1
            return true
        }
    }

    /// Sleeps until it is the worker's turn; takes the turn of a busy one at once.
    /// - Returns: false when the session has ended.
    private func awaitTurn(_ worker: Worker) -> Bool {
        let isOver: Bool? = state.withLock { state in
            if state.ended != nil { return true }
            if worker.isReading.load(ordering: .relaxed) { return false }
            if let busy = state.workers.first(where: { $0.isReading.load(ordering: .relaxed) && $0.isBusy.load(ordering: .relaxed) }) {
                busy.isReading.store(false, ordering: .relaxed)
                worker.isReading.store(true, ordering: .relaxed)
                return false
            }
            if state.readers == 0 {
                worker.isReading.store(true, ordering: .relaxed)
                state.readers += 1
                return false
            }
            state.waiting.append(worker)
            return nil
        }
        if let isOver { return !isOver }
        if worker.holdsMemory {
            if worker.turn.wait(atMost: Worker.patience) { return !hasEnded }
            worker.giveMemoryBack()
        }
        worker.turn.wait()
        return !hasEnded
    }

    private func end(_ ending: Ending) {
        let waiting = state.withLock { state in
            if state.ended == nil { state.ended = ending }
            defer { state.waiting = [] }
            return state.waiting
        }
        for worker in waiting { worker.turn.ring() }
    }

    // MARK: the life of a thread

    private func run(_ worker: Worker) {
        worker.adoptThread()
        while awaitTurn(worker) { readRequests(worker) }
        let isLast = state.withLock { state in
            state.running -= 1
            return state.running == 0
        }
        if isLast {
            watchBell.ring()
            news()
        }
    }

    /// Reads and serves while it is this worker's turn.
    private func readRequests(_ worker: Worker) {
        var streak = 0
        var small = 0
        while worker.isReading.load(ordering: .relaxed) {
            switch receive(worker) {
            case .request(let count, let hadToWait):
                streak = hadToWait ? 0 : streak + 1
                let request = worker.received(count)
                if request.isWaitedFor { askers.note(request.asker.processID) }
                let isTransfer = request.isTransfer
                let isHeavy = isTransfer || isSlowSynchronization(request)
                if isHeavy {
                    wakefulness.noteHeavy()
                    if request.isSynchronization || transfers.load(ordering: .relaxed) < options.mostTransfers { relieve(worker) }
                    worker.isBusy.store(true, ordering: .relaxed)
                } else {
                    if request.isWaitedFor {
                        small += 1
                        wakefulness.noteSmall(small)
                    }
                    if streak >= options.backlog {
                        streak = 0
                        reinforce()
                    }
                }
                guard serve(worker, request, count, isTransfer: isTransfer) else { return }
                if isHeavy { worker.isBusy.store(false, ordering: .relaxed) }
            case .quiet:
                streak = 0
                if !retire(worker), !sleepUntilRequest(worker) { small = 0 }
            case .ended(let ending):
                return end(ending)
            }
        }
        wakefulness.noteTurnLost()
    }

    /// How long making something durable took lately, in nanoseconds; long until it is known.
    private let synchronizing = Atomic<UInt64>(RequestLoop.longSynchronization * 4)
    private static let longSynchronization: UInt64 = 100_000

    private func isSlowSynchronization(_ request: KernelRequest) -> Bool {
        guard request.isSynchronization else { return false }
        // Programs in a container with process numbers of its own cannot be told apart.
        let isAlone = request.isWaitedFor && askers.areOne()
        return synchronizing.load(ordering: .relaxed) > Self.longSynchronization && !isAlone
    }

    /// - Returns: whether the session goes on.
    private func serve(_ worker: Worker, _ request: KernelRequest, _ count: Int, isTransfer: Bool) -> Bool {
        if isTransfer {
            transfers.add(1, ordering: .relaxed)
            defer { transfers.subtract(1, ordering: .relaxed) }
            return serveUntimed(worker, request, count)
        }
        guard request.isSynchronization else { return serveUntimed(worker, request, count) }
        let began = SystemClock.monotonic
        let goesOn = serveUntimed(worker, request, count)
        let lately = synchronizing.load(ordering: .relaxed)
        synchronizing.store((lately * 3 + (SystemClock.monotonic - began)) / 4, ordering: .relaxed)
        return goesOn
    }

    private func serveUntimed(_ worker: Worker, _ request: KernelRequest, _ count: Int) -> Bool {
        let isInit = request.operation == FUSE_INIT
        if isInit {
            service.offeredFlags.store(request.offeredFlags, ordering: .releasing)
            service.pendingInit.store(request.unique, ordering: .releasing)
        }
        service.counters.count(request)
        worker.begin(request)
        // After the beginning is told, so that the watch sees it or is woken here (Watch.swift).
        wakeWatch()
        service.serving.add(1, ordering: .sequentiallyConsistent)
        let count = service.extendsSetAttribute.load(ordering: .relaxed) ? worker.withoutExtension(count) : count
        unsafe worker.serve(count: count, session: session)
        service.serving.subtract(1, ordering: .sequentiallyConsistent)
        guard isInit else { return true }
        if unsafe fuse_session_exited(session) != 0 {
            end(.failed(.protocolError))
            return false
        }
        state.withLock { $0.isAgreed = true }
        news()
        return true
    }
}
