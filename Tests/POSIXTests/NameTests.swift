// Tests of names and of what belongs to a name: links, renames, mode, owner, times.
import Bytes
import Testing

@testable import POSIX

@Suite struct NameTests {
    @Test func refusesWhatIsNoName() throws {
        #expect(throws: Errno.noEntry) { try FileName("") }
        #expect(throws: Errno.invalidArgument) { try FileName("a/b") }
        #expect(throws: Errno.invalidArgument) { try FileName([97, 0, 98]) }
        #expect(try FileName("..") == .parent)
        #expect(try FileName(".").isCurrentOrParent)
        #expect(try !FileName("...").isCurrentOrParent)
        #expect(try FileName(fixed: "vault.json") == FileName("vault.json"))
        #expect(try AttributeName(fixed: "user.x") == AttributeName("user.x"))
        #expect(try FileName("ab").bytes == [97, 98])
        #expect(try FileName("ab").withSpan { $0.count } == 2)
    }

    @Test(arguments: [[0xFF, 0xFE, 0x80], Array("a\nb\t".utf8), [UInt8](repeating: 0xC3, count: 255), Array("-rf *".utf8)] as [[UInt8]])
    func keepsAnyBytes(_ bytes: [UInt8]) throws {
        let directory = try TemporaryDirectory()
        let name = try FileName(bytes)
        let made = try directory.descriptor.openAt(name, [.readWrite, .create])
        #expect(try directory.descriptor.statusAt(name).inode == made.status().inode)
        let stream = try DirectoryStream(opening: directory.descriptor)
        var found: [[UInt8]] = []
        while let entry = try stream.next() { if !entry.name.isCurrentOrParent { found.append(entry.name.bytes) } }
        #expect(found == [bytes])
    }

    @Test func leavesTooLongNamesToTheKernel() throws {
        let directory = try TemporaryDirectory()
        let name = try FileName([UInt8](repeating: 97, count: 256))
        #expect(throws: Errno.nameTooLong) { try directory.descriptor.statusAt(name) }
    }

