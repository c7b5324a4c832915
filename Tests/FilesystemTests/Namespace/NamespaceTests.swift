// Names, links and directories of a vault, without a mount.

import Bytes
import Foundation
import POSIX
import Testing

@testable import Filesystem

@Suite struct NamespaceTests {
    let scratch: ScratchVault

    init() throws { scratch = try ScratchVault() }

    @Test func aFileIsFoundByItsNameAlsoAfterARemount() throws {
        _ = try scratch.makeFile("letter", content: "dear")
        #expect(try scratch.list() == ["letter"])
        try scratch.remount()
        #expect(try scratch.read(scratch.find("letter").inode) == "dear")
        #expect(try scratch.find("letter").status.size == 4)
        #expect(try scratch.backingNames().allSatisfy { !$0.contains("letter") })
    }

    @Test func aMissingNameIsENOENT() throws {
        #expect(scratch.errno { _ = try scratch.find("nothing") } == .noEntry)
        #expect(scratch.errno { try scratch.unlink("nothing") } == .noEntry)
        #expect(scratch.errno { try scratch.removeDirectory("nothing") } == .noEntry)
    }

    @Test func fileAndDirectoryOfOneNameExcludeEachOther() throws {
        _ = try scratch.makeFile("a")
        _ = try scratch.makeDirectory("b")
        #expect(scratch.errno { _ = try scratch.makeDirectory("a") } == .exists)
        #expect(scratch.errno { _ = try scratch.makeFile("b") } == .exists)
        #expect(scratch.errno { try scratch.unlink("b") } != nil)
        #expect(scratch.errno { try scratch.removeDirectory("a") } == .notDirectory)
    }

    @Test func directoriesKeepTheirContentWhenMoved() throws {
        let a = try scratch.makeDirectory("a")
        let b = try scratch.makeDirectory("b", in: a)
        _ = try scratch.makeFile("deep", in: b, content: "down here")
        let c = try scratch.makeDirectory("c")
        try scratch.rename("b", in: a, to: "moved", in: c)
        #expect(try scratch.list(a).isEmpty)
        #expect(try scratch.read(scratch.find("deep", in: scratch.find("moved", in: c).inode).inode) == "down here")
        // The inode that was known before still works under its new name.
        #expect(try scratch.read(scratch.find("deep", in: b).inode) == "down here")
        try scratch.remount()
        let moved = try scratch.find("moved", in: scratch.find("c").inode).inode
        #expect(try scratch.read(scratch.find("deep", in: moved).inode) == "down here")
    }

    @Test func aRenameOverAnEmptyDirectoryReplacesIt() throws {
        let source = try scratch.makeDirectory("source")
        _ = try scratch.makeFile("inside", in: source)
        _ = try scratch.makeDirectory("target")
        try scratch.rename("source", to: "target")
        #expect(try scratch.list() == ["target"])
        #expect(try scratch.backingNames().count == 1)
        #expect(try scratch.list(scratch.find("target").inode) == ["inside"])
        let full = try scratch.makeDirectory("full")
        _ = try scratch.makeFile("x", in: full)
        #expect(scratch.errno { try scratch.rename("target", to: "full") } == .notEmpty)
    }

    @Test func renamesFollowTheirMode() throws {
        _ = try scratch.makeFile("a", content: "A")
        _ = try scratch.makeFile("b", content: "B")
        #expect(scratch.errno { try scratch.rename("a", to: "b", .keep) } == .exists)
        try scratch.rename("a", to: "b", .exchange)
        #expect(try scratch.read(scratch.find("a").inode) == "B")
        #expect(try scratch.read(scratch.find("b").inode) == "A")
        try scratch.rename("a", to: "b")
        #expect(try scratch.list() == ["b"])
        #expect(try scratch.read(scratch.find("b").inode) == "B")
        _ = try scratch.makeDirectory("d")
        #expect(scratch.errno { try scratch.rename("b", to: "d", .exchange) } == .invalidArgument)
        #expect(scratch.errno { try scratch.rename("b", to: "d") } == .isDirectory)
        #expect(scratch.errno { try scratch.rename("d", to: "b") } == .notDirectory)
    }

