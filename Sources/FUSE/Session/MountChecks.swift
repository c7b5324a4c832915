// What can be known to stand in the way before mounting is tried, so that each obstacle has its own name.

import POSIX

enum MountChecks {
    /// - Parameter mountPoint: as the user gave it.
    /// - Returns: its absolute path without symbolic links.
    static func run(mountPoint: String, options: MountOptions) throws(MountError) -> String {
        try checkDevice()
        if CurrentProcess.effectiveUserID != 0 {
            try checkHelper()
            if options.allowOther && !allowsOthers(configuration: textOf("/etc/fuse.conf")) { throw .allowOtherNotPermitted }
        }
        return try resolve(mountPoint)
    }

    private static func checkDevice() throws(MountError) {
        do throws(Errno) {
            _ = try SharedDescriptor.open("/dev/fuse", .readWrite)
        } catch {
            switch error {
            case .noEntry, .noDevice, .noDeviceOrAddress: throw .noDevice
            default: throw .deviceNotPermitted(error)
            }
        }
    }

    private static func checkHelper() throws(MountError) {
        guard let path = Helper.path else { throw .noHelper }
        let status: FileStatus
        do throws(Errno) { status = try Paths.status(path) } catch { throw .system(path, error) }
        if status.mode & FileMode.setUserID == 0 { throw .helperNotPrivileged(path: path) }
    }

    private static func resolve(_ mountPoint: String) throws(MountError) -> String {
        do throws(Errno) {
            guard try Paths.status(mountPoint).isDirectory else { throw .notDirectory }
            return String(decoding: try Paths.resolve(mountPoint), as: UTF8.self)
        } catch {
            switch error {
            case .noEntry: throw .missingMountPoint(mountPoint)
            case .notDirectory: throw .notADirectory(mountPoint)
            case .notConnected: throw .deadMount(mountPoint)
            default: throw .mountPoint(mountPoint, error)
            }
        }
    }

    private static func textOf(_ path: String) -> String {
        do throws(Errno) {
            return String(decoding: try Paths.read(path, limit: 1 << 20), as: UTF8.self)
        } catch {
            return ""  // no file: nothing is allowed
        }
    }

    /// Whether the text of /etc/fuse.conf lets ordinary users mount for others: a line with that one word.
    static func allowsOthers(configuration: String) -> Bool {
        configuration.split(separator: "\n").contains { line in
            line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" } == ["user_allow_other"]
        }
    }
}
