// Base64url without padding (RFC 4648, section 5), decoded strictly: one text per value.

import Bytes

/// Base64url text as ASCII bytes.
package enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    /// The value of each character; 255 where there is none.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// How many characters `count` bytes become.
    package static func encodedCount(_ count: Int) -> Int { count / 3 * 4 + [0, 2, 3][count % 3] }

    /// The text, without padding.
    package static func encode(_ bytes: ByteSpan) -> [UInt8] {
        let alphabet = alphabet.span
        let count = bytes.count
        return [UInt8](capacity: encodedCount(count)) { text in
            var i = 0
            while i + 3 <= count {
                let group = UInt32(bytes[i]) << 16 | UInt32(bytes[i + 1]) << 8 | UInt32(bytes[i + 2])
                for shift: UInt32 in [18, 12, 6, 0] { text.append(alphabet[Int(group >> shift & 63)]) }
                i += 3
            }
            if i == count { return }
            let group = UInt32(bytes[i]) << 16 | (i + 1 < count ? UInt32(bytes[i + 1]) << 8 : 0)
            text.append(alphabet[Int(group >> 18)])
            text.append(alphabet[Int(group >> 12 & 63)])
            if i + 1 < count { text.append(alphabet[Int(group >> 6 & 63)]) }
        }
    }

    /// The bytes; nil for padding, another character, an impossible length, or unused bits that are not zero.
    package static func decode(_ text: ByteSpan) -> [UInt8]? {
        let values = values.span
        let rest = text.count % 4
        if rest == 1 { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3 + 2)
        var group: UInt32 = 0
        var bits = 0
        for i in text.indices {
            let value = values[Int(text[i])]
            if value == 255 { return nil }
            group = group << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
                group &= (1 << UInt32(bits)) - 1
            }
        }
        return group == 0 ? bytes : nil
    }
}
