// What the journal of a vault that was not closed makes of its files: done in them, or kept beside them where they may not be written.

import Bytes
import Format
import POSIX

/// The records of a journal, by the file that they are about.
struct Replay {
    private var records: [FileID: [JournalRecord]] = [:]
    private let root: SharedDescriptor
    private let rootID: DirectoryID
    private let access: OwnerAccess

    var isEmpty: Bool { records.isEmpty }

    /// - Parameter root: the vault's root directory, with its id.
    init(_ all: [JournalRecord], root: SharedDescriptor, rootID: DirectoryID, access: OwnerAccess) {
        for record in all { records[record.fileID, default: []].append(record) }
        self.root = root
        self.rootID = rootID
        self.access = access
    }

    // MARK: applying

    /// Makes the changes in the files. To be done again from the start if it does not come to its end. Returns how many files there were.
    func write() throws(Errno) -> Int {
        var count = 0
        for (id, found) in try find() {
            guard let records = records[id], let file = try open(found, id) else { continue }
            let writable = try access.open(file, .readWrite)
            let capability = KeptCapability(of: writable)
            defer { try? capability?.giveBack() }
            let change = { () throws(Errno) in try Self.write(records, to: writable) }
            if access.isNeeded { try access.keepingSetID(of: writable, change) } else { try change() }
            count += 1
        }
        return count
    }

    private static func write(_ records: [JournalRecord], to file: SharedDescriptor) throws(Errno) {
        let backing = BackingFile(file)
        for record in records {
            for piece in record.pieces {
                switch piece {
                case .write(let offset, let bytes): try file.writeAll(bytes.span, at: offset)
                case .length(let length): try file.truncate(to: length)
                case .zero(let offset, let count): if count > 0 { try backing.zero(offset, count: count) }
                }
            }
        }
        if let last = records.last {
            try file.setTimes(access: .omit, modification: .set(last.modificationTime))
        }
    }

    /// The changes, to be laid over the files when they are read. Zeroed ranges need none: the slots before them say so.
    func overlays() throws(Errno) -> [InodeKey: Overlay] {
        var overlays: [InodeKey: Overlay] = [:]
        for (id, found) in try find() {
            guard let file = try open(found, id) else { continue }
            let readable = try access.open(file, .readOnly)
            var overlay = Overlay()
            for record in records[id] ?? [] {
                for piece in record.pieces {
                    switch piece {
                    case .write(let offset, let bytes):
                        try overlay.write(bytes.span, at: offset, sequence: record.sequence) { (target, place) throws(Errno) in
                            try readable.read(into: &target, at: place)
                        }
                    case .length(let length): overlay.setLength(length)
                    case .zero: break
                    }
                }
            }
            overlay.modificationTime = records[id]?.last?.modificationTime
            if overlay.modificationTime != nil { overlays[InodeKey(try readable.status())] = overlay }
        }
        return overlays
    }

    // MARK: finding files

    /// Where a file is. Not the file itself: there may be more of them than may be open.
    private struct Found {
        let directory: SharedDescriptor
        let name: FileName
    }

    private func open(_ found: Found, _ id: FileID) throws(Errno) -> SharedDescriptor? { try look(found.name, in: found.directory, for: [id])?.file }

    /// The files that the records are about; those that are not found were removed.
    private func find() throws(Errno) -> [FileID: Found] {
        var found: [FileID: Found] = [:]
        let directories = try wantedDirectories()
        for (id, records) in records {
            for record in records.reversed() {
                guard let name = Self.name(record.name), let directory = directories[record.directoryID] else { continue }
                if try look(name, in: directory, for: [id]) != nil {
                    found[id] = Found(directory: directory, name: name)
                    break
                }
            }
        }
        let missing = Set(records.keys).subtracting(found.keys)
        if !missing.isEmpty {
            try walk { (directory, name) throws(Errno) in
                if case .side = name.withSpan({ BackingNameForm($0) }) { return }
                if let id = try look(name, in: directory, for: missing)?.id, found[id] == nil { found[id] = Found(directory: directory, name: name) }
            } directory: { _, _ in }
        }
        return found
    }

    private static func name(_ bytes: [UInt8]) -> FileName? {
        guard let name = try? FileName(bytes), !name.isCurrentOrParent, name != VaultDirectory.name else { return nil }
        return name
    }

    /// The regular file of that name, if its header has one of the ids.
    private func look(_ name: FileName, in directory: SharedDescriptor, for ids: Set<FileID>) throws(Errno) -> (file: SharedDescriptor, id: FileID)? {
        do throws(Errno) {
            let file = try access.through(directory) { () throws(Errno) in try directory.openAt(name, [.pathOnly, .noFollow]) }
            guard try file.status().isRegular else { return nil }
            var head = InlineArray<28, UInt8>(repeating: 0)
            var span = head.mutableSpan
            guard try access.open(file, .readOnly).read(into: &span, at: 0) == 28, let id = FileHeader.claimedFileID(span.span), ids.contains(id) else { return nil }
            return (file, id)
        } catch {
            if error == .noEntry || error == .tooManySymbolicLinks { return nil }
            throw error
        }
    }

    private func wantedDirectories() throws(Errno) -> [DirectoryID: SharedDescriptor] {
        let wanted = Set(records.values.joined().map(\.directoryID)).subtracting([rootID, .none])
        var directories = [rootID: root]
        if wanted.isEmpty { return directories }
        try walk { _, _ in } directory: { id, directory in if wanted.contains(id) { directories[id] = directory } }
        return directories
    }

    /// A directory that was found and not yet opened: names are cheaper than descriptors.
    private struct Waiting {
        let parent: SharedDescriptor
        let name: FileName
        let id: DirectoryID
    }

    /// Goes through all directories of the vault, from the root down.
    private func walk(
        entry: (SharedDescriptor, FileName) throws(Errno) -> Void, directory: (DirectoryID, SharedDescriptor) -> Void
    ) throws(Errno) {
        var waiting: [Waiting] = []
        try list(root, &waiting, entry)
        while let next = waiting.popLast() {
            let child: SharedDescriptor
            do throws(Errno) {
                child = try access.through(next.parent) { () throws(Errno) in try next.parent.openAt(next.name, [.pathOnly, .directory, .noFollow]) }
            } catch {
                if error == .notDirectory || error == .noEntry { continue }
                throw error
            }
            directory(next.id, child)
            try list(child, &waiting, entry)
        }
    }

    private func list(_ parent: SharedDescriptor, _ waiting: inout [Waiting], _ entry: (SharedDescriptor, FileName) throws(Errno) -> Void) throws(Errno) {
        let stream = DirectoryStream(try access.open(parent, [.readOnly, .directory]))
        while let found = try stream.next() {
            if stream.isCurrentOrParent { continue }
            let name = found.name
            if let id = name.withSpan({ BackingNameForm($0) }).directoryID {
                waiting.append(Waiting(parent: parent, name: name, id: id))
            } else if name != VaultDirectory.name, found.kind == .regular || found.kind == .unknown {
                try entry(parent, name)
            }
        }
    }
}

extension JournalRecord {
    var modificationTime: Timestamp { Timestamp(seconds: seconds, nanoseconds: Int32(nanoseconds)) }
}
