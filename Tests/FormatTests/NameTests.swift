// Names: limits, forms, strictness.
import Bytes
import Cryptography
import Testing

@testable import Format

struct NameTests {
    let root = directory(Vectors.all.rootDirectory)

    @Test func limitsOfPlainNames() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        let id = try DirectoryID.random()
        for count in 1...255 {
            let plain = [UInt8](repeating: 0x61, count: count)
            let file = try cipher.sealName(plain.span, kind: .file, in: root), folder = try cipher.sealName(plain.span, kind: .directory(id), in: root)
            #expect(file.isLong == (count > 175) && folder.isLong == (count > 166))
            #expect(file.backingName.count <= 255 && folder.backingName.count <= 255)
            for name in [file, folder] {
                let content = name.side?.content ?? []
                #expect(try cipher.openName(name.backingName.span, longContent: content.isEmpty ? nil : content.span, in: root).plain == plain)
            }
        }
        #expect(throws: FormatError.nameTooLong) { try cipher.sealName([UInt8](repeating: 1, count: 256).span, kind: .file, in: root) }
        for bad in ["", ".", "..", "a/b", "/", "a\0"] {
            #expect(throws: FormatError.invalidName) { try cipher.sealName([UInt8](text: bad).span, kind: .file, in: root) }
        }
        for good in ["...", ".a", " ", "\u{7f}", "=H", "+x", ".envelopefs"] {
            let sealed = try cipher.sealName([UInt8](text: good).span, kind: .file, in: root)
            #expect(try cipher.openName(sealed.backingName.span, in: root).plain == [UInt8](text: good))
        }
    }

    @Test func formsAreToldApart() throws {
        let hash = Base64URL.encode([UInt8](repeating: 0xfb, count: 32).span).text
        let id = try DirectoryID.random(), idText = Base64URL.encode(id.bytes.span).text
        let sealed = Base64URL.encode([UInt8](repeating: 0xfe, count: 17).span).text
        func form(_ text: String) -> BackingNameForm { BackingNameForm([UInt8](text: text).span) }
        #expect(form(sealed) == .file && sealed.count == 23)
        #expect(form(sealed + "." + idText) == .directory(id))
        #expect(form(".envelopefs") == .reserved)
        #expect(form("+" + hash).longNameHash != nil && form("+" + hash).directoryID == nil)
        #expect(form("+" + hash + "." + idText).directoryID == id)
        guard case .side = form("=" + hash) else { Issue.record("side"); return }
        let foreign = [
            "", ".", "..", "+", "=", ".envelopefs2", ".Envelopefs", "hello.txt", "lost+found", sealed + ".", sealed + "." + idText + "A", sealed + "." + String(idText.dropLast()),
            sealed + "=", sealed + "\n", String(sealed.dropLast(2)), sealed + "AA", "+" + hash + "A", "+" + hash + ".", "=" + hash + "." + idText, "=" + String(hash.dropLast()),
            "." + idText, sealed + ".." + idText, sealed + "." + String(idText.dropLast()) + "B", String(repeating: "A", count: 256), sealed + "/", sealed + " ", "é" + sealed,
        ]
        for text in foreign where form(text) != .foreign { Issue.record("\(text) passes as \(form(text))") }
    }

    @Test func everyCharacterCounts() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        let id = try DirectoryID.random()
        for kind in [NameKind.file, .directory(id)] {
            let name = try cipher.sealName(Array("report.odt".utf8).span, kind: kind, in: root).backingName
            for n in name.indices {
                for bit in 0..<8 {
                    var changed = name
                    changed[n] ^= 1 << bit
                    #expect(throws: FormatError.self) { try cipher.openName(changed.span, in: root) }
                }
            }
        }
    }

    /// The allocation-free check agrees with the decoder on texts of every length and last character, and on foreign characters.
    @Test func strictTextCheckAgreesWithTheDecoder() {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for length in 0...9 {
            for last in UInt8(0)...255 {
                var text = (0..<length).map { _ in alphabet[Int.random(in: 0..<64)] }
                if length > 0 { text[length - 1] = last }
                #expect(Base64URLText.decodedCount(text.span) == Base64URL.decode(text.span)?.count)
            }
        }
    }

    @Test func linksOfEveryLengthAndPlainLengthWithoutKey() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        #expect(NameCipher.maximumLinkSize >= 3000)
        for count in [1, 2, 3, 4, 100, 3000, NameCipher.maximumLinkSize] {
            let target = [UInt8](repeating: 0x2e, count: count)
            let text = try cipher.sealLinkTarget(target.span)
            #expect(text.count <= 4095 && NameCipher.plainLength(ofLink: text.count) == count)
            #expect(try cipher.openLinkTarget(text.span) == target)
        }
        #expect(throws: FormatError.nameTooLong) { try cipher.sealLinkTarget([UInt8](repeating: 1, count: NameCipher.maximumLinkSize + 1).span) }
        #expect(NameCipher.plainLength(ofLink: 0) == 0)
        let text = try cipher.sealLinkTarget([UInt8](text: "target").span)
        for n in text.indices {
            var changed = text
            changed[n] ^= 1
            #expect(throws: FormatError.self) { try cipher.openLinkTarget(changed.span) }
        }
    }

    @Test func attributesAreBoundToTheirNameAndObject() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        let a = try cipher.sealAttributeName([UInt8](text: "user.a").span), b = try cipher.sealAttributeName([UInt8](text: "user.b").span)
        let owner = ObjectID.file(fileID()), other = ObjectID.file(try .random())
        let value = try cipher.sealAttributeValue([UInt8](text: "value").span, name: a.span, of: owner)
        #expect(try cipher.openAttributeValue(value.span, name: a.span, of: owner).text == "value")
        #expect(throws: FormatError.authenticationFailed) { try cipher.openAttributeValue(value.span, name: b.span, of: owner) }
        #expect(throws: FormatError.authenticationFailed) { try cipher.openAttributeValue(value.span, name: a.span, of: other) }
        #expect(throws: FormatError.authenticationFailed) { try cipher.openAttributeValue(value.span, name: a.span, of: .directory(root)) }
        for bit in 0..<(value.count * 8) {
            var changed = value
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FormatError.authenticationFailed) { try cipher.openAttributeValue(changed.span, name: a.span, of: owner) }
        }
        #expect(throws: FormatError.damaged) { try cipher.openAttributeValue([UInt8](text: "short").span, name: a.span, of: owner) }
    }

    @Test func attributeNames() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        let longest = Array("user.".utf8) + [UInt8](repeating: 0x6b, count: NameCipher.maximumAttributeNameSize - 5)
        let sealed = try cipher.sealAttributeName(longest.span)
        #expect(sealed.count <= 255 && sealed.count > 251)
        #expect(try cipher.openAttributeName(sealed.span) == longest)
        #expect(throws: FormatError.nameTooLong) { try cipher.sealAttributeName((longest + [0x6b]).span) }
        for bad in ["user.", "trusted.a", "user", "", "user.a\0b"] {
            #expect(throws: FormatError.invalidName) { try cipher.sealAttributeName([UInt8](text: bad).span) }
        }
        for foreign in ["user.comment", "security.selinux", "user.efs.", ""] {
            #expect(throws: FormatError.foreignName) { try cipher.openAttributeName([UInt8](text: foreign).span) }
        }
        #expect(throws: FormatError.damaged) { try cipher.openAttributeName([UInt8](text: "user.efs.AAA").span) }
        for n in sealed.indices {
            var changed = sealed
            changed[n] ^= 1
            #expect(throws: FormatError.self) { try cipher.openAttributeName(changed.span) }
        }
    }
}
