// How damage, keys and refusals become an errno: each failed authentication is one line of log, written here.

import Format
import POSIX

extension FileContent {
    /// Logs damage of the file as a whole.
    func damaged(_ what: String) -> Errno {
        context.log.damaged(label, what)
        return .ioError
    }

    /// Logs damage of one block.
    func damaged(block: UInt64, _ error: FormatError) -> Errno {
        context.log.damaged(label, "block \(block): \(error)")
        return errno(of: error)
    }

    /// Logs what was refused, named by `what`.
    func refused(_ error: FormatError, _ what: String) -> Errno {
        context.log.damaged(label, "\(what): \(error)")
        return errno(of: error)
    }

    private func errno(of error: FormatError) -> Errno {
        switch error {
        case .cryptography(.outOfMemory): .noMemory
        case .outOfRange: .fileTooLarge
        default: .ioError
        }
    }
}
