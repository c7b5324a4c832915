// Building the list of subdirectories, and what to do with two directories of one name.

import Bytes
import Format
import POSIX
import Synchronization

extension Vault {
    /// Runs `body` with the directory's list of subdirectories, which is built first when it is not there.
    func withSubdirectories<R>(
        of inode: Inode, _ body: (inout SubdirectoryIndex) throws(Errno) -> R
    ) throws(Errno) -> R {
        let directory = try inode.directory
        return try directory.subdirectories.withLock { (index: inout SubdirectoryIndex?) throws(Errno) -> R in
            var built: SubdirectoryIndex
            if let known = index, !known.isDue { built = known } else { built = try buildIndex(of: inode) }
            // Taken out of the slot for the moment, so that it is changed in place and not copied.
            index = nil
            defer { index = built }
            return try body(&built)
        }
    }

    private func buildIndex(of inode: Inode) throws(Errno) -> SubdirectoryIndex {
        let directory = try inode.directory
        let descriptor = try directory.descriptor(of: inode)
        let readable = try access.open(descriptor, [.readOnly, .directory])
        let stream = DirectoryStream(readable)
        var index = SubdirectoryIndex()
        while let entry = try stream.next() {
            let form = entry.name.withSpan { BackingNameForm($0) }
            switch form {
            case .directory, .longDirectory: break
            default: continue
            }
            guard entry.kind == .directory || entry.kind == .unknown else {
                context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): has a directory's name and is none; not shown")
                continue
            }
            let opened: OpenedName?
            do throws(Errno) {
                opened = try openName(entry.name, form, in: directory, descriptor)
            } catch {
                context.log.failed("\(FileLabel(inode: entry.inode, backingName: entry.name)): reading its name", error)
                index.noteGap(error)
                continue
            }
            guard let opened, let id = opened.directoryID else {
                context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): its name does not open here; not shown")
                continue
            }
            if try findFile(opened.plain.span, in: directory, descriptor) != nil {
                context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): a file has the name of this directory; not shown")
                continue
            }
            let subdirectory = SubdirectoryIndex.Subdirectory(name: entry.name, id: id)
            guard let other = index[opened.plain] else {
                index.insert(opened.plain, subdirectory)
                continue
            }
            try insertDoubled(opened.plain, subdirectory, other, into: &index, descriptor)
        }
        return index
    }

    /// Two directories of one name are left by a crash in the middle of a rename over an empty directory: the one with content wins,
    /// of two empty ones the later; if both have content, both are shown.
    private func insertDoubled(
        _ plain: [UInt8], _ a: SubdirectoryIndex.Subdirectory, _ b: SubdirectoryIndex.Subdirectory,
        into index: inout SubdirectoryIndex, _ parent: SharedDescriptor
    ) throws(Errno) {
        let hidden = try hidden(a.name, b.name, parent)
        let names = "\(String(decoding: a.name.bytes, as: UTF8.self)) and \(String(decoding: b.name.bytes, as: UTF8.self))"
        guard let hidden else {
            context.log.note("two directories of one name: \(names); one is shown with a suffix")
            let aIsFirst = a.id.description < b.id.description
            index.insert(aIsFirst ? plain : plain + Self.doubleSuffix(a.id), a)
            index.insert(aIsFirst ? plain + Self.doubleSuffix(b.id) : plain, b)
            return
        }
        context.log.note("two directories of one name: \(names); the empty one is not shown")
        index.hidesDoubles = true
        index.insert(plain, hidden == a.name ? b : a)
    }

    /// Of two directories of one name the one that is not shown: the empty one, of two empty ones the earlier; nil if both have content.
    func hidden(_ a: FileName, _ b: FileName, _ parent: SharedDescriptor) throws(Errno) -> FileName? {
        let aIsEmpty = try isEmpty(a, parent)
        let bIsEmpty = try isEmpty(b, parent)
        guard aIsEmpty || bIsEmpty else { return nil }
        if aIsEmpty != bIsEmpty { return aIsEmpty ? a : b }
        guard let aTime = try statusIfThere(a, parent)?.changeTime, let bTime = try statusIfThere(b, parent)?.changeTime else { throw .stale }
        return aTime < bTime ? a : b
    }

    /// Removes the empty ones of two directories of one name, which keep the directory that they are in from being removed.
    func removeHiddenDoubles(in inode: Inode) throws(Errno) {
        let directory = try inode.directory
        let descriptor = try directory.descriptor(of: inode)
        try directory.removing { () throws(Errno) in
            try withSubdirectories(of: inode) { (index: inout SubdirectoryIndex) throws(Errno) in
                guard index.hidesDoubles else { return }
                let stream = DirectoryStream(try access.open(descriptor, [.readOnly, .directory]))
                while let entry = try stream.next() {
                    let form = entry.name.withSpan { BackingNameForm($0) }
                    guard form.directoryID != nil, index.plainName(of: entry.name) == nil,
                        let opened = try openName(entry.name, form, in: directory, descriptor), index[opened.plain] != nil
                    else { continue }
                    try removeEmpty(entry.name, descriptor)
                    if let hash = form.longNameHash { try descriptor.unlinkAt(FileName(hash.sideName)) }
                    context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): an empty directory beside another of its name; removed")
                }
                index.hidesDoubles = false
            }
        }
    }

    private static func doubleSuffix(_ id: DirectoryID) -> [UInt8] { Array(".double-\(id)".utf8) }

    private func isEmpty(_ name: FileName, _ parent: SharedDescriptor) throws(Errno) -> Bool {
        try isEmpty(access.through(parent) { () throws(Errno) in try parent.openAt(name, [.pathOnly, .directory, .noFollow]) })
    }

    /// Whether a backing directory holds nothing that is shown (side files of long names do not count).
    func isEmpty(_ descriptor: SharedDescriptor) throws(Errno) -> Bool {
        let stream = DirectoryStream(try access.open(descriptor, [.readOnly, .directory]))
        while let entry = try stream.next() {
            if entry.name.isCurrentOrParent { continue }
            switch entry.name.withSpan({ BackingNameForm($0) }) {
            case .side: continue
            default: return false
            }
        }
        return true
    }
}
