// Writing files that are one page, and their growth into blocks.

import Bytes
import Format
import POSIX

extension FileContent {
    /// Writes into an inline file: its page anew if all fits, else as blocks.
    func writeInline(_ bytes: ByteSpan, at offset: Int) throws(Errno) {
        let size = Int(contentSize)
        let (end, isTooFar) = offset.addingReportingOverflow(bytes.count)
        guard !isTooFar else { throw .fileTooLarge }
        if end > BlockLayout.inlineLimit {
            return try growIntoBlocks { () throws(Errno) in
                if offset >= BlockLayout.blockSize { try writeInlineContentAsBlock() }
                try writeBlocks(bytes, at: UInt64(offset))
            }
        }
        try withPage { (plain: inout MutableByteSpan) throws(Errno) in
            if offset > 0 || bytes.count < size {
                var old = plain.slice(0, size)
                try openInline(into: &old)
            }
            plain.copy(bytes, to: offset)
            try writeInlinePage(plain.span.slice(0, max(size, end)), from: Int(BlockLayout.stateOffset))
        }
    }

    /// Sets the size of an inline file. Shrinking: the page, then the cut.
    func resizeInline(to size: UInt64) throws(Errno) {
        guard size <= UInt64(BlockLayout.inlineLimit) else {
            return try growIntoBlocks { () throws(Errno) in
                try writeInlineContentAsBlock()
                try backing.truncate(to: BlockLayout.blockedLength(ofContent: size))
                if (size + 4095) >> 12 > blockCount { mayHaveHoles = true }
                contentSize = size
            }
        }
        let isShorter = size < contentSize
        try withPage { (plain: inout MutableByteSpan) throws(Errno) in
            var old = plain.slice(0, Int(contentSize))
            try openInline(into: &old)
            try writeInlinePage(plain.span.slice(0, Int(size)), from: Int(BlockLayout.stateOffset))
        }
        // A longer backing file does no harm: the entry's length counts.
        if isShorter {
            isLengthDue = true
            do throws(Errno) {
                try backing.truncate(to: BlockLayout.inlineContentOffset + size)
                isLengthDue = false
            } catch {
                context.noteUnfinished()
                throw error
            }
        }
    }

    /// Makes a range inside an inline file zero.
    func zeroInline(_ range: Range<Int>) throws(Errno) {
        try withPage { (plain: inout MutableByteSpan) throws(Errno) in
            var old = plain.slice(0, Int(contentSize))
            try openInline(into: &old)
            plain.zero(range)
            try writeInlinePage(plain.span.slice(0, Int(contentSize)), from: Int(BlockLayout.stateOffset))
        }
    }

    /// Seals `plain` as the whole content and writes the page from byte `start` on with one call: 0 for a new file, else from the state record on.
    /// After an error, what stands on disk is read again.
    func writeInlinePage(_ plain: ByteSpan, from start: Int) throws(Errno) {
        guard let identity else { throw .ioError }
        let end = Int(BlockLayout.inlineContentOffset) + plain.count
        isUnfinished = false
        let record = try withPage { (page: inout MutableByteSpan) throws(Errno) -> [UInt8] in
            try fillHead(&page, isOpen: false, size: UInt64(plain.count))
            do throws(FormatError) {
                var target = page.slice(Int(BlockLayout.inlineContentOffset), plain.count)
                let entry = try identity.cipher.sealInline(plain, into: &target)
                entry.store(into: &page, at: Int(BlockLayout.inlineEntryOffset))
            } catch {
                throw refused(error, "sealing the inline content")
            }
            do throws(Errno) {
                try backing.write(page.span.slice(start..<end), at: UInt64(start))
            } catch {
                if start > 0 { loadAgain() }
                throw error
            }
            return page.span.slice(BlockLayout.headSize..<end).array
        }
        form = .inline
        inlineRecord = record
        contentSize = UInt64(plain.count)
        self.record.isOpen = false
        isRecovering = false
        isInlineDurable = isInlineDurable && start > 0
    }

    /// Blocks first, then page 0 in one write, OPEN: until that is done, the header on disk says INLINE and the file is what it was.
    private func growIntoBlocks(_ write: () throws(Errno) -> Void) throws(Errno) {
        guard let inlineIdentity = identity else { throw .ioError }
        let size = contentSize, before = record
        var old = [UInt8](repeating: 0, count: Int(size))
        var span = old.mutableSpan
        try openInline(into: &span)
        isUnfinished = false
        let header = inlineIdentity.header
        let page = try SlotPage(group: 0)
        identity?.header = FileHeader(fileID: header.fileID, isInline: false, wrappedKey: header.wrappedKey)
        form = .blocks
        contentSize = 0
        record.isOpen = true
        record.isBarrierDue = false
        mayHaveHoles = false
        head = .afterBlocks(old)
        slots.dropAll()
        slots.insert(page)
        // Through the journal block 0 is durable before the page that makes it count.
        protection?.isForced = protection?.isProtecting == true
        defer {
            head = .onDisk
            protection?.isForced = false
        }
        do throws(Errno) {
            try write()
            try page.bytes.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in try fillHead(&bytes, isOpen: true, size: contentSize) }
            if isInlineDurable && !backing.isJournalled { try backing.synchronizeData() }
        } catch {
            identity = inlineIdentity
            form = .inline
            contentSize = size
            record = before
            mayHaveHoles = false
            slots.dropAll()
            undoGrowth()
            throw error
        }
        do throws(Errno) {
            try page.bytes.withBytes { (bytes: ByteSpan) throws(Errno) in try backing.write(bytes, at: 0) }
        } catch {
            loadAgain()
            throw error
        }
        inlineRecord = []
        isInlineDurable = false
    }

    /// Writes the plain content of an inline file that grows as block 0.
    private func writeInlineContentAsBlock() throws(Errno) {
        if case .afterBlocks(let plain) = head { try writeBlocks(plain.span, at: 0) }
    }

    private func undoGrowth() {
        protection?.discardStaged()
        do throws(Errno) {
            try backing.truncate(to: BlockLayout.inlineContentOffset + contentSize)
        } catch {
            // The entry's length counts, and the next change cuts; but the length shows a wrong size, which only a vault that is not clean looks through.
            isLengthDue = true
            context.noteUnfinished()
            context.log.failed("undoing the growth of \(label)", error)
        }
    }
}
