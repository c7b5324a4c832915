// Opening a content: what the first page and the backing length say, and which of it is refused.

import Bytes
import Cryptography
import Format
import POSIX

extension FileContent {
    /// Sets everything from what is on disk (`finishUnfinished` is for what a crash left there). Called before the object is shared, or with the lock held for writing.
    func load() throws(Errno) {
        try withPage { (page: inout MutableByteSpan) throws(Errno) in
            let count: Int
            do throws(Errno) { count = try backing.read(into: &page, at: 0) } catch {
                throw error == .illegalSeek ? damaged("is no regular file") : error
            }
            try load(page.span, count)
        }
    }

    /// - Parameter count: how many bytes of the first page there are.
    private func load(_ page: ByteSpan, _ count: Int) throws(Errno) {
        form = .empty
        contentSize = 0
        record = Record()
        isRecovering = false
        isUnfinished = false
        mayHaveHoles = false
        isLengthDue = false
        slots.dropAll()
        if count == 0 {
            identity = nil
            isUnknown = false
            return
        }
        guard count >= BlockLayout.headSize else { throw damaged("ends inside its header") }
        try loadIdentity(page)
        let state = try loadState(page)
        let length = count < BlockLayout.blockSize ? UInt64(count) : try backing.length()
        protection?.protect(length)
        if length == UInt64(BlockLayout.headSize) {
            guard state.isOpen || state.contentSize == 0 else {
                throw identity?.header.isInline == true ? torn("was cut to its header", state) : damaged("was cut to its header")
            }
        } else if identity?.header.isInline == true {
            try loadInline(page, state, length: length)
        } else {
            try loadBlocks(page, state, length: length)
        }
        isUnknown = false
    }

    private func loadIdentity(_ page: ByteSpan) throws(Errno) {
        let header: FileHeader
        do throws(FormatError) {
            header = try FileHeader(parsing: page.slice(0, BlockLayout.headerSize))
        } catch {
            throw error == .unwritten ? unfinished("its header was never written") : damaged("header: \(error)")
        }
        identity = try openIdentity(header)
    }

    /// Unwraps the data key that the header holds.
    func openIdentity(_ header: FileHeader) throws(Errno) -> Identity {
        let key: SecretBytes
        do throws(Errno) {
            key = try context.dataKey(of: header.fileID, wrapped: header.wrappedKey.span, opener: opener)
        } catch {
            // A key that may not be used is no damage.
            throw error == .ioError ? damaged("wrapped data key: does not open") : error
        }
        do throws(FormatError) {
            let cipher = try FileCipher(dataKey: key, fileID: header.fileID)
            return Identity(header: header, cipher: cipher, stateCipher: try cipher.stateCipher())
        } catch {
            throw refused(error, "data key")
        }
    }

    private func loadState(_ page: ByteSpan) throws(Errno) -> FileState {
        guard let identity else { throw .ioError }
        let sector = page.slice(Int(BlockLayout.stateOffset), BlockLayout.sectorSize)
        do throws(FormatError) {
            let state = try identity.stateCipher.open(sector, isInline: identity.header.isInline)
            record.generation = state.generation
            record.isOpen = state.isOpen || state.needsRecovery
            record.needsRecovery = state.needsRecovery
            isUnfinished = state.isUnfinished
            return state
        } catch {
            if isSalvaging {
                record = Record(isOpen: true, needsRecovery: true)
                return FileState(contentSize: 0, isOpen: true, needsRecovery: true)
            }
            throw refusedState(error, sector)
        }
    }

    /// INLINE: the entry's length counts. A longer backing file is an unfinished shrink or growth, a shorter one is damaged.
    private func loadInline(_ page: ByteSpan, _ state: FileState, length: UInt64) throws(Errno) {
        guard length > BlockLayout.inlineContentOffset else { throw torn("ends inside its entry", state) }
        let entry = Entry(from: page, at: Int(BlockLayout.inlineEntryOffset))
        guard (1...BlockLayout.inlineLimit).contains(entry.length) else { throw torn("entry of the inline content", state) }
        let end = BlockLayout.inlineContentOffset + UInt64(entry.length)
        guard length >= end else { throw torn("was cut inside its content", state) }
        guard record.isOpen || isSalvaging || state.contentSize == UInt64(entry.length) else {
            throw torn("size differs from the state record's", state)
        }
        form = .inline
        contentSize = UInt64(entry.length)
        isInlineDurable = true
        inlineRecord = page.slice(BlockLayout.headSize..<Int(end)).array
        if length > end {
            isLengthDue = true
            wasLonger = true
            context.log.note("\(label): \(length - end) bytes behind the inline content are not part of it")
        }
    }

