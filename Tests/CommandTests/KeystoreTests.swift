// The verbs of the keystore and of the audit log, as a user meets them.

import Foundation
import Testing

@Suite("Keystore commands") struct KeystoreCommandTests {
    /// A keystore opened by the key file `kf`, its recovery code in `code`, and a vault with five files.
    private func place() throws -> Place {
        let place = try Place(vault: false)
        let made = try place.shell("\"$BINARY\" keystore init --key-file kf 2> err && grep -oE '[0-9A-Z]{6}(-[0-9A-Z]{6}){7}' err > code && \"$BINARY\" init vault", changes: keys(place))
        try #require(made.status == 0, "\(made.errors)")
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "for i in 1 2 3 4 5; do echo $i > f$i; done", changes: keys(place)).status == 0)
        return place
    }

    private func keys(_ place: Place) -> [String: String?] { ["ENVELOPEFS_PASSPHRASE_FILE": nil, "ENVELOPEFS_KEY_FILE": place.path + "/kf"] }

    @Test func everyKindOfSlotMounts() throws {
        let place = try place()
        let added = try place.shell(
            "\"$BINARY\" keystore add-slot passphrase --new-passphrase-file passphrase && mkdir c && \"$BINARY\" keystore add-slot credential - > c/envelopefs.key", changes: keys(place))
        #expect(added.status == 0 && added.output == "3\n", "\(added.output) \(added.errors)")
        let none: [String: String?] = ["ENVELOPEFS_PASSPHRASE_FILE": nil]
        for (options, changes) in [
            ("--key-file kf", none), ("--recovery-code-file code", none), ("--passphrase-file passphrase", none), ("--passphrase-file code --recovery-code", none),
            ("", none.merging(["CREDENTIALS_DIRECTORY": place.path + "/c"]) { $1 }),
        ] {
            let ran = try place.shell("exec \"$BINARY\" run \(options) vault -- cat f3", changes: changes)
            #expect(ran.output == "3\n", "\(options): \(ran.errors)")
        }
        try expectRefusal(place, "slotRefused", saying: ["slot 1 has just opened"]) { try place.run("keystore", "remove-slot", "1", changes: keys(place)) }
        try expectRefusal(place, "slotRefused", saying: ["no slot 9"]) { try place.run("keystore", "remove-slot", "9", changes: keys(place)) }
        try expectRefusal(place, "usage", saying: ["32"]) { try place.shell("echo short > s; exec \"$BINARY\" keystore add-slot key-file s", changes: keys(place)) }
        let rotated = try place.shell("exec \"$BINARY\" keystore rotate-root --also-passphrase-file passphrase --also-credential c/envelopefs.key", changes: keys(place))
        #expect(rotated.status == 0 && rotated.errors.contains("Recovery code"), "\(rotated.errors)")
        #expect(try place.shell("exec \"$BINARY\" run --recovery-code-file code vault -- true", changes: none).status == code("wrongSecret"))
        #expect(try place.shell("exec \"$BINARY\" run --passphrase-file passphrase vault -- cat f1", changes: none).output == "1\n")
    }

    @Test func aBackupIsRestoredElsewhereByAnySlot() throws {
        let place = try place()
        #expect(try place.run("key", "create", "--alias", "alias/x", "--description", "in-the-clear", changes: keys(place)).status == 0)
        let written = try place.run("keystore", "backup", "backup", changes: keys(place))
        #expect(written.status == 0, "\(written.errors)")
        #expect(try place.shell("stat -c %a backup; grep -c in-the-clear backup; ls -A | grep -c backup-").output == "600\n0\n0\n")
        try expectRefusal(place, "alreadyExists", saying: ["backup"]) { try place.run("keystore", "backup", "backup", changes: keys(place)) }
        try expectRefusal(place, "alreadyExists", saying: ["--replace"]) { try place.run("keystore", "restore", "backup", changes: keys(place)) }
        let drilled = try place.shell("exec \"$BINARY\" keystore drill --backup backup --vault vault --recovery-code-file code --json")
        let record = try JSONSerialization.jsonObject(with: Data(drilled.output.utf8)) as? [String: Any]
        #expect(record?["kind"] as? String == "recovery" && record?["keys"] as? Int == 2, "\(drilled.output) \(drilled.errors)")
        #expect(((record?["vaults"] as? [[String: Any]])?.first?["opened"]) as? Int == 5)
        let elsewhere = ["ENVELOPEFS_KEYSTORE": place.path + "/elsewhere/keystore.db"]
        #expect(try place.shell("exec \"$BINARY\" keystore restore backup --recovery-code-file code", changes: elsewhere).status == 0)
        #expect(try place.shell("exec \"$BINARY\" run vault --key-file kf -- cat f2; stat -c %a elsewhere/keystore.db", changes: elsewhere).output == "2\n")
        #expect(try place.shell("stat -c %a elsewhere/keystore.db; ls -A elsewhere | grep -v -e -wal -e -shm").output == "600\nkeystore.db\n")
        let log = try place.run("audit", "list", changes: keys(place).merging(elsewhere) { $1 }).output
        #expect(log.contains("RestoreKeystore"), "\(log)")
        // Older than what the vault has seen, in the place of the present one.
        #expect(try place.run("key", "create", changes: keys(place)).status == 0)
        #expect(try place.run("run", place.vault, "--", "true", changes: keys(place)).status == 0)
        // At no moment is there none at its path.
        let replacing = "exec strace -f -qq -o trace -e trace=rename,renameat,renameat2,unlink,unlinkat \"$BINARY\" keystore restore backup --replace"
        let replaced = try place.shell(replacing, changes: keys(place))
        #expect(replaced.status == 0 && replaced.errors.contains("keystore.db.replaced-"), "\(replaced.errors)")
        let moves = try place.shell("grep -c '/keystore.db\", AT_FDCWD, \"[^\"]*/keystore.db\"' trace; grep -c '(AT_FDCWD, \"'$PWD'/keystore.db\"' trace")
        #expect(moves.output == "1\n0\n", "\((try? place.shell("cat trace"))?.output ?? "")")
        #expect(try place.run("run", place.vault, "--", "true", changes: keys(place)).status == code("keystoreOlder"))
        #expect(try place.run("mount", place.vault, place.mount, "--accept-older-keystore", changes: keys(place)).status == 0)
        try expectRefusal(place, "failure", saying: ["in use"]) { try place.run("keystore", "restore", "backup", "--replace", changes: keys(place)) }
        #expect(try place.run("unmount", place.mount).status == 0)
        // Accepted once, it is the keystore of this vault from then on.
        #expect(try place.run("run", place.vault, "--", "true", changes: keys(place)).status == 0)
        #expect(try place.shell("\"$BINARY\" audit list --operation MountVault | grep -c -e --accept-older-keystore", changes: keys(place)).output == "1\n")
    }

    /// A sealed name that does not fit stands in a file of its own, which has no header.
    @Test func aDrillOpensFilesWithLongNames() throws {
        let place = try place()
        let long = String(repeating: "n", count: 220)
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "mkdir \(long) && echo x > \(long)/\(long)", changes: keys(place)).status == 0)
        let drilled = try place.run("keystore", "drill", "--vault", place.vault, "--json", changes: keys(place))
        #expect(drilled.status == 0 && drilled.output.contains("\"files\" : 6") && drilled.output.contains("\"opened\" : 6"), "\(drilled)")
    }

    /// What a mount did with keys is in the log when `run` returns, and no sooner than the keystore is at rest: nothing else holds it.
    @Test func mountsAndTheirUsesOfKeysAreAudited() throws {
        let place = try place()
        func entries() throws -> [[String: Any]] {
            let listed = try place.run("audit", "list", "--json", changes: keys(place))
            return try #require(try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]], "\(listed.errors)")
        }
        let before = try entries().count
        let ran = try place.shell(
            "\"$BINARY\" run vault -- sh -c 'cat f1 f2 f3 f4 f5 > /dev/null; echo 6 > f6; echo 7 > f7' && \"$BINARY\" keystore backup b && \"$BINARY\" keystore restore b --replace", changes: keys(place))
        #expect(ran.status == 0, "\(ran.errors)")
        let new = try entries().dropFirst(before).filter { $0["operation"] as? String != "RestoreKeystore" }
        let names = new.map { $0["operation"] as? String }
        #expect(names.first == "MountVault" && names.last == "UnmountVault", "\(names)")
        let subjects = Set(new.map { $0["subject"] as? String ?? "" })
        #expect(subjects.count == 1 && subjects.first?.hasPrefix("vault/") == true, "\(subjects)")
        func total(_ operation: String, _ program: String) -> Int {
            new.filter { $0["operation"] as? String == operation && $0["program"] as? String == program }.reduce(0) { $0 + ($1["count"] as? Int ?? 0) }
        }
        #expect(total("Decrypt", "cat") == 5, "\(new)")
        #expect(total("GenerateDataKey", "sh") == 2, "\(new)")
        #expect(new.allSatisfy { ($0["keyID"] as? String)?.isEmpty == false && $0["result"] as? String == "Success" }, "\(new)")
        #expect(try place.run("audit", "verify", changes: keys(place)).status == 0)
    }

    /// Opening files with a disabled key is refused, and that is in the log; so is a mount that such a key refuses.
    @Test func refusalsInAMountAreAudited() throws {
        let place = try place()
        let key = try place.shell("\"$BINARY\" key list --json | grep -oE '[0-9a-f]{8}-[0-9a-f-]{27}' | head -1", changes: keys(place)).output.trimmingCharacters(in: .newlines)
        #expect(try place.run("mount", place.vault, place.mount, changes: keys(place)).status == 0)
        #expect(try place.run("key", "disable", key, changes: keys(place)).status == 0)
        #expect(try place.shell("timeout 60 sh -c 'until ! cat mount/f1; do sleep 0.1; done'").status == 0, "it still opens")
        #expect(try place.run("unmount", place.mount).status == 0)
        #expect(try place.run("run", place.vault, "--", "true", changes: keys(place)).status != 0)
        let log = try place.run("audit", "list", changes: keys(place)).output.split(separator: "\n")
        #expect(log.contains { $0.contains("Decrypt") && $0.contains("DisabledException") && $0.contains("cat") && $0.contains("vault/") }, "\(log)")
        #expect(log.contains { $0.contains("MountVault") && $0.contains("DisabledException") }, "\(log)")
    }

    @Test func aDamagedBackupMakesNothing() throws {
        let place = try place()
        #expect(try place.run("keystore", "backup", "backup", changes: keys(place)).status == 0)
        let whole = try Data(contentsOf: URL(fileURLWithPath: place.path + "/backup"))
        var variants = [Data(), whole.dropLast(), whole + [0], whole.prefix(100), whole.prefix(whole.count - 17)]
        for _ in 0..<25 {
            var changed = whole
            changed[Int.random(in: 0..<changed.count)] ^= UInt8(1 << Int.random(in: 0..<8))
            variants.append(changed)
        }
        let refusals = try ["keystoreUnreadable", "wrongSecret", "keystoreUnsupported"].map { try code($0) }
        for variant in variants {
            try Data(variant).write(to: URL(fileURLWithPath: place.path + "/changed"))
            let restored = try place.run("keystore", "restore", "changed", "--keystore", place.path + "/new.db", changes: keys(place))
            #expect(refusals.contains(restored.status), "\(restored.status) \(restored.errors)")
            #expect(restored.errors.hasPrefix("envelopefs: "))
            #expect(try place.shell("ls -A | grep new.db").output == "")
        }
    }

    @Test func verifyAndDrillChangeNothing() throws {
        let place = try place()
        let before = try place.snapshot()
        for command in ["verify", "drill --vault vault", "drill --recovery-code-file code"] {
            #expect(try place.shell("exec \"$BINARY\" keystore \(command)", changes: keys(place)).status == 0)
        }
        #expect(try place.snapshot() == before)
        #expect(try place.shell("chmod 644 keystore.db; exec \"$BINARY\" keystore verify", changes: keys(place)).status == code("keystoreUnreadable"))
    }

    @Test func theAuditLogIsListedVerifiedAndExported() throws {
        let place = try place()
        #expect(try place.run("keystore", "add-slot", "recovery", changes: keys(place)).status == 0)
        let verified = try place.run("audit", "verify", changes: keys(place))
        let pin = verified.output.trimmingCharacters(in: .newlines)
        #expect(pin.wholeMatch(of: /[0-9]+:[0-9a-f]{64}/) != nil, "\(verified.output) \(verified.errors)")
        let listed = try place.run("audit", "list", "--operation", "AddUnlockSlot", "--since", "1h", "--json", changes: keys(place))
        let entries = try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]]
        #expect(entries?.count == 1 && entries?.first?["subject"] as? String == "slot 3, recovery" && entries?.first?["program"] as? String == "envelopefs")
        #expect(try place.run("audit", "list", "--until", "1h", changes: keys(place)).output == "")
        #expect(try place.run("audit", "export", changes: keys(place)).output.split(separator: "\n").count == Int(pin.prefix { $0 != ":" }))
        #expect(try place.run("audit", "list", "--since", "soon", changes: keys(place)).status == code("usage"))
        #expect(try place.run("audit", "verify", "--expect", pin, changes: keys(place)).status == 0)
        try expectRefusal(place, "auditBroken", saying: ["cut off the end"]) {
            try place.run("audit", "verify", "--expect", "99" + pin.drop { $0 != ":" }, changes: keys(place))
        }
        #expect(try place.shell("python3 -c 'import sqlite3; d = sqlite3.connect(\"keystore.db\"); d.execute(\"UPDATE audit_entry SET user_id = 1 WHERE number = 1\"); d.commit()'").status == 0)
        try expectRefusal(place, "auditBroken", saying: ["entry 1 was changed"]) { try place.run("audit", "verify", changes: keys(place)) }
    }
}
