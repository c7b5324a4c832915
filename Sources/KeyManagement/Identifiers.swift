// The ids by which keystores and keys are known: 16 random bytes each.

import Bytes
import Cryptography

/// 16 bytes as two words, so that hashing and comparing cost nothing.
struct SixteenBytes: Hashable, Sendable {
    let low: UInt64
    let high: UInt64

    /// Traps unless `bytes` has 16 bytes.
    init(_ bytes: ByteSpan) {
        precondition(bytes.count == 16)
        low = bytes.littleEndian(UInt64.self, at: 0)
        high = bytes.littleEndian(UInt64.self, at: 8)
    }

    func store(into bytes: inout MutableByteSpan, at offset: Int) {
        bytes.storeLittleEndian(low, at: offset)
        bytes.storeLittleEndian(high, at: offset + 8)
    }

    var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? low : high) >> (UInt64($0 & 7) * 8)) }
    }

    /// 32 lower-case hexadecimal digits.
    var hex: String { Hexadecimal.encode(bytes) }
}

/// The id of a key (CMK): 16 bytes, written as a UUID, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
package struct KeyID: Hashable, Sendable, CustomStringConvertible {
    let value: SixteenBytes

    /// The id that these 16 bytes are. Nil for any other count.
    package init?(_ bytes: ByteSpan) {
        guard bytes.count == 16 else { return nil }
        value = SixteenBytes(bytes)
    }

    /// A new random id (a UUID of version 4). Throws when there is no randomness.
    package static func random() throws(CryptographyError) -> KeyID {
        var bytes = try Random.bytes(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        return KeyID(value: SixteenBytes(bytes.span))
    }

    /// The id written as a UUID, in either case. Nil when `text` is anything else.
    package init?(text: String) {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12], let bytes = Hexadecimal.decode(groups.flatMap { $0 }) else { return nil }
        value = SixteenBytes(bytes.span)
    }

    private init(value: SixteenBytes) { self.value = value }

    /// The 16 bytes.
    package var bytes: [UInt8] { value.bytes }

    /// The UUID, in lower case.
    package var description: String {
        let digits = Array(value.hex.utf8)
        let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return groups.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
    }
}

/// The id of a keystore: 16 random bytes, written as 32 hexadecimal digits.
package struct KeystoreID: Hashable, Sendable, CustomStringConvertible {
    let value: SixteenBytes

    /// The id that these 16 bytes are. Nil for any other count.
    package init?(_ bytes: ByteSpan) {
        guard bytes.count == 16 else { return nil }
        value = SixteenBytes(bytes)
    }

    /// A new random id. Throws when there is no randomness.
    package static func random() throws(CryptographyError) -> KeystoreID {
        let bytes = try Random.bytes(16)
        return KeystoreID(value: SixteenBytes(bytes.span))
    }

    /// The id written as 32 hexadecimal digits, in either case. Nil when `text` is anything else.
    package init?(text: String) {
        guard text.utf8.count == 32, let bytes = Hexadecimal.decode(Array(text.utf8)) else { return nil }
        value = SixteenBytes(bytes.span)
    }

    private init(value: SixteenBytes) { self.value = value }

    /// The 16 bytes.
    package var bytes: [UInt8] { value.bytes }

    /// 32 lower-case hexadecimal digits.
    package var description: String { value.hex }
}

/// Hexadecimal text of ids (public values: not constant-time).
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Nil when a character is not a digit or their count is odd.
    static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for i in stride(from: 0, to: text.count, by: 2) {
            guard let high = value(text[i]), let low = value(text[i + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
