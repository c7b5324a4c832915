// The subdirectories of one directory: their plain names, which only opening every name tells.

import Format
import POSIX

/// The list of subdirectories of a directory. Built once from the backing directory, then kept by whoever changes the directory.
struct SubdirectoryIndex: Sendable {
    struct Subdirectory: Sendable {
        /// Its sealed name.
        let name: FileName
        let id: DirectoryID
    }
    private var byName: [[UInt8]: Subdirectory] = [:]
    private var plainNames: [FileName: [UInt8]] = [:]
    /// Why names are missing in the list that may be there; it is built again after a while.
    private(set) var gap: Errno?
    private var builtAt: UInt64 = 0
    /// Whether an empty directory is not shown because another one has its name.
    var hidesDoubles = false

    private static let retryAfter: UInt64 = 1_000_000_000
    /// Whether the list lacks something and is old enough to be built again.
    var isDue: Bool { gap != nil && SystemClock.monotonicCoarse >= builtAt + Self.retryAfter }

    mutating func noteGap(_ error: Errno) {
        gap = error
        builtAt = SystemClock.monotonicCoarse
    }

    subscript(plain: [UInt8]) -> Subdirectory? { byName[plain] }

    /// The plain name that a sealed one is shown under; nil when it is not shown.
    func plainName(of name: FileName) -> [UInt8]? { plainNames[name] }

    mutating func insert(_ plain: [UInt8], _ subdirectory: Subdirectory) {
        if let old = byName.updateValue(subdirectory, forKey: plain) { plainNames[old.name] = nil }
        plainNames[subdirectory.name] = plain
    }

    mutating func remove(_ plain: [UInt8]) {
        if let old = byName.removeValue(forKey: plain) { plainNames[old.name] = nil }
    }
}
