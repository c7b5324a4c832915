// Every bad input that a user can give: a clear message, its exit code, and nothing changed.

import Foundation
import Testing

@Suite("Bad input: secrets") struct BadSecretTests {
    @Test func wrongPassphrase() throws {
        let place = try Place()
        try Data("wrong\n".utf8).write(to: URL(fileURLWithPath: place.path + "/wrong"))
        for foreground in [[], ["--foreground"]] as [[String]] {
            try expectRefusal(place, "wrongSecret", saying: ["passphrase", "recovery code"]) {
                try place.shell("exec \"$BINARY\" mount \(foreground.joined()) --passphrase-file wrong vault mount")
            }
        }
    }

    @Test(arguments: [
        ("--passphrase-file empty", "is empty"), ("--passphrase-file newline", "is empty"), ("--passphrase-file nowhere", "No such file"),
        ("--passphrase-file long", "more than"), ("--passphrase-command false", "status 1"), ("--passphrase-command 'exit 0'", "is empty"),
    ])
    func unusableSource(options: String, words: String) throws {
        let place = try Place(vault: false)
        _ = try place.shell(": > empty; echo > newline; head -c 100000 /dev/zero | tr '\\0' x > long; mkdir vault")
        try expectRefusal(place, "noSecret", saying: [words]) { try place.shell("exec \"$BINARY\" init \(options) vault") }
        #expect(!FileManager.default.fileExists(atPath: place.keystore))
    }

    /// It is read as far as a passphrase may be long, and no further; neither it nor what it started is waited for.
    @Test(arguments: ["yes", "yes | cat", "trap '' PIPE TERM; while :; do echo x; done", "head -c 70000 /dev/zero; sleep 20"])
    func commandThatPrintsWithoutEnd(command: String) throws {
        let place = try Place()
        try expectRefusal(place, "noSecret", saying: ["passphrase command", "more than 65535 bytes"]) {
            try place.shell("ulimit -v 4000000; exec timeout 30 \"$BINARY\" key list --passphrase-command \"$COMMAND\"", changes: ["COMMAND": command])
        }
    }

    @Test func noSourceAndNoTerminal() throws {
        let place = try Place()
        try expectRefusal(place, "noSecret", saying: ["--passphrase-file"]) {
            try place.run("mount", place.vault, place.mount, changes: ["ENVELOPEFS_PASSPHRASE_FILE": nil])
        }
    }

    @Test func onlyOneLineEndIsTakenOff() throws {
        let place = try Place()
        #expect(try place.shell("printf 'correct horse' > p; exec \"$BINARY\" key list --passphrase-file p").status == 0)
        #expect(try place.shell("printf 'correct horse\\n\\n' > p; exec \"$BINARY\" key list --passphrase-file p").status == code("wrongSecret"))
        #expect(try place.shell("exec \"$BINARY\" key list --passphrase-command 'echo correct horse'").status == 0)
        #expect(try place.shell("echo 'correct horse' | \"$BINARY\" key list --passphrase-file -").status == 0)
        #expect(try place.shell("mkdir c && cp passphrase c/envelopefs.passphrase && exec \"$BINARY\" key list", changes: ["ENVELOPEFS_PASSPHRASE_FILE": nil, "CREDENTIALS_DIRECTORY": place.path + "/c"]).status == 0)
    }

    @Test func recoveryCodeThatNobodySeesMakesNothing() throws {
        let place = try Place(vault: false)
        // A full disk, and a reader that has gone.
        for errors in ["2>/dev/full", "2>&1 >/dev/null | (exec <&-; exec sleep 3)"] {
            let ended = try place.shell("\"$BINARY\" init vault \(errors); ls -A; test ! -e vault")
            #expect(ended.status == 0 && !ended.output.contains("keystore.db"), "\(ended.output)")
        }
        #expect(try place.shell("exec \"$BINARY\" init vault 2>/dev/full").status == code("failure"))
    }

    @Test func recoveryCodeOpens() throws {
        let place = try Place(vault: false)
        let made = try place.run("init", place.vault)
        #expect(made.output.wholeMatch(of: /[0-9a-f]{32}\n/) != nil, "the vault's id alone stands on standard output: \(made.output)")
        let code = try #require(made.errors.firstMatch(of: /[0-9A-Z]{6}(-[0-9A-Z]{6}){7}/)).0
        try Data(code.utf8).write(to: URL(fileURLWithPath: place.path + "/code"))
        #expect(try place.run("key", "list", "--recovery-code", "--passphrase-file", "code").status == 0)
        #expect(try place.run("key", "list", "--passphrase-file", "code").status == CommandTests.code("wrongSecret"))
        try Data(code.reversed().map { String($0) }.joined().utf8).write(to: URL(fileURLWithPath: place.path + "/code"))
        #expect(try place.run("key", "list", "--recovery-code", "--passphrase-file", "code").status == CommandTests.code("wrongSecret"))
    }
}

