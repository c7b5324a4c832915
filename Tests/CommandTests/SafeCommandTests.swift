// The password safe through the built binary.

import Foundation
import Testing

@Suite("Safe commands") struct SafeCommandTests {
    private func place() throws -> Place {
        let place = try Place(vault: false)
        try #require(place.run("init", place.vault).status == 0)
        return place
    }

    @Test func aSecretGoesInAndOutByteForByte() throws {
        let place = try place()
        _ = try place.shell("printf 'hunter2\\n\\001\\377' > value; printf 'second\\n' > second")
        #expect(try place.shell("exec \"$BINARY\" safe import mail --account me --tag url=https://x < value").status == 0)
        #expect(try place.shell("exec \"$BINARY\" safe get mail --reason test > got; cmp value got").status == 0)
        #expect(try place.shell("\"$BINARY\" safe get mail --reason test > got && cmp value got").status == 0)
        // Without the end of the line, where that is asked for.
        #expect(try place.shell("exec \"$BINARY\" safe put mail --line --in second").output == "2\n")
        #expect(try place.run("safe", "get", "mail", "--reason", "test").output == "second")
        #expect(try place.shell("\"$BINARY\" safe get mail --reason test --label previous | cmp - value").status == 0)
        #expect(try place.shell("\"$BINARY\" safe get mail --reason test --version 1 --out-fd 5 5>got && cmp value got").status == 0)
        #expect(try place.shell("umask 0; \"$BINARY\" safe get mail --reason test --out file && stat -c %a file && cat file").output == "600\nsecond")
        let again = try place.shell("exec \"$BINARY\" safe get mail --reason test --out file")
        #expect(again.status == (try code("alreadyExists")) && again.output.isEmpty)
        #expect(try place.shell("\"$BINARY\" safe versions mail | awk '{print $1 $2}'").output == "1previous\n2current\n")
        #expect(try place.run("safe", "restore-version", "mail", "1").status == 0)
        #expect(try place.shell("\"$BINARY\" safe get mail --reason test | cmp - value").status == 0)
        let list = try place.run("safe", "list")
        #expect(list.output.hasPrefix("mail  me  version 1  ") && list.errors.isEmpty)
        #expect(try place.run("safe", "search", "HTTPS://X", "--json").output.contains("\"name\" : \"mail\""))
        #expect(try place.run("safe", "search", "hunter").output.isEmpty)
    }

    @Test func deletingHasAWayBack() throws {
        let place = try place()
        #expect(try place.shell("printf x | \"$BINARY\" safe import mail").status == 0)
        #expect(try place.run("safe", "delete", "mail", "--days", "7").errors.contains("safe restore"))
        let refused = try place.run("safe", "get", "mail", "--reason", "test")
        #expect(refused.status == (try code("secretNotFound")) && refused.errors.contains("safe restore") && refused.output.isEmpty)
        #expect(try place.run("safe", "list").output.isEmpty)
        #expect(try place.run("safe", "list", "--deleted").output.contains("deleted, destroyed at "))
        #expect(try place.run("safe", "restore", "mail").status == 0)
        #expect(try place.run("safe", "get", "mail", "--reason", "test").output == "x")
    }

    @Test func aDisabledKeyClosesItsSecrets() throws {
        let place = try place()
        #expect(try place.shell("printf x | \"$BINARY\" safe import mail").status == 0)
        _ = try place.shell("\"$BINARY\" key rotate alias/safe")
        #expect(try place.run("safe", "get", "mail", "--reason", "test").output == "x")
        guard try place.run("key", "disable", "alias/safe").status == 0 else { return }
        let refused = try place.run("safe", "get", "mail", "--reason", "test")
        #expect(refused.status == (try code("keyUnusable")) && refused.output.isEmpty)
        #expect(try place.run("key", "enable", "alias/safe").status == 0)
        #expect(try place.run("safe", "get", "mail", "--reason", "test").output == "x")
    }

