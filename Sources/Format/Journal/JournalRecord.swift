// A record of the redo journal: what is to be done to one backing file. Docs/FORMAT.md, section 10.

import Bytes

/// One change of a backing file, in bytes of that file.
package enum JournalPiece: Equatable, Sendable {
    /// These bytes stand at `offset`.
    case write(offset: UInt64, bytes: [UInt8])
    /// The file is cut or grown to `length`.
    case length(UInt64)
    /// `count` bytes from `offset` on become zeros.
    case zero(offset: UInt64, count: UInt64)
}

/// What is to be done to one backing file, and where that file was.
package struct JournalRecord: Equatable, Sendable {
    /// Longest record, in bytes.
    package static let maximumSize = 262_144
    /// Record without name, pieces and tag, and the head of a piece, in bytes.
    static let headSize = 56
    static let pieceHeadSize = 24
    static let smallestSize = headSize + JournalCipher.tagSize
    /// No file has a byte past this.
    private static let placeLimit = UInt64(Int64.max)

    package var sequence: UInt64
    /// Modification time of the file after this record: seconds since 1970, and nanoseconds below 10^9.
    package var seconds: Int64
    package var nanoseconds: UInt32
    package var fileID: FileID
    package var directoryID: DirectoryID
    /// Backing name in that directory, at most 255 bytes; empty if not known.
    package var name: [UInt8]
    package var pieces: [JournalPiece]

    package init(
        sequence: UInt64, seconds: Int64, nanoseconds: UInt32, fileID: FileID, directoryID: DirectoryID, name: [UInt8], pieces: [JournalPiece]
    ) {
        self.sequence = sequence
        self.seconds = seconds
        self.nanoseconds = nanoseconds
        self.fileID = fileID
        self.directoryID = directoryID
        self.name = name
        self.pieces = pieces
    }

    /// Bytes of a record with a name of so many bytes and no pieces, tag included.
    package static func emptySize(nameCount: Int) -> Int { smallestSize + nameCount }
    /// Bytes that a piece takes in a record.
    package static func size(of piece: JournalPiece) -> Int {
        if case .write(_, let bytes) = piece { pieceHeadSize + bytes.count } else { pieceHeadSize }
    }
    /// Bytes of the whole record, tag included.
    package var size: Int { pieces.reduce(Self.emptySize(nameCount: name.count)) { $0 + Self.size(of: $1) } }

    /// Writes the record without its tag to the start of `target`, which is at least `size` bytes.
    func write(into target: inout MutableByteSpan) {
        target.storeLittleEndian(UInt32(size), at: 0)
        target.storeLittleEndian(UInt32(pieces.count), at: 4)
        target.storeLittleEndian(sequence, at: 8)
        target.storeLittleEndian(UInt64(bitPattern: seconds), at: 16)
        target.storeLittleEndian(nanoseconds, at: 24)
        target.storeLittleEndian(UInt16(name.count), at: 28)
        target.storeLittleEndian(UInt16(0), at: 30)
        target.copy(fileID.bytes.span, to: 32)
        target.copy(directoryID.bytes.span, to: 48)
        target.copy(name.span, to: Self.headSize)
        var place = Self.headSize + name.count
        for piece in pieces {
            let (kind, offset, count): (UInt32, UInt64, UInt64) =
                switch piece {
                case .write(let offset, let bytes): (1, offset, UInt64(bytes.count))
                case .length(let length): (2, length, 0)
                case .zero(let offset, let count): (3, offset, count)
                }
            target.storeLittleEndian(kind, at: place)
            target.storeLittleEndian(UInt32(0), at: place + 4)
            target.storeLittleEndian(offset, at: place + 8)
            target.storeLittleEndian(count, at: place + 16)
            if case .write(_, let bytes) = piece { target.copy(bytes.span, to: place + Self.pieceHeadSize) }
            place += Self.size(of: piece)
        }
    }

    /// The length that a record claims at the start of `bytes`; nil for one that no record has, or that is longer than `bytes`.
    static func claimedSize(_ bytes: ByteSpan) -> Int? {
        guard bytes.count >= smallestSize else { return nil }
        let size = Int(bytes.littleEndian(UInt32.self, at: 0))
        return (smallestSize...min(maximumSize, bytes.count)).contains(size) ? size : nil
    }

    /// Parses a record without its tag, which was checked. Nil for what no writer leaves.
    init?(parsing bytes: ByteSpan) {
        let nameCount = Int(bytes.littleEndian(UInt16.self, at: 28))
        sequence = bytes.littleEndian(UInt64.self, at: 8)
        seconds = Int64(bitPattern: bytes.littleEndian(UInt64.self, at: 16))
        nanoseconds = bytes.littleEndian(UInt32.self, at: 24)
        guard nanoseconds < 1_000_000_000, nameCount <= 255, bytes.littleEndian(UInt16.self, at: 30) == 0 else { return nil }
        guard Self.headSize + nameCount <= bytes.count else { return nil }
        fileID = FileID(bytes.slice(32, 16))
        directoryID = DirectoryID(bytes.slice(48, 8))
        name = bytes.slice(Self.headSize, nameCount).array
        pieces = []
        var place = Self.headSize + nameCount
        for _ in 0..<bytes.littleEndian(UInt32.self, at: 4) {
            guard let piece = Self.piece(bytes, at: place) else { return nil }
            pieces.append(piece)
            place += Self.size(of: piece)
        }
        if place != bytes.count { return nil }
    }

    private static func piece(_ bytes: ByteSpan, at place: Int) -> JournalPiece? {
        guard bytes.count - place >= pieceHeadSize, bytes.littleEndian(UInt32.self, at: place + 4) == 0 else { return nil }
        let offset = bytes.littleEndian(UInt64.self, at: place + 8), count = bytes.littleEndian(UInt64.self, at: place + 16)
        guard offset <= placeLimit, count <= placeLimit - offset else { return nil }
        switch bytes.littleEndian(UInt32.self, at: place) {
        case 1:
            guard count <= UInt64(bytes.count - place - pieceHeadSize) else { return nil }
            return .write(offset: offset, bytes: bytes.slice(place + pieceHeadSize, Int(count)).array)
        case 2: return count == 0 ? .length(offset) : nil
        case 3: return .zero(offset: offset, count: count)
        default: return nil
        }
    }
}
