// Base64url: round trips, and every text that is not the one of its value is refused.

import Bytes
import Cryptography
import Foundation
import Testing

@Suite struct Base64URLTests {
    private func decode(_ text: String) -> [UInt8]? { Base64URL.decode(Array(text.utf8).span) }

    /// RFC 4648, section 10, without padding.
    @Test(arguments: [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy")])
    func asPublished(plain: String, text: String) {
        #expect(String(decoding: Base64URL.encode(Array(plain.utf8).span), as: UTF8.self) == text)
        #expect(decode(text) == Array(plain.utf8))
    }

    @Test func agreesWithFoundation() {
        for count in 0..<300 {
            let bytes = pattern(count, seed: UInt64(count + 1))
            let expected = Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
                .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
            let text = Base64URL.encode(bytes.span)
            #expect(text == Array(expected.utf8))
            #expect(text.count == Base64URL.encodedCount(count))
            #expect(Base64URL.decode(text.span) == bytes)
        }
    }

    @Test(arguments: ["A", "AAAAA", "Zg==", "Zm8=", "Zg=", "Zm9v\n", " Zm9v", "Zm+v", "Zm/v", "Zm9\u{e4}", "Zm.v", "Z\0"])
    func refusesOtherTexts(text: String) { #expect(decode(text) == nil) }

    /// Of the 64 texts of two characters that begin with one letter, four stand for bytes; of three characters, one in four.
    @Test func refusesUnusedBits() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        #expect(alphabet.count { decode("Z\($0)") != nil } == 4)
        #expect(alphabet.count { decode("Zm\($0)") != nil } == 16)
        #expect(alphabet.count { decode("Zm9\($0)") != nil } == 64)
    }
}
