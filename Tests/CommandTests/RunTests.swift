// `run`: a vault mounted for one job.

import Foundation
import Testing

@Suite("Run") struct RunTests {
    @Test func jobSeesTheMount() throws {
        let place = try Place()
        // Both from one shell: the limits of this process are changed by other tests meanwhile.
        let job = "umask; ulimit -c; pwd; echo \"$ENVELOPEFS_MOUNT\"; stat -c %a .; echo hello > file"
        let first = try place.shell("umask; ulimit -c; exec \"$BINARY\" run vault -- sh -c '\(job)'")
        let lines = first.output.split(separator: "\n")
        try #require(first.status == 0 && lines.count == 7, "\(first)")
        #expect(lines[2...3] == lines[0...1], "the job's limits are not its caller's: \(first)")
        #expect(lines[4] == lines[5], "\(first)")
        #expect(!FileManager.default.fileExists(atPath: String(lines[4])), "the temporary mount point stays")
        let second = try place.run("run", place.vault, "--at", "mount", "--", "sh", "-c", "pwd; cat mount/file; ls -A \"$ENVELOPEFS_MOUNT\"")
        #expect(second.output == "\(place.path)\nhello\nfile\n", "\(second)")
        #expect(try place.shell("ls -A mount; grep -c '\(place.path)' /proc/self/mountinfo").output == "0\n")
    }

