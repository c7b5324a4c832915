// The vault's own directory: `vault.json`, `lock` and the journal files.

import Bytes
import Format
import POSIX

/// `.envelopefs` inside a vault.
final class VaultDirectory: Sendable {
    static let name = FileName(fixed: ReservedName.directory)
    private static let configurationName = FileName(fixed: "vault.json")
    private static let newName = FileName(fixed: "vault.json.new")
    private static let lockName = FileName(fixed: "lock")
    /// No `vault.json` of ours comes near it.
    private static var maximumSize: Int { VaultConfiguration.maximumSize }

    /// The root of the vault, `O_PATH`.
    let root: SharedDescriptor
    private let own: SharedDescriptor
    let path: String

    /// - Throws: `notADirectory`, `notAVault`, `system`.
    init(opening path: String) throws(VaultError) {
        let root = try Self.openRoot(path)
        do throws(Errno) {
            own = try root.openAt(Self.name, [.readOnly, .directory, .noFollow])
        } catch {
            if error == .noEntry || error == .notDirectory || error == .tooManySymbolicLinks { throw .notAVault(path: path) }
            throw .system("open \(path)/.envelopefs", error)
        }
        self.root = root
        self.path = path
    }

    /// Makes the directory in an empty one, or finds the one that an unfinished init left.
    init(creatingIn path: String) throws(VaultError) {
        let root = try Self.openRoot(path)
        try Self.requireEmpty(root, path)
        do throws(Errno) {
            do throws(Errno) {
                try root.makeDirectoryAt(Self.name, mode: 0o700)
            } catch {
                if error != .exists { throw error }
            }
            own = try root.openAt(Self.name, [.readOnly, .directory, .noFollow])
        } catch {
            if error == .readOnlyFilesystem { throw VaultError.readOnlyFileSystem(path: path) }
            throw .system("make \(path)/.envelopefs", error)
        }
        self.root = root
        self.path = path
    }

    private static func openRoot(_ path: String) throws(VaultError) -> SharedDescriptor {
        do throws(Errno) {
            return try SharedDescriptor.open(path, [.pathOnly, .directory])
        } catch {
            if error == .noEntry || error == .notDirectory { throw .notADirectory(path: path) }
            throw .system("open \(path)", error)
        }
    }

    private static func requireEmpty(_ root: SharedDescriptor, _ path: String) throws(VaultError) {
        var names: [String] = []
        do throws(Errno) {
            let stream = DirectoryStream(try root.reopen([.readOnly, .directory]))
            while let entry = try stream.next() {
                let name = entry.name
                if name == Self.name || name.isCurrentOrParent { continue }
                names.append(String(decoding: name.bytes, as: UTF8.self))
                if names.count == 5 { break }
            }
        } catch {
            throw .system("list \(path)", error)
        }
        guard names.isEmpty else { throw .notEmpty(path: path, names: names) }
    }

    // MARK: vault.json

    var hasConfiguration: Bool { (try? own.statusAt(Self.configurationName)) != nil }

    /// - Throws: `unfinishedInit`, `damagedConfiguration`, `system`.
    func readConfiguration() throws(VaultError) -> [UInt8] {
        do throws(Errno) {
            let file = try own.openAt(Self.configurationName, [.readOnly, .noFollow, .nonBlocking])
            let status = try file.status()
            // A fifo would wait for ever for somebody to write.
            guard status.isRegular else { throw .invalidArgument }
            let size = status.size
            guard size <= Self.maximumSize else { throw .fileTooLarge }
            var bytes = [UInt8](repeating: 0, count: Int(size))
            var span = bytes.mutableSpan
            let count = try file.read(into: &span, at: 0)
            bytes.removeLast(bytes.count - count)
            return bytes
        } catch {
            switch error {
            case .noEntry: throw .unfinishedInit(path: path)
            case .invalidArgument: throw .damagedConfiguration("it is no regular file")
            case .fileTooLarge: throw .damagedConfiguration("it is larger than \(Self.maximumSize) bytes")
            default: throw .system("read \(path)/.envelopefs/vault.json", error)
            }
        }
    }

