// Where a vault is to be shown: what stands in the way there, and what a killed daemon left.

import FUSE
import POSIX

/// Checks of the place where a vault is to be shown.
enum MountPoint {
    /// The absolute path of an existing, empty directory on which nothing is mounted. A mount whose daemon was killed is cleared away first.
    static func prepare(_ given: String, vault: String) throws(Failure) -> String {
        try clearDeadMount(given.absolutePath)
        let path = try resolve(given)
        if path.isInside(vault) { throw Failure(.usage, "the mount point \(path) is inside the vault", hint: "Choose a directory elsewhere.") }
        if vault.isInside(path) { throw Failure(.mountPointNotEmpty, "the mount point \(path) holds the vault itself", hint: "Choose an empty directory elsewhere.") }
        if let mount = try Mounts.all().last(where: { $0.mountPoint == Array(path.utf8) }) {
            let source = String(decoding: mount.source, as: UTF8.self)
            let hint = mount.isVault ? "'envelopefs unmount \(path)' takes it away." : "Choose another directory, or unmount it first."
            throw Failure(.mountPointInUse, "\(path) has \(source) (\(mount.type)) mounted on it already", hint: hint)
        }
        try requireEmpty(path)
        return path
    }

    private static func resolve(_ given: String) throws(Failure) -> String {
        do throws(Errno) {
            guard try Paths.status(given).isDirectory else { throw .notDirectory }
            return String(decoding: try Paths.resolve(given), as: UTF8.self)
        } catch {
            switch error {
            case .noEntry: throw Failure(.mountPointMissing, "the mount point \(given) does not exist", hint: "mkdir it first.")
            case .notDirectory: throw Failure(.mountPointMissing, "the mount point \(given) is not a directory")
            default: throw Failure("the mount point \(given) cannot be used", error)
            }
        }
    }

    private static func requireEmpty(_ path: String) throws(Failure) {
        let names: [String]
        do throws(Errno) { names = try Self.names(in: path) } catch { throw Failure("the mount point \(path) cannot be listed", error) }
        guard names.isEmpty else {
            throw Failure(.mountPointNotEmpty, "the mount point \(path) is not empty: it holds \(names.prefix(4).joined(separator: ", "))", hint: "What is there would be hidden by the mount. Choose an empty directory.")
        }
    }

    /// Some of the names in a directory, at most six: enough to say what is there.
    static func names(in path: String) throws(Errno) -> [String] {
        var names: [String] = []
        let stream = DirectoryStream(try SharedDescriptor.open(path, [.readOnly, .directory]))
        while names.count < 6, let entry = try stream.next() {
            if !stream.isCurrentOrParent { names.append(String(decoding: entry.name.bytes, as: UTF8.self)) }
        }
        return names
    }

    /// Asks whatever serves `path` for something that the kernel never answers from its caches, unlike a status.
    /// - Throws: `ENOTCONN` when a daemon has gone.
    static func ask(_ path: String) throws(Errno) { _ = try SharedDescriptor.open(path, [.pathOnly, .directory]).statistics() }

    /// Only a mount of ours that answers nothing but ENOTCONN is dead.
    private static func clearDeadMount(_ path: String) throws(Failure) {
        do throws(Errno) {
            try ask(path)
        } catch {
            guard error == .notConnected else { return }
            // Through a link too, which the mount table does not know.
            let places = [Array(path.utf8)] + [(try? Paths.resolve(path)) ?? []]
            let mount = places.lazy.compactMap { (try? MountTable.mount(at: $0)) ?? nil }.first
            guard let mount, mount.isVault else {
                throw Failure(.mountPointInUse, "\(path) is a mount whose process is gone", hint: "'fusermount3 -u \(path)' or 'umount \(path)' takes it away.")
            }
            switch Unmounting.unmount(String(decoding: mount.mountPoint, as: UTF8.self), lazily: true) {
            case .unmounted: Console.note("\(path): the process of an earlier mount is gone; its remains were taken away")
            case .busy: throw Failure(.mountPointInUse, "\(path) is a mount whose process is gone, and is still in use")
            case .failed(let error): throw Failure("the remains of an earlier mount at \(path) cannot be taken away", error)
            }
        }
    }
}
