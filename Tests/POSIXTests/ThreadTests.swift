// Tests of what belongs to one thread: umask, identity, scratch buffers, CPU.
import Bytes
import Testing

@testable import POSIX

@Suite struct ThreadTests {
    @Test func umaskIsTheThreadsOwn() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let masks: [UInt32] = [0, 0o022, 0o077, 0o777]
        let seenByMask = Shared<[UInt32: Set<UInt32>]>([:])
        let threads = try masks.map { mask in
            try Thread.start(name: "umask") {
                do {
                    for round in 0..<20 {
                        try ThreadIdentity.setUmask(mask)
                        Thread.yield()
                        let name = try FileName("m\(mask)-\(round)")
                        try d.makeNodeAt(name, mode: FileMode.regular | 0o777)
                        seenByMask.note(mask, try d.statusAt(name).permissions)
                    }
                    try ThreadIdentity.setUmask(0)
                    try d.makeDirectoryAt(FileName("d\(mask)"), mode: 0o777)
                    seenByMask.note(1000 + mask, try d.statusAt(FileName("d\(mask)")).permissions)
                } catch { seenByMask.note(9999, 0) }
            }
        }
        for thread in threads { try thread.join() }
        let seen = seenByMask.value
        #expect(seen[9999] == nil)
        for mask in masks {
            #expect(seen[mask] == [0o777 & ~mask])
            #expect(seen[1000 + mask] == [0o777])
        }
    }
    @Test(.enabled(if: CurrentProcess.userID == 0, "taking another's identity needs root"))
    func identityIsTheThreadsOwn() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        try d.changeMode(0o777)
        let failure = Shared<Errno?>(nil)
        let thread = try Thread.start(name: "other") {
            do throws(Errno) {
                try ThreadIdentity.setGroups([77, 88])
                try ThreadIdentity.setFilesystemUser(1234, groupID: 4321)
                _ = try d.openAt(FileName("theirs"), [.create, .readWrite])
                try ThreadIdentity.setFilesystemUser(0, groupID: 0)
            } catch { failure.change { $0 = error } }
        }
        try thread.join()
        #expect(failure.value == nil)
        let status = try d.statusAt(FileName("theirs"))
        #expect(status.userID == 1234 && status.groupID == 4321)
        #expect(try directory.file("ours").status().userID == 0)
        #expect(try !CurrentProcess.groups().contains(77))
    }

    @Test func scratchBuffersNestAndAreKept() throws {
        var outerAddress = 0
        PageBuffer.withScratch(5000) { outer in
            #expect(outer.count == 5000)
            for i in 0..<5000 { outer[i] = 1 }
            PageBuffer.withScratch(5000) { inner in
                for i in 0..<5000 { inner[i] = 2 }
                PageBuffer.withScratch(3 << 20) { large in
                    for i in 0..<large.count { large[i] = 3 }
                }
                #expect(inner[0] == 2 && inner[4999] == 2)
            }
            #expect(outer[0] == 1 && outer[4999] == 1)
            outerAddress = outer.withUnsafeMutableBytes { Int(bitPattern: $0.baseAddress) }
            #expect(outerAddress % 4096 == 0)
        }
        PageBuffer.withScratch(100) { again in
            #expect(again.count == 100)
            #expect(again.withUnsafeMutableBytes { Int(bitPattern: $0.baseAddress) } == outerAddress)
        }
        #expect(throws: Errno.ioError) {
            try PageBuffer.withScratch(10) { (_: inout MutableByteSpan) throws(Errno) in throw .ioError }
        }
        PageBuffer.withScratch(0) { #expect($0.count == 0) }
        PageBuffer.withScratch(1_310_720) { $0[1_310_719] = 1 }
    }

    @Test func scratchBuffersGiveTheirPagesBack() throws {
        PageBuffer.withScratch(1 << 20) { outer in
            outer[0] = 1
            PageBuffer.withScratch(1 << 20) { $0[70_000] = 2 }
            PageBuffer.giveBackScratch()
            #expect(outer[0] == 1, "it is in use")
            PageBuffer.withScratch(1 << 20) { #expect($0[70_000] == 0) }
        }
        PageBuffer.giveBackScratch()
        PageBuffer.withScratch(1 << 20) { #expect($0[0] == 0) }
    }

    @Test func scratchBuffersAreTheThreadsOwn() throws {
        let wrong = Shared(0)
        let threads = try (0..<4).map { number in
            try Thread.start(name: "scratch") {
                for round in 0..<200 {
                    PageBuffer.withScratch(1000 + round * 300) { span in
                        for i in span.indices { span[i] = UInt8(number) }
                        Thread.yield()
                        for i in span.indices where span[i] != UInt8(number) { wrong.change { $0 += 1 } }
                    }
                }
            }
        }
        for thread in threads { try thread.join() }
        #expect(wrong.value == 0)
    }

    @Test func pageBuffersStartAtZeroOnAPage() throws {
        let buffer = try PageBuffer(count: 10_000)
        let isZero = buffer.withBytes { $0.isAllZero && $0.count == 10_000 }
        #expect(isZero)
        buffer.withMutableBytes { $0[9_999] = 7 }
        #expect(buffer.withBytes { $0[9_999] } == 7)
        #expect(buffer.withBytes { $0.withUnsafeBytes { Int(bitPattern: $0.baseAddress) % 4096 } } == 0)
        #expect(try PageBuffer(count: 0).count == 0)
    }

    @Test func threadsHaveNamesStacksAndCPUs() throws {
        let facts = Shared<[Bool]>([])
        let thread = try Thread.start(name: "a name that is too long", stackSize: 1 << 20) {
            let id = Thread.currentID
            let cpu = Thread.allowedCPUs[0]
            let isBound = (try? Thread.bind(toCPU: cpu)) != nil && Thread.allowedCPUs == [cpu] && Thread.currentCPU == cpu
            let isFreed = (try? Thread.bind(toCPU: nil)) != nil
            let isRoot = CurrentProcess.effectiveUserID == 0
            let isIdle = (try? Thread.setCurrentIdle(true)) != nil && (!isRoot || (try? Thread.setCurrentIdle(false)) != nil)
            let found = [isBound, isFreed, isIdle, id != CurrentProcess.id, Processes.name(of: id) == "a name that is "]
            facts.change { $0 = found }
        }
        try thread.join()
        #expect(facts.value == [true, true, true, true, true])
        #expect(Thread.cpuCount >= 1)
        #expect(throws: Errno.invalidArgument) { try Thread.start(name: "x", stackSize: 1) {} }
    }
}

extension Shared<[UInt32: Set<UInt32>]> {
    fileprivate func note(_ key: UInt32, _ value: UInt32) { change { _ = $0[key, default: []].insert(value) } }
}
