// How far a long command is: one line on the terminal that is written over.

import Filesystem
import POSIX
import Synchronization

/// Shows a walk's progress and how long it will take, until it is ended.
final class ProgressDisplay: Sendable {
    private static let interval: UInt64 = 250_000_000
    /// What looking at an object costs beside its bytes, in bytes.
    private static let objectCost: UInt64 = 16 << 10

    private let progress: CheckProgress
    private let isEnded = Atomic<Bool>(false)
    private let begin = SystemClock.monotonic
    private let thread = Mutex<Thread?>(nil)

    /// - Parameter isShown: false where standard error is no terminal: nothing is done then.
    init(_ progress: CheckProgress, isShown: Bool) {
        self.progress = progress
        guard isShown, let started = try? Thread.start(name: "efs-progress", { [self] in run() }) else { return }
        thread.withLock { $0 = started }
    }

    func end() {
        isEnded.store(true, ordering: .releasing)
        let running = thread.withLock { (thread: inout Thread?) -> Thread? in
            defer { thread = nil }
            return thread
        }
        guard let running else { return }
        try? running.join()
        Console.text("\r\u{1b}[K")
    }

    /// Takes the line away, so that another can be printed.
    var clear: @Sendable () -> Void {
        let isShown = thread.withLock { $0 != nil }
        return { if isShown { Console.text("\r\u{1b}[K") } }
    }

    private func run() {
        while !isEnded.load(ordering: .acquiring) {
            SystemClock.sleep(nanoseconds: Self.interval)
            if isEnded.load(ordering: .acquiring) { return }
            Console.text("\r\u{1b}[K" + line())
        }
    }

    private func line() -> String {
        let done = progress.done
        let elapsed = Double(SystemClock.monotonic - begin) / 1e9
        let rate = ByteCount.text(UInt64(Double(done.bytes) / max(elapsed, 0.001)))
        guard let all = progress.all else { return "\(done.objects) objects, \(ByteCount.text(done.bytes)), \(rate)/s" }
        let part = Self.cost(done) / max(Self.cost(all), 1)
        let percent = min(99, Int(part * 100))
        let left = part > 0.005 ? ", \(Self.duration(max(0, elapsed / part - elapsed))) left" : ""
        return "\(percent) %: \(done.objects) of \(all.objects) objects, \(ByteCount.text(done.bytes)), \(rate)/s\(left)"
    }

    private static func cost(_ amount: (objects: Int, bytes: UInt64)) -> Double {
        Double(amount.bytes) + Double(amount.objects) * Double(objectCost)
    }

    private static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}

/// The place where `--salvage` writes.
enum SalvagePlace {
    /// A new or empty directory outside the vault.
    static func prepare(_ path: String, vault: String) throws(Failure) -> SharedDescriptor {
        if path.isInside(vault) { throw Failure(.usage, "\(path) is inside the vault", hint: "Choose a directory elsewhere, on a disk with room for everything.") }
        do throws(Errno) {
            try Paths.makeDirectories(path, mode: 0o700)
            let resolved = String(decoding: try Paths.resolve(path), as: UTF8.self)
            guard !resolved.isInside(vault) else { throw .invalidArgument }
            let names = try MountPoint.names(in: path)
            guard names.isEmpty else {
                throw .notEmpty
            }
            return try SharedDescriptor.open(path, [.pathOnly, .directory])
        } catch {
            if error == .notEmpty { throw Failure(.directoryNotEmpty, "\(path) is not empty", hint: "What is saved goes into a directory of its own.") }
            if error == .invalidArgument { throw Failure(.usage, "\(path) is inside the vault", hint: "Choose a directory elsewhere.") }
            throw Failure("\(path) cannot be used", error)
        }
    }
}
