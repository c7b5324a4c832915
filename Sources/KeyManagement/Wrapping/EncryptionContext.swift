// The encryption context: pairs that must be given again, equal, to open a wrapped key.

import Bytes

/// Pairs of names and values that are authenticated with a wrapped key, and never stored in it.
/// The order in which pairs are given does not matter.
package struct EncryptionContext: Sendable, Hashable {
    /// The greatest count of bytes of a canonical form.
    package static let maximumSize = 8192

    /// Count u32, then for each pair in rising order of the name's UTF-8 bytes: name length u32, name, value length u32, value. Little-endian.
    package let canonicalBytes: [UInt8]

    /// No pairs.
    package static let empty = EncryptionContext()

    /// Throws `validation` for a name given twice, an empty name, or more than `maximumSize` bytes.
    package init(_ pairs: [(String, String)]) throws(KeyError) {
        let sorted = pairs.map { (Array($0.0.utf8), Array($0.1.utf8)) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }
        for i in sorted.indices {
            guard !sorted[i].0.isEmpty else { throw .validation("an encryption context has a pair without a name") }
            guard i == 0 || sorted[i - 1].0 != sorted[i].0 else {
                throw .validation("an encryption context names \(String(decoding: sorted[i].0, as: UTF8.self)) twice")
            }
        }
        let size = sorted.reduce(4) { $0 + 8 + $1.0.count + $1.1.count }
        guard size <= Self.maximumSize else { throw .validation("an encryption context takes \(size) bytes, more than \(Self.maximumSize)") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        bytes.append(littleEndian: UInt32(sorted.count))
        for (name, value) in sorted {
            bytes.append(littleEndian: UInt32(name.count))
            bytes += name
            bytes.append(littleEndian: UInt32(value.count))
            bytes += value
        }
        canonicalBytes = bytes
    }

    private init() { canonicalBytes = [0, 0, 0, 0] }
}

extension [UInt8] {
    /// Appends the bytes of `value`, the least significant first.
    mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        for i in 0..<(T.bitWidth / 8) { append(UInt8(truncatingIfNeeded: value >> T(8 * i))) }
    }
}
