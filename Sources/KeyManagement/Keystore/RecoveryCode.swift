// The recovery code: 200 random bits in a form that people can write down and type. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography

/// 8 groups of 6 characters, joined by hyphens: 5 digits in Crockford's base 32, then a check digit that also knows the group's place.
/// The check digit finds any one wrong character, and any two neighbours exchanged, in a group, and groups that changed places.
enum RecoveryCode {
    static let byteCount = 25
    static let groupCount = 8
    static let digitsPerGroup = 5
    /// Characters of the text, hyphens included.
    static let textCount = groupCount * (digitsPerGroup + 1) + groupCount - 1
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
    private static let hyphen = UInt8(ascii: "-")

    /// The text of `secret`, 25 bytes.
    static func text(of secret: SecretBytes) throws(CryptographyError) -> SecretBytes {
        guard secret.count == byteCount else { throw .invalidParameter }
        let text = try SecretBytes(count: textCount)
        secret.withBytes { bytes in
            text.withMutableBytes { text in
                var place = 0
                for group in 0..<groupCount {
                    if group > 0 {
                        text[place] = hyphen
                        place += 1
                    }
                    var check = Check()
                    for i in 0..<digitsPerGroup {
                        let digit = digit(group * digitsPerGroup + i, of: bytes)
                        check.take(digit)
                        text[place] = alphabet[Int(digit)]
                        place += 1
                    }
                    text[place] = alphabet[Int(check.digit(ofGroup: group))]
                    place += 1
                }
            }
        }
        return text
    }

    /// The 25 bytes that `text` stands for. Case, hyphens and white space do not matter; O is read as 0, I and L as 1.
    /// Throws `malformedRecoveryCode` that names the first wrong group.
    static func parse(_ text: SecretBytes) throws(KeystoreError) -> SecretBytes {
        let digits: SecretBytes
        let secret: SecretBytes
        do throws(CryptographyError) {
            digits = try SecretBytes(count: groupCount * (digitsPerGroup + 1))
            secret = try SecretBytes(count: byteCount)
        } catch { throw .cryptography(error) }
        let fault = text.withBytes { text in digits.withMutableBytes { digits in readDigits(text, into: &digits) } }
            ?? digits.withBytes { digits in secret.withMutableBytes { bytes in checkGroups(digits, into: &bytes) } }
        if let fault { throw .malformedRecoveryCode(fault) }
        return secret
    }

    /// The values of the characters of `text`; a description of the first fault, or nil.
    private static func readDigits(_ text: ByteSpan, into digits: inout MutableByteSpan) -> String? {
        var count = 0
        for i in text.indices {
            let character = text[i]
            if character == hyphen || character == UInt8(ascii: " ") || (9...13).contains(character) { continue }
            guard count < digits.count else { return "it has more than \(digits.count) characters" }
            guard let value = value(of: character) else {
                return "group \(count / (digitsPerGroup + 1) + 1) has a character that no recovery code has"
            }
            digits[count] = value
            count += 1
        }
        return count == digits.count ? nil : "it has \(count) characters and not \(digits.count), hyphens not counted"
    }

    /// Packs 40 digits into 25 bytes, the first digit highest; a description of the first wrong group, or nil.
    private static func checkGroups(_ digits: ByteSpan, into bytes: inout MutableByteSpan) -> String? {
        var bits = 0
        var accumulator: UInt32 = 0
        var place = 0
        for group in 0..<groupCount {
            var check = Check()
            for i in 0..<digitsPerGroup {
                let digit = digits[group * (digitsPerGroup + 1) + i]
                check.take(digit)
                accumulator = accumulator << 5 | UInt32(digit)
                bits += 5
                if bits >= 8 {
                    bits -= 8
                    bytes[place] = UInt8(truncatingIfNeeded: accumulator >> UInt32(bits))
                    place += 1
                }
            }
            guard check.digit(ofGroup: group) == digits[group * (digitsPerGroup + 1) + digitsPerGroup] else {
                return "group \(group + 1) of \(groupCount) is not right"
            }
        }
        return nil
    }

    /// The `index`th 5 bits of `bytes`, from the highest bit of the first byte on.
    private static func digit(_ index: Int, of bytes: ByteSpan) -> UInt8 {
        let bit = index * 5
        let high = UInt16(bytes[bit / 8]) << 8
        let low = bit / 8 + 1 < bytes.count ? UInt16(bytes[bit / 8 + 1]) : 0
        return UInt8(truncatingIfNeeded: (high | low) >> UInt16(11 - bit % 8)) & 31
    }

    private static func value(of character: UInt8) -> UInt8? {
        let upper = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character) ? character - 32 : character
        switch upper {
        case UInt8(ascii: "O"): return 0
        case UInt8(ascii: "I"), UInt8(ascii: "L"): return 1
        default: return alphabet.firstIndex(of: upper).map { UInt8($0) }
        }
    }

    /// Sum of a^5·d0 + a^4·d1 + … + a·d4 + group in GF(32), where a is a root of x^5 + x^2 + 1.
    private struct Check {
        private var sum: UInt8 = 0

        mutating func take(_ digit: UInt8) {
            let value = sum ^ digit
            sum = value & 16 == 0 ? value << 1 : (value << 1) ^ 0x25
        }

        func digit(ofGroup group: Int) -> UInt8 { sum ^ UInt8(group) }
    }
}
