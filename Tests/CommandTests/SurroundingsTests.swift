// What users and machines do around the program: other users' vaults, numbers of processes that come again, signals that are ignored, limits.

import Foundation
import Testing

@Suite("Unusual surroundings") struct SurroundingsTests {
    /// As after a power cut, when a daemon was killed and another program of ours has its number now: in a container both are number 1.
    @Test func aNumberInTheLockIsNoOwner() throws {
        let (place, other) = (try Place(), try Place())
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        let daemon = try place.shell("head -1 vault/.envelopefs/lock").output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try other.shell("printf '\(daemon)\\n/somewhere\\n' > vault/.envelopefs/lock").status == 0)
        let outcome = try other.run("run", other.vault, "--", "true")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try place.run("unmount", place.mount).status == 0)
    }

    @Test func whatRootChangesStaysItsOwners() throws {
        let place = try Place()
        _ = try place.shell("chown -R 65534:65533 vault && chmod 640 vault/.envelopefs/vault.json")
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "echo x > f").status == 0)
        #expect(try place.shell("stat -c '%u %g %a' vault/.envelopefs/vault.json").output == "65534 65533 640\n")
    }

    /// The kernel tells nobody of a copy in another mount namespace.
    @Test func aCopyElsewhereIsNotWaitedForForEver() throws {
        let place = try Place()
        let copy = "unshare -m sh -c 'touch copied; exec sleep 300' & copy=$!; while ! [ -e copied ]; do sleep 0.01; done"
        let script = "\"$BINARY\" mount vault mount && { \(copy); \"$BINARY\" unmount mount; status=$?; kill $copy; wait $copy; \"$BINARY\" run vault -- true; exit $status; }"
        let outcome = try place.shellWithOwnMounts(script)
        #expect(outcome.status == (try code("mountBusy")) && outcome.errors.contains("another mount namespace"), "\(outcome)")
    }

    @Test func salvageGoesOnWithoutItsReader() throws {
        let place = try Place()
        #expect(try place.run("run", place.vault, "--", "sh", "-c", "for i in $(seq 40); do echo $i > f$i; done").status == 0)
        for file in try place.sealedFiles().prefix(20) { _ = try place.shell("truncate -s 700 '\(file)'") }
        _ = try place.shell("\"$BINARY\" check vault --salvage out | true")
        #expect(try place.shell("ls out/files | wc -l; wc -l < out/lost.jsonl").output == "20\n20\n")
    }

    @Test func anIgnoredEndOfChildrenIsNoMatter() throws {
        let place = try Place()
        let ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
        let outcome = try place.shell("exec timeout 60 python3 -c '\(ignoring)' \"$BINARY\" run vault -- sh -c 'exit 7'")
        #expect(outcome.status == 7, "\(outcome)")
    }

    @Test func aFullDiskIsMounted() throws {
        let place = try Place(vault: false)
        let fill = "mkdir disk && mount -t tmpfs -o size=4m none disk && \"$BINARY\" init disk/vault > id && \"$BINARY\" run disk/vault -- sh -c 'echo kept > f' && ! head -c 8M /dev/zero > disk/filler 2> /dev/null"
        let outcome = try place.shellWithOwnMounts("\(fill) && \"$BINARY\" run --read-only disk/vault -- cat f && \"$BINARY\" run disk/vault -- cat f")
        #expect(outcome.status == 0 && outcome.output == "kept\nkept\n", "\(outcome)")
    }

    @Test func aDeadMountBehindALinkIsCleared() throws {
        let place = try Place()
        _ = try place.shell("ln -s mount link")
        #expect(try place.run("mount", place.vault, place.path + "/link").status == 0)
        _ = try place.shell("kill -9 $(head -1 vault/.envelopefs/lock)")
        let again = try place.shell("for i in $(seq 100); do \"$BINARY\" mount vault link 2> err && break; sleep 0.1; done; cat err; \"$BINARY\" unmount link")
        #expect(again.status == 0 && again.output.contains("its remains were taken away"), "\(again)")
    }

    @Test func aLimitOfFilesEndsNoDaemon() throws {
        let place = try Place()
        let script = "(ulimit -f 400; exec \"$BINARY\" mount vault mount) && { head -c 1000000 /dev/urandom > mount/large; sync mount/large; echo lives > mount/small && cat mount/small; \"$BINARY\" unmount mount; }"
        let outcome = try place.shell(script)
        #expect(outcome.output == "lives\n" && outcome.errors.contains("File too large"), "\(outcome)")
    }

    @Test func aLogThatGrowsIsBegunAnewDuringAMount() throws {
        let place = try Place()
        let script = "head -c 1048570 /dev/zero | tr '\\0' x > log && echo >> log && \"$BINARY\" mount --log-file log vault mount && \"$BINARY\" unmount mount"
        #expect(try place.shell(script).status == 0)
        #expect(try place.shell("grep -c ': mounted' log.1; grep -c 'unmounted, sealed' log; stat -c %a log").output == "1\n1\n600\n")
    }

    @Test func argumentsOfAJobAreAnyBytes() throws {
        let place = try Place()
        let outcome = try place.shell("\"$BINARY\" run vault -- touch \"$(printf 'caf\\351')\" && \"$BINARY\" run vault -- ls | od -An -tx1")
        #expect(outcome.output.contains("63 61 66 e9 0a"), "\(outcome)")
    }

    @Test func nobodyElseTakesAMountAway() throws {
        let place = try Place()
        _ = try place.shell("chmod 755 .")
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        let asOther = "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$BINARY\" unmount --force mount"
        try expectRefusal(place, "permissionDenied", saying: ["user 0"]) { try place.shell(asOther) }
        #expect(try place.run("unmount", place.mount).status == 0)
    }
}
