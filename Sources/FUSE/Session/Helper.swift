// fusermount3, with which ordinary users mount and unmount.

import POSIX

enum Helper {
    /// Where it is. Looked for once, before anything is mounted: a mount point in `PATH` must not be searched (gocryptfs 146).
    static let path: String? = {
        let fixed = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"]
        let searched = (Environment.value("PATH") ?? "").split(separator: ":").map(String.init)
        return (fixed + searched).map { $0 + "/fusermount3" }.first { isProgram($0) }
    }()

    private static func isProgram(_ path: String) -> Bool {
        do throws(Errno) {
            let status = try Paths.status(path)
            return status.isRegular && status.mode & 0o111 != 0
        } catch {
            return false
        }
    }

    /// Unmounts through it, without its words.
    /// - Returns: whether it answered success.
    /// - Throws: `ENOENT` when there is none, and what starting a program may answer.
    static func unmount(_ mountPoint: String, lazily: Bool) throws(Errno) -> Bool {
        guard let path else { throw .noEntry }
        var spawn = Spawn(path, ["-u"] + (lazily ? ["-z"] : []) + ["--", mountPoint])
        spawn.environment = []
        let nothing = try SharedDescriptor.open("/dev/null", .readWrite)
        spawn.descriptors = [(0, nothing), (1, nothing), (2, nothing)]
        return try spawn.run().isSuccess
    }
}
