// Tests of bytes in files: reading, writing, sizes, holes, reopening.
import Bytes
import Testing

@testable import POSIX

@Suite struct FileTests {
    @Test func writesAndReadsAtOffsets() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        let head: [UInt8] = [1, 2, 3]
        let tail: [UInt8] = [4, 5, 6, 7]
        try file.writeAll(head.span, tail.span, at: 10)
        #expect(try file.status().size == 17)
        var whole = [UInt8](repeating: 9, count: 20)
        var span = whole.mutableSpan
        #expect(try file.read(into: &span, at: 0) == 17)
        #expect(whole == [UInt8](repeating: 0, count: 10) + [1, 2, 3, 4, 5, 6, 7, 9, 9, 9])

        var a = [UInt8](repeating: 0, count: 5)
        var b = [UInt8](repeating: 0, count: 5)
        var aSpan = a.mutableSpan
        var bSpan = b.mutableSpan
        #expect(try file.read(into: &aSpan, &bSpan, at: 9) == 8)
        #expect(a == [0, 1, 2, 3, 4])
        #expect(b == [5, 6, 7, 0, 0])
    }

    @Test func splitsOneTransferExactlyOverTwoParts() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        let a = [UInt8](repeating: 0xA1, count: 100_003)
        let b = [UInt8](repeating: 0xB2, count: 300_007)
        try file.writeAll(a.span, b.span, at: 5)
        try file.writeAll([UInt8]().span, a.span, at: 400_015)
        var read = [UInt8](repeating: 0, count: 500_018)
        var span = read.mutableSpan
        #expect(try file.read(into: &span, at: 0) == read.count)
        #expect(read == [0, 0, 0, 0, 0] + a + b + a)
    }

    @Test func fullReadsOfAPipeWaitForAllParts() throws {
        let pipe = try Pipe()
        let writeEnd = pipe.writeEnd
        let writer = try Thread.start(name: "writer") {
            for part in 0..<4 {
                try? writeEnd.writeSequence([UInt8](repeating: UInt8(part), count: 1000).span)
                SystemClock.sleep(nanoseconds: 2_000_000)
            }
        }
        var bytes = [UInt8](repeating: 0xFF, count: 4000)
        var span = bytes.mutableSpan
        #expect(try pipe.readEnd.readSequence(into: &span) == 4000)
        try writer.join()
        #expect(bytes[999] == 0 && bytes[1000] == 1 && bytes[3999] == 3)
    }

    @Test func tellsErrorsByNumber() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        #expect(throws: Errno.exists) { try directory.file("f") }
        #expect(throws: Errno.noEntry) { try directory.descriptor.openAt(FileName("g"), .readOnly) }
        #expect(throws: Errno.notDirectory) { try file.openAt(FileName("g"), .readOnly) }
        #expect(throws: Errno.invalidArgument) { try file.writeAll([1].span, at: UInt64.max) }
        let reader = try directory.descriptor.openAt(FileName("f"), .readOnly)
        #expect(throws: Errno.badDescriptor) { try reader.writeAll([1].span, at: 0) }
        #expect(Errno.noEntry.description == "No such file or directory")
        #expect(Errno.noSpace.code == 28)
    }

    @Test func findsHolesAndPunchesThem() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        let page = [UInt8](repeating: 7, count: 65536)
        try file.writeAll(page.span, at: 0)
        try file.writeAll(page.span, at: 1 << 20)
        #expect(try file.seek(0, to: .hole) == 65536)
        #expect(try file.seek(65536, to: .data) == 1 << 20)
        let size = UInt64((1 << 20) + 65536)
        #expect(try file.seek(1 << 20, to: .hole) == size)
        #expect(throws: Errno.noDeviceOrAddress) { try file.seek(size, to: .data) }
        try file.allocate([.punchHole, .keepSize], offset: 0, length: 65536)
        #expect(try file.seek(0, to: .data) == 1 << 20)
        try file.truncate(to: 10)
        #expect(try file.status().size == 10)
        try file.allocate(.keepSize, offset: 0, length: 100_000)
        #expect(try file.status().size == 10)
        try file.allocate([], offset: 0, length: 100_000)
        #expect(try file.status().size == 100_000)
        try file.synchronizeData()
        try file.synchronize()
        try file.syncFilesystem()
        try file.advise(.dontNeed)
    }

    @Test func reopensAnObjectFromItsPathDescriptor() throws {
        let directory = try TemporaryDirectory()
        try directory.file("f").writeAll(Array("hello".utf8).span, at: 0)
        let name = try FileName("f")
        let object = try directory.descriptor.openAt(name, .pathOnly)
        try directory.descriptor.renameAt(name, to: directory.descriptor, as: FileName("g"))
        let file = try object.reopen(.readWrite)
        try file.writeAll(Array("J".utf8).span, at: 0)
        #expect(try Paths.read(directory.path + "/g", limit: 100) == Array("Jello".utf8))
        #expect(try file.statusFlags().accessMode == .readWrite)
        #expect(try object.path() == Array((directory.path + "/g").utf8))
        try directory.descriptor.makeSymbolicLinkAt(name, target: Array("g".utf8).span)
        let link = try directory.descriptor.openAt(name, .pathOnly)
        #expect(throws: Errno.tooManySymbolicLinks) { try link.reopen(.readOnly) }
        #expect(throws: Errno.tooManySymbolicLinks) { try directory.descriptor.openAt(name, .readOnly) }
    }

    @Test func givesAnUnnamedFileAName() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.descriptor.openTemporary()
        try file.writeAll(Array("x".utf8).span, at: 0)
        try file.link(to: directory.descriptor, as: FileName("named"))
        #expect(try Paths.read(directory.path + "/named", limit: 10) == Array("x".utf8))
        #expect(try file.status().linkCount == 1)
    }

    @Test func closesWhenTheLastOwnerLetsGo() throws {
        let directory = try TemporaryDirectory()
        let raw: Int32
        do {
            let file = try directory.file("f")
            raw = file.raw
            #expect(try SharedDescriptor.borrowing(raw).status().isRegular)
        }
        // The number may be taken again by another test's thread, but not for this file.
        let status = try? SharedDescriptor.borrowing(raw).status()
        #expect(status?.inode != (try directory.descriptor.statusAt(FileName("f")).inode))
    }

    @Test func readsToTheEndUpToALimit() throws {
        let directory = try TemporaryDirectory()
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0) }
        try directory.file("f").writeAll(bytes.span, at: 0)
        #expect(try Paths.read(directory.path + "/f", limit: 50_000) == bytes)
        #expect(throws: Errno.fileTooLarge) { try Paths.read(directory.path + "/f", limit: 49_999) }
    }

    @Test func knowsTheFilesystem() throws {
        let directory = try TemporaryDirectory()
        let statistics = try directory.descriptor.statistics()
        #expect(statistics.longestName == 255)
        #expect(statistics.blocks >= statistics.freeBlocks && statistics.freeBlocks >= statistics.availableBlocks)
        #expect(statistics.blocks > 0 && statistics.fragmentSize > 0 && statistics.type != 0)
        #expect(try SharedDescriptor.open("/proc", .readOnly).statistics().type == 0x9FA0)
    }
}
