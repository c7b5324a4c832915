// Where a mount writes its log, and how a line looks.

import FoundationEssentials
import Logging
import POSIX
import Synchronization

/// Writes lines `2026-11-23T19:00:00Z level message` to a log; errors of writing have nowhere to go and are dropped.
struct DaemonLog: LogHandler {
    private let file: LogFile
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(_ file: LogFile, level: Logger.Level) {
        self.file = file
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date(timeIntervalSince1970: Double(SystemClock.now.seconds)).formatted(.iso8601)
        let line = "\(time) \(event.level) \(event.message)".visible.split(separator: "\n").joined(separator: " | ")
        file.write(line + "\n")
    }

    /// A logger that writes to `file` from `level` on.
    static func logger(_ file: LogFile, level: Logger.Level) -> Logger {
        Logger(label: "envelopefs") { _ in DaemonLog(file, level: level) }
    }

    /// The log of a mount whose user named none.
    /// - Throws: `Failure` (usage) without a home directory.
    static func defaultPath(vaultID: String) throws(Failure) -> String {
        guard let state = Surroundings.directory("XDG_STATE_HOME", orBelowHome: ".local/state") else {
            throw Failure(.usage, "there is no home directory for the log", hint: "Give --log-file FILE, or set HOME or XDG_STATE_HOME.")
        }
        return "\(state)/envelopefs/\(vaultID).log"
    }
}

/// Where lines of a log go. A file that has grown large is moved to `.1`, and begun anew. Thread-safe.
final class LogFile: Sendable {
    /// At this size a log is begun anew, in bytes.
    private static let greatestSize: Int64 = 1 << 20

    private struct State {
        var descriptor: SharedDescriptor
        var size: Int64
    }
    private let state: Mutex<State>
    /// Nil for what is only written to: a terminal, a pipe, or a file that somebody else has opened.
    private let path: String?

    private init(_ descriptor: SharedDescriptor, path: String?) {
        state = Mutex(State(descriptor: descriptor, size: (try? descriptor.status().size) ?? 0))
        self.path = path
    }

    /// Standard error, as it was given.
    static let standardError = LogFile(.standardError, path: nil)

    /// Standard error of a process whose log it is, opened by `open` in another one.
    static func inherited() -> LogFile {
        let path = (try? Paths.readLink("/proc/self/fd/2")).map { String(decoding: $0, as: UTF8.self) }
        return LogFile(.standardError, path: path.flatMap { isFile($0, .standardError) ? $0 : nil })
    }

    /// Opens a log for appending, with the directories above it; one that has grown large is begun anew first.
    static func open(_ path: String) throws(Failure) -> LogFile {
        do throws(Errno) {
            try Paths.makeDirectories(path.parentPath, mode: 0o700)
            if let status = try? Paths.status(path), status.isRegular, status.size > greatestSize { try Paths.rename(path, to: path + ".1") }
            let file = try openFile(path)
            return LogFile(file, path: isFile(path, file) ? path : nil)
        } catch {
            throw Failure("the log \(path) cannot be written", error, hint: "Give another with --log-file.")
        }
    }

    /// For a process that is started with it.
    var descriptor: SharedDescriptor { state.withLock { $0.descriptor } }

    func write(_ line: String) {
        state.withLock { state in
            if let path, state.size > Self.greatestSize { beginAnew(path, &state) }
            try? state.descriptor.writeSequence(line)
            state.size += Int64(line.utf8.count)
        }
    }

    /// Where that is not possible the old one grows on, until as much has come again.
    private func beginAnew(_ path: String, _ state: inout State) {
        state.size = 0
        // Another mount with the same log may have done it.
        if Self.isFile(path, state.descriptor) { try? Paths.rename(path, to: path + ".1") }
        guard let new = try? Self.openFile(path) else { return }
        // This thread may work with the umask of a program that it serves.
        try? new.changeMode(0o600)
        state.descriptor = new
    }

    private static func openFile(_ path: String) throws(Errno) -> SharedDescriptor { try SharedDescriptor.open(path, [.writeOnly, .create, .append], mode: 0o600) }

    private static func isFile(_ path: String, _ descriptor: SharedDescriptor) -> Bool {
        guard let named = try? Paths.status(path), let open = try? descriptor.status(), open.isRegular else { return false }
        return (named.device, named.inode) == (open.device, open.inode)
    }
}