    @Test(arguments: [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143), ("kill -2 $$", 130)] as [(String, Int32)])
    func statusIsTheJobs(script: String, status: Int32) throws {
        let place = try Place()
        let outcome = try place.run("run", place.vault, "--", "sh", "-c", script)
        // All that may be said is that the disk is slow.
        let said = outcome.errors.replacing(/envelopefs: .* is gone; process [0-9]+ still seals\n/, with: "", maxReplacements: 1)
        #expect(outcome.status == status && said.isEmpty, "\(outcome)")
    }

    @Test func commandThatCannotBeRun() throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "no-such-command").status == code("commandNotFound"))
        #expect(try place.run("run", place.vault, "--", place.passphraseFile).status == code("commandNotExecutable"))
        #expect(try place.run("run", place.vault).status == code("usage"))
        #expect(try place.shell("grep -c '\(place.path)' /proc/self/mountinfo").output == "0\n")
    }

    /// The job has the mount; the passphrase is none of its business.
    @Test func jobDoesNotInheritThePassphrase() throws {
        let place = try Place()
        let variables = ["CREDENTIALS_DIRECTORY": place.path, "ENVELOPEFS_PASSPHRASE_COMMAND": "x", "ENVELOPEFS_KEY_FILE": "/k", "ENVELOPEFS_OTHER": "kept"]
        let seen = try place.run("run", place.vault, "--", "sh", "-c", "env | grep -E '^(ENVELOPEFS|CREDENTIALS)_' | cut -d= -f1 | sort", changes: variables)
        #expect(seen.output == "CREDENTIALS_DIRECTORY\nENVELOPEFS_KEYSTORE\nENVELOPEFS_MOUNT\nENVELOPEFS_OTHER\n", "\(seen)")
        // From a file as standard input, which could be read again from its beginning.
        let input = try place.shell("exec \"$BINARY\" run vault --passphrase-file - -- sh -c 'readlink /proc/self/fd/0; cat; ls /proc/self/fd' < passphrase")
        #expect(input.output == "/dev/null\n0\n1\n2\n3\n", "\(input)")
        let own = try place.shell("echo mine | \"$BINARY\" run vault -- sh -c 'cat; ls /proc/self/fd'")
        #expect(own.output == "mine\n0\n1\n2\n3\n", "\(own)")
    }

    @Test func jobGetsSecretsAsVariables() throws {
        let place = try Place()
        #expect(try place.shell("printf 'two\nlines ' | \"$BINARY\" safe import a=b && printf 1 | \"$BINARY\" safe import mail && printf '\\0' | \"$BINARY\" safe import nul").status == 0)
        // The caller's limits and the job's from one shell: those of this process are changed by other tests meanwhile.
        let job = "umask; ulimit -c; printf '<%s>' \"$FIRST\" \"$MAIL\"; env | grep -c ^MAIL="
        let script = "umask; ulimit -c; exec \"$BINARY\" run vault --secret a=b=FIRST --secret mail=MAIL -- sh -c \"$JOB\""
        let seen = try place.shell(script, changes: ["MAIL": "older", "JOB": job])
        let parts = seen.output.split(separator: "\n", maxSplits: 4, omittingEmptySubsequences: false)
        try #require(parts.count == 5, "\(seen)")
        #expect(parts[2...3] == parts[0...1] && parts[4] == "<two\nlines ><1>1\n", "\(seen)")
        #expect(try place.run("audit", "list", "--operation", "GetSecretValue").output.split(separator: "\n").count { $0.hasSuffix("reason: run: sh") } == 2)
        for (secret, name) in [("nobody=X", "secretNotFound"), ("mail", "usage"), ("mail=1X", "usage"), ("mail=ENVELOPEFS_X", "usage"), ("=X", "usage"), ("nul=X", "usage")] {
            let refused = try place.run("run", place.vault, "--secret", secret, "--", "touch", place.path + "/ran")
            #expect(refused.status == (try code(name)), "\(secret): \(refused)")
        }
        #expect(try place.run("run", place.vault, "--secret", "mail=X", "--secret", "a=b=X", "--", "true").status == code("usage"))
        #expect(!FileManager.default.fileExists(atPath: place.path + "/ran"))
        #expect(try place.shell("grep -c '\(place.path)' /proc/self/mountinfo").output == "0\n")
    }

    /// Keys in memory that may be swapped out are said, once; where they are locked there is nothing to say.
    @Test(arguments: [("0", 1), ("8192", 0)])
    func unlockedMemoryIsTold(limit: String, count: Int) throws {
        let place = try Place()
        // Without CAP_IPC_LOCK, which knows no limit.
        let words = "ulimit -l \(limit) && exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \"$BINARY\" run vault --log-file log -- true"
        #expect(try place.shell(words).status == 0)
        let lines = try String(contentsOfFile: place.path + "/log", encoding: .utf8).split(separator: "\n")
        #expect(lines.count { $0.contains("ulimit -l") } == count, "\(lines)")
    }

    @Test func jobKeepsWhatNohupIgnores() throws {
        let place = try Place()
        let ended = try place.shell("trap '' HUP; exec \"$BINARY\" run vault -- sh -c 'kill -HUP $$; exit 5'")
        #expect(ended.status == 5, "\(ended.errors)")
    }

    @Test func signalsEndTheJobAndTheMount() throws {
        let place = try Place()
        let outcome = try place.shell("\"$BINARY\" run vault -- sh -c 'trap \"echo ended; exit 5\" TERM; echo x > started; : > \"$HOME/ready\"; while :; do sleep 0.05; done' & while [ ! -e ready ]; do sleep 0.05; done; kill $!; wait $!")
        #expect(outcome.status == 5 && outcome.output.hasSuffix("ended\n"), "\(outcome)")
        #expect(try place.run("run", place.vault, "--", "cat", "started").output == "x\n")
    }

    @Test func whatTheJobLeavesRunningLosesTheMount() throws {
        let place = try Place()
        let outcome = try place.run("run", place.vault, "--wait", "300ms", "--", "sh", "-c", "sleep 20 >/dev/null 2>&1 & exit 3")
        #expect(outcome.status == 3 && outcome.errors.contains("sleep (pid "), "\(outcome)")
        #expect(try place.run("run", place.vault, "--", "true").status == 0)
    }
}

@Suite("Info and status") struct InfoTests {
    @Test func filesOfAVault() throws {
        let place = try Place()
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        _ = try place.shell("mkdir mount/d; echo small > mount/d/small; seq 100000 > mount/d/large; : > mount/d/empty; ln -s x mount/link")
        for (name, form, size) in [("small", "inline", 6), ("large", "blocks", 588_895), ("empty", "empty", 0)] {
            let text = try place.run("info", "mount/d/" + name, "--json").output
            let info = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
            #expect(info["form"] as? String == form && info["size"] as? Int == size, "\(text)")
            #expect((info["path"] as? String)?.hasPrefix(place.vault + "/") == true)
        }
        #expect(try place.run("info", "mount/link").output.contains("link"))
        #expect(try place.run("info", "mount").output.contains("mounted by") || place.run("info", "mount").output.contains("by process"))
        let status = try JSONSerialization.jsonObject(with: Data(try place.run("status", "mount", "--json").output.utf8)) as? [String: Any]
        #expect(status?["mountPoint"] as? String == place.mount && status?["vault"] as? String == place.vault && status?["isAlive"] as? Bool == true)
        #expect(try place.run("unmount", place.mount).status == 0)
        let states = try place.sealedFiles().map { try place.run("info", "--unlock", $0) }
        #expect(states.allSatisfy { $0.status == 0 } && states.filter { $0.output.contains("sealed, generation") }.count == 2, "\(states)")
        #expect(try place.run("info", "--unlock", "--json", place.vault).output.contains("\"isAuthentic\" : true"))
        #expect(try place.run("status").errors.contains("nothing is mounted") || place.run("status").output.contains(place.mount) == false)
    }

