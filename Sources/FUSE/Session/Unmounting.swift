// Taking a mount away while its daemon still serves.

import POSIX

/// What came of unmounting.
package enum UnmountOutcome: Equatable, Sendable {
    /// It is no mount point, or none any more.
    case unmounted
    /// Somebody uses it.
    case busy
    /// The kernel or the helper could not even try.
    case failed(Errno)
}

/// Unmounting by path, for daemons and commands.
package enum Unmounting {
    /// Asks the kernel to unmount. Not from a serving thread: the kernel has unwritten pages sent first.
    /// - Parameters:
    ///   - mountPoint: absolute, without symbolic links.
    ///   - lazily: out of sight at once, gone when the last user is done.
    package static func unmount(_ mountPoint: String, lazily: Bool) -> UnmountOutcome {
        if CurrentProcess.effectiveUserID == 0 {
            do throws(Errno) {
                try Paths.unmount(mountPoint, lazily: lazily)
                return .unmounted
            } catch {
                switch error {
                case .busy: return .busy
                case .invalidArgument, .noEntry: return .unmounted  // it is no mount point any more
                case .notPermitted: break  // root of a container: the helper may do it
                default: return .failed(error)
                }
            }
        }
        do throws(Errno) {
            if try Helper.unmount(mountPoint, lazily: lazily) { return .unmounted }
            // The helper says in words only why not; being used is the usual reason.
            return try MountTable.mount(at: Array(mountPoint.utf8)) == nil ? .unmounted : .busy
        } catch {
            return .failed(error)
        }
    }

    /// Has the kernel end the connection of a mounted file system, wherever that is mounted: through fusectl, where that stands and this user may.
    /// - Returns: whether it has ended.
    package static func abort(_ device: DeviceNumber) -> Bool {
        guard let control = try? SharedDescriptor.open("/sys/fs/fuse/connections/\(device.minor)/abort", .writeOnly) else { return false }
        return (try? control.writeSequence("1")) != nil
    }
}
