// Finding objects by name, and giving them back.

import Bytes
import Format
import POSIX
import Synchronization

extension Vault {
    /// What a plain name leads to in a directory.
    struct Finding {
        let name: FileName
        /// As the backing file system says it.
        let status: FileStatus
        /// Set for a directory.
        let directoryID: DirectoryID?
    }

    /// The entry called `name` in `parent`, counted as looked up.
    /// - Throws: `ENOENT`, `ENAMETOOLONG`, `ENOTDIR`, errors of the backing file system.
    package func lookup(_ name: ByteSpan, in parent: Inode) throws(Errno) -> FoundEntry {
        let found = try entry(in: parent) { () throws(Errno) in try find(name, in: parent) }
        guard let found else { throw .noEntry }
        return found
    }

    /// The entry that `find` finds in `parent`, counted as looked up. A name that was taken away in the meantime does not stay known as a
    /// place of the object: the kernel shuts out most such meetings, but not those with the recovery after a crash.
    func entry(in parent: Inode, _ find: () throws(Errno) -> Finding?) throws(Errno) -> FoundEntry? {
        let directory = try parent.directory
        let before = directory.removals.load(ordering: .sequentiallyConsistent)
        guard let finding = try find() else { return nil }
        let found = try entry(finding.name, finding.status, directoryID: finding.directoryID, in: parent)
        let isSteady = before & 1 == 0 && directory.removals.load(ordering: .sequentiallyConsistent) == before
        if isSteady, found.inode.isLike(finding.status, finding.directoryID) { return found }
        return try directory.mutation.withLock { (_: inout Void) throws(Errno) -> FoundEntry? in
            let again: Finding?
            do throws(Errno) { again = try find() } catch {
                forget(found.inode, 1)
                throw error
            }
            // Not one that somebody stood in for another while a removal was tried that has failed.
            if let again, again.name == finding.name, InodeKey(again.status) == found.inode.key, table.known(found.inode.key) === found.inode,
                found.inode.isLike(again.status, again.directoryID)
            { return FoundEntry(inode: found.inode, status: plainStatus(of: found.inode, again.status)) }
            found.inode.whereabouts.withLock { $0.remove(Place(parent: parent, name: finding.name)) }
            forget(found.inode, 1)
            guard let again else { return nil }
            // Nothing takes it away now: what is known by its number and is something else is gone, or was exchanged on the disk.
            return try entry(again.name, again.status, directoryID: again.directoryID, in: parent, replacesOthers: true)
        }
    }

    /// The kernel takes back `count` look-ups of `inode`; the last one ends its life.
    package func forget(_ inode: Inode, _ count: UInt64) { table.forget(inode, count) }

    /// Files are found by their computed name; directories, whose sealed name holds an id, in the list of subdirectories.
    func find(_ plain: ByteSpan, in parent: Inode) throws(Errno) -> Finding? {
        let directory = try parent.directory
        let descriptor = try directory.descriptor(of: parent)
        let key = plain.array
        let isIndexed = directory.subdirectories.withLock { $0 != nil }
        if isIndexed, let finding = try findDirectory(key, in: parent, descriptor) { return finding }
        if let finding = try findFile(plain, in: directory, descriptor) { return finding }
        if !isIndexed, let finding = try findDirectory(key, in: parent, descriptor) { return finding }
        try requireAbsence(of: plain, in: directory)
        return nil
    }

    /// A long name that is not in the list of subdirectories may be one that could not be read: the kernel is not told that it is free.
    private func requireAbsence(of plain: ByteSpan, in directory: Directory) throws(Errno) {
        guard let gap = directory.subdirectories.withLock({ $0?.gap }) else { return }
        // Whatever its id: only the length of the name decides.
        if try sealed(plain, .directory(directory.id), in: directory).side != nil { throw gap }
    }

    /// A file, link or special file.
    func findFile(_ plain: ByteSpan, in directory: Directory, _ descriptor: SharedDescriptor) throws(Errno) -> Finding? {
        let name = try sealed(plain, .file, in: directory).name
        guard let status = try statusIfThere(name, descriptor) else { return nil }
        if status.isDirectory {
            context.log.note("\(FileLabel(inode: status.inode, backingName: name)): a directory with the name of a file; not shown")
            return nil
        }
        return Finding(name: name, status: status, directoryID: nil)
    }

    func findDirectory(_ plain: [UInt8], in parent: Inode, _ descriptor: SharedDescriptor) throws(Errno) -> Finding? {
        let known = try withSubdirectories(of: parent) { (index: inout SubdirectoryIndex) throws(Errno) in index[plain] }
        guard let known, let status = try statusIfThere(known.name, descriptor), status.isDirectory else { return nil }
        return Finding(name: known.name, status: status, directoryID: known.id)
    }

    /// The status of a backing entry; nil when there is none.
    func statusIfThere(_ name: FileName, _ directory: SharedDescriptor) throws(Errno) -> FileStatus? {
        do throws(Errno) {
            return try access.through(directory) { () throws(Errno) in
                try access.steadily { () throws(Errno) in try directory.statusAt(name) }
            }
        } catch {
            if error == .noEntry { return nil }
            throw error
        }
    }

    /// The inode of a backing entry, counted as looked up, with its plain status.
    /// - Parameter replacesOthers: it is there for certain, as when it was made a moment ago. What is known by its number and is something else is gone: the
    ///   recovery after a crash may have looked at its name before that was taken away.
    func entry(
        _ name: FileName, _ status: FileStatus, directoryID: DirectoryID?, in parent: Inode, replacesOthers: Bool = false
    ) throws(Errno) -> FoundEntry {
        let place = Place(parent: parent, name: name)
        let key = InodeKey(status)
        if replacesOthers, let known = table.known(key), !known.isLike(status, directoryID) { table.detach(known) }
        let inode = try table.found(key, at: place) { () throws(Errno) -> Inode in
            Inode(key: key, role: role(of: status, directoryID), place: place)
        }
        return FoundEntry(inode: inode, status: plainStatus(of: inode, status))
    }

    private func role(of status: FileStatus, _ id: DirectoryID?) -> Inode.Role {
        if let id { return .directory(Directory(id: id, pool: directories, access: access)) }
        switch status.kind {
        case .regular:
            let key = InodeKey(status)
            return .regular(RegularFile(asksForSize: misleadingLengths.withLock { $0.contains(key) }))
        case .symbolicLink: return .link
        default: return .special
        }
    }
}

extension Inode {
    /// Whether it is of the kind that the backing object has, and the directory that its name says.
    fileprivate func isLike(_ status: FileStatus, _ id: DirectoryID?) -> Bool {
        switch role {
        case .directory(let directory): id == directory.id
        case .regular: status.kind == .regular
        case .link: status.kind == .symbolicLink
        case .special: id == nil && status.kind != .regular && status.kind != .symbolicLink
        }
    }
}
