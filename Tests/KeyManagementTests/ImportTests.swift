// Import files: what is read, what is skipped and why, and that no file makes the reader crash, hang or take much memory.

import Bytes
import Cryptography
import Foundation
import Testing

@testable import KeyManagement

struct ImportTests {
    private func csv(_ text: String, withAccountInName: Bool = false) throws -> SecretImport { try SecretImport(secret(text), .csv, withAccountInName: withAccountInName) }
    private func json(_ text: String) throws -> SecretImport { try SecretImport(secret(text), .json) }
    private func value(_ entry: ImportEntry) -> String { String(decoding: array(entry.value), as: UTF8.self) }

    private func records(_ text: String) throws -> [[String]] {
        let bytes = Array(text.utf8)
        var reader = CSVReader()
        var records: [[String]] = []
        while let record = try reader.next(bytes.span) {
            records.append(
                record.fields.map { field in
                    var output = [UInt8](repeating: 0, count: field.range.count)
                    var span = output.mutableSpan
                    let count = field.copy(from: bytes.span, to: &span)
                    return String(decoding: output.prefix(count), as: UTF8.self)
                })
        }
        return records
    }

    @Test func recordsAsRFC4180Has() throws {
        #expect(try records("a,b\r\nc,d") == [["a", "b"], ["c", "d"]])
        #expect(try records("a,\n,\n\n\r\nx,\"\"\n") == [["a", ""], ["", ""], ["x", ""]])
        #expect(try records("\u{FEFF}\"a,\"\"b\"\"\r\nc\",d\n") == [["a,\"b\"\r\nc", "d"]])
        #expect(try records("\"\"\"\"") == [["\""]])
        #expect(try records(" a , \n") == [[" a ", " "]])
        for (text, words) in [("a\nb\"c", "line 2"), ("\"a\"b", "line 1"), ("x\n\"a\n\n", "line 2"), ("a\rb", "carriage return"), ("\"a\" ,b", "closing")] {
            let why = try #require(failure { try records(text) } as? KeyError)
            #expect(why.description.contains(words), "\(why)")
        }
        #expect(failure { try records(String(repeating: ",", count: 1000)) } is KeyError)
        #expect(try records(String(repeating: ",", count: 999)).first?.count == 1000)
    }

    @Test func exportsOfPasswordManagersAreUnderstood() throws {
        let files = [
            "name,url,username,password,note\nmail,https://mail.org,me,p1,n\n",
            "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,mail,n,,0,https://mail.org,me,p1,\n",
            "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\",\"TOTP\"\n\"\",\"mail\",\"me\",\"p1\",\"https://mail.org\",\"n\",\"\"\n",
            "url,username,password,totp,extra,name,grouping,fav\nhttps://mail.org,me,p1,,n,mail,,0\n",
        ]
        for file in files {
            let found = try csv(file)
            #expect(found.skipped.isEmpty)
            let entry = try #require(found.entries.first)
            #expect(entry.metadata == (try SecretMetadata(name: "mail", account: "me", description: "n", tags: ["url": "https://mail.org"])))
            #expect(value(entry) == "p1" && entry.position == 2)
        }
        let firefox = try csv("\"url\",\"username\",\"password\",\"httpRealm\",\"guid\",\"\"\r\n\"https://u@login.example.org:8443/x?y\",\"me\",\"p\"\"1\",\"\",\"g\",\"x\"\r\n")
        #expect(firefox.entries.map(\.metadata.name) == ["login.example.org"])
        #expect(firefox.entries.map(value) == ["p\"1"])
        // Not one that is empty in every line.
        #expect(firefox.unusedColumns == ["guid", "column 6"])
        #expect(try csv("Title,Password,Tags\na,b,\"x, y;z\"").entries.first?.metadata.tags == ["x": "", "y": "", "z": ""])
    }

