// Where on the disk the thing is that a user named.

import FUSE
import POSIX

/// A vault, or a sealed file or directory of one.
struct BackingPlace {
    /// Absolute, without links.
    let path: String
    let isVault: Bool

    /// A path in a mount is followed to the sealed one by inode numbers, which are the same on both sides: no key is needed.
    static func find(_ given: String) throws(Failure) -> BackingPlace {
        do throws(Errno) {
            let path = try resolve(given)
            if let mount = try mount(holding: path) {
                let vault = String(decoding: mount.source, as: UTF8.self)
                let inside = Array(path.utf8).dropFirst(mount.mountPoint.count)
                return try backing(of: inside, in: vault, mountPoint: mount.mountPoint)
            }
            return BackingPlace(path: path, isVault: try Paths.exists(path + "/.envelopefs"))
        } catch {
            throw Failure("\(given) cannot be looked at", error)
        }
    }

    /// Without following a link in the last part: a link is a thing of a vault too.
    private static func resolve(_ given: String) throws(Errno) -> String {
        let path = given.absolutePath
        guard try Paths.status(path, followsLink: false).isSymbolicLink, let slash = path.lastIndex(of: "/") else {
            return String(decoding: try Paths.resolve(path), as: UTF8.self)
        }
        let parent = String(decoding: try Paths.resolve(slash == path.startIndex ? "/" : String(path[..<slash])), as: UTF8.self)
        return (parent == "/" ? "" : parent) + path[slash...]
    }

    private static func mount(holding path: String) throws(Errno) -> MountedFilesystem? {
        let mounts = try MountTable.current().filter { path.isInside(String(decoding: $0.mountPoint, as: UTF8.self)) }
        guard let nearest = mounts.max(by: { $0.mountPoint.count < $1.mountPoint.count }), nearest.isVault else { return nil }
        return nearest
    }

    private static func backing(of inside: ArraySlice<UInt8>, in vault: String, mountPoint: [UInt8]) throws(Errno) -> BackingPlace {
        var directory = try SharedDescriptor.open(vault, [.pathOnly, .directory])
        var plain = mountPoint
        var path = vault
        for part in inside.split(separator: UInt8(ascii: "/")) {
            plain += [UInt8(ascii: "/")] + part
            let inode = try Paths.status(plain.span, followsLink: false).inode
            guard let name = try entry(with: inode, in: directory) else { throw .noEntry }
            path += "/" + String(decoding: name.bytes, as: UTF8.self)
            directory = try directory.openAt(name, [.pathOnly, .noFollow])
        }
        return BackingPlace(path: path, isVault: path == vault)
    }

    private static func entry(with inode: UInt64, in directory: SharedDescriptor) throws(Errno) -> FileName? {
        let stream = try DirectoryStream(opening: directory)
        while let entry = try stream.next() {
            if !stream.isCurrentOrParent && entry.inode == inode { return entry.name }
        }
        return nil
    }
}
