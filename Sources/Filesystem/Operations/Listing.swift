// Listing directories.

import Bytes
import Format
import POSIX
import Synchronization

/// One open of a directory.
package final class OpenDirectory: Sendable {
    let inode: Inode
    private let directory: Directory
    let readable: SharedDescriptor
    private let vault: Vault
    private let state: Mutex<State>

    private struct State {
        let stream: DirectoryStream
        /// Where the stream stands.
        var offset: Int64 = 0
        /// An entry that was read and did not fit into the answer.
        var pending: Listed?
        /// Why an entry is not shown that is there.
        var gap: Errno?
    }

    /// An entry as it is shown.
    private struct Listed: Sendable {
        let plain: [UInt8]
        let backing: FileName
        let directoryID: DirectoryID?
        let kind: FileKind
        let inode: UInt64
        /// The position after it.
        let next: Int64

        /// What is known of it without asking.
        var outline: FileStatus {
            var status = FileStatus()
            status.mode = kind.mode
            status.inode = inode
            return status
        }
    }

    init(inode: Inode, _ directory: Directory, readable: SharedDescriptor, vault: Vault) {
        self.inode = inode
        self.directory = directory
        self.readable = readable
        self.vault = vault
        state = Mutex(State(stream: DirectoryStream(readable)))
    }

    /// Whether what is listed may be kept: not once a name had to be left out. Listing then ends with an error, but whoever has kept the part before and
    /// adds another listing's end to it has one with a hole.
    package var mayBeKept: Bool { !directory.hadGap.load(ordering: .relaxed) }

    /// Hands the entries from position `offset` on to `emit` until that has no room.
    /// - Parameters:
    ///   - withStatus: give the inode and full status of each entry but `.` and `..`; the inode counts as looked up if the entry is taken.
    ///   - emit: name, status (of which without `withStatus` only kind and inode number are true), inode, position after the entry;
    ///     false if the entry did not fit.
    /// - Throws: at the end too, when the name of an entry could not be read.
    package func list(
        from offset: Int64, withStatus: Bool, _ emit: (ByteSpan, FileStatus, Inode?, Int64) -> Bool
    ) throws(Errno) {
        try state.withLock { (state: inout State) throws(Errno) in
            if state.offset != offset {
                try state.stream.seek(to: offset)
                state.offset = offset
                state.pending = nil
                if offset == 0 { state.gap = nil }
            }
            while true {
                let listed: Listed
                if let waiting = state.pending {
                    listed = waiting
                } else if let read = try nextOrAgain(&state) {
                    listed = read
                } else {
                    // All others are listed: this costs one name, and who reads on is told.
                    if let gap = state.gap { throw gap }
                    return
                }
                state.pending = listed
                guard show(listed, withStatus, emit) else { return }
                state.pending = nil
                state.offset = listed.next
            }
        }
    }

    private func show(
        _ listed: Listed, _ withStatus: Bool, _ emit: (ByteSpan, FileStatus, Inode?, Int64) -> Bool
    ) -> Bool {
        let plain = listed.plain.span
        guard withStatus, !Self.isCurrentOrParent(listed.plain) else { return emit(plain, listed.outline, nil, listed.next) }
        let found: FoundEntry?
        do throws(Errno) {
            found = try status(of: listed)
        } catch {
            // The name is there all the same; whoever wants more asks for it and gets the error.
            return emit(plain, listed.outline, nil, listed.next)
        }
        guard let found else { return true }
        if emit(plain, found.status, found.inode, listed.next) { return true }
        vault.forget(found.inode, 1)
        return false
    }

    /// Inode and status of an entry, counted as looked up; nil if it is gone.
    private func status(of listed: Listed) throws(Errno) -> FoundEntry? {
        let parent = try directory.descriptor(of: inode)
        return try vault.entry(in: inode) { () throws(Errno) -> Vault.Finding? in
            guard let status = try vault.statusIfThere(listed.backing, parent) else { return nil }
            return Vault.Finding(name: listed.backing, status: status, directoryID: listed.directoryID)
        }
    }

    private static func isCurrentOrParent(_ name: [UInt8]) -> Bool { name == [0x2E] || name == [0x2E, 0x2E] }

    /// The same as `next`. After an error the stream stands behind an entry that nobody was told of: whoever reads on finds it again, or the error.
    private func nextOrAgain(_ state: inout State) throws(Errno) -> Listed? {
        do throws(Errno) { return try next(&state) } catch {
            state.offset = -1
            directory.hadGap.store(true, ordering: .relaxed)
            throw error
        }
    }

    /// The next entry that is shown; nil at the end.
    private func next(_ state: inout State) throws(Errno) -> Listed? {
        while let entry = try state.stream.next() {
            let shown = try shown(entry, &state.gap)
            if state.gap != nil { directory.hadGap.store(true, ordering: .relaxed) }
            guard let (plain, id) = shown else { continue }
            return Listed(
                plain: plain, backing: entry.name, directoryID: id, kind: entry.kind, inode: entry.inode, next: entry.nextOffset)
        }
        return nil
    }

    /// The plain name of a backing entry; nil when it is not shown.
    private func shown(_ entry: DirectoryEntry, _ gap: inout Errno?) throws(Errno) -> (plain: [UInt8], id: DirectoryID?)? {
        if entry.name.isCurrentOrParent { return (entry.name.bytes, nil) }
        let form = entry.name.withSpan { BackingNameForm($0) }
        switch form {
        case .side, .reserved: return nil
        case .directory(let id), .longDirectory(_, let id):
            let (plain, missing) = try vault.withSubdirectories(of: inode) { (index: inout SubdirectoryIndex) throws(Errno) in
                (index.plainName(of: entry.name), index.gap)
            }
            if plain == nil, let missing { gap = missing }
            return plain.map { ($0, id) }
        case .file, .longFile:
            let descriptor = try directory.descriptor(of: inode)
            do throws(Errno) {
                if entry.kind != .directory, let opened = try vault.openName(entry.name, form, in: directory, descriptor) { return (opened.plain, nil) }
            } catch {
                vault.context.log.failed("\(FileLabel(inode: entry.inode, backingName: entry.name)): reading its name", error)
                gap = error
                return nil
            }
            vault.context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): its name does not open here; not shown")
            return nil
        case .foreign:
            vault.context.log.note("\(FileLabel(inode: entry.inode, backingName: entry.name)): not made by this program; not shown")
            return nil
        }
    }
}

extension Vault {
    package func openDirectory(_ inode: Inode) throws(Errno) -> OpenDirectory {
        let directory = try inode.directory
        let descriptor = try directory.descriptor(of: inode)
        return OpenDirectory(
            inode: inode, directory, readable: try access.open(descriptor, [.readOnly, .directory]), vault: self)
    }

    /// Makes the entries of a directory durable.
    package func synchronize(_ directory: OpenDirectory, dataOnly: Bool) throws(Errno) {
        if dataOnly { try directory.readable.synchronizeData() } else { try directory.readable.synchronize() }
    }
}
