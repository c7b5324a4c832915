//! Bytes: safe reading and writing of little-endian values and ranges in spans of bytes.
//!
//! The door to raw memory: the only Swift module besides the C doors that says `unsafe`.

/// Bytes that are only read.
package typealias ByteSpan = Span<UInt8>
/// Bytes that may be written.
package typealias MutableByteSpan = MutableSpan<UInt8>

extension Span where Element == UInt8 {
    /// The bytes from `start` on, `count` of them. Traps when they are not all inside.
    @_lifetime(copy self)
    @inlinable package func slice(_ start: Int, _ count: Int) -> Span<UInt8> {
        extracting(start..<(start + count))
    }
    @_lifetime(copy self)
    @inlinable package func slice(_ range: Range<Int>) -> Span<UInt8> { extracting(range) }

    /// The unsigned little-endian integer at `offset`. Traps when it is not all inside.
    @inlinable package func littleEndian<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size)
        return unsafe T(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Whether every byte is zero.
    @inlinable package var isAllZero: Bool {
        var i = 0
        while i + 8 <= count {
            if littleEndian(UInt64.self, at: i) != 0 { return false }
            i += 8
        }
        while i < count {
            if self[i] != 0 { return false }
            i += 1
        }
        return true
    }

    /// Whether both hold the same bytes. Not constant-time: never for secrets or tags.
    @inlinable package func isEqual(to other: borrowing Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for i in indices where self[i] != other[i] { return false }
        return true
    }
    /// A copy as an array.
    @inlinable package var array: [UInt8] {
        unsafe withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }
}

extension MutableSpan where Element == UInt8 {
    @_lifetime(&self)
    @inlinable package mutating func slice(_ start: Int, _ count: Int) -> MutableSpan<UInt8> {
        _mutatingExtracting(start..<(start + count))
    }
    @_lifetime(&self)
    @inlinable package mutating func slice(_ range: Range<Int>) -> MutableSpan<UInt8> { _mutatingExtracting(range) }

    @_lifetime(self: copy self)
    @inlinable package mutating func storeLittleEndian<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        precondition(offset >= 0 && offset <= count - MemoryLayout<T>.size)
        unsafe withUnsafeMutableBytes { unsafe $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }
    /// Copies all of `source` to `offset`. Traps when it does not fit.
    @_lifetime(self: copy self)
    @inlinable package mutating func copy(_ source: borrowing Span<UInt8>, to offset: Int = 0) {
        let n = source.count
        precondition(offset >= 0 && offset <= count - n)
        if n == 0 { return }
        unsafe withUnsafeMutableBytes { d in unsafe source.withUnsafeBytes { s in unsafe d.baseAddress!.advanced(by: offset).copyMemory(from: s.baseAddress!, byteCount: n) } }
    }
    @_lifetime(self: copy self)
    @inlinable package mutating func zero(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        if range.isEmpty { return }
        unsafe withUnsafeMutableBytes { d in _ = unsafe d[range].initializeMemory(as: UInt8.self, repeating: 0) }
    }
    @_lifetime(self: copy self)
    @inlinable package mutating func zeroAll() { zero(0..<count) }
}