    @Test func badInputIsSaidAndChangesNothing() throws {
        let place = try place()
        _ = try place.shell("printf x | \"$BINARY\" safe import mail; head -c 65537 /dev/zero > large; : > empty; echo 'hunter2,x' > noheader.csv; printf 'name,password\\na,\"hunter2\\n' > open.csv; echo '{' > bad.json")
        let cases: [(String, String, String)] = [
            ("get nothing --reason t", "secretNotFound", "nothing"), ("get mail --reason t --version 2", "secretNotFound", "version 2"),
            ("get mail --reason t --label previous", "secretNotFound", "previous"), ("put nothing < passphrase", "secretNotFound", "nothing"),
            ("import mail < passphrase", "alreadyExists", "mail"), ("import new --in large", "usage", "65536"), ("import new --in empty", "noSecret", "no value"),
            ("import new --in nowhere", "failure", "nowhere"), ("import new --key alias/none < passphrase", "keyNotFound", "alias/none"),
            ("import ' x' < passphrase", "usage", "space"), ("delete mail --days 6", "usage", "7 to 30"), ("restore nothing", "secretNotFound", "nothing"),
            ("restore-version mail 7", "secretNotFound", "version 7"), ("list --after zz", "usage", "token"), ("generate --length 3", "usage", "4 to 1024"),
            ("generate --classes vowels", "usage", "vowels"), ("get mail --reason t --out-fd 77", "usage", "not open"),
            ("import --from noheader.csv", "usage", "first line"), ("import --from open.csv", "usage", "line 2"), ("import --from bad.json", "usage", "JSON"),
            ("import --from large", "usage", "--format"), ("put mail --passphrase-file - < passphrase", "usage", "standard input"),
        ]
        // Refusals are written to the audit log, so the file changes; the safe does not.
        let before = try ["list", "versions mail"].map { try place.shell("exec \"$BINARY\" safe \($0) --json").output }
        for (command, name, words) in cases {
            let outcome = try place.shell("exec \"$BINARY\" safe \(command)")
            #expect(outcome.status == (try code(name)), "\(command): \(outcome.status) \(outcome.errors)")
            #expect(outcome.errors.contains(words) && !outcome.errors.contains("hunter2"), "\(command): \(outcome.errors)")
            #expect(outcome.output.isEmpty, "\(command)")
        }
        #expect(try ["list", "versions mail"].map { try place.shell("exec \"$BINARY\" safe \($0) --json").output } == before)
        for command in ["get mail", "get mail --reason ''", "get mail --reason t --version 1 --label current", "import", "import x --from y.csv", "put", "import x y"] {
            #expect(try place.shell("exec \"$BINARY\" safe \(command)").status == code("usage"), "\(command)")
        }
    }

