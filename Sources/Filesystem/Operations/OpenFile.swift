// An open file: one handle of a regular file's content.

import Bytes
import POSIX

/// One open of a regular file. Released exactly once.
package final class OpenFile: Sendable {
    package let inode: Inode
    private let file: RegularFile
    let content: FileContent
    private let isWritable: Bool
    private let vault: Vault

    init(inode: Inode, file: RegularFile, content: FileContent, isWritable: Bool, vault: Vault) {
        self.inode = inode
        self.file = file
        self.content = content
        self.isWritable = isWritable
        self.vault = vault
    }

    /// Fills `bytes` with the content at `offset`.
    /// - Returns: the count of bytes read, less than asked only at the end of the file.
    /// - Throws: `EIO` when a block does not authenticate.
    package func read(into bytes: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        try content.read(into: &bytes, at: offset)
    }

    /// Writes all of `bytes` at `offset`.
    /// - Parameter isWriteBack: the kernel wrote a cached page; the modification time is the kernel's to set.
    package func write(_ bytes: ByteSpan, at offset: UInt64, isWriteBack: Bool) throws(Errno) {
        try vault.context.willChange()
        try content.write(bytes, at: offset, isWriteBack: isWriteBack)
    }

    /// A descriptor of the file is closed: nothing is kept back here, so there is no late error to tell but that of the times.
    package func flush() throws(Errno) {
        if isWritable { try content.restoreTimes() }
    }

    package func synchronize(dataOnly: Bool) throws(Errno) { try content.synchronize(dataOnly: dataOnly) }

    /// - Parameter mode: the mode of fallocate(2); `EOPNOTSUPP` for what the file system does not know.
    package func allocate(mode: Int32, offset: UInt64, length: UInt64) throws(Errno) {
        guard let mode = AllocationMode(fallocate: mode) else { throw .notSupported }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard length > 0, !overflow, end <= UInt64(Int64.max) else { throw .invalidArgument }
        try vault.context.willChange()
        try content.allocate(mode: mode, offset..<end)
    }

    /// The next data or hole at or after `offset`.
    /// - Throws: `EINVAL` while somebody may be writing: the kernel asks without handing over its unwritten pages first, and an
    ///   answer from the backing file would make `cp` copy zeros. `ENXIO` past the end.
    package func seek(_ offset: UInt64, to target: SeekTarget) throws(Errno) -> UInt64 {
        if file.hasWriter { throw .invalidArgument }
        return try content.seek(offset, to: target)
    }

    /// The handle is gone.
    package func release() {
        if isWritable { try? content.restoreTimes() }
        file.release(writable: isWritable, of: inode, in: vault)
    }
}

extension Vault {
    /// Opens a regular file. Whether the caller may was decided by the kernel.
    /// - Throws: `EIO` for a damaged file, `EKEYREVOKED` or `ENOKEY` when its key does not open.
    package func open(_ inode: Inode, writable: Bool) throws(Errno) -> OpenFile {
        guard let file = inode.regularFile else { throw inode.isDirectory ? .isDirectory : .noDeviceOrAddress }
        if writable && context.isReadOnly { throw .readOnlyFilesystem }
        let content = try acquire(file, of: inode, writable: writable)
        if file.isMistold {
            file.release(writable: writable, of: inode, in: self)
            giveUp(inode, file)
            throw .stale
        }
        return OpenFile(inode: inode, file: file, content: content, isWritable: writable, vault: self)
    }

    /// A write-back kernel keeps the size that it was first told of an inode, and fills up with zeros what a file does not have.
    /// Of one that was made longer outside that size is wrong: the kernel looks the name up again, as `ESTALE` asks it to, and gets
    /// another inode, with the right size.
    private func giveUp(_ inode: Inode, _ file: RegularFile) {
        guard let last = try? status(of: inode), file.giveUp() else { return }
        misleadingLengths.withLock { _ = $0.insert(inode.key) }
        table.detach(inode)
        inode.whereabouts.withLock { $0 = Whereabouts(removed: last) }
    }

    /// Takes a file's content into use, opening the backing file where that is needed. To be ended by `release`.
    func acquire(_ file: RegularFile, of inode: Inode, writable: Bool) throws(Errno) -> FileContent {
        if writable { sealer.waitForRoom() }
        if let content = try file.acquireKnown(writable: writable, in: self) { return content }
        return try inode.locate { (place, parent) throws(Errno) in
            try file.acquire(
                writable: writable, of: inode, label: FileLabel(inode: inode.number, backingName: place.name, in: place.directoryID), in: self
            ) { (writable) throws(Errno) in
                try self.access.openRegular(place.name, in: parent, writable ? [.readWrite, .noFollow] : [.readOnly, .noFollow])
            }
        } anchored: { (descriptor) throws(Errno) in
            try file.acquire(writable: writable, of: inode, label: FileLabel(inode: inode.number, backingName: nil), in: self) { (writable) throws(Errno) in
                try self.access.open(descriptor, writable ? [.readWrite] : [.readOnly])
            }
        }
    }

    /// At most so many bytes are copied at once: an answer has 32 bits, and older kernels ask for more. It also bounds how long a file is held.
    private static var longestCopy: Int { 1 << 30 }

    /// Copies between two open files.
    /// - Returns: the count of bytes copied; less than asked at the end of the source, or for the rest to be asked for again.
    package func copyRange(
        from source: OpenFile, at sourceOffset: UInt64, to target: OpenFile, at targetOffset: UInt64, count: Int
    ) throws(Errno) -> Int {
        try context.willChange()
        let count = min(count, Self.longestCopy)
        let chunk = 1 << 18
        var done = 0
        while done < count {
            let wanted = min(chunk, count - done)
            let copied: Int
            do throws(Errno) {
                copied = try copy(from: source, at: sourceOffset + UInt64(done), to: target, at: targetOffset + UInt64(done), count: wanted)
            } catch {
                // What was copied before is there, and the caller has to know.
                if done > 0 { return done }
                throw error
            }
            done += copied
            if copied < wanted { break }
        }
        return done
    }

    private func copy(
        from source: OpenFile, at sourceOffset: UInt64, to target: OpenFile, at targetOffset: UInt64, count: Int
    ) throws(Errno) -> Int {
        try PageBuffer.withScratch(count) { (buffer: inout MutableByteSpan) throws(Errno) -> Int in
            let read = try source.content.read(into: &buffer, at: sourceOffset)
            if read > 0 { try target.content.write(buffer.span.slice(0, read), at: targetOffset, isWriteBack: false) }
            return read
        }
    }
}
