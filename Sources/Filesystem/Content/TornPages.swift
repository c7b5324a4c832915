// First pages that a power cut tore: telling them from changed ones, and marking them while that can be told.

import Bytes
import Format
import POSIX

extension FileContent {
    /// A state record that does not open beside its header.
    func refusedState(_ error: FormatError, _ sector: ByteSpan) -> Errno {
        // The first write of a file: one sector of its page is there, and the other is not.
        if sector.isAllZero { return unfinished("its state record was never written") }
        // Header and record of either side of a growth out of INLINE. A sealed record of blocks is written long after that.
        if let identity, let other = try? identity.stateCipher.open(sector, isInline: !identity.header.isInline) {
            if other.isOpen { return unfinished("state record: of after its growth, and the header of before") }
            if !identity.header.isInline { return torn("state record: of before its growth, and the header of after", other) }
            return refused(error, "state record")
        }
        guard context.mayBeTorn, errno(of: error) == .ioError else { return refused(error, "state record") }
        // A file that was cut to 0 and written anew under another key. Its record goes, which opens with no key that is there; one with a size that no file
        // has takes its place, so that the file is refused as a whole as before.
        markUnfinished(FileState(contentSize: BlockLayout.maximumContentSize))
        return unfinished("state record: of another key than the header")
    }

    /// A small file whose state record is authentic and does not fit the rest of the page, or whose content does not open. Two versions of a page of which none
    /// was promised look so after a power cut, and so does a page that was changed. Only the vault tells: after a crash it is called unfinished, and marked, which
    /// says so from then on. Nothing but the record is written, and that says what it said.
    func torn(_ what: String, _ state: FileState) -> Errno {
        guard state.isUnfinished || state.isOpen || context.mayBeTorn else { return damaged(what) }
        if !state.isUnfinished && !state.isOpen { markUnfinished(state) }
        return unfinished(what)
    }

    /// Whether the content of a small file opens; true for others.
    var isWholeInline: Bool {
        get throws(Errno) {
            try wakeIfResting()
            return try lock.withReadLock { () throws(Errno) -> Bool in try opensInline() }
        }
    }

    /// While the vault is looked through after a crash: a small file that does not open is marked.
    func markIfTorn() throws(Errno) {
        try wakeIfResting()
        try lock.withWriteLock { () throws(Errno) in
            guard context.mayBeTorn, !isUnknown, !isUnfinished, try !opensInline() else { return }
            markUnfinished(FileState(contentSize: contentSize, generation: record.generation))
        }
    }

    private func opensInline() throws(Errno) -> Bool {
        guard form == .inline, !isResting.load(ordering: .relaxed) else { return true }
        return try withPage { (page: inout MutableByteSpan) throws(Errno) -> Bool in
            do throws(Errno) {
                try openInline(into: &page)
                return true
            } catch {
                guard error == .ioError else { throw error }
                return false
            }
        }
    }

    /// Whether the file is empty, and has attributes and no header that they are sealed for.
    var hasAttributesWithoutHeader: Bool {
        get throws(Errno) {
            try wakeIfResting()
            return try lock.withReadLock { () throws(Errno) -> Bool in try !headless().isEmpty }
        }
    }

    private func headless() throws(Errno) -> [[UInt8]] {
        guard !isUnknown, identity == nil, try backing.length() == 0 else { return [] }
        return try backing.attributeNames(NameCipher.attributePrefix)
    }

    /// An empty file that has attributes and no header, while the vault is looked through after a crash: the attributes came to disk alone. They are sealed for
    /// the id that the header had, open no more, and are removed.
    /// - Returns: how many.
    @discardableResult
    func removeAttributesWithoutHeader() throws(Errno) -> Int {
        try wakeIfResting()
        return try lock.withWriteLock { () throws(Errno) -> Int in
            guard context.mayBeTorn, isWritable else { return 0 }
            let names = try headless()
            if names.isEmpty { return 0 }
            try context.willChange()
            for name in names { try backing.descriptor.removeAttribute(AttributeName(name)) }
            context.log.note("\(label): \(names.count) attributes of a file whose header never came to the disk are removed")
            return names.count
        }
    }

    private func markUnfinished(_ state: FileState) {
        // What the journal has of the file would be written over the mark; and after an error nobody knows what is there.
        guard isWritable, !isSalvaging, !isUnknown, protection?.isLive != true, let identity else { return }
        var marked = state
        marked.isUnfinished = true
        marked.generation &+= 1
        do throws(Errno) {
            try context.willChange()
            try withPage { (page: inout MutableByteSpan) throws(Errno) in
                var sector = page.slice(0, BlockLayout.sectorSize)
                do throws(FormatError) {
                    try identity.stateCipher.seal(marked, isInline: identity.header.isInline, into: &sector)
                } catch {
                    throw refused(error, "sealing the state record")
                }
                let time = try backing.status().modificationTime
                try keepingPrivileges { () throws(Errno) in try backing.writeSealed(page.span.slice(0, BlockLayout.sectorSize), at: BlockLayout.stateOffset) }
                try backing.setModificationTime(.set(time))
            }
            record.generation = marked.generation
            isUnfinished = true
        } catch {
            // Not marked, it would be called damaged in a vault that is clean again.
            context.log.failed("marking \(label) as unfinished", error)
            context.noteUnfinished()
        }
    }
}
