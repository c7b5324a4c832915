// One look at one object: its content, target and attributes, opened with the code that a mount reads them with.

import Bytes
import Format
import KeyManagement
import POSIX

/// What a look at an object showed. Two equal looks mean that nobody was changing it.
struct FileLook: Equatable {
    var findings: [CheckFinding] = []
    var kind = FileKind.unknown
    var inode: UInt64 = 0
    var size: Int64 = 0
    var changeTime = Timestamp(seconds: 0, nanoseconds: 0)
    /// Plain bytes that authenticated.
    var bytes: UInt64 = 0
    /// The key that could not be used.
    var missingKey: String?
    var fileID: FileID?
    /// Unsealed, though nothing else is wrong with it.
    var isUnsealed = false
    /// Sealing it would cut stored bytes of which nobody knows whether they were data.
    var mustStayUnsealed = false

    /// Nothing that somebody who was changing it could have caused.
    var isSound: Bool { findings.allSatisfy { $0.kind.weight == .note } }
}

/// Looks at objects of a vault.
struct ObjectExamination {
    /// So many ranges of lost bytes are told of one file.
    static let rangeLimit = 1024

    let vault: Vault
    let worker: WalkWorker
    let progress: CheckProgress
    let path: String
    let backing: String
    var look = FileLook()

    init(_ vault: Vault, _ worker: WalkWorker, _ progress: CheckProgress, paths: (plain: String, backing: String)) {
        self.vault = vault
        self.worker = worker
        self.progress = progress
        (path, backing) = paths
        _ = worker.takeReasons()
    }

    mutating func add(_ kind: CheckFinding.Kind, _ detail: String, lost: [Range<UInt64>] = []) {
        look.findings.append(CheckFinding(kind: kind, path: path, backing: backing, detail: detail, lost: lost))
    }

    // MARK: directories and links

    /// The sealed attributes of a directory.
    mutating func lookAtDirectory(_ directory: SharedDescriptor, _ id: DirectoryID) throws(Errno) {
        try lookAtAttributes(of: directory, .directory(id))
    }

    mutating func lookAtLink(_ name: FileName, in parent: SharedDescriptor) throws(Errno) {
        let target = try parent.readLinkAt(name)
        do throws(FormatError) {
            _ = try vault.names.openLinkTarget(target.span)
        } catch {
            add(.damagedLink, "its target does not open: \(error)")
        }
    }

    mutating func lookAtAttributes(of object: SharedDescriptor, _ id: ObjectID?) throws(Errno) {
        let list: [UInt8]
        do throws(Errno) {
            // An O_PATH descriptor has no attributes of its own.
            list = try object.attributeNames()
        } catch {
            if error == .notSupported { return }
            throw error
        }
        let user = Array("user.".utf8)
        for name in splitAttributeNames(list) where name.starts(with: user) {
            guard name.starts(with: NameCipher.attributePrefix) else {
                add(.foreignAttribute, "\(String(decoding: name, as: UTF8.self)) was not set through a mount; not shown")
                continue
            }
            guard let id else {
                let what = "an empty file without header has sealed attributes, which do not open"
                if worker.context.mayBeTorn { return add(.unfinishedAttributes, "\(what): its header was not synced when the machine stopped") }
                return add(.attributesWithoutHeader, what)
            }
            do throws(FormatError) {
                _ = try vault.names.openAttributeName(name.span)
                let value = try stored(name, of: object)
                guard let value else { continue }
                _ = try vault.names.openAttributeValue(value.span, name: name.span, of: id)
            } catch {
                add(.damagedAttribute, "attribute \(String(decoding: name, as: UTF8.self)) does not open: \(error)")
            }
        }
    }

    /// Nil if it is gone.
    private func stored(_ name: [UInt8], of object: SharedDescriptor) throws(FormatError) -> [UInt8]? {
        do throws(Errno) {
            return try object.attribute(AttributeName(name))
        } catch {
            if error == .noData { return nil }
            throw .damaged
        }
    }

    // MARK: files

    /// Everything of a regular file: header, state record, each block, attributes.
    mutating func lookAtFile(_ file: SharedDescriptor, defaultKey: KeyID) throws(Errno) {
        let label = FileLabel(inode: look.inode, backingName: nil)
        let content: FileContent
        do throws(Errno) {
            content = try FileContent(file, isWritable: false, context: worker.context, policyKey: defaultKey, label: label)
        } catch {
            return try tellRefusal(of: file, error)
        }
        look.fileID = content.fileID
        if let key = content.identity.flatMap({ try? Keyring.describe($0.header.wrappedKey.span).keyID }), key != defaultKey {
            add(.otherKey, "its data key is wrapped by key \(key), not by the vault's default key")
        }
        try lookAtContent(content)
        try lookAtAttributes(of: file, content.fileID.map { .file($0) })
        if content.form != .blocks && content.isSealed && content.isLengthDue { add(.behindInline, "bytes behind its content are not part of it; a mount ignores them") }
        guard content.record.isOpen, content.identity != nil else { return }
        look.isUnsealed = true
        let isDamaged = look.findings.contains { $0.kind.weight == .damage }
        look.mustStayUnsealed = isDamaged ? true : try wouldCutData(content)
        let end = look.mustStayUnsealed && !isDamaged ? "; bytes behind its end do not open, and a mount will cut them off" : ""
        if content.record.needsRecovery {
            add(.leftRecovering, "left to be recovered by a crash or a failed write\(end)")
        } else {
            add(.leftOpen, "left open by a process that did not end in order\(end)")
        }
    }

