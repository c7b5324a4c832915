// The header of a file: sector 0, in the clear.
import Bytes

/// magic 8 | version u16 | flags u16 | file id 16 | wrapped key length u16 | wrapped key, 1 to 448 | zero to 512.
package struct FileHeader: Equatable, Sendable {
    /// First bytes of every file of a vault that has any.
    package static let magic: InlineArray<8, UInt8> = [0x45, 0x4e, 0x56, 0x45, 0x4c, 0x4f, 0x50, 0x45]  // "ENVELOPE"
    /// The only version so far.
    package static let version: UInt16 = 1
    /// Longest wrapped key, in bytes.
    package static let maximumWrappedKeySize = 448

    static let inlineFlag: UInt16 = 1
    static let wrappedKeyOffset = 30

    package let fileID: FileID
    /// Whether the content stands behind the state record instead of in blocks.
    package let isInline: Bool
    /// The data key as the keystore wrapped it (Docs/FORMAT-KEYS.md).
    package let wrappedKey: [UInt8]

    /// Traps unless `wrappedKey` holds 1 to 448 bytes.
    package init(fileID: FileID, isInline: Bool, wrappedKey: [UInt8]) {
        precondition((1...Self.maximumWrappedKeySize).contains(wrappedKey.count))
        self.fileID = fileID
        self.isInline = isInline
        self.wrappedKey = wrappedKey
    }

    /// Reads a header of 512 bytes, refusing every byte that a writer would not have left. All zero is `.unwritten`.
    package init(parsing sector: ByteSpan) throws(FormatError) {
        guard sector.count == BlockLayout.headerSize else { throw .damaged }
        guard sector.slice(0, 8).isEqual(to: Self.magic.span) else { throw sector.isAllZero ? .unwritten : .badMagic }
        let version = sector.littleEndian(UInt16.self, at: 8)
        guard version == Self.version else { throw .unsupportedVersion(version) }
        let flags = sector.littleEndian(UInt16.self, at: 10)
        guard flags & ~Self.inlineFlag == 0 else { throw .reservedBytes }
        let length = Int(sector.littleEndian(UInt16.self, at: 28))
        guard (1...Self.maximumWrappedKeySize).contains(length) else { throw .damaged }
        let end = Self.wrappedKeyOffset + length
        guard sector.slice(end..<sector.count).isAllZero else { throw .reservedBytes }
        fileID = FileID(sector.slice(12, 16))
        isInline = flags & Self.inlineFlag != 0
        wrappedKey = sector.slice(Self.wrappedKeyOffset, length).array
    }

    /// The file id that the first 28 bytes of a header claim; nil for bytes of no header of this version. Nobody has vouched for it.
    package static func claimedFileID(_ start: ByteSpan) -> FileID? {
        guard start.count == identitySize, start.slice(0, 8).isEqual(to: magic.span), start.littleEndian(UInt16.self, at: 8) == version else { return nil }
        return FileID(start.slice(12, 16))
    }

    /// Writes all 512 bytes at the start of `sector`. Traps when they do not fit.
    package func write(into sector: inout MutableByteSpan) {
        sector.zero(0..<BlockLayout.headerSize)
        Self.writeIdentity(fileID, isInline: isInline, into: &sector)
        sector.storeLittleEndian(UInt16(wrappedKey.count), at: 28)
        sector.copy(wrappedKey.span, to: Self.wrappedKeyOffset)
    }

    /// Bytes that bind the state record to its header: magic, version, flags, file id.
    static let identitySize = 28

    /// Writes the first 28 bytes of a header, which are also the state record's associated data.
    static func writeIdentity(_ fileID: FileID, isInline: Bool, into target: inout MutableByteSpan) {
        target.copy(magic.span)
        target.storeLittleEndian(version, at: 8)
        target.storeLittleEndian(isInline ? inlineFlag : 0, at: 10)
        target.copy(fileID.bytes.span, to: 12)
    }
}