    @Test func importsReportWhatTheySkipAndNeverWhatIsInIt() throws {
        let place = try place()
        let csv = "name,username,password,totp\nmail,me,hunter1,9\nmail,you,hunter2,9\nempty,me,,9\nshort,hunter3\n\"quoted\"\"name\",,\"hun,ter\"\"4\",\n"
        try Data(csv.utf8).write(to: URL(fileURLWithPath: place.path + "/e.csv"))
        let before = try place.snapshot()
        let trial = try place.run("safe", "import", "--from", "e.csv", "--dry-run")
        #expect(trial.status == (try code("importIncomplete")) && trial.output.isEmpty)
        #expect(try place.snapshot() == before)
        let real = try place.run("safe", "import", "--from", "e.csv")
        #expect(real.status == (try code("importIncomplete")))
        for (outcome, counts) in [(trial, "would import 2 new and 0 updated, skipped 3"), (real, "imported 2 new and 0 updated, skipped 3")] {
            for words in ["line 3 ", "line 4 ", "line 5 ", "totp", counts] { #expect(outcome.errors.contains(words), "\(words): \(outcome.errors)") }
            #expect(!outcome.errors.contains("hunter") && !outcome.errors.contains("hun,ter"))
        }
        #expect(real.errors.contains("e.csv still holds the secrets"))
        #expect(try place.run("safe", "get", "quoted\"name", "--reason", "test").output == "hun,ter\"4")
        #expect(try place.run("safe", "import", "--from", "e.csv", "--account-in-name", "--json").output.contains("\"created\" : 2"))
        #expect(try place.run("safe", "get", "mail/you", "--reason", "test").output == "hunter2")
        let json = "[{\"name\":\"mail\",\"password\":\"hunter9\"}]"
        try Data(json.utf8).write(to: URL(fileURLWithPath: place.path + "/e.json"))
        #expect(try place.run("safe", "import", "--from", "e.json", "--update").status == 0)
        #expect(try place.run("safe", "get", "mail", "--reason", "test").output == "hunter9")
        #expect(try place.run("safe", "get", "mail", "--reason", "test", "--label", "previous").output == "hunter1")
        let pages = try place.shell("\"$BINARY\" safe list --limit 3 2>rest; t=$(grep -o -- '--after .*' rest); \"$BINARY\" safe list --limit 3 $t")
        #expect(Set(pages.output.split(separator: "\n").map { $0.prefix { $0 != " " } }) == ["mail", "quoted\"name", "mail/me", "mail/you"])
    }

    @Test func aFileIsNotToBeDeletedWhileItHasMoreThanWasTaken() throws {
        let place = try place()
        func imported(_ name: String, _ text: String) throws -> String {
            try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/" + name))
            return try place.run("safe", "import", "--from", name).errors
        }
        let left = "still holds the secrets in the clear, and what was not imported: "
        for (name, text, what) in [
            ("a.json", #"{"items":[{"name":"a","fields":[{"name":"n","value":"hunter2"}],"login":{"password":"hunter1","totp":"hunter3"}}]}"#, "fields, login.totp"),
            ("b.csv", "name,password,totp,empty\nb,hunter1,hunter2,\n", "totp"), ("c.csv", "name,password,totp\nc,hunter1,\nd,,\n", "skipped entries (1)"),
            ("e.csv", "name,password,totp\ne,hunter1,hunter2\nf,,\n", "totp, skipped entries (1)"),
        ] {
            let said = try imported(name, text)
            #expect(said.contains("\(name) \(left)\(what)\n") && !said.contains("delete it") && !said.contains("hunter"), "\(said)")
        }
        for (name, text) in [("g.json", #"[{"name":"g","password":"hunter1","totp":null}]"#), ("h.csv", "name,password,totp\nh,hunter1,\n")] {
            let said = try imported(name, text)
            #expect(said.contains("\(name) still holds the secrets in the clear: delete it") && !said.contains("nothing is taken from"), "\(said)")
        }
    }

    @Test func aLongImportShowsHowFarItIs() throws {
        let place = try place()
        let lines = (0..<15000).map { "site\($0),hunter\($0)" }.joined(separator: "\n")
        try Data("name,password\n\(lines)\n".utf8).write(to: URL(fileURLWithPath: place.path + "/many.csv"))
        let shown = try place.shell("script -qec '\"$BINARY\" safe import --from many.csv' /dev/null")
        #expect(shown.status == 0 && shown.output.contains("imported 15000 new and 0 updated, skipped 0"), "\(shown.output)")
        #expect(shown.output.contains(#/\d+ %: \d+ of 15000 secrets, \d+/s/#), "\(shown.output)")
        #expect(!shown.output.contains("hunter"))
        // Where there is no terminal, nothing is written over.
        let again = try place.run("safe", "import", "--from", "many.csv", "--update")
        #expect(again.status == 0 && !again.errors.contains("\r"), "\(again.errors)")
    }

    @Test func passwordsAreGenerated() throws {
        let place = try place()
        let bare = try place.run("safe", "generate", "--length", "40", "--classes", "lower,digits", "--no-ambiguous", changes: ["ENVELOPEFS_PASSPHRASE_FILE": nil])
        #expect(bare.output.wholeMatch(of: /[a-z3-9]{40}/) != nil && bare.errors.isEmpty)
        let kept = try place.run("safe", "generate", "--save", "db", "--account", "app")
        #expect(kept.output == "1\n")
        let first = try place.run("safe", "get", "db", "--reason", "test").output
        #expect(first.utf8.count == 24)
        #expect(try place.run("safe", "generate", "--save", "db").output == "2\n")
        #expect(try place.run("safe", "get", "db", "--reason", "test").output != first)
        #expect(try place.run("safe", "get", "db", "--reason", "test", "--label", "previous").output == first)
        #expect(try place.run("safe", "list", "--json").output.contains("\"account\" : \"app\""))
    }
}
