// Lowercase hexadecimal text, strictly read.
import Bytes

enum Hex {
    /// Two lowercase digits per byte.
    static func text(_ bytes: ByteSpan) -> String {
        var ascii: [UInt8] = []
        ascii.reserveCapacity(bytes.count * 2)
        for i in bytes.indices {
            ascii.append(digit(bytes[i] >> 4))
            ascii.append(digit(bytes[i] & 15))
        }
        return String(decoding: ascii, as: UTF8.self)
    }

    /// The bytes of exactly `2 * count` lowercase digits; nil for anything else.
    static func bytes(_ text: String, count: Int) -> [UInt8]? {
        let ascii = Array(text.utf8)
        guard ascii.count == 2 * count else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(count)
        for i in 0..<count {
            guard let high = value(ascii[2 * i]), let low = value(ascii[2 * i + 1]) else { return nil }
            out.append(high << 4 | low)
        }
        return out
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