    /// Why a file cannot be opened at all.
    private mutating func tellRefusal(of file: SharedDescriptor, _ error: Errno) throws(Errno) {
        let reasons = worker.takeReasons()
        var sector = [UInt8](repeating: 0, count: BlockLayout.headerSize)
        var span = sector.mutableSpan
        _ = try file.read(into: &span, at: 0)
        if error == .noKey || error == .keyRevoked {
            let header = try? FileHeader(parsing: sector.span)
            look.missingKey = header.flatMap { try? Keyring.describe($0.wrappedKey.span).keyID.description } ?? "unknown"
            return
        }
        guard error == .ioError else { throw error }
        let detail = reasons.map(\.text).joined(separator: "; ")
        if reasons.areUnfinished {
            let size = BlockLayout.contentSize(ofBacking: UInt64(max(0, look.size))).size
            add(.unfinishedFile, "\(detail); its first page was being written when the machine stopped", lost: size > 0 ? [0..<size] : [])
        } else {
            add(.damagedFile, detail.isEmpty ? "the disk gives an error: \(error)" : detail)
        }
    }

    private mutating func lookAtContent(_ content: FileContent) throws(Errno) {
        var lost = LostRanges()
        try worker.buffer.withMutableBytes { (buffer: inout MutableByteSpan) throws(Errno) in
            var group = try content.nextGroup(from: 0)
            while let bytes = group {
                try read(content, bytes, &buffer, &lost)
                group = try content.nextGroup(from: bytes.upperBound)
            }
        }
        guard !lost.isEmpty else { return }
        let bytes = lost.count == 1 ? "1 byte" : "\(lost.count) bytes"
        let first = lost.reason.map { ": \($0.text)" } ?? ""
        let ranges = Array(lost.ranges.prefix(Self.rangeLimit))
        let unsynced = lost.isUnfinished ? "; written when the machine stopped, and not synced" : ""
        add(
            .lostBytes(isUnfinished: lost.isUnfinished, isInline: content.form == .inline), "\(bytes) of \(content.size) do not open\(first)\(unsynced)",
            lost: ranges)
    }

    /// Reads a piece of at most the buffer's size as a whole, and where that is refused each block of it.
    private mutating func read(
        _ content: FileContent, _ bytes: Range<UInt64>, _ buffer: inout MutableByteSpan, _ lost: inout LostRanges
    ) throws(Errno) {
        do throws(Errno) {
            var target = buffer.slice(0, Int(bytes.upperBound - bytes.lowerBound))
            _ = try content.read(into: &target, at: bytes.lowerBound)
            return tell(bytes)
        } catch {
            guard error == .ioError else { throw error }
        }
        _ = worker.takeReasons()
        for block in BlockLayout.blocks(covering: bytes) {
            let piece = max(block << 12, bytes.lowerBound)..<min((block + 1) << 12, bytes.upperBound)
            var target = buffer.slice(0, Int(piece.upperBound - piece.lowerBound))
            do throws(Errno) {
                _ = try content.read(into: &target, at: piece.lowerBound)
                tell(piece)
            } catch {
                guard error == .ioError else { throw error }
                lost.add(piece, worker.takeReasons())
            }
        }
    }

    private mutating func tell(_ bytes: Range<UInt64>) {
        let count = bytes.upperBound - bytes.lowerBound
        look.bytes += count
        progress.add(bytes: count)
    }

    /// Whether what stands behind the end of an unsealed file, and sealing would cut off, has bytes in the place of blocks.
    private func wouldCutData(_ content: FileContent) throws(Errno) -> Bool {
        guard content.isLengthDue else { return false }
        let length = try content.backing.length()
        var place = content.form == .inline ? BlockLayout.inlineContentOffset + content.size : BlockLayout.blockedLength(ofContent: content.size)
        return try worker.buffer.withMutableBytes { (buffer: inout MutableByteSpan) throws(Errno) -> Bool in
            while place < length, let data = try content.backing.nextData(from: place) {
                place = max(place, data)
                var page = buffer.slice(0, Int(min(length - place, UInt64(BlockLayout.blockSize) - place % UInt64(BlockLayout.blockSize))))
                let count = try content.backing.read(into: &page, at: place)
                if count == 0 { return false }
                let isBlock = if case .block = BlockLayout.place(ofBacking: place) { true } else { content.form == .inline }
                if isBlock && !page.span.slice(0, count).isAllZero { return true }
                place += UInt64(count)
            }
            return false
        }
    }
}

extension FileContent {
    /// The next plain bytes from `offset` on, all of one group of blocks; skips what is a hole of the backing file and may be one. Nil at the end.
    func nextGroup(from offset: UInt64) throws(Errno) -> Range<UInt64>? {
        guard offset < contentSize else { return nil }
        guard form == .blocks else { return offset..<contentSize }
        var group = (offset >> 12).groupOfBlock
        if mayHaveHoles {
            guard let stored = try nextStoredGroup(from: group) else { return nil }
            group = max(group, stored)
        }
        let start = group.firstBlockOfGroup << 12
        guard start < contentSize else { return nil }
        return max(start, offset)..<min((group + 1).firstBlockOfGroup << 12, contentSize)
    }
}
