// Passwords by policy: random, unbiased, with at least one character of every class that is asked for.

import Bytes
import Cryptography

/// What a generated password looks like. Every password that fits is as likely as every other.
package struct PasswordPolicy: Sendable, Equatable {
    /// Kinds of characters; the raw value is what commands call them.
    package enum CharacterClass: String, CaseIterable, Sendable {
        case lower, upper, digits, symbols

        var characters: [UInt8] {
            switch self {
            case .lower: Array("abcdefghijklmnopqrstuvwxyz".utf8)
            case .upper: Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
            case .digits: Array("0123456789".utf8)
            // Without quotes, backslash, grave accent and space, which shells and configuration files take for something else.
            case .symbols: Array("!#$%&()*+,-./:;<=>?@[]^_{|}~".utf8)
            }
        }
    }

    /// Count of characters.
    package let length: Int
    /// Each occurs at least once.
    package let classes: [CharacterClass]
    /// Whether characters that look alike in many typefaces are left out: 0 O o, 1 l I i |, 5 S, 2 Z, 8 B.
    package let avoidsAmbiguous: Bool

    static let lengths = 4...1024
    private static let ambiguous = Array("0Oo1lIi|5S2Z8B".utf8)

    /// Throws `validation` for a length outside of 4 to 1024, or no class.
    package init(length: Int = 24, classes: [CharacterClass] = CharacterClass.allCases, avoidsAmbiguous: Bool = false) throws(KeyError) {
        guard Self.lengths.contains(length) else { throw .validation("a password has \(Self.lengths.lowerBound) to \(Self.lengths.upperBound) characters") }
        guard !classes.isEmpty else { throw .validation("a password needs at least one class of characters") }
        self.length = length
        self.classes = CharacterClass.allCases.filter { classes.contains($0) }
        self.avoidsAmbiguous = avoidsAmbiguous
    }

    /// The characters of each class that may occur.
    var alphabets: [[UInt8]] {
        classes.map { $0.characters.filter { !avoidsAmbiguous || !Self.ambiguous.contains($0) } }
    }

    /// A new password, in ASCII. Throws `cryptography`.
    package func generate() throws(KeyError) -> SecretBytes {
        let alphabets = alphabets
        do throws(CryptographyError) {
            let password = try SecretBytes(count: length)
            let supply = try RandomIndices(count: alphabets.reduce(0) { $0 + $1.count })
            // Whole passwords are drawn again until one has all classes: to place a character of each would make some passwords likelier.
            while try !draw(password, from: alphabets, supply) {}
            return password
        } catch { throw .cryptography(error) }
    }

    /// Fills `password`; whether all classes occur.
    private func draw(_ password: SecretBytes, from alphabets: [[UInt8]], _ supply: RandomIndices) throws(CryptographyError) -> Bool {
        try password.withMutableBytes { bytes throws(CryptographyError) in
            var seen = [Bool](repeating: false, count: alphabets.count)
            for place in bytes.indices {
                var index = try supply.next()
                var group = 0
                while index >= alphabets[group].count {
                    index -= alphabets[group].count
                    group += 1
                }
                bytes[place] = alphabets[group][index]
                seen[group] = true
            }
            return !seen.contains(false)
        }
    }
}

/// Numbers below `count` (1 to 256), each as likely as every other, from a supply of secret random bytes.
private final class RandomIndices {
    private let count: Int
    private var supply: SecretBytes
    private var used = 0

    init(count: Int) throws(CryptographyError) {
        self.count = count
        supply = try SecretBytes.random(count: 256)
    }

    func next() throws(CryptographyError) -> Int {
        // Bytes from the last, incomplete round of `count` would make small numbers likelier.
        let limit = 256 - 256 % count
        while true {
            if used == supply.count {
                supply = try SecretBytes.random(count: 256)
                used = 0
            }
            let byte = supply.withBytes { Int($0[used]) }
            used += 1
            if byte < limit { return byte % count }
        }
    }
}
