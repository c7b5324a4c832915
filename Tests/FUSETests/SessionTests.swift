// A mount from its beginning to its end, through the kernel.

import Foundation
import Logging
import POSIX
import Testing

@testable import FUSE
@testable import Filesystem

@Suite(.serialized)
struct SessionTests {
    @Test func namesAreMadeListedMovedAndRemoved() throws {
        let mounted = try MountedVault()
        let result = try mounted.shell(
            """
            set -e
            mkdir -p a/b && ln -s some/target a/link && mkfifo a/pipe
            [ "$(readlink a/link)" = some/target ]
            mv a/b a/c && ls a
            for i in $(seq 300); do mkdir d$i; done
            ls | wc -l
            ls -l | grep -c ^d
            rmdir d* && rm -r a && ls
            """)
        #expect(result.text == "c\nlink\npipe\n301\n301\n")
        #expect(result.status == 0)
        try mounted.end()
    }

    @Test func aNameThatIsNotThereIsLookedUpOnce() throws {
        let mounted = try MountedVault()
        try mounted.shell("stat missing; true")
        let before = mounted.session.requestsServed
        try mounted.shell("for i in $(seq 50); do [ ! -e missing ] || echo there; done")
        // Entering the directory costs some; fifty look-ups would cost fifty.
        #expect(mounted.session.requestsServed - before < 25)
        #expect(try mounted.shell("mkdir missing && ls").text == "missing\n")
        try mounted.end()
    }

    @Test func rootAndTheDaemonsUserAreToldWhatItDidAndNobodyElse() throws {
        var options = MountOptions()
        options.allowOther = true
        let mounted = try MountedVault(options)
        try mounted.shell("echo hello > a; mkdir b; cat a; sync")
        let counters = try mounted.counters()
        #expect(counters["requests.create"] == 1)
        #expect(counters["requests.mkdir"] == 1)
        #expect(counters["bytes-written"] == 6)
        #expect(counters["files-in-memory"] ?? 0 >= 3)
        // Not listed, not elsewhere, not to be set, and not for others.
        #expect(try mounted.shell("getfattr -m - . b").text == "")
        #expect(try mounted.shell("getfattr -n system.envelopefs.counters b").status != 0)
        #expect(try mounted.shell("setfattr -n system.envelopefs.counters -v x .").status != 0)
        #expect(try mounted.shell("setpriv --reuid 12345 --regid 12345 --clear-groups getfattr -n system.envelopefs.counters .").status != 0)
        try mounted.end()
    }

    @Test func listingsKeepNamesOfAnyLengthApart() throws {
        let mounted = try MountedVault()
        let result = try mounted.shell(
            """
            set -e
            for n in 1 2 7 8 9 100 174 175; do mkdir "$(printf 'x%.0s' $(seq $n))"; done
            ls -U | awk '{print length($0)}' | sort -n | tr '\\n' ' '
            """)
        #expect(result.text == "1 2 7 8 9 100 174 175 ")
        try mounted.end()
    }

    @Test func aBusyMountStaysAndItsHolderIsNamed() throws {
        let mounted = try MountedVault()
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/bin/sleep")
        holder.arguments = ["60"]
        holder.currentDirectoryURL = URL(fileURLWithPath: mounted.mountPoint)
        try holder.run()
        #expect(mounted.session.unmount(lazily: false) == .busy)
        let holders = Holder.all(of: mounted.mountPoint)
        #expect(holders == [Holder(processID: holder.processIdentifier, program: "sleep", path: mounted.mountPoint)])
        #expect(try mounted.shell("mkdir still && ls").text == "still\n")
        kill(holder.processIdentifier, SIGKILL)
        holder.waitUntilExit()
        try mounted.end()
    }

    @Test func theLogNamesNoPlainFileOfABusyMount() throws {
        let lines = LogLines()
        let mounted = try MountedVault(logger: Logger(label: "test", factory: { _ in LineHandler(lines: lines) }))
        try mounted.shell("mkdir plain-name")
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/bin/sleep")
        holder.arguments = ["60"]
        holder.currentDirectoryURL = URL(fileURLWithPath: mounted.mountPoint + "/plain-name")
        try holder.run()
        mounted.session.endMount(.terminate, isFirst: true)
        kill(holder.processIdentifier, SIGKILL)
        holder.waitUntilExit()
        try mounted.end()
        let log = lines.all.joined(separator: "\n")
        #expect(log.contains("stays mounted: sleep (pid \(holder.processIdentifier));"), "\(log)")
        #expect(!log.contains("plain-name"), "\(log)")
    }

    @Test func everyCapabilityCanBeLeftOut() throws {
        var options = MountOptions()
        options.capabilities = []
        options.makeShared()
        let mounted = try MountedVault(options)
        #expect(try mounted.shell("mkdir a && mv a b && ls && stat -c %F b").text == "b\ndirectory\n")
        try mounted.end()
    }

