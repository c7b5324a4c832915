// How damage, keys and refusals become an errno: each failed authentication is one line of log, written here.

import Format
import POSIX

extension FileContent {
    /// Whether what does not open may be the trace of a crash: the file was found unsealed, or was so once. Decides how it is called, never what reads.
    var callsUnfinished: Bool { isUnfinished || isRecovering && !isSalvaging || form == .inline && context.mayBeTorn }

    /// Logs damage of the file as a whole.
    func damaged(_ what: String) -> Errno {
        context.log.damaged(label, what)
        return .ioError
    }

    /// Logs that the file as a whole is what a power cut leaves of one of which nothing was promised.
    func unfinished(_ what: String) -> Errno {
        context.log.damaged(label, what, isUnfinished: true)
        return .ioError
    }

    /// Logs damage of one block.
    func damaged(block: UInt64, _ error: FormatError) -> Errno {
        context.log.damaged(label, "block \(block): \(error)", isUnfinished: callsUnfinished)
        return errno(of: error)
    }

    /// Logs what was refused, named by `what`.
    func refused(_ error: FormatError, _ what: String, isUnfinished: Bool = false) -> Errno {
        context.log.damaged(label, "\(what): \(error)", isUnfinished: isUnfinished)
        return errno(of: error)
    }

    func errno(of error: FormatError) -> Errno {
        switch error {
        case .cryptography(.outOfMemory): .noMemory
        case .outOfRange: .fileTooLarge
        default: .ioError
        }
    }
}
