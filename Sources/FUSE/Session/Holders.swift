// Who keeps a mount from being unmounted.

import POSIX

/// A process that uses something below a mount point.
package struct Holder: Equatable, Sendable, CustomStringConvertible {
    /// Its number.
    package let processID: Int32
    /// Its name, 15 bytes at most; "?" when it has just ended.
    package let program: String
    /// One path that it uses.
    package let path: String

    /// A line for a person's terminal, never for a log: plain names stand in no log.
    package var description: String { "\(nameAndNumber) uses \(path)" }
    /// Which process it is, for the log.
    var nameAndNumber: String { "\(program) (pid \(processID))" }

    /// The processes that have a file open, mapped or run from, or their working or root directory, at or below `mountPoint`, as far as the
    /// caller may see them. Reads /proc only, never the mount itself.
    package static func all(of mountPoint: String) -> [Holder] {
        names(in: "/proc").compactMap { Int32($0) }.filter { $0 != CurrentProcess.id }.compactMap { process in
            firstUse(by: process, below: mountPoint).map {
                Holder(processID: process, program: Processes.name(of: process) ?? "?", path: $0)
            }
        }
    }

    private static func firstUse(by process: Int32, below mountPoint: String) -> String? {
        let base = "/proc/\(process)"
        let links = ["cwd", "root", "exe"].map { "\(base)/\($0)" } + names(in: "\(base)/fd").map { "\(base)/fd/\($0)" }
        for link in links {
            if let target = target(of: link), isBelow(target, mountPoint) { return target }
        }
        return mappings(of: base).split(separator: "\n").lazy.compactMap { line -> String? in
            // The last column of a mapping is its path, the only one with a slash.
            guard let slash = line.firstIndex(of: "/") else { return nil }
            let path = String(line[slash...])
            return isBelow(path, mountPoint) ? path : nil
        }.first
    }

    static func isBelow(_ path: String, _ mountPoint: String) -> Bool {
        path == mountPoint || path.hasPrefix(mountPoint.hasSuffix("/") ? mountPoint : mountPoint + "/")
    }

    // A process that has ended meanwhile, or that is not the caller's to look at, holds nothing that could be named.

    private static func target(of link: String) -> String? {
        do throws(Errno) { return String(decoding: try Paths.readLink(link), as: UTF8.self) } catch { return nil }
    }

    private static func mappings(of base: String) -> String {
        do throws(Errno) { return String(decoding: try Paths.read("\(base)/maps", limit: 1 << 24), as: UTF8.self) } catch { return "" }
    }

    private static func names(in directory: String) -> [String] {
        do throws(Errno) {
            let stream = DirectoryStream(try SharedDescriptor.open(directory, [.readOnly, .directory]))
            var names: [String] = []
            while let entry = try stream.next() { names.append(String(decoding: entry.name.bytes, as: UTF8.self)) }
            return names
        } catch {
            return []
        }
    }
}