@Suite("Bad input: vaults") struct BadVaultTests {
    @Test func notAVault() throws {
        let place = try Place(vault: false)
        _ = try place.shell("mkdir vault; echo plain > vault/plain")
        for command in ["mount vault mount", "info vault/plain", "run vault -- true"] {
            try expectRefusal(place, "notAVault", saying: ["vault"]) { try place.shell("exec \"$BINARY\" \(command)") }
        }
        for vault in ["nowhere", "passphrase"] {
            try expectRefusal(place, "notAVault", saying: [vault]) { try place.run("mount", vault, "mount") }
        }
    }

    @Test func unfinishedInit() throws {
        let place = try Place()
        _ = try place.shell("rm vault/.envelopefs/vault.json")
        try expectRefusal(place, "vaultUnfinished", saying: ["did not finish", "envelopefs init"]) { try place.run("mount", place.vault, place.mount) }
        let again = try place.run("init", place.vault)
        #expect(again.status == 0 && again.errors.contains("did not finish"), "\(again.errors)")
        #expect(try place.shell("mkdir killed && : > killed/.envelopefs-probe && \"$BINARY\" init killed && ls -A killed").output.hasSuffix("\n.envelopefs\n"))
        try expectRefusal(place, "directoryNotEmpty", saying: [".envelopefs-probe"]) { try place.shell("mkdir mine && echo x > mine/.envelopefs-probe && exec \"$BINARY\" init mine") }
        #expect(try place.run("run", place.vault, "--", "touch", "x").status == 0)
    }

    @Test(arguments: [
        ("truncate -s 100 V", "vaultDamaged"), ("truncate -s -1 V", "vaultDamaged"), (": > V", "vaultDamaged"), ("sed -i s/default/Default/ V", "vaultDamaged"),
        ("sed -i -E 's/([0-9a-f]{31})[0-9a-e]/\\1f/' V", "vaultDamaged"), ("head -c 2000000 /dev/zero > V", "vaultDamaged"),
        ("rm V; mkdir V", "vaultDamaged"),
        ("sed -i -E 's/(\"isClean\"|\"clean\")(: ?)true/\\1\\2false/' V", "vaultDamaged"),
    ])
    func damagedConfiguration(change: String, name: String) throws {
        let place = try Place()
        let before = try place.snapshot()
        _ = try place.shell(change.replacingOccurrences(of: " V", with: " vault/.envelopefs/vault.json"))
        try #require(place.snapshot() != before, "the change changed nothing: \(change)")
        // An edited id may name another keystore or key: that is refused under its own code.
        let outcome = try place.run("mount", place.vault, place.mount)
        #expect([try code(name), try code("keystoreForeign"), try code("keyNotFound")].contains(outcome.status), "\(outcome.status) \(outcome.errors)")
        #expect(outcome.errors.hasPrefix("envelopefs: "))
    }

    @Test func alreadyMounted() throws {
        let place = try Place()
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        _ = try place.shell("mkdir other")
        let daemon = try place.shell("head -1 vault/.envelopefs/lock").output.trimmingCharacters(in: .whitespacesAndNewlines)
        try expectRefusal(place, "vaultInUse", saying: [daemon, place.mount]) { try place.run("mount", place.vault, place.path + "/other") }
        try expectRefusal(place, "vaultInUse", saying: [daemon]) { try place.run("run", place.vault, "--", "true") }
        try expectRefusal(place, "mountPointInUse", saying: [place.mount]) { try place.run("mount", place.vault, place.mount) }
        #expect(try place.shell("tr '\\0' ' ' < /proc/\(daemon)/cmdline").output.contains("correct") == false)
        #expect(try place.run("unmount", place.mount).status == 0)
        #expect(try place.run("unmount", place.mount).status == code("notMounted"))
    }

    @Test func boundElsewhere() throws {
        let place = try Place()
        let script = "mkdir other && \"$BINARY\" mount vault mount && mount --bind mount other && \"$BINARY\" unmount other && echo still > mount/file && \"$BINARY\" unmount mount"
        let outcome = try place.shellWithOwnMounts(script, within: 60)
        #expect(outcome.status == 0 && outcome.errors.contains("still mounted at \(place.mount)"), "\(outcome)")
    }

