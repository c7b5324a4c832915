// Entries and slots: what stands on disk beside each sealed block.
import Bytes

/// What opens one sealed block or inline content, 32 bytes: nonce 12 | tag 16 | length u16 | key salt u16.
package struct Entry: Equatable, Sendable {
    /// Size on disk, in bytes.
    package static let byteCount = 32
    /// No entry: all zero.
    package static let empty = Entry()

    var bytes: InlineArray<32, UInt8>

    init() { bytes = InlineArray(repeating: 0) }

    /// The entry at `offset`. Traps when it is not all inside.
    package init(from source: ByteSpan, at offset: Int = 0) {
        self.init()
        var span = bytes.mutableSpan
        span.copy(source.slice(offset, 32))
    }

    /// An entry of its parts: nonce 12 bytes, tag 16.
    init(nonce: ByteSpan, tag: ByteSpan, length: UInt16, salt: UInt16) {
        self.init()
        var span = bytes.mutableSpan
        span.copy(nonce)
        span.copy(tag, to: 12)
        span.storeLittleEndian(length, at: 28)
        span.storeLittleEndian(salt, at: 30)
    }

    var nonce: ByteSpan { @_lifetime(borrow self) get { bytes.span.slice(0, 12) } }
    var tag: ByteSpan { @_lifetime(borrow self) get { bytes.span.slice(12, 16) } }

    /// Writes the 32 bytes at `offset`. Traps when they do not fit.
    package func store(into target: inout MutableByteSpan, at offset: Int = 0) { target.copy(bytes.span, to: offset) }

    /// Bytes that were sealed: 1 to 4096 in a sound entry, 0 where there is none.
    package var length: Int { Int(bytes.span.littleEndian(UInt16.self, at: 28)) }
    /// Which of the data key's block keys (or inline keys) sealed it.
    package var salt: UInt16 { bytes.span.littleEndian(UInt16.self, at: 30) }
    /// Whether there is no entry: its length is 0.
    package var isEmpty: Bool { length == 0 }
    /// Whether all 32 bytes are zero.
    package var isAllZero: Bool { bytes.span.isAllZero }

    package static func == (a: Entry, b: Entry) -> Bool { a.bytes.span.isEqual(to: b.bytes.span) }
}

/// The two entries of one block, 64 bytes: current | previous.
package struct Slot: Equatable, Sendable {
    /// Size on disk, in bytes.
    package static let byteCount = 64
    /// A hole: all zero.
    package static let hole = Slot(current: .empty)

    package var current: Entry
    /// Tried only by a reader that found the file OPEN or RECOVER.
    package var previous: Entry

    package init(current: Entry, previous: Entry = .empty) {
        self.current = current
        self.previous = previous
    }

    /// The slot at `offset`. Traps when it is not all inside.
    package init(from source: ByteSpan, at offset: Int = 0) {
        current = Entry(from: source, at: offset)
        previous = Entry(from: source, at: offset + Entry.byteCount)
    }

    /// Writes the 64 bytes at `offset`. Traps when they do not fit.
    package func store(into target: inout MutableByteSpan, at offset: Int = 0) {
        current.store(into: &target, at: offset)
        previous.store(into: &target, at: offset + Entry.byteCount)
    }

    /// All 64 bytes zero: the block reads as zeros.
    package var isHole: Bool { current.isAllZero && previous.isAllZero }
    /// Bytes that no writer leaves: refused without trying a key. An empty current entry beside anything, or a length above a block.
    package var isDamaged: Bool { (current.isEmpty && !isHole) || current.length > BlockLayout.blockSize }
}
