// Taking names away.

import Bytes
import Format
import POSIX
import Synchronization

extension Vault {
    /// Removes a name of a file, link or special file.
    package func unlink(_ plain: ByteSpan, in parent: Inode) throws(Errno) {
        try context.requireWritable()
        let directory = try parent.directory
        let descriptor = try directory.descriptor(of: parent)
        let backing = try sealed(plain, .file, in: directory)
        try directory.removing { () throws(Errno) in
            guard let status = try statusIfThere(backing.name, descriptor) else { throw .noEntry }
            if status.isDirectory { throw .isDirectory }
            try losingName(Place(parent: parent, name: backing.name), status, descriptor) { () throws(Errno) in
                try descriptor.unlinkAt(backing.name)
            }
            removeSide(of: backing, in: descriptor)
        }
    }

    package func removeDirectory(_ plain: ByteSpan, in parent: Inode) throws(Errno) {
        try context.requireWritable()
        let directory = try parent.directory
        let descriptor = try directory.descriptor(of: parent)
        let key = plain.array
        try directory.removing { () throws(Errno) in
            guard let finding = try findDirectory(key, in: parent, descriptor), let id = finding.directoryID else {
                throw try findFile(plain, in: directory, descriptor) == nil ? Errno.noEntry : .notDirectory
            }
            try removeBackingDirectory(finding.name, finding.status, in: parent, descriptor)
            removeSide(of: try sealed(plain, .directory(id), in: directory), in: descriptor)
            try withSubdirectories(of: parent) { (index: inout SubdirectoryIndex) throws(Errno) in index.remove(key) }
        }
    }

    /// Removes an empty backing directory, clearing away side files that a crash left in it.
    /// - Throws: `ENOTEMPTY`.
    func removeBackingDirectory(
        _ name: FileName, _ status: FileStatus, in parent: Inode, _ descriptor: SharedDescriptor
    ) throws(Errno) {
        let inode = table.known(InodeKey(status))
        if let inode {
            try inode.directory.keepOpen(of: inode)
            table.detach(inode)
        }
        do throws(Errno) {
            try removeEmpty(name, descriptor)
        } catch {
            if let inode { table.attach(inode) }
            throw error
        }
        guard let inode else { return }
        var last = status
        last.linkCount = 0
        inode.whereabouts.withLock { places in
            places.remove(Place(parent: parent, name: name))
            places.removed = last
        }
    }

    /// - Throws: `ENOTEMPTY` where there is more than side files without long names.
    func removeEmpty(_ name: FileName, _ descriptor: SharedDescriptor) throws(Errno) {
        do throws(Errno) {
            try descriptor.unlinkAt(name, directory: true)
        } catch {
            guard error == .notEmpty || error == .exists else { throw error }
            let inside = try descriptor.openAt(name, [.pathOnly, .directory, .noFollow])
            guard try isEmpty(inside) else { throw .notEmpty }
            try removeOrphanedSides(in: inside)
            try descriptor.unlinkAt(name, directory: true)
        }
    }

    private func removeOrphanedSides(in directory: SharedDescriptor) throws(Errno) {
        let stream = DirectoryStream(try access.open(directory, [.readOnly, .directory]))
        while let entry = try stream.next() {
            guard case .side = entry.name.withSpan({ BackingNameForm($0) }) else { continue }
            try access.through(directory) { () throws(Errno) in try directory.unlinkAt(entry.name) }
        }
    }

    /// Runs `remove`, which takes `place` away from an object that is not a directory, and keeps what is known of the object true.
    /// - Parameter status: the object's backing status before.
    func losingName(
        _ place: Place, _ status: FileStatus, _ descriptor: SharedDescriptor, _ remove: () throws(Errno) -> Void
    ) throws(Errno) {
        guard let inode = table.known(InodeKey(status)) else { return try remove() }
        let isLast = status.linkCount <= 1
        try inode.whereabouts.withLock { (places: inout Whereabouts) throws(Errno) in
            // An object that keeps other names, none of which is known, stays in reach by a descriptor.
            var anchor: SharedDescriptor?
            if !isLast && places.isOnly(place) { anchor = try descriptor.openAt(place.name, [.pathOnly, .noFollow]) }
            // Before its number is free: somebody may get a new object with it at once.
            if isLast { table.detach(inode) } else { inode.noteLosingName() }
            do throws(Errno) {
                try remove()
            } catch {
                if isLast { table.attach(inode) }
                throw error
            }
            places.remove(place)
            if let anchor { places.anchor = anchor }
            if isLast {
                var last = plainStatusOfRemoved(inode, status)
                last.linkCount = 0
                places.removed = last
            }
        }
        if !isLast { return anchors.opened(inode) }
        if let waiting = inode.regularFile?.markRemoved() { sealer.letGo(of: waiting) }
    }

    private func plainStatusOfRemoved(_ inode: Inode, _ backing: FileStatus) -> FileStatus {
        var status = backing
        if let file = inode.regularFile {
            status.size = file.content.map { Int64($0.size) } ?? FileContent.size(of: backing)
        } else if case .link = inode.role {
            status.size = Int64(NameCipher.plainLength(ofLink: Int(backing.size)))
        }
        return status
    }
}
