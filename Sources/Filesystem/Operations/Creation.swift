// Making files, directories, links and special files.

import Bytes
import Format
import POSIX
import Synchronization

extension Vault {
    /// Makes and opens a regular file; opens it if it is there and `isExclusive` is false.
    /// - Parameters:
    ///   - mode: permission bits before the caller's umask.
    ///   - isExclusive: `O_EXCL`.
    ///   - writable: whether the handle may write.
    package func create(
        _ plain: ByteSpan, in parent: Inode, mode: UInt32, isExclusive: Bool, writable: Bool, caller: Caller
    ) throws(Errno) -> (FoundEntry, OpenFile) {
        sealer.waitForRoom()
        let made: (SharedDescriptor, FoundEntry)
        do throws(Errno) {
            made = try addEntry(plain, in: parent) { (directory, backing) throws(Errno) in
                try ThreadIdentity.setUmask(caller.umask)
                let file = try directory.openAt(
                    backing.name, [.readWrite, .create, .exclusive, .noFollow], mode: mode & 0o7777)
                return try self.orUndone(backing.name, in: directory) { () throws(Errno) in
                    let status = try self.give(file, to: caller, mode: mode, in: directory)
                    return (file, try self.entry(backing.name, status, directoryID: nil, in: parent, replacesOthers: true))
                }
            }
        } catch {
            guard error == .exists, !isExclusive else { throw error }
            let found = try lookup(plain, in: parent)
            do throws(Errno) {
                return (found, try self.open(found.inode, writable: writable))
            } catch {
                forget(found.inode, 1)
                throw error
            }
        }
        let (file, found) = made
        do throws(Errno) {
            guard let regular = found.inode.regularFile else { throw .ioError }
            // A new file has no capabilities. The kernel asks for them before the first write, and lets nobody look the name up meanwhile.
            found.inode.hasNoCapability.store(true, ordering: .relaxed)
            let content = try regular.acquireNew(file, writable: writable, label: found.inode.label, in: self)
            return (found, OpenFile(inode: found.inode, file: regular, content: content, isWritable: writable, vault: self))
        } catch {
            forget(found.inode, 1)
            throw error
        }
    }

    /// Makes a file, fifo, socket or device without opening it.
    package func makeNode(
        _ plain: ByteSpan, in parent: Inode, mode: UInt32, device: UInt64, caller: Caller
    ) throws(Errno) -> FoundEntry {
        try addEntry(plain, in: parent) { (directory, backing) throws(Errno) in
            try ThreadIdentity.setUmask(caller.umask)
            try directory.makeNodeAt(backing.name, mode: mode, device: device)
            return try self.orUndone(backing.name, in: directory) { () throws(Errno) in
                let status = try self.give(backing.name, to: caller, mode: mode, in: directory)
                return try self.entry(backing.name, status, directoryID: nil, in: parent, replacesOthers: true)
            }
        }
    }

    package func makeSymbolicLink(
        to target: ByteSpan, _ plain: ByteSpan, in parent: Inode, caller: Caller
    ) throws(Errno) -> FoundEntry {
        let sealedTarget = try sealTarget(target)
        return try addEntry(plain, in: parent) { (directory, backing) throws(Errno) in
            try directory.makeSymbolicLinkAt(backing.name, target: sealedTarget.span)
            return try self.orUndone(backing.name, in: directory) { () throws(Errno) in
                let status = try self.give(backing.name, to: caller, mode: 0, in: directory)
                return try self.entry(backing.name, status, directoryID: nil, in: parent, replacesOthers: true)
            }
        }
    }

    package func makeDirectory(
        _ plain: ByteSpan, in parent: Inode, mode: UInt32, caller: Caller
    ) throws(Errno) -> FoundEntry {
        try context.willChange()
        let directory = try parent.directory
        let descriptor = try directory.descriptor(of: parent)
        let id: DirectoryID
        do throws(FormatError) { id = try DirectoryID.random() } catch { throw .ioError }
        let backing = try sealed(plain, .directory(id), in: directory)
        let key = plain.array
        return try directory.mutation.withLock { (_: inout Void) throws(Errno) -> FoundEntry in
            if try find(plain, in: parent) != nil { throw .exists }
            try prepareSide(of: backing, in: descriptor)
            try ThreadIdentity.setUmask(caller.umask)
            do throws(Errno) {
                try descriptor.makeDirectoryAt(backing.name, mode: mode & 0o7777)
            } catch {
                removeSide(of: backing, in: descriptor)
                throw error
            }
            // Known from now on, whatever comes: without that the next one of this name would be its double.
            try withSubdirectories(of: parent) { (index: inout SubdirectoryIndex) throws(Errno) in
                index.insert(key, .init(name: backing.name, id: id))
            }
            do throws(Errno) {
                let status = try give(backing.name, to: caller, mode: mode, in: descriptor)
                let made = try entry(backing.name, status, directoryID: id, in: parent, replacesOthers: true)
                // A new directory has no subdirectories: its list is complete.
                try made.inode.directory.subdirectories.withLock { $0 = SubdirectoryIndex() }
                return made
            } catch {
                undoDirectory(key, backing, in: parent, descriptor)
                throw error
            }
        }
    }

