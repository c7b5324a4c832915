// Recovery codes as people type them.

import Cryptography
import Testing

@testable import KeyManagement

struct RecoveryCodeTests {
    /// As in keystore.json.
    static let known = "000G42-0R40MG-30E20T-9185G0-R38E1K-W8124T-GK2GAA-HC5RRH"

    private func fault(_ text: String) throws -> String? {
        switch failure({ try RecoveryCode.parse(secret(text)) }) as? KeystoreError {
        case .malformedRecoveryCode(let why): why
        default: nil
        }
    }

    @Test func textAndBack() throws {
        #expect(array(try RecoveryCode.parse(secret(Self.known))) == Array(0..<25))
        for _ in 0..<50 {
            let code = try SecretBytes.random(count: RecoveryCode.byteCount)
            let text = try RecoveryCode.text(of: code)
            #expect(text.count == RecoveryCode.textCount)
            #expect(try RecoveryCode.parse(text).isEqual(to: code))
        }
    }

    @Test func typingIsTolerated() throws {
        let forms = [
            Self.known.lowercased(), Self.known.replacing("-", with: ""), Self.known.replacing("-", with: " "),
            Self.known.replacing("0", with: "o"), Self.known.replacing("1", with: "I"), Self.known.replacing("1", with: "l"),
            "  " + Self.known + "\n",
        ]
        for form in forms { #expect(array(try RecoveryCode.parse(secret(form))) == Array(0..<25), "\(form)") }
    }

    @Test func anyOneWrongCharacterIsFoundAndPlaced() throws {
        let characters = Array(Self.known)
        for (place, character) in characters.enumerated() where character != "-" {
            for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" where other != character {
                var typed = characters
                typed[place] = other
                #expect(try fault(String(typed)) == "group \(place / 7 + 1) of 8 is not right")
            }
        }
    }

    @Test func exchangedNeighboursAndGroupsAreFound() throws {
        let characters = Array(Self.known)
        for place in 0..<(characters.count - 1) where characters[place] != characters[place + 1] && place % 7 < 5 {
            var typed = characters
            typed.swapAt(place, place + 1)
            #expect(try fault(String(typed)) == "group \(place / 7 + 1) of 8 is not right")
        }
        var groups = Self.known.split(separator: "-")
        groups.swapAt(2, 5)
        #expect(try fault(groups.joined(separator: "-")) == "group 3 of 8 is not right")
    }

    @Test func wrongCountsAndCharactersAreSaid() throws {
        #expect(try fault(String(Self.known.dropLast())) == "it has 47 characters and not 48, hyphens not counted")
        #expect(try fault(Self.known + "0") == "it has more than 48 characters")
        #expect(try fault("") == "it has 0 characters and not 48, hyphens not counted")
        #expect(try fault("000G42-0U40MG") == "group 2 has a character that no recovery code has")
    }
}