    /// Puts `bytes` in place of `vault.json`, durably and at once: after a power cut the old or the new one is there.
    func replaceConfiguration(_ bytes: [UInt8]) throws(Errno) {
        do throws(Errno) {
            // What stands there may be anything: a FIFO would wait for ever for somebody to read.
            do throws(Errno) { try own.unlinkAt(Self.newName) } catch { if error != .noEntry { throw error } }
            let file = try own.openAt(Self.newName, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
            if let before = try? own.statusAt(Self.configurationName), before.isRegular { Self.give(file, before) }
            try file.writeAll(bytes.span, at: 0)
            try file.synchronize()
            try own.renameAt(Self.newName, to: own, as: Self.configurationName)
            try own.synchronize()
        } catch {
            try? own.unlinkAt(Self.newName)
            throw error
        }
    }

    /// Root mounts the vaults of others, who are to open them themselves afterwards. Nobody gets a right that he did not have.
    private static func give(_ file: SharedDescriptor, _ before: FileStatus) {
        guard let new = try? file.status() else { return }
        if new.userID != before.userID { try? file.changeOwner(userID: before.userID, groupID: nil) }
        let hasGroup = new.groupID == before.groupID || (try? file.changeOwner(userID: nil, groupID: before.groupID)) != nil
        let mode = before.mode & (hasGroup ? 0o777 : 0o707)
        if mode != 0o600 { try? file.changeMode(mode) }
    }

    // MARK: journal

    private static let journalNames = [FileName(fixed: "journal-0"), FileName(fixed: "journal-1")]
    /// No journal file of ours comes near it.
    private static let maximumJournalSize: Int64 = 256 << 20

    /// A device that somebody has put in the place of a file is not written to.
    private static func regular(_ file: SharedDescriptor) throws(Errno) -> SharedDescriptor {
        guard try file.status().isRegular else { throw .invalidArgument }
        return file
    }

    /// One of the two journal files, open for reading and writing; made if it is not there.
    func openJournal(_ index: Int) throws(Errno) -> SharedDescriptor {
        try Self.regular(try own.openAt(Self.journalNames[index], [.readWrite, .create, .noFollow, .nonBlocking], mode: 0o600))
    }

    /// What stands in a journal file; nothing if it is not there.
    func readJournal(_ index: Int) throws(Errno) -> [UInt8] {
        do throws(Errno) {
            let file = try own.openAt(Self.journalNames[index], [.readOnly, .noFollow, .nonBlocking])
            let status = try file.status()
            guard status.isRegular, status.size <= Self.maximumJournalSize else { throw .ioError }
            var bytes = [UInt8](repeating: 0, count: Int(status.size))
            var span = bytes.mutableSpan
            let count = try file.read(into: &span, at: 0)
            bytes.removeLast(bytes.count - count)
            return bytes
        } catch {
            if error == .noEntry { return [] }
            throw error
        }
    }

    /// The journal files of a new vault, which fit on a full disk later because they are there already.
    func makeJournals() throws(Errno) {
        for index in 0...1 {
            let file = try openJournal(index)
            try file.truncate(to: 0)
            _ = try Journal.grow(file, from: 0, to: Journal.smallestArea)
            try file.synchronizeData()
        }
        try own.synchronize()
    }

    /// Makes what stands in the journal files count no longer, one after the other.
    func invalidateJournals(_ order: [Int]) throws(Errno) {
        for index in order {
            let file = try openJournal(index)
            guard try file.status().size > 0 else { continue }
            try file.invalidateJournal()
        }
    }

    /// Makes everything of the file system durable that the vault is on.
    func syncFilesystem() throws(Errno) { try own.syncFilesystem() }

    // MARK: lock

    /// Takes the lock that every process which writes to the vault holds, and says in it who that is.
    /// - Throws: `inUse`.
    func lock(mountPoint: String, readOnly: Bool) throws(VaultError) -> VaultLock {
        do throws(Errno) {
            let file: SharedDescriptor
            do throws(Errno) {
                file = try Self.regular(try own.openAt(Self.lockName, [.readWrite, .create, .noFollow, .nonBlocking], mode: 0o600))
            } catch {
                // A vault on a read-only medium has no writer to exclude.
                if readOnly, error == .readOnlyFilesystem || error == .accessDenied { return VaultLock(nil) }
                throw error
            }
            return try VaultLock(taking: file, mountPoint: mountPoint)
        } catch {
            switch error {
            case .tryAgain: throw holder()
            case .readOnlyFilesystem, .accessDenied: throw VaultError.readOnlyFileSystem(path: path)
            default: throw .system("lock \(path)", error)
            }
        }
    }

    private func holder() -> VaultError {
        guard let file = try? own.openAt(Self.lockName, [.readOnly, .noFollow, .nonBlocking]) else {
            return .inUse(processID: 0, mountPoint: "")
        }
        return VaultLock.holder(in: file)
    }

    /// Takes away what a creation that failed has made.
    func removeUnfinished() {
        for name in [Self.newName, Self.lockName] + Self.journalNames { try? own.unlinkAt(name) }
        if !hasConfiguration { try? root.unlinkAt(Self.name, directory: true) }
    }
}

extension SharedDescriptor {
    /// Makes the records of a journal file count no more, durably. One sector: a power cut leaves all of them or none. With more, the first few could stay
    /// without those after them, and take their files back to what they were.
    func invalidateJournal() throws(Errno) {
        try writeAll([UInt8](repeating: 0, count: BlockLayout.sectorSize).span, at: 0)
        try synchronizeData()
    }
}
