// The state record of a file: when it says OPEN, when SEALED, and what must be durable before.

import Bytes
import Format
import POSIX

/// What became of an attempt to seal a file.
enum SealOutcome: Equatable {
    /// The record on disk says SEALED.
    case sealed
    /// Changed since its content was made durable: its turn comes again.
    case changed
    /// It has no name any more: nothing was written.
    case unlinked
    /// In RECOVER, and too large to be compared: it stays OPEN.
    case staysOpen
}

extension FileContent {
    /// Content above this many groups is called SPARSE without looking whether it still is.
    static let sparseSearchLimit: UInt64 = 4096

    /// Before the first change of a sealed file: its record says OPEN, durably. Costs nothing when it does already.
    func openRecord() throws(Errno) {
        if !record.isOpen {
            try writeRecord(isOpen: true)
            record.isBarrierDue = true
        } else if isRecovering && !record.needsRecovery && !head.isAfterBlocks {
            try writeRecord(isOpen: true)
        }
        if record.isBarrierDue {
            if let protection, backing.isJournalled { protection.noteBarrier() } else { try backing.synchronizeData() }
            record.isBarrierDue = false
        }
    }

    /// Writes the state record alone. It never touches the header beside it.
    func writeRecord(isOpen: Bool) throws(Errno) {
        var sector = InlineArray<512, UInt8>(repeating: 0)
        var span = sector.mutableSpan
        try fillRecord(&span, isOpen: isOpen, size: contentSize)
        if isOpen { try backing.write(span.span, at: BlockLayout.stateOffset) } else { try backing.writeSealed(span.span, at: BlockLayout.stateOffset) }
        record.isOpen = isOpen
        record.needsRecovery = isRecovering
    }

    /// Seals a record of the next generation into a sector.
    func fillRecord(_ sector: inout MutableByteSpan, isOpen: Bool, size: UInt64) throws(Errno) {
        guard let identity else { throw .ioError }
        record.generation += 1
        let state = FileState(
            contentSize: size, isOpen: isOpen, isSparse: mayHaveHoles && form == .blocks, needsRecovery: isRecovering,
            isUnfinished: isUnfinished, generation: record.generation)
        do throws(FormatError) {
            try identity.stateCipher.seal(state, isInline: identity.header.isInline, into: &sector)
        } catch {
            throw refused(error, "sealing the state record")
        }
    }

    // MARK: sealing

    /// Before the sync of a batch: settles a file in RECOVER if it is not too large, and finds out whether it has holes.
    /// Returns the change counter that `seal` compares; nil when there is nothing to seal or the file stays OPEN.
    func prepareToSeal() throws(Errno) -> UInt64? {
        try lock.withWriteLock { () throws(Errno) -> UInt64? in
            guard isWritable, !isUnknown else { return nil }
            // What is there now is durable before anything is sealed: what comes from now on goes through the journal.
            protection?.protect(backingLength)
            guard record.isOpen, identity != nil else { return protection?.isLive == true ? changeCounter : nil }
            if isRecovering {
                // It stays in RECOVER, but not before what waits for it is made in the file: afterwards nobody here knows of it any more.
                guard contentSize <= Self.recoveryLimit else { return protection?.isLive == true ? changeCounter : nil }
                try journalling { () throws(Errno) in
                    try keepingPrivileges { () throws(Errno) in
                        try hideTime()
                        try settleForSealing()
                    }
                }
            }
            if form == .blocks && mayHaveHoles { mayHaveHoles = try hasHoles() }
            return changeCounter
        }
    }

    private func settleForSealing() throws(Errno) {
        let wasResting = isResting.load(ordering: .relaxed)
        if wasResting { try wake() }
        defer { if wasResting { forgetContentKeys() } }
        if isLengthDue { try finishUnfinished() }
        if isRecovering { try settleAll() }
    }

    /// Writes SEALED if nothing has changed since `counter` was returned and the content was made durable after that.
    func seal(ifUnchangedSince counter: UInt64) throws(Errno) -> SealOutcome {
        try lock.withWriteLock { () throws(Errno) -> SealOutcome in
            if isUnknown { return .staysOpen }
            if protection?.isLive == true { return .changed }
            guard record.isOpen else { return .sealed }
            guard changeCounter == counter else { return .changed }
            if isRecovering || isLengthDue { return .staysOpen }
            if try backing.status().linkCount == 0 { return .unlinked }
            try keepingPrivileges { () throws(Errno) in
                try hideTime()
                try writeRecord(isOpen: false)
                publish()
                try showTime()
            }
            return .sealed
        }
    }

    /// Makes the content durable and seals it now. For one file; the sealer does the same for many with one sync.
    package func seal() throws(Errno) {
        guard let counter = try prepareToSeal() else { return }
        // Asked for before: as in `Sealer`.
        let descriptor = descriptor
        if let journal = context.journal { try journal.checkpoint { () throws(Errno) in try descriptor.syncFilesystem() } }
        try backingFile().synchronize()
        _ = try seal(ifUnchangedSince: counter)
    }

    /// Bytes of the backing file as the content needs them.
    var backingLength: UInt64 {
        switch form {
        case .empty: identity == nil ? 0 : UInt64(BlockLayout.headSize)
        case .inline: BlockLayout.inlineContentOffset + contentSize
        case .blocks: BlockLayout.blockedLength(ofContent: contentSize)
        }
    }

    /// The backing file, for calls that are not to hold the lock.
    func backingFile() -> BackingFile { lock.withReadLock { backing } }

    /// Whether any slot of the content is all zero.
    private func hasHoles() throws(Errno) -> Bool {
        var group: UInt64 = 0
        while group.firstBlockOfGroup < blockCount {
            if group >= Self.sparseSearchLimit { return true }
            let page: SlotPage
            if let known = slots.page(group) {
                page = known
            } else {
                // Not through the cache, which a large file would empty.
                page = try SlotPage(group: group)
                try fill(page)
            }
            for block in group.firstBlockOfGroup..<min((group + 1).firstBlockOfGroup, blockCount) where page.isHole(block..<block + 1) {
                return true
            }
            group += 1
        }
        return false
    }
}
