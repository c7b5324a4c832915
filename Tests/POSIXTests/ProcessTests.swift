// Tests of processes: starting programs, signals, limits, what /proc tells.
import Bytes
import Glibc
import Testing

@testable import POSIX

@Suite(.serialized) struct ProcessTests {
    @Test func startsProgramsWithArgumentsAndEnvironment() throws {
        var spawn = Spawn("sh", ["-c", "printf '%s|' \"$@\" \"$EFS\" \"$HOME\"; pwd", "x", "a b", "ü\n"])
        spawn.environment = [Array("EFS=1 2".utf8), Array("PATH=/bin:/usr/bin".utf8)]
        spawn.directory = Array("/proc".utf8)
        let directory = try TemporaryDirectory()
        let file = try directory.file("out")
        spawn.descriptors = [(1, file)]
        #expect(try spawn.run() == .exited(0))
        #expect(String(decoding: try Paths.read(directory.path + "/out", limit: 1000), as: UTF8.self) == "a b|ü\n|1 2||/proc\n")
    }

    @Test(arguments: [
        ("0 0 4294967295", "CapPrm:\t0\nCapEff:\t000001ffffffffff\n", true), ("0 0 4294967295", "CapEff:\t000000000000001f\n", true),
        // Without CAP_DAC_OVERRIDE; user 0 of a namespace; nothing known.
        ("0 0 4294967295", "CapEff:\t000001fffffffffd\n", false), ("0 1000 1", "CapEff:\t000001ffffffffff\n", false), ("", "CapEff:\tff\n", false),
        ("0 0 4294967295", "Name:\tx\n", false), ("0 0 4294967295", "CapEff:\n", false), ("0 0 4294967295", "CapEff:\tzz\n", false),
    ]) func knowsWhomPermissionsHoldUp(map: String, status: String, overrides: Bool) {
        #expect(CurrentProcess.overridesPermissions(userMap: Array("         \(map)\n".utf8), status: Array(status.utf8)) == overrides)
    }

    @Test func tellsHowProgramsEnd() throws {
        #expect(try Spawn("/bin/sh", ["-c", "exit 7"]).run() == .exited(7))
        #expect(try Spawn("/bin/sh", ["-c", "kill -TERM $$"]).run() == .signaled(15))
        #expect(ExitStatus.signaled(15).shellCode == 143)
        #expect(throws: Errno.noEntry) { try Spawn("/nowhere/at-all").start() }
        // EACCES where a directory of PATH is closed to this user, as execvp has it.
        #expect(throws: Errno.self) { try Spawn("no-such-program-efs").start() }
        #expect(throws: Errno.accessDenied) { try Spawn("/etc/passwd").start() }
        let child = try Spawn("sleep", ["60"]).start()
        #expect(try child.statusIfEnded() == nil)
        #expect(Signal.isAlive(process: child.id))
        try child.send(.kill)
        #expect(try child.wait() == .signaled(9))
        #expect(throws: Errno.noChild) { try child.wait() }
        #expect(!Signal.isAlive(process: child.id))
    }

    @Test func givesOnlyTheChosenDescriptors() throws {
        let directory = try TemporaryDirectory()
        // The numbers cross over: each source is the other's target.
        let a = try directory.file("a")
        let b = try directory.file("b")
        var spawn = Spawn("bash", ["-c", "echo to-b >&\(a.raw); echo to-a >&\(b.raw); ls /proc/self/fd | tr '\\n' ' ' >&\(a.raw)"])
        spawn.descriptors = [(a.raw, b), (b.raw, a)]
        try check(spawn, directory, a.raw, b.raw)
    }
    private func check(_ spawn: Spawn, _ directory: TemporaryDirectory, _ a: Int32, _ b: Int32) throws {
        #expect(try spawn.run() == .exited(0))
        let inA = String(decoding: try Paths.read(directory.path + "/a", limit: 1000), as: UTF8.self)
        let inB = String(decoding: try Paths.read(directory.path + "/b", limit: 1000), as: UTF8.self)
        #expect(inA == "to-a\n")
        let lines = inB.split(separator: "\n")
        try #require(lines.count == 2 && lines[0] == "to-b")
        let open = Set(lines[1].split(separator: " ").compactMap { Int32($0) })
        // ls takes the lowest free number for the directory it reads; bash keeps a copy of a descriptor at 10 or above while it redirects.
        #expect(open.isSuperset(of: [0, 1, 2, a, b]) && open.count <= 7, "\(open)")
    }

    @Test func keepsItsOtherDescriptorsForItself() throws {
        let directory = try TemporaryDirectory()
        let (out, kept) = (try directory.file("out"), try directory.file("kept"))
        let inherited = Glibc.dup(kept.raw)  // not close-on-exec
        try #require(inherited > 2)
        defer { Glibc.close(inherited) }
        var spawn = Spawn("ls", ["-l", "/proc/self/fd"])
        spawn.descriptors = [(1, out)]
        #expect(try spawn.run() == .exited(0))
        let listing = String(decoding: try Paths.read(directory.path + "/out", limit: 10_000), as: UTF8.self)
        #expect(listing.contains("/out") && !listing.contains("/kept"))
    }

