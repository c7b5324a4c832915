// Whether text is strict base64url, found without decoding it: for telling backing names apart cheaply.
import Bytes

enum Base64URLText {
    /// How many bytes `text` stands for; nil unless it is base64url without padding, of a possible length, with its unused bits zero.
    static func decodedCount(_ text: ByteSpan) -> Int? {
        guard text.count % 4 != 1 else { return nil }
        for i in text.indices where value(text[i]) == nil { return nil }
        let unused = (text.count * 6) % 8
        if unused != 0, let last = value(text[text.count - 1]), last & ((1 << unused) - 1) != 0 { return nil }
        return text.count * 6 / 8
    }

    /// Length of the text of `count` bytes.
    static func length(of count: Int) -> Int { (count * 8 + 5) / 6 }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