    /// What an attacker may do to one file: `info` says so, reading gives EIO, the other file reads.
    @Test(arguments: [
        "truncate -s 5000 \"$F\"", "truncate -s 700 \"$F\"", "truncate -s +4096 \"$F\"", "truncate -s +1 \"$F\"", "dd if=/dev/zero of=\"$F\" bs=4096 seek=3 count=1 conv=notrunc",
        "dd if=/dev/zero of=\"$F\" bs=512 count=1 conv=notrunc", "dd if=/dev/zero of=\"$F\" bs=512 seek=1 count=1 conv=notrunc", "dd if=\"$G\" of=\"$F\" bs=512 count=1 conv=notrunc",
        "dd if=\"$G\" of=\"$F\" bs=512 count=2 conv=notrunc", "dd if=\"$G\" of=\"$F\" bs=4096 skip=2 seek=2 count=1 conv=notrunc",
        otherByte(at: 300), otherByte(at: 500), "cp /bin/true \"$F\"",
    ])
    func damagedFile(change: String) throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "seq 100000 > wombat; seq 100000 > quokka").status == 0)
        let files = try place.sealedFiles()
        try #require(files.count == 2)
        let before = try place.snapshot()
        _ = try place.shell(change, changes: ["F": files[0], "G": files[1]])
        try #require(place.snapshot() != before, "nothing was changed")
        let read = try place.run(
            "run", place.vault, "--log-file", "log", "--", "sh", "-c", "seq 100000 > /tmp/$$.seq; for f in wombat quokka; do cmp $f /tmp/$$.seq && echo same; done; rm /tmp/$$.seq")
        #expect(read.output == "same\n" && read.errors.contains("Input/output error"), "\(read)")
        let log = try String(contentsOfFile: place.path + "/log", encoding: .utf8)
        #expect(log.contains("error"), "no line in the log: \(log)")
        #expect(!log.contains("wombat") && !log.contains("quokka"), "a plain name stands in the log")
    }

    @Test func fileThatIsNone() throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "seq 100000 > file").status == 0)
        let file = try #require(place.sealedFiles().first)
        for change in ["dd if=/dev/zero of=\"$F\" bs=512 count=1 conv=notrunc", "truncate -s 300 \"$F\"", "cp /bin/true \"$F\""] {
            _ = try place.shell(change, changes: ["F": file])
            try expectRefusal(place, "fileDamaged", saying: [file]) { try place.run("info", file) }
        }
    }
}

@Suite("Mount words through the kernel") struct MountWordTests {
    /// Every word that is handed on is one that libfuse and the kernel take.
    @Test(arguments: ["nosuid,nodev,noexec,noatime,dirsync", "suid,dev,exec,atime,sync,async", "ro,relatime,x-systemd.automount,noauto"])
    func kernelTakes(words: String) throws {
        let place = try Place()
        let made = try place.run("mount", "-o", words, place.vault, place.mount)
        #expect(made.status == 0, "\(made.errors)")
        let options = try place.shell("grep -F ' \(place.mount) ' /proc/self/mountinfo | cut -d' ' -f6").output.trimmingCharacters(in: .newlines).split(separator: ",")
        for word in words.split(separator: ",") where ["nosuid", "nodev", "noexec", "noatime", "ro"].contains(word) { #expect(options.contains(word), "\(options)") }
        #expect(options.contains("nosuid") != words.hasPrefix("suid"))
        #expect(try place.run("unmount", place.mount).status == 0)
    }
}

/// A command that puts a random byte into $F, but never the one that is there.
private func otherByte(at offset: Int) -> String {
    "cp \"$F\" copy; while cmp -s copy \"$F\"; do dd if=/dev/urandom of=\"$F\" bs=1 seek=\(offset) count=1 conv=notrunc; done; rm copy"
}