    @Test func clearsSignalsForPrograms() throws {
        try SignalSet([.user1]).block()
        try Signal.user2.ignore()
        defer {
            try? SignalSet([.user1]).unblock()
            try? Signal.user2.restoreDefault()
        }
        #expect(try Spawn("/bin/sh", ["-c", "kill -USR1 $$; exit 3"]).run() == .signaled(Signal.user1.rawValue))
        #expect(try Spawn("/bin/sh", ["-c", "kill -USR2 $$; exit 3"]).run() == .signaled(Signal.user2.rawValue))
    }

    /// What `nohup` ignored for its job stays ignored in it; what this program ignores does not.
    @Test func keepsInheritedSignalsForJobs() throws {
        // Two that no other test of this process touches.
        let (inherited, own) = (Signal(rawValue: SIGVTALRM), Signal(rawValue: SIGPROF))
        for signal in [inherited, own] { try signal.ignore() }
        defer { for signal in [inherited, own] { try? signal.restoreDefault() } }
        var spawn = Spawn("/bin/sh", ["-c", "kill -VTALRM $$; exit 3"])
        #expect(try spawn.run() == .signaled(inherited.rawValue))
        spawn.restoredSignals = SignalSet([own])
        #expect(try spawn.run() == .exited(3))
        spawn.arguments[2] = Array("kill -PROF $$; exit 3".utf8)
        #expect(try spawn.run() == .signaled(own.rawValue))
    }

    @Test func waitsForBlockedSignals() throws {
        let results = Shared<[Bool]>([])
        let thread = try POSIX.Thread.start(name: "signals") {
            do {
                let set = SignalSet([.hangUp])
                try set.block()
                let descriptor = try set.descriptor()
                results.note(try set.wait(timeout: 1_000_000) == nil)
                results.note(try !descriptor.waitUntilReadable(timeoutMilliseconds: 0))
                // To this thread alone: other threads of the test run do not block it.
                try Signal.hangUp.send(toThread: Thread.currentID)
                results.note(try descriptor.waitUntilReadable(timeoutMilliseconds: 1000))
                results.note(try descriptor.readSignal() == .hangUp)
                try Signal.hangUp.send(toThread: Thread.currentID)
                results.note(try set.wait(timeout: 1_000_000_000) == .hangUp)
            } catch { results.note(false) }
        }
        try thread.join()
        #expect(results.value == [true, true, true, true, true])
    }

    @Test func waitsForPipesAndEvents() throws {
        let pipe = try Pipe()
        let event = try Event()
        let both = [pipe.readEnd, event.descriptor]
        #expect(try SharedDescriptor.waitForAny(both, timeoutMilliseconds: 0) == nil)
        try event.signal()
        try event.signal()
        #expect(try SharedDescriptor.waitForAny(both, timeoutMilliseconds: 1000) == 1)
        #expect(try event.clear())
        #expect(try !event.clear())
        try pipe.writeEnd.writeSequence("x")
        #expect(try SharedDescriptor.waitForAny(both) == 0)
        #expect(throws: Errno.badDescriptor) { try SharedDescriptor.borrowing(99_999).waitUntilReadable(timeoutMilliseconds: 0) }
    }

    @Test func raisesLimitsAndGrowsTheTable() throws {
        let before = try ResourceLimits.openFiles()
        #expect(try ResourceLimits.raiseOpenFiles() == before.hard)
        #expect(try ResourceLimits.openFiles().soft == before.hard)
        try ResourceLimits.growDescriptorTable(to: min(before.hard, 4096))
        let fields = String(decoding: try Paths.read("/proc/self/status", limit: 1 << 20), as: UTF8.self)
        let line = try #require(fields.split(separator: "\n").first { $0.hasPrefix("FDSize:") })
        #expect(try #require(Int(line.dropFirst(7).drop { $0 == "\t" || $0 == " " })) >= min(Int(before.hard), 4096))
        #expect(throws: Errno.self) { try ResourceLimits.growDescriptorTable(to: before.hard + 1) }
        #expect(throws: Errno.invalidArgument) { try ResourceLimits.growDescriptorTable(to: 0) }
    }

    @Test func forbidsDumps() throws {
        try ResourceLimits.forbidDumps()
        defer { try? CurrentProcess.setDumpable(true) }
        let core = try ResourceLimits.coreSize()
        #expect(core.soft == 0 && core.hard == 0)
        // The way through /proc/self/fd still works for an undumpable process.
        let directory = try TemporaryDirectory()
        _ = try directory.file("f")
        let file = try directory.descriptor.openAt(FileName("f"), .pathOnly).reopen(.readWrite)
        #expect(try file.status().isRegular)
    }

    @Test func knowsItself() throws {
        #expect(CurrentProcess.id > 1 && CurrentProcess.parentID > 0)
        let path = try CurrentProcess.executablePath()
        #expect(path.first == UInt8(ascii: "/"))
        #expect(try !CurrentProcess.arguments().isEmpty)
        #expect(try Set(Processes.groups(of: CurrentProcess.id)) == Set(CurrentProcess.groups()))
        let name = try #require(Processes.name(of: CurrentProcess.id))
        #expect(!name.isEmpty && !name.contains("\n"))
        #expect(Processes.name(of: Int32.max) == nil)
        #expect(Environment.value("PATH")?.contains("/") == true)
        #expect(Environment.value("EFS_SURELY_NOT_SET") == nil)
        let (a, b) = (SystemClock.monotonic, SystemClock.monotonic)
        #expect(b >= a)
        #expect(SystemClock.now.seconds > 1_700_000_000)
    }
}

extension Shared<[Bool]> {
    fileprivate func note(_ isRight: Bool) { change { $0.append(isRight) } }
}