    /// A directory whose making failed half-way goes again; one that cannot be removed stays in the list.
    private func undoDirectory(_ key: [UInt8], _ backing: BackingName, in parent: Inode, _ descriptor: SharedDescriptor) {
        do throws(Errno) {
            try descriptor.unlinkAt(backing.name, directory: true)
            removeSide(of: backing, in: descriptor)
            try withSubdirectories(of: parent) { (index: inout SubdirectoryIndex) throws(Errno) in index.remove(key) }
        } catch {
            context.log.failed("undo the making of a directory", error)
        }
    }

    /// Runs `body` on an entry that was made a moment ago; if that fails, the entry goes again.
    private func orUndone<R>(_ name: FileName, in directory: SharedDescriptor, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        do throws(Errno) {
            return try body()
        } catch {
            do throws(Errno) { try directory.unlinkAt(name) } catch { context.log.failed("undo the making of an entry", error) }
            throw error
        }
    }

    /// One more name for a file, link or special file.
    package func link(_ inode: Inode, _ plain: ByteSpan, in parent: Inode) throws(Errno) -> FoundEntry {
        if inode.isDirectory { throw .notPermitted }
        return try addEntry(plain, in: parent) { (directory, backing) throws(Errno) in
            try inode.reach { (oldParent, oldName) throws(Errno) in
                try oldParent.linkAt(oldName, to: directory, as: backing.name)
            } anchored: { (descriptor) throws(Errno) in
                try descriptor.link(to: directory, as: backing.name)
            }
            return try self.orUndone(backing.name, in: directory) { () throws(Errno) in
                let status = try directory.statusAt(backing.name)
                return try self.entry(backing.name, status, directoryID: nil, in: parent)
            }
        }
    }

    /// Adds an entry that is not a directory: checks that no directory has the name, cares for the side file of a long one.
    private func addEntry<R>(
        _ plain: ByteSpan, in parent: Inode,
        _ body: (SharedDescriptor, BackingName) throws(Errno) -> R
    ) throws(Errno) -> R {
        try context.willChange()
        let directory = try parent.directory
        let descriptor = try directory.descriptor(of: parent)
        let backing = try sealed(plain, .file, in: directory)
        let key = plain.array
        return try directory.mutation.withLock { (_: inout Void) throws(Errno) -> R in
            let isDirectory = try withSubdirectories(of: parent) { (index: inout SubdirectoryIndex) throws(Errno) in
                index[key] != nil
            }
            if isDirectory { throw .exists }
            try prepareSide(of: backing, in: descriptor)
            do throws(Errno) {
                return try body(descriptor, backing)
            } catch {
                if error != .exists { removeSideIfUnused(backing, in: descriptor) }
                throw error
            }
        }
    }

    private func removeSideIfUnused(_ backing: BackingName, in directory: SharedDescriptor) {
        guard backing.side != nil, (try? statusIfThere(backing.name, directory)) == .some(nil) else { return }
        removeSide(of: backing, in: directory)
    }

    // MARK: ownership

    /// A daemon of root's makes objects that belong to the caller; their group is the parent's where that has its set-group-id bit.
    /// Nil when the object already belongs to whom it should.
    private func owner(for caller: Caller, in directory: SharedDescriptor) throws(Errno) -> (user: UInt32, group: UInt32?)? {
        guard isRoot, caller.userID != 0 || caller.groupID != 0 else { return nil }
        let inheritsGroup = try directory.status().mode & 0o2000 != 0
        return (caller.userID, inheritsGroup ? nil : caller.groupID)
    }

    private func give(
        _ file: SharedDescriptor, to caller: Caller, mode: UInt32, in directory: SharedDescriptor
    ) throws(Errno) -> FileStatus {
        let status = try file.status()
        guard let owner = try owner(for: caller, in: directory) else { return status }
        try file.changeOwner(userID: owner.user, groupID: owner.group)
        // The change of owner takes the set-id bits away.
        if mode & 0o6000 != 0 { try file.changeMode(status.mode & 0o7777) }
        return try file.status()
    }

    private func give(
        _ name: FileName, to caller: Caller, mode: UInt32, in directory: SharedDescriptor
    ) throws(Errno) -> FileStatus {
        let status = try directory.statusAt(name)
        guard let owner = try owner(for: caller, in: directory) else { return status }
        try directory.changeOwnerAt(name, userID: owner.user, groupID: owner.group)
        if mode & 0o6000 != 0, !status.isDirectory { try directory.changeModeAt(name, status.mode & 0o7777) }
        return try directory.statusAt(name)
    }
}
