// What the state record of a file says: its plain form.
import Bytes

/// content size u64 | flags u32 | generation u64 | zero 12: 32 bytes, sealed in sector 1.
package struct FileState: Equatable, Sendable {
    /// Exact plain size in bytes; meaningful while not `isOpen`.
    package var contentSize: UInt64
    /// OPEN: changed since it was last sealed; the size follows from the backing length.
    package var isOpen: Bool
    /// SPARSE: all-zero slots are legal while sealed.
    package var isSparse: Bool
    /// RECOVER: a previous entry may be the one that matches.
    package var needsRecovery: Bool
    /// UNFINISHED: when it was recovered, something in it did not open; so what does not open need not be anybody's work.
    package var isUnfinished: Bool
    /// Grows by one with each write of the record.
    package var generation: UInt64

    package init(
        contentSize: UInt64, isOpen: Bool = false, isSparse: Bool = false, needsRecovery: Bool = false, isUnfinished: Bool = false, generation: UInt64 = 0
    ) {
        self.contentSize = contentSize
        self.isOpen = isOpen
        self.isSparse = isSparse
        self.needsRecovery = needsRecovery
        self.isUnfinished = isUnfinished
        self.generation = generation
    }

    /// Size of the plain form, in bytes.
    static let byteCount = 32
    private static let openFlag: UInt32 = 1
    private static let sparseFlag: UInt32 = 2
    private static let recoverFlag: UInt32 = 4
    private static let unfinishedFlag: UInt32 = 8

    init(parsing plain: ByteSpan) throws(FormatError) {
        let flags = plain.littleEndian(UInt32.self, at: 8)
        guard flags <= 15, plain.slice(20..<Self.byteCount).isAllZero else { throw .reservedBytes }
        contentSize = plain.littleEndian(UInt64.self, at: 0)
        isOpen = flags & Self.openFlag != 0
        isSparse = flags & Self.sparseFlag != 0
        needsRecovery = flags & Self.recoverFlag != 0
        isUnfinished = flags & Self.unfinishedFlag != 0
        generation = plain.littleEndian(UInt64.self, at: 12)
    }

    func write(into plain: inout MutableByteSpan) {
        plain.zero(0..<Self.byteCount)
        plain.storeLittleEndian(contentSize, at: 0)
        let flags = [(isOpen, Self.openFlag), (isSparse, Self.sparseFlag), (needsRecovery, Self.recoverFlag), (isUnfinished, Self.unfinishedFlag)]
        plain.storeLittleEndian(flags.reduce(0) { $1.0 ? $0 | $1.1 : $0 }, at: 8)
        plain.storeLittleEndian(generation, at: 12)
    }
}
