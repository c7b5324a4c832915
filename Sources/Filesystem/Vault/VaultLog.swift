// What a mounted vault tells its operator.

import Logging
import POSIX

/// Messages name objects by their sealed (backing) names and inode numbers, never by plain names.
package struct VaultLog: Sendable {
    package let logger: Logger

    package init(_ logger: Logger) { self.logger = logger }

    /// Something in the vault is not what was written there.
    func damaged(_ label: FileLabel, _ what: @autoclosure () -> String) {
        logger.error("\(label): \(what())")
    }

    /// Something unexpected that harms nobody.
    func note(_ what: @autoclosure () -> String) { logger.notice("\(what())") }

    /// A system call that failed where no caller hears of it.
    func failed(_ what: @autoclosure () -> String, _ error: Errno) { logger.error("\(what()): \(error)") }
}

/// Which object of the vault a message is about: its inode number and sealed name.
package struct FileLabel: Sendable, CustomStringConvertible {
    package let inode: UInt64
    package let backingName: FileName?

    package init(inode: UInt64, backingName: FileName?) {
        self.inode = inode
        self.backingName = backingName
    }

    package var description: String {
        guard let backingName else { return "inode \(inode)" }
        return "inode \(inode), backing name \(String(decoding: backingName.bytes, as: UTF8.self))"
    }
}
