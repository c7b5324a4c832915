// Opening backing objects that their owner, who runs this program, has closed to himself.

import POSIX

extension Vault {
    /// Opens an entry. The kernel has decided that the caller may; where the backing mode refuses an ordinary user's daemon
    /// its own object, the object is made accessible for the moment of the open.
    func openAccessible(at name: FileName, in parent: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try openQuietly { (extra) throws(Errno) in try parent.openAt(name, [flags, extra]) }
        } catch {
            guard error == .accessDenied else { throw error }
            return try openAccessible(parent.openAt(name, [.pathOnly, .noFollow]), flags.subtracting([.noFollow]))
        }
    }

    /// Opens an object that is held by an `O_PATH` descriptor.
    func openAccessible(_ object: SharedDescriptor, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try openQuietly { (extra) throws(Errno) in try object.reopen([flags, extra]) }
        } catch {
            guard error == .accessDenied, !isRoot else { throw error }
            let status = try object.status()
            guard status.userID == userID else { throw error }
            let mode = status.mode & 0o7777
            try object.changeMode(mode | (status.isDirectory ? 0o700 : 0o600))
            do throws(Errno) {
                let opened = try object.reopen([flags])
                try object.changeMode(mode)
                return opened
            } catch {
                try? object.changeMode(mode)
                throw error
            }
        }
    }

    /// With `O_NOATIME` where the caller may: reading the vault is no access to the plain file.
    private func openQuietly(_ open: (OpenFlags) throws(Errno) -> SharedDescriptor) throws(Errno) -> SharedDescriptor {
        do throws(Errno) {
            return try open(.noAccessTime)
        } catch {
            guard error == .notPermitted else { throw error }
            return try open([])
        }
    }
}