    @Test func oneThreadAloneServes() throws {
        var options = MountOptions()
        options.maxThreads = 1
        options.spin = 0
        let mounted = try MountedVault(options)
        #expect(try mounted.shell("mkdir a && sync -f . && ls").text == "a\n")
        try mounted.end()
    }

    @Test func manyClientsAtOnce() throws {
        let mounted = try MountedVault()
        let result = try mounted.shell(
            """
            for c in 1 2 3 4 5 6; do
              ( mkdir c$c; for i in $(seq 60); do mkdir c$c/$i && mv c$c/$i c$c/m$i && ls c$c >/dev/null; done; rmdir c$c/m* c$c ) &
            done
            wait; ls
            """)
        #expect(result.text == "")
        try mounted.end()
    }

    @Test func aSlowRequestDoesNotHoldUpTheOthers() throws {
        let mounted = try MountedVault()
        try mounted.shell("mkdir slow fast")
        let slow = try mounted.vault.lookup(Array("slow".utf8).span, in: mounted.vault.root).inode
        let waiting = Process()
        waiting.executableURL = URL(fileURLWithPath: "/bin/mkdir")
        waiting.arguments = [mounted.mountPoint + "/slow/late"]
        // Whoever makes something in `slow` waits for this lock inside its request; the only reading thread is then in it.
        let result = try slow.directory.mutation.withLock { _ in
            try waiting.run()
            usleep(100_000)
            return try mounted.shell("timeout 10 mkdir fast/early && timeout 10 ls fast")
        }
        #expect(result.text == "early\n")
        waiting.waitUntilExit()
        #expect(waiting.terminationStatus == 0)
        #expect(try mounted.shell("ls slow").text == "late\n")
        mounted.vault.forget(slow, 1)
        try mounted.end()
    }

    @Test func moreSlowRequestsThanThreadsEndWhenTheyCan() throws {
        var options = MountOptions()
        options.maxThreads = 3
        let mounted = try MountedVault(options)
        try mounted.shell("mkdir slow")
        let slow = try mounted.vault.lookup(Array("slow".utf8).span, in: mounted.vault.root).inode
        let waiting = Process()
        waiting.executableURL = URL(fileURLWithPath: "/bin/bash")
        waiting.arguments = ["-c", "for i in 1 2 3 4 5 6 7 8; do mkdir \(mounted.mountPoint)/slow/$i & done; wait"]
        try slow.directory.mutation.withLock { _ in
            try waiting.run()
            usleep(200_000)
        }
        waiting.waitUntilExit()
        #expect(try mounted.shell("ls slow | wc -l").text == "8\n")
        mounted.vault.forget(slow, 1)
        try mounted.end()
    }

    @Test func aThreadThatComesFreeReadsForOneThatIsBusy() throws {
        var options = MountOptions()
        options.mostTransfers = 1
        // The watch would help too, but not before this time is over. The session's end waits for it, and so takes as long.
        options.patience = 20_000
        let mounted = try MountedVault(options)
        try mounted.shell("mkdir folder; for f in first second; do head -c 8192 /dev/zero > $f; done; sync -f .")
        let files = try ["first", "second"].map { try mounted.vault.lookup(Array($0.utf8).span, in: mounted.vault.root).inode }
        let contents = try files.map { try mounted.vault.open($0, writable: true) }
        func allocate(_ name: String) throws -> Process {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/fallocate")
            process.arguments = ["-l", "1M", mounted.mountPoint + "/" + name]
            try process.run()
            usleep(300_000)
            return process
        }
        let (result, late) = try contents[1].content.lock.withReadLock {
            // The first one has a thread of its own and leaves the turn to read to another, which keeps it in the second one.
            let (early, late) = try contents[0].content.lock.withReadLock { (try allocate("first"), try allocate("second")) }
            let began = ContinuousClock.now
            early.waitUntilExit()
            #expect(early.terminationStatus == 0)
            let result = try mounted.shell("timeout 15 mkdir folder/early; timeout 15 ls folder")
            #expect(began.duration(to: .now) < .seconds(15))
            return (result, late)
        }
        #expect(result.text == "early\n")
        late.waitUntilExit()
        #expect(late.terminationStatus == 0)
        for content in contents { content.release() }
        for file in files { mounted.vault.forget(file, 1) }
        try mounted.end()
    }

    @Test func contentIsDroppedByOthersThanServingThreads() throws {
        let mounted = try MountedVault()
        try mounted.shell("echo text > file; sync -f .; cat file")
        let file = try mounted.vault.lookup(Array("file".utf8).span, in: mounted.vault.root).inode
        let before = mounted.session.requestsServed
        try mounted.session.dropContent(of: file)
        try mounted.session.dropStatus(of: file)
        try mounted.session.dropEntry(Array("file".utf8).span, in: mounted.vault.root)
        try mounted.session.dropEntry(Array("never there".utf8).span, in: mounted.vault.root)
        #expect(try mounted.shell("cat file").text == "text\n")
        // It had to be looked up, asked for and read again.
        #expect(mounted.session.requestsServed - before >= 4)
        mounted.vault.forget(file, 1)
        try mounted.end()
    }
}