    @Test(arguments: [174, 175, 176, 200, 254, 255]) func longNamesOfFilesAndDirectories(length: Int) throws {
        let file = String(repeating: "f", count: length)
        let directory = String(repeating: "d", count: length)
        _ = try scratch.makeFile(file, content: "long")
        let inode = try scratch.makeDirectory(directory)
        _ = try scratch.makeFile("inside", in: inode)
        #expect(try scratch.list() == [directory, file])
        try scratch.remount()
        #expect(try scratch.read(scratch.find(file).inode) == "long")
        try scratch.rename(file, to: "short")
        try scratch.rename(directory, to: String(repeating: "e", count: length))
        #expect(try scratch.list(scratch.find(String(repeating: "e", count: length)).inode) == ["inside"])
        try scratch.rename("short", to: file)
        try scratch.unlink(file)
        let other = try scratch.find(String(repeating: "e", count: length)).inode
        try scratch.unlink("inside", in: other)
        try scratch.removeDirectory(String(repeating: "e", count: length))
        #expect(try scratch.backingNames().isEmpty)
    }

    @Test func namesPast255BytesAreRefused() throws {
        let name = String(repeating: "n", count: 256)
        #expect(scratch.errno { _ = try scratch.makeFile(name) } == .nameTooLong)
        #expect(scratch.errno { _ = try scratch.find(name) } == .nameTooLong)
    }

    @Test func hardLinksAreOneObjectUnderEachName() throws {
        let inode = try scratch.makeFile("one", content: "shared")
        let linked = try scratch.vault.link(inode, Array("two".utf8).span, in: scratch.vault.root)
        #expect(linked.inode === inode)
        #expect(linked.status.linkCount == 2)
        try scratch.unlink("one")
        #expect(try scratch.vault.status(of: inode).linkCount == 1)
        #expect(try scratch.read(inode) == "shared")
        try scratch.unlink("two")
        #expect(try scratch.vault.status(of: inode).linkCount == 0)
    }

    @Test func anObjectStaysInReachWhenItsKnownNameGoesAndAnUnknownOneStays() throws {
        let inode = try scratch.makeFile("known", content: "kept")
        _ = try scratch.vault.link(inode, Array("other".utf8).span, in: scratch.vault.root)
        try scratch.remount()
        let found = try scratch.find("known").inode
        try scratch.unlink("known")
        #expect(try scratch.vault.status(of: found).linkCount == 1)
        #expect(try scratch.read(found) == "kept")
        #expect(try scratch.find("other").inode === found)
    }

    @Test func aReusedInodeNumberIsANewObject() throws {
        for round in 0..<50 {
            let old = try scratch.makeFile("file", content: "old \(round)")
            try scratch.unlink("file")
            let new = try scratch.makeFile("file", content: "new \(round)")
            #expect(old !== new)
            #expect(try scratch.read(new) == "new \(round)")
            #expect(try scratch.vault.status(of: old).linkCount == 0)
            try scratch.unlink("file")
        }
    }

    @Test func anOpenFileOutlivesItsName() throws {
        let (entry, file) = try scratch.vault.create(
            Array("temporary".utf8).span, in: scratch.vault.root, mode: 0o600, isExclusive: true, writable: true, caller: scratch.caller)
        try scratch.unlink("temporary")
        try file.write(Array("still here".utf8).span, at: 0, isWriteBack: false)
        #expect(try scratch.vault.status(of: entry.inode).size == 10)
        #expect(try scratch.vault.status(of: entry.inode).linkCount == 0)
        file.release()
    }

