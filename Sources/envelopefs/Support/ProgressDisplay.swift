// How far a long command is: one line on the terminal that is written over.

import Filesystem
import POSIX
import Synchronization

/// Shows how far something is and how long it will take, until it is ended.
final class ProgressDisplay: Sendable {
    private static let interval: UInt64 = 250_000_000

    private let line: @Sendable (_ seconds: Double) -> String
    private let isEnded = Atomic<Bool>(false)
    private let begin = SystemClock.monotonic
    private let thread = Mutex<Thread?>(nil)

    /// - Parameters:
    ///   - isShown: false where standard error is no terminal: nothing is done then.
    ///   - line: what to show after so many seconds.
    init(isShown: Bool, line: @escaping @Sendable (_ seconds: Double) -> String) {
        self.line = line
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
            Console.text("\r\u{1b}[K" + line(Double(SystemClock.monotonic - begin) / 1e9))
        }
    }
}

extension ProgressDisplay {
    /// How far a walk through a vault is.
    convenience init(_ progress: CheckProgress, isShown: Bool) {
        self.init(isShown: isShown) { seconds in
            let done = progress.done
            let rate = ByteCount.text(UInt64(Double(done.bytes) / max(seconds, 0.001)))
            guard let all = progress.all else { return "\(done.objects) objects, \(ByteCount.text(done.bytes)), \(rate)/s" }
            let part = Self.cost(done) / max(Self.cost(all), 1)
            let text = "\(Self.percent(part)): \(done.objects) of \(all.objects) objects, \(ByteCount.text(done.bytes)), \(rate)/s"
            return text + Self.left(part, after: seconds)
        }
    }

    /// What looking at an object costs beside its bytes, in bytes.
    private static let objectCost: UInt64 = 16 << 10

    private static func cost(_ amount: (objects: Int, bytes: UInt64)) -> Double {
        Double(amount.bytes) + Double(amount.objects) * Double(objectCost)
    }

    /// How far a count is: `40 %: 8000 of 20000 secrets, 1900/s, 7 s left`.
    static func line(_ done: Int, of all: Int, _ what: String, after seconds: Double) -> String {
        let part = Double(done) / Double(max(all, 1))
        return "\(percent(part)): \(done) of \(all) \(what), \(Int(Double(done) / max(seconds, 0.001)))/s" + left(part, after: seconds)
    }

    private static func percent(_ part: Double) -> String { "\(min(99, Int(part * 100))) %" }

    private static func left(_ part: Double, after seconds: Double) -> String {
        part > 0.005 ? ", \(duration(max(0, seconds / part - seconds))) left" : ""
    }

    private static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