    @Test func makesEveryKind() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        try d.makeDirectoryAt(FileName("d"), mode: 0o755)
        try d.makeNodeAt(FileName("p"), mode: FileMode.fifo | 0o600)
        try d.makeNodeAt(FileName("s"), mode: FileMode.socket | 0o600)
        try d.makeNodeAt(FileName("r"), mode: FileMode.regular | 0o600)
        let target = Array("to\u{FF}where".utf8) + [0xFF]
        try d.makeSymbolicLinkAt(FileName("l"), target: target.span)
        for (name, kind) in [("d", FileKind.directory), ("p", .fifo), ("s", .socket), ("r", .regular), ("l", .symbolicLink)] {
            #expect(try d.statusAt(FileName(name)).kind == kind)
        }
        #expect(try d.readLinkAt(FileName("l")) == target)
        #expect(try d.openAt(FileName("l"), .pathOnly).readLink() == target)
        #expect(throws: Errno.invalidArgument) { try d.readLinkAt(FileName("r")) }
        #expect(throws: Errno.notEmpty) {
            try d.openAt(FileName("d"), .pathOnly).makeDirectoryAt(FileName("x"), mode: 0o700)
            try d.unlinkAt(FileName("d"), directory: true)
        }
        #expect(throws: Errno.notDirectory) { try d.unlinkAt(FileName("r"), directory: true) }
        #expect(throws: Errno.isDirectory) { try d.unlinkAt(FileName("d")) }
        let long = [UInt8](repeating: 120, count: 4000)
        try d.makeSymbolicLinkAt(FileName("long"), target: long.span)
        #expect(try d.readLinkAt(FileName("long")) == long)
    }

    @Test func renamesWithFlags() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let (a, b) = (try FileName("a"), try FileName("b"))
        let first = try directory.file("a").status().inode
        let second = try directory.file("b").status().inode
        #expect(throws: Errno.exists) { try d.renameAt(a, to: d, as: b, flags: .noReplace) }
        try d.renameAt(a, to: d, as: b, flags: .exchange)
        #expect(try d.statusAt(a).inode == second)
        #expect(try d.statusAt(b).inode == first)
        try d.renameAt(a, to: d, as: b)
        #expect(try d.statusAt(b).inode == second)
        #expect(throws: Errno.noEntry) { try d.statusAt(a) }
    }

    @Test func linksObjectsAndSymbolicLinksThemselves() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let object = try directory.file("f")
        try d.linkAt(FileName("f"), to: d, as: FileName("f2"))
        try d.openAt(FileName("f"), .pathOnly).link(to: d, as: FileName("f3"))
        #expect(try object.status().linkCount == 3)
        try d.makeSymbolicLinkAt(FileName("l"), target: Array("f".utf8).span)
        try d.linkAt(FileName("l"), to: d, as: FileName("l2"))
        try d.openAt(FileName("l"), .pathOnly).link(to: d, as: FileName("l3"))
        #expect(try d.statusAt(FileName("l3")).isSymbolicLink)
        #expect(try d.statusAt(FileName("l")).linkCount == 3)
        for name in ["f", "f2", "f3"] { try d.unlinkAt(FileName(name)) }
        #expect(throws: Errno.noEntry) { try object.link(to: d, as: FileName("f4")) }
    }

    @Test func changesModesButNotOfLinks() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let file = try directory.file("f")
        try d.makeSymbolicLinkAt(FileName("l"), target: Array("f".utf8).span)
        try d.makeNodeAt(FileName("p"), mode: FileMode.fifo | 0o600)
        try d.changeModeAt(FileName("f"), 0o4711)
        #expect(try file.status().permissions == 0o4711)
        try d.openAt(FileName("f"), .pathOnly).changeMode(0o640)
        #expect(try file.status().permissions == 0o640)
        try file.changeMode(0o604)
        #expect(try file.status().permissions == 0o604)
        try d.openAt(FileName("p"), .pathOnly).changeMode(0o622)
        #expect(try d.statusAt(FileName("p")).permissions == 0o622)
        #expect(throws: Errno.notSupported) { try d.changeModeAt(FileName("l"), 0o600) }
        #expect(throws: Errno.notSupported) { try d.openAt(FileName("l"), .pathOnly).changeMode(0o600) }
        #expect(try file.status().permissions == 0o604)
    }

    @Test(.enabled(if: CurrentProcess.userID == 0, "changing owners needs root"))
    func changesOwnersOfLinksThemselves() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let file = try directory.file("f")
        try d.makeSymbolicLinkAt(FileName("l"), target: Array("f".utf8).span)
        try d.changeOwnerAt(FileName("l"), userID: 1234, groupID: nil)
        try d.openAt(FileName("l"), .pathOnly).changeOwner(userID: nil, groupID: 4321)
        let link = try d.statusAt(FileName("l"))
        #expect(link.userID == 1234 && link.groupID == 4321)
        #expect(try file.status().userID == 0)
        try file.changeOwner(userID: 7, groupID: 8)
        #expect(try file.status().userID == 7 && file.status().groupID == 8)
    }

    @Test func setsTimesOfLinksThemselvesAndOmits() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let file = try directory.file("f")
        let name = try FileName("l")
        try d.makeSymbolicLinkAt(name, target: Array("f".utf8).span)
        let early = Timestamp(seconds: -5, nanoseconds: 123_456_789)
        let late = Timestamp(seconds: 4_000_000_000, nanoseconds: 1)
        try d.setTimesAt(name, access: .set(early), modification: .set(late))
        var link = try d.statusAt(name)
        #expect(link.accessTime == early && link.modificationTime == late)
        try d.openAt(name, .pathOnly).setTimes(access: .omit, modification: .set(early))
        link = try d.statusAt(name)
        #expect(link.accessTime == early && link.modificationTime == early)
        let before = SystemClock.now
        try file.setTimes(access: .set(late), modification: .now)
        let status = try file.status()
        #expect(status.accessTime == late)
        #expect(status.modificationTime.seconds >= before.seconds - 1 && status.modificationTime < late)
        #expect(try Paths.status(directory.path + "/l").inode == file.status().inode)
    }

    @Test func worksOnPaths() throws {
        let directory = try TemporaryDirectory()
        let deep = directory.path + "/a//b/c/"
        try Paths.makeDirectories(deep)
        try Paths.makeDirectories(deep)
        #expect(try Paths.resolve(directory.path + "/a/./b/../b/c") == Array((directory.path + "/a/b/c").utf8))
        #expect(try Paths.exists(directory.path + "/a/b"))
        #expect(try !Paths.exists(directory.path + "/a/x"))
        _ = try directory.file("file")
        #expect(try !Paths.exists(directory.path + "/file/x"))
        #expect(throws: Errno.notDirectory) { try Paths.makeDirectories(directory.path + "/file/x") }
        #expect(throws: Errno.notDirectory) { try Paths.makeDirectories(directory.path + "/file") }
        try Paths.rename(directory.path + "/file", to: directory.path + "/a/file")
        try Paths.remove(directory.path + "/a/file")
        #expect(throws: Errno.notEmpty) { try Paths.remove(directory.path + "/a", directory: true) }
    }
}