    @Test func jsonOfSeveralShapes() throws {
        let flat = try json(#"[{"name":"a","value":"p\u0022","tags":["x","y"],"notes":null},{"title":"b","username":"u","password":"q","login":"z"}]"#)
        #expect(flat.entries.map(value) == ["p\"", "q"] && flat.skipped.isEmpty)
        #expect(flat.entries[0].metadata.tags == ["x": "", "y": ""])
        #expect(flat.entries[1].metadata.account == "u")
        let bitwarden = try json(
            #"{"encrypted":false,"items":[{"id":"1","name":"a","notes":"n","login":{"username":"u","password":"p","uris":[{"match":null,"uri":"https://a.org"}]}},{"name":"card","type":3,"card":{}}]}"#)
        #expect(bitwarden.entries.map(\.metadata) == [try SecretMetadata(name: "a", account: "u", description: "n", tags: ["url": "https://a.org"])])
        #expect(bitwarden.entries.map(value) == ["p"])
        #expect(bitwarden.skipped == [.init(position: 2, reason: "it has no value")])
        let bad = try json(#"["x",{"name":1,"value":"p"},{"name":"a","value":["p"]},{"name":"ok","value":"p"},null]"#)
        #expect(bad.entries.map(\.position) == [4])
        #expect(bad.skipped.map(\.position) == [1, 2, 3, 5])
        for text in ["", "{}", "[", "{\"items\":3}", "7", "[{\"name\":\"hunter2\"", String(repeating: "[", count: 100_000)] {
            let why = try #require(failure { try json(text) } as? KeyError)
            #expect(!why.description.contains("hunter2"))
        }
    }

    /// A Bitwarden export of one item that has nothing but a name, an account, a value and an address; each of `changes` is a piece of the text for another.
    private func bitwarden(_ changes: [(String, String)] = []) throws -> SecretImport {
        var item =
            #"{"passwordHistory":null,"revisionDate":"2026-01-02T03:04:05.678Z","creationDate":"2026-01-02T03:04:05.678Z","deletedDate":null,"id":"i1","organizationId":null,"#
            + #""folderId":null,"type":1,"reprompt":0,"name":"a","notes":null,"favorite":false,"fields":[],"login":{"fido2Credentials":[],"passwordRevisionDate":"2026-01-02","#
            + #""uris":[{"match":null,"uri":"https://a.org"}],"username":"u","password":"p","totp":null},"collectionIds":null}"#
        for (piece, other) in changes {
            try #require(item.contains(piece))
            item = item.replacingOccurrences(of: piece, with: other)
        }
        return try json(#"{"encrypted":false,"folders":[{"id":"f1","name":"Work/Mail"},{"id":"f2","name":""}],"items":[\#(item)]}"#)
    }

    @Test func whatABitwardenItemHasBesidesIsNamed() throws {
        let plain = try bitwarden()
        #expect(plain.entries.map(\.metadata) == [try SecretMetadata(name: "a", account: "u", tags: ["url": "https://a.org"])])
        #expect(plain.unusedColumns.isEmpty && plain.skipped.isEmpty)
        let full = try bitwarden([
            (#""totp":null"#, #""totp":"otpauth://x""#), (#""fields":[]"#, #""fields":[{"name":"n","value":"v","type":0}]"#), (#""folderId":null"#, #""folderId":"f1""#),
            (#""https://a.org"}"#, #""https://a.org"},{"match":null,"uri":"https://b.org"}"#), (#""passwordHistory":null"#, #""passwordHistory":[{"password":"o"}]"#),
        ])
        #expect(full.entries.map(\.metadata.tags) == [["url": "https://a.org", "group": "Work/Mail"]])
        #expect(full.entries.map(value) == ["p"] && full.skipped.isEmpty)
        #expect(full.unusedColumns == ["fields", "login.totp", "login.uris", "passwordHistory"])
        // As the same folder in CSV.
        #expect(try csv("folder,name,login_uri,login_password\nWork/Mail,a,https://a.org,p\n").entries.map(\.metadata.tags) == full.entries.map(\.metadata.tags))
    }

    @Test func onlyWhatHoldsSomethingIsNamed() throws {
        let cases: [(String, String, [String])] = [
            (#""favorite":false"#, #""favorite":true"#, ["favorite"]), (#""reprompt":0"#, #""reprompt":1"#, ["reprompt"]), (#""deletedDate":null"#, #""deletedDate":"2026""#, ["deletedDate"]),
            (#""fido2Credentials":[]"#, #""fido2Credentials":[{}]"#, ["login.fido2Credentials"]),
            // A folder that has no name, or is none.
            (#""folderId":null"#, #""folderId":"f2""#, ["folderId"]), (#""folderId":null"#, #""folderId":"f3""#, ["folderId"]), (#""folderId":null"#, #""folderId":7"#, ["folderId"]),
            // The item's own keys go before those of `login`.
            (#""notes":null"#, #""password":"q""#, ["login.password"]), (#""notes":null"#, #""url":"https://c.org""#, ["login.uris"]),
            (#""notes":null"#, #""card":{},"identity":null,"secureNote":{"type":0},"x":"""#, []), (#""notes":null"#, #""x":0,"y":false"#, ["x", "y"]),
            // An address that is empty is none.
            (#"{"match":null,"uri":"https://a.org"}"#, #"{"uri":null},{"uri":""},{"uri":"https://a.org"}"#, []), (#"[{"match":null,"uri":"https://a.org"}]"#, "[3]", ["login.uris"]),
        ]
        for (piece, other, names) in cases {
            let found = try bitwarden([(piece, other)])
            #expect(found.unusedColumns == names && found.skipped.isEmpty, "\(other): \(found.unusedColumns)")
        }
    }

    @Test func keysAreNamedOnceAndOnlyThoseOfEntries() throws {
        let found = try json(#"[{"name":"a","value":"p","z":1},{"name":"b","z":2,"y":3},{"hunter2":"hunter3"},{"title":"c","username":"u","password":"q","login":"x"}]"#)
        #expect(found.unusedColumns == ["z", "y", "login"])
        #expect(found.skipped.map(\.position) == [2, 3])
    }

    @Test func whatIsSkippedIsSaidByLineAndWithoutContent() throws {
        let long = String(repeating: "v", count: 65537)
        let found = try csv("name,password,account\nmail,hunter2,\nmail,hunter3,\n,hunter4,\nx,,\n\"two\nlines\",hunter5,\nshort,hunter6\nbig,\(long),\nok,hunter7,\u{7}\n")
        #expect(found.entries.map(\.position) == [2])
        #expect(found.skipped.map(\.position) == [3, 4, 5, 6, 8, 9, 10])
        #expect(found.skipped[0].reason == "it has the same name as line 2")
        for skipped in found.skipped {
            #expect(!skipped.reason.contains("hunter") && !skipped.reason.contains("mail") && !skipped.reason.isEmpty)
        }
        let several = try csv("name,username,password\nmail,me,1\nmail,you,2\n", withAccountInName: true)
        #expect(several.entries.map(\.metadata.name) == ["mail/me", "mail/you"])
        // A file without a header is one whose first line is secret.
        for text in ["mail,hunter2\nx,hunter3\n", "name,password,password\na,hunter2,hunter3\n", "password\nhunter2\n", "", "name\na\n"] {
            let why = try #require(failure { try csv(text) } as? KeyError)
            #expect(!why.description.contains("hunter"), "\(why)")
        }
    }
}

/// SplitMix64: the same sequence for the same seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
