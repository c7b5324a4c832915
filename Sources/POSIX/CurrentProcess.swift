// CurrentProcess: who and what this process is; names of other processes.
import CLinux

/// This process.
package enum CurrentProcess {
    /// Its process id.
    package static var id: Int32 { linux_process_id() }
    /// The id of the process that started it, or 1 when that is gone.
    package static var parentID: Int32 { linux_parent_id() }
    /// The real user.
    package static var userID: UInt32 { linux_user() }
    /// The user whose rights count.
    package static var effectiveUserID: UInt32 { linux_effective_user() }
    /// The real group.
    package static var groupID: UInt32 { linux_group() }
    /// The group whose rights count.
    package static var effectiveGroupID: UInt32 { linux_effective_group() }
    /// Whether nobody's permission bits hold this process up: user 0 of the whole machine, not of a user namespace, with the capabilities that stand for it
    /// (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID). False where that cannot be told.
    package static var overridesPermissions: Bool {
        guard effectiveUserID == 0, let map = try? Paths.read("/proc/self/uid_map", limit: 4096), let status = try? Paths.read("/proc/self/status", limit: 1 << 22)
        else { return false }
        return overridesPermissions(userMap: map, status: status)
    }
    /// From the texts of /proc/self/uid_map and /proc/self/status, user 0 given.
    static func overridesPermissions(userMap: [UInt8], status: [UInt8]) -> Bool {
        guard String(decoding: userMap, as: UTF8.self).split(whereSeparator: \.isWhitespace) == ["0", "0", "4294967295"],
            let word = Processes.words(of: "CapEff", in: status)?.first, let capabilities = UInt64(word, radix: 16)
        else { return false }
        return capabilities & 0b11111 == 0b11111
    }
    /// Supplementary groups.
    package static func groups() throws(Errno) -> [UInt32] {
        let count = try checked(linux_groups(nil, 0))
        var groups = [UInt32](repeating: 0, count: Int(count))
        let filled = try unsafe checked(linux_groups(&groups, count))
        return Array(groups.prefix(Int(filled)))
    }
    /// The path of the program that runs, any bytes.
    package static func executablePath() throws(Errno) -> [UInt8] { try Paths.readLink("/proc/self/exe") }
    /// The arguments as the kernel has them, any bytes, with the program's name first.
    package static func arguments() throws(Errno) -> [[UInt8]] {
        var bytes = try SharedDescriptor.open("/proc/self/cmdline", .readOnly).readToEnd(limit: 1 << 24)
        if bytes.last == 0 { bytes.removeLast() }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    }
    /// Whether this user's other processes may trace it and the kernel may write a core of it.
    package static func setDumpable(_ isDumpable: Bool) throws(Errno) { try succeed(linux_set_dumpable(isDumpable ? 1 : 0)) }
    /// Sets the umask of the whole process (but of threads with their own) and returns the old one.
    @discardableResult
    package static func setUmask(_ mask: UInt32) -> UInt32 { linux_set_umask(mask) }
}

/// What /proc tells of other processes.
package enum Processes {
    /// The program name (15 bytes), or nil when there is no such process.
    package static func name(of process: Int32) -> String? {
        guard var bytes = try? SharedDescriptor.open("/proc/\(process)/comm", .readOnly).readToEnd(limit: 4096) else { return nil }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
    /// Supplementary groups of a process (or thread), from its status file. ENOENT when it is gone.
    package static func groups(of process: Int32) throws(Errno) -> [UInt32] {
        let bytes = try SharedDescriptor.open("/proc/\(process)/status", .readOnly).readToEnd(limit: 1 << 22)
        guard let words = words(of: "Groups", in: bytes) else { throw .noData }
        return words.compactMap { UInt32($0) }
    }
    /// What stands behind a name in the text of a status file; nil when the name is not there.
    static func words(of name: String, in status: [UInt8]) -> [String]? {
        let start = Array("\(name):".utf8)
        guard let line = status.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: start) }) else { return nil }
        return line.dropFirst(start.count).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// The environment of this process.
package enum Environment {
    /// A variable's value, any bytes, or nil.
    package static func bytes(_ name: String) -> [UInt8]? {
        let prefix = Array(name.utf8) + [UInt8(ascii: "=")]
        return all().first { $0.starts(with: prefix) }.map { Array($0.dropFirst(prefix.count)) }
    }
    /// A variable's value as text (invalid UTF-8 repaired), or nil.
    package static func value(_ name: String) -> String? { bytes(name).map { String(decoding: $0, as: UTF8.self) } }
    /// "NAME=value" each.
    package static func all() -> [[UInt8]] {
        guard let vector = unsafe linux_environment() else { return [] }
        var variables: [[UInt8]] = []
        var index = 0
        while let start = unsafe vector[index] {
            var count = 0
            while unsafe start[count] != 0 { count += 1 }
            variables.append(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
            index += 1
        }
        return variables
    }
    /// Takes a variable out. Only before there are threads.
    package static func remove(_ name: String) throws(Errno) {
        let name = try terminatedPath(name)
        try unsafe succeed(linux_unsetenv(name))
    }
}
