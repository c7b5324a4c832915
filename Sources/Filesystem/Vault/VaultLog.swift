// What a mounted vault tells its operator.

import Format
import Logging
import POSIX

/// Messages name objects by their sealed (backing) names and inode numbers, never by plain names.
package struct VaultLog: Sendable {
    package let logger: Logger
    /// Takes what is damaged instead of the log.
    private let observer: (@Sendable (Refusal) -> Void)?

    /// Why something was refused, in a few words without the object's name.
    struct Refusal: Sendable {
        let text: String
        /// A power cut may have left it so.
        let isUnfinished: Bool
    }

    package init(_ logger: Logger) {
        self.logger = logger
        observer = nil
    }

    /// Nothing is logged; `observer` hears what is damaged.
    init(observer: @escaping @Sendable (Refusal) -> Void) {
        logger = Logger(label: "observed", factory: { _ in SwiftLogNoOpLogHandler() })
        self.observer = observer
    }

    /// Something in the vault is not what was written there; or, `isUnfinished`, may never have been.
    func damaged(_ label: FileLabel, _ what: @autoclosure () -> String, isUnfinished: Bool = false) {
        if let observer { return observer(Refusal(text: what(), isUnfinished: isUnfinished)) }
        logger.error("\(label): \(what())\(isUnfinished ? "; unfinished: a power cut leaves this of what was not synced" : "")")
    }

    /// Something unexpected that harms nobody.
    func note(_ what: @autoclosure () -> String) { logger.notice("\(what())") }

    /// A system call that failed where no caller hears of it.
    func failed(_ what: @autoclosure () -> String, _ error: Errno) { logger.error("\(what()): \(error)") }
}

/// Which object of the vault something is about: its inode number, sealed name, and the directory that has that.
package struct FileLabel: Sendable, CustomStringConvertible {
    package let inode: UInt64
    package let backingName: FileName?
    let directory: DirectoryID?

    package init(inode: UInt64, backingName: FileName?, in directory: DirectoryID? = nil) {
        self.inode = inode
        self.backingName = backingName
        self.directory = directory
    }

    /// For records of the journal; nil if the directory or the name is not known.
    var place: (DirectoryID, [UInt8])? {
        guard let directory, let backingName else { return nil }
        return (directory, backingName.bytes)
    }

    package var description: String {
        guard let backingName else { return "inode \(inode)" }
        return "inode \(inode), backing name \(String(decoding: backingName.bytes, as: UTF8.self))"
    }
}
