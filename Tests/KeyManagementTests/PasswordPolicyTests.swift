// Generated passwords fit their policy, and every one is as likely as every other.

import Cryptography
import Foundation
import Testing

@testable import KeyManagement

struct PasswordPolicyTests {
    @Test func passwordsFit() throws {
        for length in [4, 5, 24, 1024] {
            for avoids in [false, true] {
                let policy = try PasswordPolicy(length: length, avoidsAmbiguous: avoids)
                for _ in 0..<20 {
                    let password = array(try policy.generate())
                    #expect(password.count == length)
                    for characters in policy.alphabets { #expect(password.contains { characters.contains($0) }) }
                    #expect(password.allSatisfy { character in policy.alphabets.contains { $0.contains(character) } })
                    if avoids { #expect(!password.contains { "0Oo1lIi|5S2Z8B".utf8.contains($0) }) }
                }
            }
        }
        let digits = try PasswordPolicy(length: 6, classes: [.digits, .digits])
        #expect(array(try digits.generate()).allSatisfy { (48...57).contains($0) })
        for length in [3, 1025] { #expect(failure { try PasswordPolicy(length: length) } is KeyError) }
        #expect(failure { try PasswordPolicy(classes: []) } is KeyError)
    }

    /// Of 4 digits no place and no digit is preferred: chi-squared with 9 degrees of freedom is over 40 once in 130,000 times for a fair source.
    @Test func noCharacterIsPreferred() throws {
        let policy = try PasswordPolicy(length: 4, classes: [.digits])
        var counts = [[Int]](repeating: [Int](repeating: 0, count: 10), count: 4)
        for _ in 0..<2500 { for (place, digit) in array(try policy.generate()).enumerated() { counts[place][Int(digit) - 48] += 1 } }
        for place in counts {
            let chiSquared = place.reduce(0.0) { $0 + pow(Double($1) - 250, 2) / 250 }
            #expect(chiSquared < 40, "\(place)")
        }
    }

    /// With two classes of very different sizes, a password of one class alone is drawn again, and all others are equally likely: so of
    /// 4 characters of {26 letters, 10 digits} the share of digits is as counted below, not a half or more.
    @Test func classesHaveTheirShare() throws {
        let policy = try PasswordPolicy(length: 4, classes: [.lower, .digits])
        // Sum over k digits of k/4 · C(4,k) · 10^k · 26^(4-k), for k = 1…3, over the count of those passwords.
        let weights = [1: 4.0 * 10 * 17576, 2: 6.0 * 100 * 676, 3: 4.0 * 1000 * 26]
        let expected = weights.reduce(0) { $0 + Double($1.key) / 4 * $1.value } / weights.values.reduce(0, +)
        var digits = 0
        let rounds = 5000
        for _ in 0..<rounds { digits += array(try policy.generate()).count { (48...57).contains($0) } }
        let share = Double(digits) / Double(rounds * 4)
        #expect(abs(share - expected) < 0.015, "\(share), expected \(expected)")
    }
}
