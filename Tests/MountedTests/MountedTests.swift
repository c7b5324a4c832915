// The built binary through a real mount: one test for each script and case, one at a time, as the machine has few cores.

import ScriptRunning
import Testing

@Suite(.serialized) struct MountedTests {
    /// With seeds of their own, so that a run says something about the change and not about luck. Other seeds by hand, as TESTING.md says.
    @Test("Random operations give in the mount what they give in a plain directory", arguments: ["root", "user"])
    func differential(who: String) throws {
        let run = try ScriptRun(
            "Differential/differential.py", "--as", who, "--seed", who == "root" ? "101" : "204", "--operations", "6000", "--writers", "2", "--per-round", "1000")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("operations of"), "it did not say what it did")
    }

    @Test("Random operations by four writers at once, in a mount of root alone")
    func differentialWithFourWriters() throws {
        let run = try ScriptRun("Differential/differential.py", "--alone", "--seed", "103", "--operations", "4000", "--writers", "4", "--per-round", "500", "--drop-caches")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("The differential test sees a planted difference")
    func differentialSees() throws {
        let run = try ScriptRun("Differential/sensitivity.py")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("A day's work", arguments: ["git", "sqlite", "postgres", "rsync", "tar", "copying"], ["root", "user"])
    func realWork(work: String, who: String) throws {
        let run = try ScriptRun("Mounted/realwork.py", "--short", "--as", who, work)
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Nothing in the clear; own data keys; fresh nonces")
    func secrets() throws {
        let run = try ScriptRun("Mounted/secrets_check.py")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Vault files that somebody changed")
    func tampering() throws {
        let run = try ScriptRun("Tamper/tamper.py", "--share", "3")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Vault files that were changed at random")
    func fuzz() throws {
        let run = try ScriptRun("Tamper/fuzz.py", "--rounds", "4")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("A check beside a mount that is in use")
    func live() throws {
        let run = try ScriptRun("Tamper/live.py", "--seconds", "15")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Corners of POSIX, as in a plain directory", arguments: ["root", "user", "root alone"])
    func corners(who: String) throws {
        let run = try who == "root alone" ? ScriptRun("Mounted/corners.py", "--as", "root", "--alone") : ScriptRun("Mounted/corners.py", "--as", who)
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains(", 0 differ"), "it did not say what it did")
    }

    @Test("A disk that fails loses nothing that was there, and its errors reach the program")
    func failingDisk() throws {
        let run = try ScriptRun("Failing/failing.py", "--share", "40")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("66 operations,") && run.output.contains(", 0 wrong"), "it did not say what it did")
        #expect(run.number(before: " faults") ?? 0 > 50, "hardly a call failed")
    }

    /// Where a listing meets the name that cannot be read depends on the file system.
    @Test("A name that could not be read is listed when the disk is well again", arguments: ["tmpfs", "ext4"])
    func failingListing(disk: String) throws {
        let run = try ScriptRun("Failing/failing.py", "--disk", disk, "list long names")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("1 operations,") && run.output.contains(", 0 wrong"), "it did not say what it did")
        #expect(run.number(before: " faults") ?? 0 > 15, "hardly a call failed")
    }

    @Test("A full disk loses nothing that was there", arguments: ["tmpfs", "ext4-inodes"])
    func fullDisk(disk: String) throws {
        let run = try ScriptRun("Failing/full.py", "--disk", disk, "--rooms", "0", "--short")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("\(disk): 66 operations, 1 rooms,") && run.output.contains(", 0 wrong"), "it did not say what it did")
        #expect(run.number(before: " of 66;") ?? 0 > 5, "hardly an operation was refused")
    }

    @Test("A killed daemon loses nothing that was synced")
    func crash() throws {
        let run = try ScriptRun("Mounted/crash.py", "--rounds", "20", "--seconds", "2")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("A keystore whose program is killed in the middle of verbs is as before them or as after")
    func killedVerbs() throws {
        let run = try ScriptRun("Keystore/kill.py", "--kills", "10", "--seed", "7")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("'killed': 10"))
    }

    @Test("A power cut takes nothing that was synced")
    func powerCut() throws {
        let run = try ScriptRun("PowerCut/powercut.py", "--jobs", "2", "--states", "60", "--mounted", "1", "--seed", "1")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("1560 states, 0 wrong"), "it did not look at every state")
    }

    @Test("A power cut takes no more than SECURITY.md says of a vault without a journal")
    func powerCutWithoutJournal() throws {
        let run = try ScriptRun("PowerCut/powercut.py", "--no-journal", "--jobs", "2", "--states", "60", "--mounted", "1", "--seed", "1")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("660 states, 0 wrong"), "it did not look at every state")
    }

    @Test("A power cut leaves nothing that check calls damage", arguments: ["attributes", "small"])
    func powerCutIsNoDamage(workload: String) throws {
        let run = try ScriptRun("PowerCut/powercut.py", "--states", "40", "--checked", "40", "--mounted", "5", "--seed", "71", workload)
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("40 states, 0 wrong") && run.number(before: " checked") ?? 0 >= 40, "it did not look at every state")
    }

    // Most states of each workload are wrong then: one of each is enough.
    @Test("The power-cut test sees a daemon that does not sync", arguments: zip(["all", "journal", "files"], ["overwrite", "log", "bypass"]))
    func powerCutSees(what: String, workload: String) throws {
        let run = try ScriptRun("PowerCut/powercut.py", "--plant", what, "--states", "40", "--mounted", "0", "--seed", "1", workload)
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Status that is asked for during a change does not stay old")
    func lateAnswers() throws {
        let run = try ScriptRun("Mounted/late_answers.py", "--changes", "2000")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("2000 changes"), "it did not say what it did")
    }

    @Test("fio, stress-ng and many files, short", arguments: ["fio", "stress", "many"])
    func soak(kind: String) throws {
        let run = try ScriptRun("Soak/soak.py", "--short", "--as", "user", kind)
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Many files as root, where the daemon's descriptors can be counted")
    func many() throws {
        let run = try ScriptRun("Soak/soak.py", "--short", "--as", "root", "many")
        #expect(run.status == 0, "\(run.tail)")
    }

    @Test("Requests and system calls of each operation stay within their bounds")
    func costs() throws {
        let run = try ScriptRun("Benchmarks/costs.py")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("every row within its bound"), "\(run.tail)")
    }
}