    /// Blocks: a sealed file has exactly the length that its state record says; otherwise the length says the size.
    private func loadBlocks(_ page: ByteSpan, _ state: FileState, length: UInt64) throws(Errno) {
        let extent = BlockLayout.blockedContentSize(ofBacking: length)
        if !record.isOpen && !isSalvaging && state.contentSize == 0 {
            // An empty file with attributes, whose first write or cut came to the disk in part: what it was for is not part of it.
            isLengthDue = true
            wasLonger = true
            return context.log.note("\(label): is empty; \(length - UInt64(BlockLayout.headSize)) bytes behind its header are not part of it")
        }
        form = .blocks
        contentSize = extent.size
        guard record.isOpen || isSalvaging else {
            guard extent.form == .blocks, extent.size == state.contentSize else {
                let what = "length differs from the sealed size"
                throw state.isUnfinished ? unfinished(what) : damaged(what)
            }
            mayHaveHoles = state.isSparse
            return try adoptFirstPage(page)
        }
        guard extent.form != .damaged else { throw damaged("length") }
        isRecovering = true
        mayHaveHoles = record.isOpen || state.isSparse
        try adoptFirstPage(page)
        contentSize = try endOfUnsealed(contentSize)
        if contentSize == 0 { form = .empty }
        isLengthDue = length != BlockLayout.blockedLength(ofContent: contentSize)
        slots.dropAll()
    }

    private func adoptFirstPage(_ bytes: ByteSpan) throws(Errno) {
        let page = try SlotPage(group: 0)
        page.bytes.withMutableBytes { $0.copy(bytes) }
        if blockCount < UInt64(1).firstBlockOfGroup { page.clear(from: blockCount) }
        slots.insert(page)
    }

    /// How many blocks hold the content.
    var blockCount: UInt64 { (contentSize + 4095) >> 12 }

    /// Where the content of a file ends that was found OPEN or RECOVER: trailing blocks with a slot of which no entry opens are not part of it,
    /// unless they read as zeros.
    private func endOfUnsealed(_ lengthSays: UInt64) throws(Errno) -> UInt64 {
        var end = lengthSays
        return try withPage { (plain: inout MutableByteSpan) throws(Errno) -> UInt64 in
            while end > 0 {
                let block = (end - 1) >> 12
                switch try examine(block, into: &plain) {
                // A first write into a hole that never got to the block: the file had this length before.
                case .hole, .unwritten: return end
                case .entry(let entry): return end == lengthSays ? end : block << 12 + UInt64(entry.length)
                case .nothing: end = block << 12
                }
            }
            return 0
        }
    }

    // MARK: reading again after an error

    /// After an error that left open what is on disk, and reading it again failed too: tries once more, the disk may be well again.
    func loadIfUnknown() throws(Errno) {
        guard mayBeUnknown.load(ordering: .acquiring) else { return }
        try lock.withWriteLock { () throws(Errno) in
            guard isUnknown else { return }
            if isResting.load(ordering: .relaxed) { try wake() }
            try load()
            publish()
        }
    }

    /// After an error that leaves open what is on disk: reads it again, as at open.
    func loadAgain() {
        isUnknown = true
        do throws(Errno) {
            try load()
            // With a journal the next change does that: here one may just have failed to be recorded.
            if backing.isJournalled { isSettlingDue = true } else { try finishUnfinished() }
        } catch {
            context.log.failed("reading \(label) again after a failed write", error)
            context.noteUnfinished()
        }
    }

    // MARK: reopening while the sealer waits

    /// The last handle is gone: forgets the content keys, so that the next use has to unwrap the data key again.
    package func rest() {
        lock.withWriteLock { if identity != nil && !isResting.load(ordering: .relaxed) { forgetContentKeys() } }
    }

    func forgetContentKeys() {
        identity?.cipher.wipeContentKeys()
        isResting.store(true, ordering: .releasing)
    }

    /// Unwraps the data key again after `rest`. Does nothing otherwise.
    /// - Throws: `EKEYREVOKED`, `ENOKEY`, `EIO`.
    package func wakeIfResting() throws(Errno) {
        guard isResting.load(ordering: .acquiring) else { return }
        try lock.withWriteLock { () throws(Errno) in if isResting.load(ordering: .relaxed) { try wake() } }
    }

    func wake() throws(Errno) {
        if let header = identity?.header { identity = try openIdentity(header) }
        isResting.store(false, ordering: .releasing)
    }
}
