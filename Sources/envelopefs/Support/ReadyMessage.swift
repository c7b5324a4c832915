// What the background process tells the command that started it, over a pipe.

/// One message is sent, and then the pipe is closed. An end without message: the process died.
enum ReadyMessage: Equatable {
    /// The kernel has the mount.
    case ready
    case failed(Failure)

    /// A word, and for a failure its code, then two texts; every part is ended by a NUL, which no text contains.
    var bytes: [UInt8] {
        switch self {
        case .ready: return Array("ready\0".utf8)
        case .failed(let failure):
            let parts = ["failed", String(failure.status.rawValue), failure.what, failure.hint]
            return parts.flatMap { part in part.utf8.filter { $0 != 0 } + [0] }
        }
    }

    /// The message that was sent; nil when it is not whole.
    init?(_ bytes: [UInt8]) {
        guard bytes.last == 0 else { return nil }
        let parts = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        if parts == ["ready"] {
            self = .ready
        } else if parts.count == 4, parts[0] == "failed", let code = Int32(parts[1]), let status = ExitReason(rawValue: code) {
            self = .failed(Failure(status, parts[2], hint: parts[3]))
        } else {
            return nil
        }
    }
}