    @Test func foreignFiles() throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "mkdir d; echo kept > d/file").status == 0)
        _ = try place.shell("echo x > $(ls -d vault/*/)FOREIGN; echo x > vault/notes.txt; mkdir vault/dir; echo x > vault/AAAAAAAAAAAAAAAAAAAAAAAA")
        let before = try place.snapshot()
        let listed = try place.run("run", place.vault, "--log-file", "log", "--", "sh", "-c", "find . | sort; cat d/file")
        #expect(listed.output == ".\n./d\n./d/file\nkept\n", "\(listed.output)")
        let log = try String(contentsOfFile: place.path + "/log", encoding: .utf8)
        for name in ["notes.txt", "FOREIGN", "AAAAAAAAAAAAAAAAAAAAAAAA"] { #expect(log.contains(name), "\(name) is not reported: \(log)") }
        var after = try place.snapshot()
        after[place.vault + "/.envelopefs/vault.json"] = before[place.vault + "/.envelopefs/vault.json"]
        // Mounting is audited.
        after[place.keystore] = before[place.keystore]
        #expect(after == before, "foreign files were touched")
    }

    @Test func initRefusesWhatIsThere() throws {
        let place = try Place()
        try expectRefusal(place, "directoryNotEmpty", saying: ["vault already"]) { try place.run("init", place.vault) }
        _ = try place.shell("mkdir full; echo x > full/precious")
        try expectRefusal(place, "directoryNotEmpty", saying: ["precious"]) { try place.run("init", place.path + "/full") }
        try expectRefusal(place, "failure", saying: ["No such file"]) { try place.run("init", place.path + "/no/where") }
        try expectRefusal(place, "usage", saying: ["is empty"]) { try place.run("init", "") }
        try expectRefusal(place, "failure", saying: ["Not a directory"]) { try place.run("init", place.passphraseFile) }
        #expect(try place.shell("ls full").output == "precious\n")
    }

    @Test(arguments: [("size=256k,ro", "storageReadOnly"), ("size=16k", "storageFull")])
    func initOnABadDisk(options: String, name: String) throws {
        let place = try Place(vault: false)
        // Mounted for this one command, in a namespace of its own.
        try expectRefusal(place, name, saying: ["disk"]) {
            try place.shellWithOwnMounts("mkdir disk && mount -t tmpfs -o \(options) none disk && \"$BINARY\" init disk/vault; s=$?; [ -z \"$(ls -A disk)\" ] || exit 99; exit $s")
        }
        #expect(!FileManager.default.fileExists(atPath: place.keystore), "a keystore was made for a vault that cannot be")
    }

    @Test func readOnlyVault() throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "echo hello > file").status == 0)
        let inside = "mount --bind vault vault && mount -o remount,bind,ro vault &&"
        try expectRefusal(place, "vaultReadOnly", saying: ["--read-only"]) { try place.shellWithOwnMounts("\(inside) exec \"$BINARY\" mount vault mount") }
        // Such a vault has no lock to wait for. Somebody holds the keystore up, so that the daemon cannot end at once: unmounting waits for it all the same.
        // Asked with patience: the daemon may be writing into it.
        let holdUp = "{ sqlite3 keystore.db \".timeout 10000\" \"BEGIN IMMEDIATE\" \".shell touch held; sleep 1; touch let-go\" ROLLBACK & } && while ! [ -e held ]; do sleep 0.01; done"
        // Only the mount can say who its daemon is, and may be slow to.
        let daemon = "until \"$BINARY\" status --json mount > told && grep '\"daemon\"' told; do sleep 0.1; done"
        let script = "\(inside) \"$BINARY\" mount --read-only vault mount && cat mount/file; touch mount/no; \(daemon); \(holdUp); \"$BINARY\" unmount mount && [ -e let-go ]"
        let outcome = try place.shellWithOwnMounts(script, within: 60)
        #expect(outcome.output.hasPrefix("hello\n") && outcome.output.contains("\"daemon\""), "\(outcome)")
        #expect(outcome.status == 0 && outcome.errors.contains("Read-only"), "\(outcome)")
        #expect(try place.run("audit", "list").output.contains("UnmountVault"))
        // By its mode, for whoever is not root.
        _ = try place.shell("chown -R 65534:65534 . && chmod -R a-w vault")
        try expectRefusal(place, "vaultReadOnly", saying: ["--read-only"]) {
            try place.shell("exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$BINARY\" mount vault mount")
        }
    }
}

