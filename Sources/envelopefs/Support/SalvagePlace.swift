// Where `check --salvage` writes, looked at before anything is asked.

import POSIX

/// The place where `--salvage` writes.
enum SalvagePlace {
    /// A new or empty directory outside the vault.
    static func prepare(_ path: String, vault: String) throws(Failure) -> SharedDescriptor {
        if path.isInside(vault) { throw Failure(.usage, "\(path) is inside the vault", hint: "Choose a directory elsewhere, on a disk with room for everything.") }
        do throws(Errno) {
            try Paths.makeDirectories(path, mode: 0o700)
            let resolved = String(decoding: try Paths.resolve(path), as: UTF8.self)
            guard !resolved.isInside(vault) else { throw .invalidArgument }
            let names = try MountPoint.names(in: path)
            guard names.isEmpty else {
                throw .notEmpty
            }
            return try SharedDescriptor.open(path, [.pathOnly, .directory])
        } catch {
            if error == .notEmpty { throw Failure(.directoryNotEmpty, "\(path) is not empty", hint: "What is saved goes into a directory of its own.") }
            if error == .invalidArgument { throw Failure(.usage, "\(path) is inside the vault", hint: "Choose a directory elsewhere.") }
            throw Failure("\(path) cannot be used", error)
        }
    }
}
