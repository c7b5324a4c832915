// Files that have one id: copies that were made outside a mount.

import Bytes
import Format
import POSIX
import Synchronization

/// Ids of all files that were seen, eight bytes each: what is found twice is looked at again.
final class FileIDSet: Sendable {
    private final class Bucket: Sendable {
        let words = Mutex<[UInt64]>([])
    }
    private let buckets = (0..<256).map { _ in Bucket() }

    func add(_ id: FileID) {
        let word = Self.word(id)
        buckets[Int(word & 255)].words.withLock { $0.append(word) }
    }

    /// Ids are random: half of one tells it from all others.
    static func word(_ id: FileID) -> UInt64 {
        let bytes = id.bytes
        return bytes.span.littleEndian(UInt64.self, at: 0)
    }

    /// What was added more than once.
    func doubled() -> Set<UInt64> {
        var doubled: Set<UInt64> = []
        for bucket in buckets {
            let words = bucket.words.withLock { $0.sorted() }
            for (one, next) in zip(words, words.dropFirst()) where one == next { doubled.insert(one) }
        }
        return doubled
    }
}

extension Checker {
    /// A second walk, only if there is something to find, that reads headers alone.
    func tellDoubledFileIDs(_ starts: [VaultWalk.Item], threads: Int) throws(Errno) {
        let doubled = fileIDs.doubled()
        if doubled.isEmpty { return }
        let finder = DoubledFileFinder(doubled)
        try VaultWalk(vault, finder, isShared: { false }).run(from: starts, threads: threads)
        for files in finder.doubledFiles() {
            guard let first = files.first else { continue }
            for file in files.dropFirst() {
                tell(
                    CheckFinding(
                        kind: .doubledFileID, path: file.paths.plain, backing: file.paths.backing,
                        detail: "has the file id of \(first.paths.plain): one is a copy made outside a mount, perhaps an older one"))
            }
        }
    }
}

/// Finds the files whose ids were seen twice.
private final class DoubledFileFinder: VaultVisitor {
    struct File {
        let paths: (plain: String, backing: String)
        let key: InodeKey
    }
    private let wanted: Set<UInt64>
    private let found = Mutex<[FileID: [File]]>([:])

    init(_ wanted: Set<UInt64>) { self.wanted = wanted }

    func enter(_ node: WalkNode, _ directory: SharedDescriptor, _ worker: WalkWorker) -> WalkNode? { node }
    func remark(_ remark: NameRemark, in node: WalkNode, _ directory: SharedDescriptor) {}
    func failed(_ node: WalkNode, _ error: Errno) {}

    func visit(_ entry: WalkEntry, _ worker: WalkWorker) {
        // What cannot be read now was told of before, or has gone since.
        guard let (header, status) = try? header(of: entry), wanted.contains(FileIDSet.word(header.fileID)) else { return }
        let key = InodeKey(status)
        found.withLock { found in
            if found[header.fileID, default: []].contains(where: { $0.key == key }) { return }
            found[header.fileID, default: []].append(File(paths: entry.paths, key: key))
        }
    }

    private func header(of entry: WalkEntry) throws(Errno) -> (FileHeader, FileStatus)? {
        guard try entry.directory.statusAt(entry.name).isRegular else { return nil }
        let file = try entry.directory.openAt(entry.name, [.readOnly, .noFollow, .nonBlocking])
        guard try file.status().isRegular else { return nil }
        var sector = [UInt8](repeating: 0, count: BlockLayout.headerSize)
        var span = sector.mutableSpan
        guard try file.read(into: &span, at: 0) == sector.count, let header = try? FileHeader(parsing: sector.span) else { return nil }
        return (header, try file.status())
    }

    /// The files of each id that several have, in the order of their paths.
    func doubledFiles() -> [[File]] {
        found.withLock { $0.values.filter { $0.count > 1 }.map { $0.sorted { $0.paths.plain < $1.paths.plain } } }
    }
}
