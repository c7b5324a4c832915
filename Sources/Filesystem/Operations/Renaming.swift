// Changing names.

import Bytes
import Format
import POSIX
import Synchronization

/// How a rename treats an object that already has the new name.
package enum RenameMode: Sendable {
    case replace
    /// `RENAME_NOREPLACE`
    case keep
    /// `RENAME_EXCHANGE`
    case exchange
}

extension Vault {
    /// Gives the entry `plain` of `parent` the name `newPlain` in `newParent`.
    /// - Throws: `EINVAL` for an exchange in which a directory or a long name takes part: their identity is in their name.
    package func rename(
        _ plain: ByteSpan, in parent: Inode, to newPlain: ByteSpan, in newParent: Inode, _ mode: RenameMode
    ) throws(Errno) {
        try context.willChange()
        let source = End(parent, try parent.directory, try parent.directory.descriptor(of: parent))
        let target = End(newParent, try newParent.directory, try newParent.directory.descriptor(of: newParent))
        guard plain.count <= Self.maximumNameLength, newPlain.count <= Self.maximumNameLength else { throw .nameTooLong }
        try withBothLocked(source.directory, target.directory) { () throws(Errno) in
            if mode == .exchange { return try exchange(plain, source, newPlain, target) }
            if let moved = try findDirectory(plain.array, in: parent, source.descriptor), let id = moved.directoryID {
                return try renameDirectory(moved, id, plain, source, newPlain, target, mode)
            }
            guard let moved = try findFile(plain, in: source.directory, source.descriptor) else { throw .noEntry }
            try renameFile(moved, plain, source, newPlain, target, mode)
        }
    }

    /// One of the two directories of a rename.
    private struct End {
        let inode: Inode
        let directory: Directory
        let descriptor: SharedDescriptor

        init(_ inode: Inode, _ directory: Directory, _ descriptor: SharedDescriptor) {
            self.inode = inode
            self.directory = directory
            self.descriptor = descriptor
        }
    }

    private func withBothLocked(_ a: Directory, _ b: Directory, _ body: () throws(Errno) -> Void) throws(Errno) {
        if a === b { return try a.removing(body) }
        let (first, second) = ObjectIdentifier(a) < ObjectIdentifier(b) ? (a, b) : (b, a)
        try first.removing { () throws(Errno) in try second.removing(body) }
    }

    // MARK: files

    private func renameFile(
        _ moved: Finding, _ plain: ByteSpan, _ source: End, _ newPlain: ByteSpan, _ target: End, _ mode: RenameMode
    ) throws(Errno) {
        if try findDirectory(newPlain.array, in: target.inode, target.descriptor) != nil {
            throw mode == .keep ? .exists : .isDirectory
        }
        let old = try sealed(plain, .file, in: source.directory)
        let new = try sealed(newPlain, .file, in: target.directory)
        let replaced = try statusIfThere(new.name, target.descriptor)
        if replaced != nil && mode == .keep { throw .exists }
        // Two names of one object: rename does nothing, as POSIX says.
        if let replaced, InodeKey(replaced) == InodeKey(moved.status) { return }
        try prepareSide(of: new, in: target.descriptor)
        let move = { () throws(Errno) in
            try self.moving(moved.status, from: Place(parent: source.inode, name: old.name), to: Place(parent: target.inode, name: new.name)) {
                () throws(Errno) in
                try source.descriptor.renameAt(old.name, to: target.descriptor, as: new.name)
            }
        }
        do throws(Errno) {
            if let replaced {
                try losingName(Place(parent: target.inode, name: new.name), replaced, target.descriptor, move)
            } else {
                try move()
            }
        } catch {
            if replaced == nil { removeSide(of: new, in: target.descriptor) }
            throw error
        }
        removeSide(of: old, in: source.descriptor)
    }

