// Seals and opens everything under one file's data key: state record, blocks, inline content.
import Bytes
import Cryptography

/// All sealing under one data key. Thread-safe; no allocation per block.
package final class FileCipher: Sendable {
    package let fileID: FileID
    private let keys: FileKeys
    private let choices: SealingChoices

    /// The index that stands in the associated data of inline content; no block has it.
    static let inlineIndex = UInt64.max

    /// Keeps what is needed to make the file's keys, not `dataKey` itself, which is 32 bytes and the caller's to wipe. Cheap: keys are made when first used.
    package convenience init(dataKey: SecretBytes, fileID: FileID) throws(FormatError) {
        try self.init(dataKey: dataKey, fileID: fileID, choices: .random)
    }

    init(dataKey: SecretBytes, fileID: FileID, choices: SealingChoices) throws(FormatError) {
        self.fileID = fileID
        self.choices = choices
        keys = try FileKeys(dataKey: dataKey, fileID: fileID, choices: choices)
    }

    // MARK: state record

    /// The state record's cipher alone, which outlives `wipeContentKeys`.
    package func stateCipher() throws(FormatError) -> StateCipher { try keys.stateCipher() }

    /// Writes all 512 bytes of the state record at the start of `sector`. Traps when they do not fit.
    package func sealState(_ state: FileState, isInline: Bool, into sector: inout MutableByteSpan) throws(FormatError) {
        try keys.stateCipher().seal(state, isInline: isInline, into: &sector)
    }

    /// Reads a state record of 512 bytes that stands beside a header with this `isInline`.
    package func openState(_ sector: ByteSpan, isInline: Bool) throws(FormatError) -> FileState {
        try keys.stateCipher().open(sector, isInline: isInline)
    }

    // MARK: blocks

    /// Seals block `index`: 1 to 4096 plain bytes into as many sealed ones. Returns the entry that opens them.
    package func sealBlock(_ index: UInt64, _ plain: ByteSpan, into sealed: inout MutableByteSpan) throws(FormatError) -> Entry {
        guard index <= BlockLayout.lastBlock else { throw .outOfRange }
        return try seal(.block, index, plain, limit: BlockLayout.blockSize, into: &sealed)
    }

    /// Opens block `index` from its first `entry.length` bytes. `plain` may be longer than these: its rest becomes zeros, as the block reads.
    /// On failure `plain` is zero.
    package func openBlock(_ index: UInt64, _ entry: Entry, _ sealed: ByteSpan, into plain: inout MutableByteSpan) throws(FormatError) {
        guard index <= BlockLayout.lastBlock else { throw .outOfRange }
        try open(.block, index, entry, sealed, limit: BlockLayout.blockSize, into: &plain)
    }

    /// Opens block `index` where it stands: the first `entry.length` bytes of `bytes` are sealed, what follows becomes zeros, as the block reads.
    /// On failure all of `bytes` is zero.
    package func openBlockInPlace(_ index: UInt64, _ entry: Entry, _ bytes: inout MutableByteSpan) throws(FormatError) {
        guard index <= BlockLayout.lastBlock else { throw .outOfRange }
        try openInPlace(.block, index, entry, &bytes, limit: BlockLayout.blockSize)
    }

    // MARK: inline content

    /// Seals an inline file's content: 1 to 3040 plain bytes into as many sealed ones.
    package func sealInline(_ plain: ByteSpan, into sealed: inout MutableByteSpan) throws(FormatError) -> Entry {
        try seal(.inline, Self.inlineIndex, plain, limit: BlockLayout.inlineLimit, into: &sealed)
    }

    /// Opens an inline file's content from its first `entry.length` bytes. `plain` may be longer: its rest becomes zeros. On failure `plain` is zero.
    package func openInline(_ entry: Entry, _ sealed: ByteSpan, into plain: inout MutableByteSpan) throws(FormatError) {
        try open(.inline, Self.inlineIndex, entry, sealed, limit: BlockLayout.inlineLimit, into: &plain)
    }

    /// Opens an inline file's content where it stands: the first `entry.length` bytes are sealed, what follows becomes zeros. On failure all is zero.
    package func openInlineInPlace(_ entry: Entry, _ bytes: inout MutableByteSpan) throws(FormatError) {
        try openInPlace(.inline, Self.inlineIndex, entry, &bytes, limit: BlockLayout.inlineLimit)
    }

    // MARK: ends

    /// Zeroes all keys now. Every later use throws `.keysWiped` or fails to open.
    package func wipe() { keys.wipe(includingState: true) }

    /// Zeroes all keys but the state record's, for a file that only waits to be sealed.
    package func wipeContentKeys() { keys.wipe(includingState: false) }

    // MARK: -

    private func seal(
        _ kind: ContentKind, _ index: UInt64, _ plain: ByteSpan, limit: Int, into sealed: inout MutableByteSpan
    ) throws(FormatError) -> Entry {
        guard plain.count >= 1, plain.count <= limit, sealed.count == plain.count else { throw .outOfRange }
        let writing = try keys.writingKey(kind)
        let associated = associatedData(index, length: plain.count, salt: writing.salt)
        var nonce = InlineArray<12, UInt8>(repeating: 0)
        var nonceSpan = nonce.mutableSpan
        try choices.fill(&nonceSpan)
        var tag = InlineArray<16, UInt8>(repeating: 0)
        var tagSpan = tag.mutableSpan
        do {
            try writing.key.seal(plain, nonce: nonce.span, authenticating: associated.span, into: &sealed, tag: &tagSpan)
        } catch { throw FormatError(using: error) }
        return Entry(nonce: nonce.span, tag: tag.span, length: UInt16(plain.count), salt: writing.salt)
    }

    private func open(
        _ kind: ContentKind, _ index: UInt64, _ entry: Entry, _ sealed: ByteSpan, limit: Int, into plain: inout MutableByteSpan
    ) throws(FormatError) {
        guard sealed.count >= entry.length, plain.count >= entry.length else {
            plain.zeroAll()
            throw .damaged
        }
        plain.copy(sealed.slice(0, entry.length))
        try openInPlace(kind, index, entry, &plain, limit: limit)
    }

    private func openInPlace(
        _ kind: ContentKind, _ index: UInt64, _ entry: Entry, _ bytes: inout MutableByteSpan, limit: Int
    ) throws(FormatError) {
        let length = entry.length
        guard length >= 1, length <= limit, bytes.count >= length else {
            bytes.zeroAll()
            throw .damaged
        }
        bytes.zero(length..<bytes.count)
        do throws(FormatError) {
            let key = try keys.readingKey(kind, salt: entry.salt)
            let associated = associatedData(index, length: length, salt: entry.salt)
            var target = bytes.slice(0, length)
            do {
                try key.openInPlace(&target, nonce: entry.nonce, authenticating: associated.span, tag: entry.tag)
            } catch { throw FormatError(using: error) }
        } catch {
            bytes.zeroAll()
            throw error
        }
    }

    /// file id 16 | index u64 | length u16 | salt u16.
    private func associatedData(_ index: UInt64, length: Int, salt: UInt16) -> InlineArray<28, UInt8> {
        var bytes = InlineArray<28, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        span.copy(fileID.bytes.span)
        span.storeLittleEndian(index, at: 16)
        span.storeLittleEndian(UInt16(length), at: 24)
        span.storeLittleEndian(salt, at: 26)
        return bytes
    }
}
