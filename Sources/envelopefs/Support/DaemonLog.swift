// Where a mount writes its log, and how a line looks.

import FoundationEssentials
import Logging
import POSIX

/// Writes lines `2026-11-23T19:00:00Z level message` to a descriptor; errors of writing have nowhere to go and are dropped.
struct DaemonLog: LogHandler {
    private let descriptor: SharedDescriptor
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(_ descriptor: SharedDescriptor, level: Logger.Level) {
        self.descriptor = descriptor
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date(timeIntervalSince1970: Double(SystemClock.now.seconds)).formatted(.iso8601)
        let line = "\(time) \(event.level) \(event.message)".visible.split(separator: "\n").joined(separator: " | ")
        try? descriptor.writeSequence(line + "\n")
    }

    /// A logger that writes to `descriptor` from `level` on.
    static func logger(_ descriptor: SharedDescriptor, level: Logger.Level) -> Logger {
        Logger(label: "envelopefs") { _ in DaemonLog(descriptor, level: level) }
    }

    // MARK: files

    /// At this size a log is begun anew, in bytes.
    private static let rotationSize: Int64 = 1 << 20

    /// The log of a mount whose user named none.
    /// - Throws: `Failure` (usage) without a home directory.
    static func defaultPath(vaultID: String) throws(Failure) -> String {
        guard let state = Surroundings.directory("XDG_STATE_HOME", orBelowHome: ".local/state") else {
            throw Failure(.usage, "there is no home directory for the log", hint: "Give --log-file FILE, or set HOME or XDG_STATE_HOME.")
        }
        return "\(state)/envelopefs/\(vaultID).log"
    }

    /// Opens a log for appending, with the directories above it; one that has grown large is moved to `.1` first.
    static func open(_ path: String) throws(Failure) -> SharedDescriptor {
        do throws(Errno) {
            if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try Paths.makeDirectories(String(path[..<slash]), mode: 0o700) }
            if let size = (try? Paths.status(path))?.size, size > rotationSize { try Paths.rename(path, to: path + ".1") }
            return try SharedDescriptor.open(path, [.writeOnly, .create, .append], mode: 0o600)
        } catch {
            throw Failure("the log \(path) cannot be written", error, hint: "Give another with --log-file.")
        }
    }
}
