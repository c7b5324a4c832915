// libfuse's own messages, sent where ours go.

import CFUSE
import Glibc
import Logging
import Synchronization

/// libfuse has one log for the whole process, and gives its function no context.
enum LibraryLog {
    private struct State {
        var logger = Logger(label: "envelopefs.libfuse")
        /// What was said since `collect` began; nil when nobody collects.
        var collected: [String]?
    }
    private static let state = Mutex(State())

    /// Sends what libfuse says to `logger`.
    static func redirect(to logger: Logger) {
        state.withLock { $0.logger = logger }
        unsafe fuse_set_log_func { level, format, arguments in
            guard let format = unsafe format, let arguments = unsafe arguments else { return }
            var text = [CChar](repeating: 0, count: 512)
            _ = unsafe vsnprintf(&text, text.count, format, arguments)
            let end = text.firstIndex(of: 0) ?? text.count
            LibraryLog.note(level, String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    /// What libfuse said during `body`, which is not logged.
    static func collect<R>(_ body: () -> R) -> (R, String) {
        state.withLock { $0.collected = [] }
        let result = body()
        let words = state.withLock { state in
            defer { state.collected = nil }
            return state.collected ?? []
        }
        return (result, words.joined(separator: "; "))
    }

    private static func note(_ level: fuse_log_level, _ text: String) {
        let words = text.split(separator: "\n").joined(separator: " ")
        guard !words.isEmpty else { return }
        let logger: Logger? = state.withLock { state in
            if state.collected != nil {
                state.collected?.append(words)
                return nil
            }
            return state.logger
        }
        let severity: Logger.Level =
            switch level {
            case FUSE_LOG_EMERG, FUSE_LOG_ALERT, FUSE_LOG_CRIT: .critical
            case FUSE_LOG_ERR: .error
            case FUSE_LOG_WARNING: .warning
            case FUSE_LOG_NOTICE: .notice
            case FUSE_LOG_INFO: .info
            default: .debug
            }
        logger?.log(level: severity, "\(words)")
    }
}