@Suite("Bad input: keystores") struct BadKeystoreTests {
    @Test func missing() throws {
        let place = try Place()
        _ = try place.shell("mv keystore.db elsewhere.db")
        try expectRefusal(place, "keystoreMissing", saying: [place.keystore]) { try place.run("mount", place.vault, place.mount) }
        try expectRefusal(place, "keystoreMissing", saying: ["/nowhere"]) { try place.run("key", "list", "--keystore", "/nowhere") }
        try expectRefusal(place, "usage", saying: ["is empty"]) { try place.run("key", "list", "--keystore", "") }
    }

    @Test(arguments: [
        ("echo garbage > keystore.db", "keystoreUnreadable"), (": > keystore.db", "keystoreUnreadable"), ("truncate -s 5000 keystore.db", "keystoreUnreadable"),
        ("rm keystore.db; mkdir keystore.db", "keystoreUnreadable"),
        ("sqlite3 keystore.db \"UPDATE cmk SET state='Disabled'\"", "keystoreUnreadable"), ("sqlite3 keystore.db 'DELETE FROM cmk'", "keystoreUnreadable"),
        ("sqlite3 keystore.db 'UPDATE keystore SET schema_version=99; PRAGMA user_version=99'", "keystoreUnsupported"),
    ])
    func unreadable(change: String, name: String) throws {
        let place = try Place()
        let changed = try place.shell(change)
        try #require(changed.status == 0, "\(changed.errors)")
        try expectRefusal(place, name, saying: [place.keystore.hasSuffix("x") ? "" : "keystore"]) { try place.run("mount", place.vault, place.mount) }
    }

    @Test func ofAnotherUser() throws {
        let place = try Place()
        try expectRefusal(place, "keystoreUnreadable", saying: ["Permission denied"]) {
            try place.shell("chmod 755 . vault vault/.envelopefs && chmod 644 vault/.envelopefs/vault.json passphrase && mkdir -m 777 free && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$BINARY\" mount vault free")
        }
    }

    @Test func ofAnotherVault() throws {
        let place = try Place()
        #expect(try place.run("init", "other", "--keystore", "other.db").status == 0)
        try expectRefusal(place, "keystoreForeign", saying: [place.keystore, "other.db"]) { try place.run("mount", "--keystore", "other.db", place.vault, place.mount) }
    }

    @Test func olderThanSeen() throws {
        let place = try Place()
        let steps = "cp keystore.db old.db && \"$BINARY\" key create && \"$BINARY\" run vault -- touch file && mv old.db keystore.db && rm -f keystore.db-*"
        #expect(try place.shell(steps).status == 0)
        try expectRefusal(place, "keystoreOlder", saying: ["--accept-older-keystore"]) { try place.run("mount", place.vault, place.mount) }
        #expect(try place.run("mount", "--accept-older-keystore", place.vault, place.mount).status == 0)
        #expect(try place.run("unmount", place.mount).status == 0)
    }

    @Test func keys() throws {
        let place = try Place()
        let made = try place.run("key", "create", "--alias", "alias/project", "--tag", "team=x", "--description", "for tests")
        #expect(made.status == 0 && made.errors.isEmpty)
        let id = made.output.trimmingCharacters(in: .newlines)
        for reference in ["alias/project", id] {
            let described = try JSONSerialization.jsonObject(with: Data(try place.run("key", "describe", reference, "--json").output.utf8)) as? [String: Any]
            #expect(described?["keyID"] as? String == id && described?["state"] as? String == "Enabled")
            #expect(described?["aliases"] as? [String] == ["alias/project"] && described?["description"] as? String == "for tests")
        }
        try expectRefusal(place, "alreadyExists", saying: ["alias/project"]) { try place.run("key", "create", "--alias", "alias/project") }
        try expectRefusal(place, "keyNotFound", saying: ["alias/none"]) { try place.run("key", "describe", "alias/none") }
        try expectRefusal(place, "usage", saying: ["what"]) { try place.run("key", "describe", "what is this") }
        try expectRefusal(place, "usage", saying: ["nonsense"]) { try place.run("key", "create", "--tag", "nonsense") }
        #expect(try place.run("init", "second", "--key", "alias/project").status == 0)
        #expect(try place.run("info", "second").output.contains(id))
    }
}