    /// Runs `rename`, which moves an object, and keeps what is known of the object true.
    private func moving(
        _ status: FileStatus, from old: Place, to new: Place, _ rename: () throws(Errno) -> Void
    ) throws(Errno) {
        guard let inode = table.known(InodeKey(status)) else { return try rename() }
        // Before: a walk that ends just now looks at one too many, and never at one too few.
        recovery.noteMoved(inode, in: self)
        try inode.whereabouts.withLock { (places: inout Whereabouts) throws(Errno) in
            try rename()
            places.remove(old)
            places.add(new)
        }
        if let directory = new.directoryID { inode.regularFile?.content?.protection?.noteMoved(to: directory, new.name.bytes) }
    }

    private func exchange(_ plain: ByteSpan, _ source: End, _ newPlain: ByteSpan, _ target: End) throws(Errno) {
        let sourceDirectory = try findDirectory(plain.array, in: source.inode, source.descriptor)
        let targetDirectory = try findDirectory(newPlain.array, in: target.inode, target.descriptor)
        let a = try sealed(plain, .file, in: source.directory)
        let b = try sealed(newPlain, .file, in: target.directory)
        let aStatus = try statusIfThere(a.name, source.descriptor)
        let bStatus = try statusIfThere(b.name, target.descriptor)
        guard sourceDirectory != nil || aStatus != nil, targetDirectory != nil || bStatus != nil else { throw .noEntry }
        guard let aStatus, let bStatus, a.side == nil, b.side == nil else { throw .invalidArgument }
        if InodeKey(aStatus) == InodeKey(bStatus) { return }
        let aPlace = Place(parent: source.inode, name: a.name)
        let bPlace = Place(parent: target.inode, name: b.name)
        // Both objects are held, so that nobody reaches one by the name of the other meanwhile. The kernel holds both inodes too.
        try moving(aStatus, from: aPlace, to: bPlace) { () throws(Errno) in
            try self.moving(bStatus, from: bPlace, to: aPlace) { () throws(Errno) in
                try source.descriptor.renameAt(a.name, to: target.descriptor, as: b.name, flags: .exchange)
            }
        }
    }

    // MARK: directories

    private func renameDirectory(
        _ moved: Finding, _ id: DirectoryID, _ plain: ByteSpan, _ source: End, _ newPlain: ByteSpan, _ target: End,
        _ mode: RenameMode
    ) throws(Errno) {
        if try findFile(newPlain, in: target.directory, target.descriptor) != nil {
            throw mode == .keep ? .exists : .notDirectory
        }
        let replaced = try findDirectory(newPlain.array, in: target.inode, target.descriptor)
        if let replaced {
            if mode == .keep { throw .exists }
            if InodeKey(replaced.status) == InodeKey(moved.status) { return }
            guard try isEmpty(target.descriptor.openAt(replaced.name, [.pathOnly, .directory, .noFollow])) else { throw .notEmpty }
        }
        let old = try sealed(plain, .directory(id), in: source.directory)
        let new = try sealed(newPlain, .directory(id), in: target.directory)
        try prepareSide(of: new, in: target.descriptor)
        do throws(Errno) {
            try moving(moved.status, from: Place(parent: source.inode, name: moved.name), to: Place(parent: target.inode, name: new.name)) {
                () throws(Errno) in
                try source.descriptor.renameAt(moved.name, to: target.descriptor, as: new.name)
            }
        } catch {
            removeSide(of: new, in: target.descriptor)
            throw error
        }
        // From here on the new name stands; what fails below leaves an empty directory, which is not shown.
        removeSide(of: old, in: source.descriptor)
        let key = plain.array
        let newKey = newPlain.array
        try withSubdirectories(of: source.inode) { (index: inout SubdirectoryIndex) throws(Errno) in index.remove(key) }
        try withSubdirectories(of: target.inode) { (index: inout SubdirectoryIndex) throws(Errno) in
            index.insert(newKey, .init(name: new.name, id: id))
        }
        guard let replaced, let replacedID = replaced.directoryID else { return }
        do throws(Errno) {
            try removeBackingDirectory(replaced.name, replaced.status, in: target.inode, target.descriptor)
            removeSide(of: try sealed(newPlain, .directory(replacedID), in: target.directory), in: target.descriptor)
        } catch {
            context.log.failed("remove the directory that a rename has replaced", error)
            // The next mount looks for it.
            context.noteUnfinished()
        }
    }
}
