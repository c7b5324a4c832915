// What the environment says: variables, the working directory, the user's own directories.

import FoundationEssentials
import POSIX

/// The environment of the process, read where it is asked for.
enum Surroundings {
    static func value(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    /// A directory of the XDG base directory specification: the variable if it is an absolute path, else below HOME.
    static func directory(_ variable: String, orBelowHome fallback: String) -> String? {
        if let given = value(variable), given.hasPrefix("/") { return given }
        guard let home = value("HOME"), home.hasPrefix("/") else { return nil }
        return home + "/" + fallback
    }

    /// Where something may stand for a while: the user's own place of this session, if there is one.
    static var temporaryDirectory: String {
        [value("XDG_RUNTIME_DIR"), value("TMPDIR")].compactMap { $0 }.first { $0.hasPrefix("/") && (try? Paths.status($0))?.isDirectory == true } ?? "/tmp"
    }
}

extension String {
    /// The path from the root, with `.` and `..` and doubled slashes taken out by the text alone.
    var absolutePath: String {
        let whole = hasPrefix("/") ? self : FileManager.default.currentDirectoryPath + "/" + self
        var parts: [Substring] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The directory that holds what an absolute path names.
    var parentPath: String { lastIndex(of: "/").map { $0 == startIndex ? "/" : String(self[..<$0]) } ?? "." }

    /// Whether this path is `directory` or below it; both absolute.
    func isInside(_ directory: String) -> Bool {
        self == directory || directory == "/" || hasPrefix(directory + "/")
    }
}