@Suite("Bad input: mount points") struct BadMountPointTests {
    @Test func unusable() throws {
        let place = try Place()
        _ = try place.shell("mkdir full && echo x > full/precious")
        try expectRefusal(place, "mountPointMissing", saying: ["nowhere", "mkdir"]) { try place.run("mount", place.vault, "nowhere") }
        try expectRefusal(place, "mountPointMissing", saying: ["not a directory"]) { try place.run("mount", place.vault, "passphrase") }
        try expectRefusal(place, "mountPointNotEmpty", saying: ["precious"]) { try place.run("mount", place.vault, "full") }
        try expectRefusal(place, "mountPointNotEmpty", saying: ["vault itself"]) { try place.run("mount", place.vault, place.path) }
        try expectRefusal(place, "usage", saying: ["inside the vault"]) { try place.run("mount", place.vault, place.vault + "/.envelopefs") }
        try expectRefusal(place, "usage", saying: ["bogus"]) { try place.run("mount", "-o", "noatime,bogus", place.vault, place.mount) }
        try expectRefusal(place, "usage", saying: ["inside the mount"]) { try place.run("mount", "--log-file", "mount/log", place.vault, place.mount) }
    }

    @Test func noDevice() throws {
        let place = try Place()
        try expectRefusal(place, "noFuseDevice", saying: ["/dev/fuse"]) {
            try place.shellWithOwnMounts("mkdir dev && cp -a /dev/null /dev/zero /dev/urandom dev/ && mount --bind dev /dev && exec \"$BINARY\" mount vault mount")
        }
    }

    @Test func noHelper() throws {
        let place = try Place()
        try expectRefusal(place, "noFusermount", saying: ["fusermount3", "fuse3"]) {
            try place.shellWithOwnMounts(
                "chown -R nobody . && mount --bind /dev/null /usr/bin/fusermount3 && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$BINARY\" mount vault mount")
        }
    }

    @Test func deadMountIsClearedAway() throws {
        let place = try Place()
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        let daemon = try place.shell("head -1 vault/.envelopefs/lock").output.trimmingCharacters(in: .whitespacesAndNewlines)
        // Until its last thread has ended, the mount may still be served.
        let dying = "timeout 60 sh -c 'while grep -qs \"^State:[[:space:]]*[^ZX[:space:]]\" /proc/\(daemon)/task/*/status; do sleep 0.05; done'"
        #expect(try place.shell("echo kept > mount/file; sync mount/file; kill -9 \(daemon); \(dying); ls mount").errors.contains("not connected"))
        let status = try place.run("status", place.mount, "--json")
        #expect(status.output.contains("\"isAlive\" : false"), "\(status.output)")
        let again = try place.run("mount", place.vault, place.mount)
        #expect(again.status == 0 && again.errors.contains("taken away"), "\(again.errors)")
        #expect(try place.shell("cat mount/file").output == "kept\n")
        #expect(try place.run("unmount", place.mount).status == 0)
    }

    @Test func patienceWithoutEnd() throws {
        let place = try Place()
        for time in ["31536000h", "9223372036854775807"] {
            let refused = try place.run("unmount", place.mount, "--wait", time)
            #expect(refused.status == (try code("usage")) && refused.errors.contains("--wait"), "\(refused)")
        }
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        #expect(try place.run("unmount", place.mount, "--wait", "8760h").status == 0)
    }

    @Test func busy() throws {
        let place = try Place()
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        // It has its name only once the shell has become it.
        let named = "timeout 60 sh -c \"until grep -qsx sleep /proc/$h/comm; do sleep 0.05; done\""
        let holder = try place.shell("cd mount && { setsid sleep 60 >/dev/null 2>&1 & h=$!; \(named); echo $h; }").output.trimmingCharacters(in: .whitespacesAndNewlines)
        try expectRefusal(place, "mountBusy", saying: ["sleep", place.mount, "--wait"]) { try place.run("unmount", place.mount) }
        _ = try place.shell("(sleep 0.5; kill -9 \(holder)) >/dev/null 2>&1 &")
        let waited = try place.run("unmount", place.mount, "--wait", "60s")
        #expect(waited.status == 0, "\(waited.errors)")
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        _ = try place.shell("cd mount && exec 3>held && echo written >&3 && { setsid sleep 30 >/dev/null 2>&1 & }")
        #expect(try place.run("unmount", place.mount, "--force").status == 0)
        #expect(try place.run("run", place.vault, "--", "cat", "held").output == "written\n")
    }
}
