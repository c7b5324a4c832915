// The first write of an empty file: a new data key, a new header, and the content with it.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX

extension FileContent {
    /// The first bytes of an empty file: inline if they fit, sealed at once; else blocks behind an OPEN record.
    func writeFirst(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        let end = offset + UInt64(bytes.count)
        let before = try takeNewKey(isInline: end <= UInt64(BlockLayout.inlineLimit))
        if before.identity.header.isInline {
            do throws(Errno) {
                try withPage { (plain: inout MutableByteSpan) throws(Errno) in
                    plain.copy(bytes, to: Int(offset))
                    try writeInlinePage(plain.span.slice(0, Int(end)), from: 0)
                }
            } catch {
                backToNothing(before.length)
                throw error
            }
            return
        }
        try startBlocks(before.length) { () throws(Errno) in
            if offset >= UInt64(BlockLayout.blockSize) { try writeHeadPage() }
            try writeBlocks(bytes, at: offset)
        }
    }

    /// Growth of an empty file to `size` zero bytes.
    func growFirst(to size: UInt64) throws(Errno) {
        if size <= UInt64(BlockLayout.inlineLimit) {
            return try withPage { (plain: inout MutableByteSpan) throws(Errno) in
                try writeFirst(plain.span.slice(0, Int(size)), at: 0)
            }
        }
        let before = try takeNewKey(isInline: false)
        try startBlocks(before.length) { () throws(Errno) in
            try writeHeadPage()
            mayHaveHoles = true
            try backing.truncate(to: BlockLayout.blockedLength(ofContent: size))
            contentSize = size
        }
    }

    /// Gives an empty file a header, for the sake of its id. Returns it; if there is a header already, the id it has.
    func headerForAttributes() throws(Errno) -> FileID {
        if let identity { return identity.header.fileID }
        try hideTime()
        let new = try takeNewKey(isInline: false)
        do throws(Errno) {
            try writeEmptyHead()
        } catch {
            backToNothing(0)
            throw error
        }
        return new.identity.header.fileID
    }

    /// Header and sealed record of an empty file.
    func writeEmptyHead() throws(Errno) {
        try withPage { (page: inout MutableByteSpan) throws(Errno) in
            try fillHead(&page, isOpen: false, size: 0)
            try backing.write(page.span.slice(0, BlockLayout.headSize), at: 0)
        }
    }

    /// A new data key; the file id stays if attributes are sealed for it. Returns it with the backing length there is.
    private func takeNewKey(isInline: Bool) throws(Errno) -> (identity: Identity, length: UInt64) {
        isUnfinished = false
        let fileID: FileID
        if let old = identity?.header.fileID, try backing.hasSealedAttributes() {
            fileID = old
        } else {
            do throws(FormatError) { fileID = try FileID.random() } catch { throw refused(error, "file id") }
        }
        let key = try context.newDataKey(for: fileID, under: policyKey, opener: opener)
        // The journal finds a file by the id that it has on disk: under another one nothing goes through it before there is no header. And attributes that
        // were removed must not come back beside one that they were not sealed for.
        if let identity, identity.header.fileID != fileID {
            try cutToNothing()
            try backing.synchronize()
        }
        let hadHeader = identity != nil
        do throws(FormatError) {
            let cipher = try FileCipher(dataKey: key.plaintext, fileID: fileID)
            let header = FileHeader(fileID: fileID, isInline: isInline, wrappedKey: key.ciphertext)
            let new = Identity(header: header, cipher: cipher, stateCipher: try cipher.stateCipher())
            identity = new
            return (new, hadHeader ? UInt64(BlockLayout.headSize) : 0)
        } catch {
            throw refused(error, "data key")
        }
    }

    /// Turns the file into one of blocks and runs `write`; if that brings no content about, the file is empty as before.
    private func startBlocks(_ lengthBefore: UInt64, _ write: () throws(Errno) -> Void) throws(Errno) {
        let page = try SlotPage(group: 0)
        try page.bytes.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in try fillHead(&bytes, isOpen: true, size: 0) }
        slots.dropAll()
        slots.insert(page)
        form = .blocks
        record.isOpen = true
        record.isBarrierDue = false
        isRecovering = false
        mayHaveHoles = false
        head = .withFirstRun
        defer { head = .onDisk }
        do throws(Errno) {
            try write()
        } catch {
            if contentSize == 0 { backToNothing(lengthBefore) }
            throw error
        }
    }

    /// Header, OPEN record and no slots yet, as page 0 of a new file.
    private func writeHeadPage() throws(Errno) {
        try slotPage(0).bytes.withBytes { (bytes: ByteSpan) throws(Errno) in try backing.write(bytes, at: 0) }
        head = .onDisk
    }

    /// Header and state record into the start of a page.
    func fillHead(_ page: inout MutableByteSpan, isOpen: Bool, size: UInt64) throws(Errno) {
        guard let identity else { throw .ioError }
        identity.header.write(into: &page)
        var sector = page.slice(Int(BlockLayout.stateOffset), BlockLayout.sectorSize)
        try fillRecord(&sector, isOpen: isOpen, size: size)
    }

    /// A first write that failed: the file is empty again, with the header's length if it had one.
    private func backToNothing(_ length: UInt64) {
        form = .empty
        contentSize = 0
        inlineRecord = []
        record.isOpen = false
        isRecovering = false
        slots.dropAll()
        do throws(Errno) {
            try backing.truncate(to: length)
            if length > 0 { try writeEmptyHead() } else { identity = nil }
        } catch {
            context.log.failed("undoing the first write of \(label)", error)
            context.noteUnfinished()
        }
    }
}