    @Test func symbolicLinksKeepTheirTargetsAndShowTheirLength() throws {
        for length in [1, 20, 255, 3000, 3054] {
            let target = [UInt8](repeating: 0x74, count: length)
            let name = Array("link\(length)".utf8)
            let made = try scratch.vault.makeSymbolicLink(to: target.span, name.span, in: scratch.vault.root, caller: scratch.caller)
            #expect(made.status.size == Int64(length))
            #expect(try scratch.vault.readLink(made.inode) == target)
        }
        let tooLong = [UInt8](repeating: 0x74, count: 3055)
        #expect(
            scratch.errno {
                _ = try scratch.vault.makeSymbolicLink(to: tooLong.span, [0x78].span, in: scratch.vault.root, caller: scratch.caller)
            } == .nameTooLong)
    }

    @Test func attributesAreSealedAndBoundToTheirObject() throws {
        let inode = try scratch.makeFile("file", content: "x")
        let directory = try scratch.makeDirectory("directory")
        let name = Array("user.note".utf8)
        let none: [UInt8] = []
        for object in [inode, directory] {
            try scratch.vault.setAttribute(name.span, to: Array("planted marker".utf8).span, flags: [], of: object)
            #expect(try scratch.vault.attribute(name.span, of: object) == Array("planted marker".utf8))
            #expect(try scratch.vault.attributeNames(of: object) == name + [0])
            #expect(scratch.errno { try scratch.vault.setAttribute(name.span, to: [1].span, flags: .create, of: object) } == .exists)
            try scratch.vault.removeAttribute(name.span, of: object)
            #expect(scratch.errno { _ = try scratch.vault.attribute(name.span, of: object) } == .noData)
            try scratch.vault.setAttribute(name.span, to: none.span, flags: [], of: object)
            #expect(try scratch.vault.attribute(name.span, of: object).isEmpty)
        }
        #expect(scratch.errno { _ = try scratch.vault.attribute(Array("trusted.x".utf8).span, of: inode) } == .notSupported)
    }

    /// As root, as these tests are run: nobody else may set one.
    @Test func labelsOfSELinuxAreKeptAndNotMissed() throws {
        let inode = try scratch.makeFile("file", content: "x")
        let label = Array("security.selinux".utf8)
        #expect(scratch.errno { _ = try scratch.vault.attribute(label.span, of: inode) } == .notSupported)
        #expect(scratch.errno { _ = try scratch.vault.attribute(Array("security.other".utf8).span, of: inode) } == .noData)
        try scratch.vault.setAttribute(label.span, to: Array("system_u:object_r:etc_t:s0".utf8).span, flags: [], of: inode)
        #expect(try scratch.vault.attribute(label.span, of: inode) == Array("system_u:object_r:etc_t:s0".utf8))
        #expect(try scratch.vault.attributeNames(of: inode) == label + [0])
    }

    @Test func attributesOfAnEmptyFileStayWhenItIsWritten() throws {
        let inode = try scratch.makeFile("file")
        let name = Array("user.note".utf8)
        try scratch.vault.setAttribute(name.span, to: [1, 2, 3].span, flags: [], of: inode)
        #expect(try scratch.vault.status(of: inode).size == 0)
        let file = try scratch.vault.open(inode, writable: true)
        try file.write([9, 9].span, at: 0, isWriteBack: false)
        file.release()
        #expect(try scratch.vault.attribute(name.span, of: inode) == [1, 2, 3])
        try scratch.remount()
        #expect(try scratch.vault.attribute(name.span, of: scratch.find("file").inode) == [1, 2, 3])
    }

    @Test func whatIsNotOursIsNotShownAndLeftAlone() throws {
        _ = try scratch.makeFile("ours")
        let foreign = ["notes.txt", "=side", "+short", String(repeating: "A", count: 40), String(repeating: "A", count: 40) + ".AAAAAAAAAAA"]
        for name in foreign.dropLast() { try Data("x".utf8).write(to: URL(fileURLWithPath: scratch.backing + "/" + name)) }
        try FileManager.default.createDirectory(atPath: scratch.backing + "/" + foreign.last!, withIntermediateDirectories: false)
        try scratch.remount()
        #expect(try scratch.list() == ["ours"])
        for name in foreign { #expect(FileManager.default.fileExists(atPath: scratch.backing + "/" + name)) }
    }

    @Test func aNameMovedToAnotherDirectoryOnDiskDoesNotOpen() throws {
        let directory = try scratch.makeDirectory("directory")
        _ = try scratch.makeFile("file", in: directory)
        let sealedDirectory = try #require(try scratch.backingNames().first)
        let sealedFile = try #require(try scratch.backingNames("/" + sealedDirectory).first)
        try FileManager.default.moveItem(
            atPath: "\(scratch.backing)/\(sealedDirectory)/\(sealedFile)", toPath: "\(scratch.backing)/\(sealedFile)")
        try scratch.remount()
        #expect(try scratch.list() == ["directory"])
        #expect(scratch.errno { _ = try scratch.find("file") } == .noEntry)
    }

    @Test func ofTwoDirectoriesOfOneNameTheOneWithContentIsShown() throws {
        let first = try scratch.makeDirectory("twin")
        _ = try scratch.makeFile("content", in: first)
        let sealed = try #require(try scratch.backingNames().first)
        // What a crash between rename and removal leaves: a second, empty directory that has the name too.
        try FileManager.default.moveItem(atPath: scratch.backing + "/" + sealed, toPath: scratch.base + "/aside")
        try scratch.remount()
        _ = try scratch.makeDirectory("twin")
        try FileManager.default.moveItem(atPath: scratch.base + "/aside", toPath: scratch.backing + "/" + sealed)
        try scratch.remount()
        #expect(try scratch.list() == ["twin"])
        #expect(try scratch.list(scratch.find("twin").inode) == ["content"])
    }

    @Test func ofAFileAndADirectoryOfOneNameTheFileIsShown() throws {
        let directory = try scratch.makeDirectory("twin")
        _ = try scratch.makeFile("inside", in: directory)
        let sealed = try #require(try scratch.backingNames().first)
        try FileManager.default.moveItem(atPath: scratch.backing + "/" + sealed, toPath: scratch.base + "/aside")
        try scratch.remount()
        _ = try scratch.makeFile("twin", content: "file")
        try FileManager.default.moveItem(atPath: scratch.base + "/aside", toPath: scratch.backing + "/" + sealed)
        try scratch.remount()
        #expect(try scratch.list() == ["twin"])
        #expect(try scratch.read(scratch.find("twin").inode) == "file")
    }

    @Test func aFileMadeThroughAReadOnlyHandleHasNoWriter() throws {
        let (entry, file) = try scratch.vault.create(
            Array("file".utf8).span, in: scratch.vault.root, mode: 0o644, isExclusive: true, writable: false, caller: scratch.caller)
        let writer = try scratch.vault.open(entry.inode, writable: true)
        try writer.write([1].span, at: 0, isWriteBack: false)
        writer.release()
        #expect(try file.seek(0, to: .data) == 0)
        file.release()
    }

    @Test func theRootCountsOnlyWhatIsShown() throws {
        let before = try scratch.vault.status(of: scratch.vault.root).linkCount
        #expect(before <= 2)
        _ = try scratch.makeDirectory("directory")
        #expect(try scratch.vault.status(of: scratch.vault.root).linkCount == (before == 2 ? 3 : before))
    }

    @Test func aChangeOfOwnerToNobodyTakesSetIDBitsAway() throws {
        let inode = try scratch.makeFile("program", content: "x")
        var change = StatusChange()
        change.mode = 0o6755
        #expect(try scratch.vault.setStatus(of: inode, change, caller: scratch.caller).permissions == 0o6755)
        #expect(try scratch.vault.setStatus(of: inode, StatusChange(), caller: scratch.caller).permissions == 0o755)
    }

    @Test func aDirectoryThatTheKernelForgotIsFoundAgainFromItsFiles() throws {
        let directory = try scratch.makeDirectory("before")
        let file = try scratch.makeFile("file", in: directory, content: "x")
        // Its only reason to be is that the file stands in it.
        scratch.vault.forget(directory, 1)
        #expect(try scratch.find("before").inode === directory)
        try scratch.rename("before", to: "after")
        try directory.directory.giveBackDescriptor()
        let linked = try scratch.vault.link(file, Array("other".utf8).span, in: scratch.vault.root)
        #expect(linked.status.linkCount == 2)
    }

    @Test func aVaultIsLockedWhileItIsOpen() throws {
        #expect(throws: VaultError.self) {
            _ = try Vault(
                opening: scratch.backing, keyring: scratch.keyring, mountPoint: "(second)", isReadOnly: false, log: scratch.vault.context.log)
        }
    }

    /// Found by the long soak: a fifo that is open and has no name any more kept the mode and times that it had when it lost it.
    @Test func whatHasNoNameTakesChangesToo() throws {
        let vault = scratch.vault
        let fifo = try vault.makeNode(Array("fifo".utf8).span, in: vault.root, mode: 0o010644, device: 0, caller: scratch.caller).inode
        try scratch.unlink("fifo")
        var change = StatusChange()
        change.mode = 0o4600
        change.modification = .set(Timestamp(seconds: 9, nanoseconds: 1))
        #expect(try vault.setStatus(of: fifo, change, caller: scratch.caller).permissions == 0o4600)
        let after = try vault.status(of: fifo)
        #expect(after.mode == 0o014600)
        #expect(after.modificationTime == Timestamp(seconds: 9, nanoseconds: 1))
        #expect(after.linkCount == 0)
    }
}
