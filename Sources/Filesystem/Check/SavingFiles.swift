// Saving one file: every block that authenticates, and the ranges of those that do not.

import Bytes
import Format
import KeyManagement
import POSIX

extension Salvager {
    func saveFile(_ entry: WalkEntry, _ status: FileStatus, _ output: SharedDescriptor, _ worker: WalkWorker) throws(Errno) {
        let file = try vault.access.openCertainlyRegular(entry.name, in: entry.directory, [.readOnly, .noFollow])
        let paths = entry.paths
        _ = worker.takeReasons()
        let content: FileContent
        do throws(Errno) {
            content = try openTolerantly(file, status, worker)
        } catch {
            return try tellRefusal(of: file, paths, status, error, worker)
        }
        let reasons = worker.takeReasons()
        if reasons.areUnfinished { content.isUnfinished = true }
        let expected = try expectedSize(of: content, isRefused: !reasons.isEmpty)
        var created: SharedDescriptor?
        let plain = entry.plain ?? entry.name.bytes
        _ = try Self.underFreeName(plain) { (name) throws(Errno) in created = try output.openAt(name, [.readWrite, .create, .exclusive], mode: 0o600) }
        guard let created else { return }
        let lost = try copy(content, to: created, expected: expected, worker)
        try finish(created, status, file, content)
        if lost.isEmpty && reasons.isEmpty { return }
        let isUnfinished = (lost.isEmpty || lost.isUnfinished) && (reasons.isEmpty || reasons.areUnfinished)
        let why = (reasons + [lost.reason].compactMap(\.self)).map(\.text).joined(separator: "; ")
        let kind: CheckFinding.Kind =
            lost.isEmpty ? .wholeFile(isUnfinished: isUnfinished) : .lostBytes(isUnfinished: isUnfinished, isInline: content.form == .inline)
        tell(
            CheckFinding(
                kind: kind, path: paths.plain, backing: paths.backing,
                detail: "\(lost.count) of \(expected) bytes are lost, the rest is saved: \(why)", lost: lost.ranges))
    }

    /// As a mount opens it; where that is refused, as a file of which nobody knows how it was left.
    private func openTolerantly(_ file: SharedDescriptor, _ status: FileStatus, _ worker: WalkWorker) throws(Errno) -> FileContent {
        let label = FileLabel(inode: status.inode, backingName: nil)
        let key = vault.context.defaultKey
        do throws(Errno) {
            return try FileContent(file, isWritable: false, context: worker.context, policyKey: key, label: label)
        } catch {
            guard error == .ioError else { throw error }
        }
        return try FileContent(BackingFile(file, protection: worker.context.protection(of: file, isWritable: false, label)), isWritable: false, context: worker.context, policyKey: key, label: label, isSalvaging: true)
    }

    private func tellRefusal(
        of file: SharedDescriptor, _ paths: (plain: String, backing: String), _ status: FileStatus, _ error: Errno, _ worker: WalkWorker
    ) throws(Errno) {
        let reasons = worker.takeReasons()
        if error == .noKey || error == .keyRevoked {
            return count { $0.notChecked["a key that may not be used or is not there", default: 0] += 1 }
        }
        guard error == .ioError else { throw error }
        let size = UInt64(FileContent.size(of: status))
        let detail = reasons.last?.text ?? "the disk gives an error"
        tell(
            CheckFinding(
                kind: .wholeFile(isUnfinished: reasons.areUnfinished), path: paths.plain, backing: paths.backing,
                detail: "nothing of it can be saved: \(detail)", lost: size > 0 ? [0..<size] : []))
    }

    /// How long the file was: as its state record says if that opens and was sealed; else, where the file was refused, as its length says.
    private func expectedSize(of content: FileContent, isRefused: Bool) throws(Errno) -> UInt64 {
        guard isRefused, let identity = content.identity else { return content.size }
        var sector = [UInt8](repeating: 0, count: BlockLayout.sectorSize)
        var span = sector.mutableSpan
        _ = try content.backing.read(into: &span, at: BlockLayout.stateOffset)
        if let state = try? identity.stateCipher.open(sector.span, isInline: identity.header.isInline), !state.isOpen, !state.needsRecovery,
            state.contentSize < BlockLayout.maximumContentSize  // what a mount has marked says no size
        {
            return state.contentSize
        }
        guard content.form == .blocks else { return content.size }
        return max(content.size, BlockLayout.blockedContentSize(ofBacking: try content.backing.length()).size)
    }

    private func copy(_ content: FileContent, to target: SharedDescriptor, expected: UInt64, _ worker: WalkWorker) throws(Errno) -> LostRanges {
        var lost = LostRanges()
        let end = min(expected, content.size)
        try target.truncate(to: expected)
        try worker.buffer.withMutableBytes { (buffer: inout MutableByteSpan) throws(Errno) in
            var group = try content.nextGroup(from: 0)
            while let bytes = group, bytes.lowerBound < end {
                let wanted = bytes.lowerBound..<min(bytes.upperBound, end)
                if try !copy(wanted, content, to: target, &buffer) {
                    _ = worker.takeReasons()
                    for block in BlockLayout.blocks(covering: wanted) {
                        let piece = max(block << 12, wanted.lowerBound)..<min((block + 1) << 12, wanted.upperBound)
                        if try !copy(piece, content, to: target, &buffer) { lost.add(piece, worker.takeReasons()) }
                    }
                }
                group = try content.nextGroup(from: bytes.upperBound)
            }
        }
        if end < expected { lost.add(end..<expected, []) }
        return lost
    }

    /// - Returns: false if that does not authenticate.
    private func copy(
        _ bytes: Range<UInt64>, _ content: FileContent, to target: SharedDescriptor, _ buffer: inout MutableByteSpan
    ) throws(Errno) -> Bool {
        let size = Int(bytes.upperBound - bytes.lowerBound)
        do throws(Errno) {
            var piece = buffer.slice(0, size)
            _ = try content.read(into: &piece, at: bytes.lowerBound)
        } catch {
            guard error == .ioError else { throw error }
            return false
        }
        let plain = buffer.span.slice(0, size)
        // What was truncated to its length is a hole already.
        if !plain.isAllZero { try target.writeAll(plain, at: bytes.lowerBound) }
        progress.add(bytes: UInt64(size))
        count { $0.bytes += UInt64(size) }
        return true
    }

    /// Attributes that open, mode, owner where that is allowed, times.
    private func finish(_ target: SharedDescriptor, _ status: FileStatus, _ file: SharedDescriptor, _ content: FileContent) throws(Errno) {
        if let id = content.fileID, let names = try? file.attributeNames() {
            for name in splitAttributeNames(names) where name.starts(with: NameCipher.attributePrefix) {
                guard let plain = try? vault.names.openAttributeName(name.span), let stored = try? file.attribute(AttributeName(name)),
                    let value = try? vault.names.openAttributeValue(stored.span, name: name.span, of: .file(id))
                else { continue }
                try? target.setAttribute(AttributeName(plain), value.span)
            }
        }
        try? target.changeOwner(userID: status.userID, groupID: status.groupID)
        try target.changeMode(status.permissions & 0o777)
        try target.setTimes(access: .set(status.accessTime), modification: .set(status.modificationTime))
    }
}
