// What `check` finds in a vault, what it repairs, and what it saves.

import Bytes
import Format
import Foundation
import KeyManagement
import Logging
import POSIX
import Synchronization
import Testing

@testable import Filesystem

/// Findings as they come from several threads.
private final class Collected: Sendable {
    private let list = Mutex<[CheckFinding]>([])
    func add(_ finding: CheckFinding) { list.withLock { $0.append(finding) } }
    var all: [CheckFinding] { list.withLock { $0 } }
}

extension ScratchVault {
    /// Closes the vault, checks it, opens it again.
    fileprivate func check(
        repairing: Bool = false, paths: [String] = [], isShared: @escaping @Sendable () -> Bool = { false }
    ) throws -> (summary: CheckSummary, findings: [CheckFinding]) {
        try whileClosed { try checkClosed(repairing, paths, isShared) }
    }

    fileprivate func checkClosed(
        _ repairing: Bool, _ paths: [String], _ isShared: @escaping @Sendable () -> Bool
    ) throws -> (summary: CheckSummary, findings: [CheckFinding]) {
        let found = Collected()
        let looked = try Vault(
            opening: backing, keyring: keyring, mountPoint: "(check)", isReadOnly: !repairing, use: repairing ? .repairing : .looking,
            log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        let checker = Checker(looked, isRepairing: repairing, isShared: isShared) { found.add($0) }
        let summary = try checker.run(paths: paths.map { Array($0.utf8) }, threads: 3, countsAhead: true)
        try looked.close()
        return (summary, found.all.sorted { $0.kind.rawValue < $1.kind.rawValue })
    }

    fileprivate func kinds(repairing: Bool = false) throws -> [CheckFinding.Kind] { try check(repairing: repairing).findings.map(\.kind) }

    /// Path of the one entry that `make` adds to a backing directory.
    fileprivate func stored(in directory: String = "", _ make: () throws -> Void) throws -> String {
        let before = Set(try backingNames(directory))
        try make()
        let new = Set(try backingNames(directory)).subtracting(before).filter { !$0.hasPrefix("=") }
        return backing + directory + "/" + (try #require(new.first))
    }

    fileprivate func makeLarge(_ name: String, blocks: Int) throws -> Inode {
        let inode = try makeFile(name)
        let file = try vault.open(inode, writable: true)
        var dice = Dice(UInt64(blocks))
        let bytes = dice.bytes(blocks * 4096)
        try file.write(bytes.span, at: 0, isWriteBack: false)
        file.release()
        return inode
    }
}

private func change(_ path: String, at offset: UInt64) throws {
    let file = try SharedDescriptor.open(path, .readWrite)
    var byte: [UInt8] = [0]
    var span = byte.mutableSpan
    _ = try file.read(into: &span, at: offset)
    byte[0] ^= 0x40
    try file.writeAll(byte.span, at: offset)
}

@Suite("Check") struct CheckTests {
    @Test func nothingIsFoundInASoundVault() throws {
        let scratch = try ScratchVault()
        let directory = try scratch.makeDirectory(String(repeating: "d", count: 200))
        _ = try scratch.makeFile(String(repeating: "f", count: 200), in: directory, content: "long")
        _ = try scratch.makeFile("small", content: "some words")
        _ = try scratch.makeFile("empty")
        _ = try scratch.makeLarge("large", blocks: 200)
        let (summary, findings) = try scratch.check()
        #expect(findings.isEmpty, "\(findings)")
        #expect(summary.files == 4 && summary.directories == 2)
        #expect(summary.bytes == 200 * 4096 + 14)
        #expect(summary.isComplete)
    }

    @Test func oneBadBlockCostsOneBlock() throws {
        let scratch = try ScratchVault()
        let path = try scratch.stored { _ = try scratch.makeLarge("large", blocks: 100) }
        try scratch.whileClosed {
            try change(path, at: BlockLayout.blockOffset(of: 50) + 7)
            try change(path, at: BlockLayout.slotOffset(of: 51) + 3)
        }
        let (summary, findings) = try scratch.check()
        #expect(findings.map(\.kind) == [.damagedBlocks])
        #expect(findings.first?.lost == [50 << 12..<52 << 12])
        #expect(findings.first?.path == "large")
        #expect(summary.bytes == 98 * 4096)
    }

    @Test func whatIsWrongWithNamesIsFound() throws {
        let scratch = try ScratchVault()
        let directory = try scratch.makeDirectory("directory")
        let directoryPath = "/" + (try #require(try scratch.backingNames().first))
        let moved = try scratch.stored { _ = try scratch.makeFile("moved", content: "here") }
        let long = try scratch.stored { _ = try scratch.makeFile(String(repeating: "n", count: 200), content: "long") }
        _ = try scratch.makeFile("kept", in: directory, content: "kept")
        let manager = FileManager.default
        try manager.moveItem(atPath: moved, toPath: scratch.backing + directoryPath + "/" + URL(filePath: moved).lastPathComponent)
        try manager.removeItem(atPath: scratch.backing + "/=" + URL(filePath: long).lastPathComponent.dropFirst())
        try Data("x".utf8).write(to: URL(filePath: scratch.backing + "/=" + String(repeating: "A", count: 43)))
        try Data("x".utf8).write(to: URL(filePath: scratch.backing + "/photo.jpg"))
        try manager.createDirectory(atPath: scratch.backing + "/" + String(repeating: "A", count: 40), withIntermediateDirectories: false)
        #expect(try Set(scratch.kinds()) == [.damagedName, .nameWithoutSideFile, .orphanedSideFile, .foreign, .wrongType])
        // Whoever has the vault mounted may be about to give it its name.
        #expect(try Set(scratch.check(isShared: { true }).findings.map(\.kind)).isDisjoint(with: [.orphanedSideFile]))
        // Beside names that do not open it may be what one of them needs.
        #expect(try scratch.kinds(repairing: true).contains(.orphanedSideFile))
        #expect(try scratch.kinds().contains(.orphanedSideFile), "a repair took away what may be needed")
        #expect(manager.fileExists(atPath: scratch.backing + "/photo.jpg"), "a repair touched what is not ours")
        let alone = try ScratchVault()
        try Data("x".utf8).write(to: URL(filePath: alone.backing + "/=" + String(repeating: "A", count: 43)))
        #expect(try alone.kinds(repairing: true) == [.orphanedSideFile])
        #expect(try alone.kinds() == [], "the repair did not take it away")
    }

    @Test func doubledDirectoriesAreFoundAndOnlyEmptyOnesGo() throws {
        let scratch = try ScratchVault()
        let inode = try scratch.makeDirectory("a")
        _ = try scratch.makeFile("inside", in: inode, content: "x")
        let id = try DirectoryID.random()
        let sealed = try scratch.vault.names.sealName(Array("a".utf8).span, kind: .directory(id), in: scratch.vault.root.directory.id)
        let twin = scratch.backing + "/" + String(decoding: sealed.backingName, as: UTF8.self)
        try FileManager.default.createDirectory(atPath: twin, withIntermediateDirectories: false)
        #expect(try scratch.kinds() == [.doubledEmptyDirectory])
        let (repaired, _) = try scratch.check(repairing: true)
        #expect(repaired.repaired == 1 && repaired.leftovers == 0)
        #expect(!FileManager.default.fileExists(atPath: twin))
        try FileManager.default.createDirectory(atPath: twin, withIntermediateDirectories: false)
        let name = try scratch.vault.names.sealName(Array("other".utf8).span, kind: .file, in: id)
        try Data().write(to: URL(filePath: twin + "/" + String(decoding: name.backingName, as: UTF8.self)))
        #expect(try scratch.kinds(repairing: true) == [.doubledName])
        #expect(FileManager.default.fileExists(atPath: twin), "a directory with content was removed")
    }

    @Test func copiesMadeOutsideAreFoundByTheirID() throws {
        let scratch = try ScratchVault()
        let one = try scratch.stored { _ = try scratch.makeFile("one", content: "content of one") }
        let two = try scratch.stored { _ = try scratch.makeFile("two", content: "content of two") }
        try scratch.whileClosed {
            try FileManager.default.removeItem(atPath: two)
            try FileManager.default.copyItem(atPath: one, toPath: two)
        }
        #expect(try scratch.kinds() == [.doubledFileID])
    }

    @Test func hardLinksAreOneFile() throws {
        let scratch = try ScratchVault()
        let one = try scratch.makeFile("one", content: "content")
        _ = try scratch.vault.link(one, Array("two".utf8).span, in: scratch.vault.root)
        let (summary, findings) = try scratch.check()
        #expect(findings.isEmpty)
        #expect(summary.bytes == 7)
    }

    @Test func attributesAreOpened() throws {
        let scratch = try ScratchVault()
        var inode: Inode?
        let path = try scratch.stored { inode = try scratch.makeFile("file", content: "content") }
        try scratch.vault.setAttribute(Array("user.a".utf8).span, to: Array("value".utf8).span, flags: [], of: try #require(inode))
        #expect(try scratch.kinds().isEmpty)
        let file = try SharedDescriptor.open(path, .readWrite)
        let name = try AttributeName(try #require(splitAttributeNames(try file.attributeNames()).first { $0.starts(with: NameCipher.attributePrefix) }))
        var value = try file.attribute(name)
        value[value.count - 1] ^= 1
        try file.setAttribute(name, value.span)
        #expect(try scratch.kinds() == [.damagedAttribute])
        try file.truncate(to: 0)
        #expect(try scratch.kinds() == [.attributesWithoutHeader])
    }

    @Test func aFileThatWasLeftOpenIsSealed() throws {
        let scratch = try ScratchVault()
        let path = try scratch.stored { _ = try scratch.makeLarge("large", blocks: 60) }
        // As a kill leaves it: a copy taken while the file is open.
        let file = try scratch.vault.open(try scratch.find("large").inode, writable: true)
        try file.write(Array("overwritten".utf8).span, at: 4096, isWriteBack: false)
        let bytes = try Data(contentsOf: URL(filePath: path))
        file.release()
        try scratch.whileClosed {
            try bytes.write(to: URL(filePath: path))
        }
        #expect(try scratch.kinds() == [.leftOpen])
        let found = try scratch.check(repairing: true)
        #expect(found.summary.repaired == 1 && found.findings.first?.repair == "sealed")
        #expect(try scratch.kinds().isEmpty)
    }

    @Test func aFileThatIsBeingWrittenIsNoFinding() throws {
        let scratch = try ScratchVault()
        let path = try scratch.stored { _ = try scratch.makeLarge("large", blocks: 60) }
        let file = try scratch.vault.open(try scratch.find("large").inode, writable: true)
        try file.write(Array("overwritten".utf8).span, at: 4096, isWriteBack: false)
        let bytes = try Data(contentsOf: URL(filePath: path))
        file.release()
        try scratch.whileClosed {
            try bytes.write(to: URL(filePath: path))
        }
        let (summary, findings) = try scratch.check(isShared: { true })
        #expect(findings.isEmpty && summary.inUse == 1)
    }

    @Test func filesOfAKeyThatIsNotThereAreNotCheckedAndNotDamaged() throws {
        let scratch = try ScratchVault()
        let path = try scratch.stored { _ = try scratch.makeFile("file", content: "content") }
        try scratch.whileClosed {
            // The key's id stands in the wrapped key, behind its version and form.
            try change(path, at: 30 + 4)
        }
        let (summary, findings) = try scratch.check()
        #expect(findings.isEmpty, "\(findings)")
        #expect(summary.notChecked.values.reduce(0, +) == 1)
        #expect(!summary.isComplete)
    }

    @Test func aPathLeadsToWhatIsBelowIt() throws {
        let scratch = try ScratchVault()
        let a = try scratch.makeDirectory("a")
        let b = try scratch.makeDirectory("b", in: a)
        _ = try scratch.makeFile("one", in: b, content: "1")
        _ = try scratch.makeFile("two", in: a, content: "2")
        #expect(try scratch.check(paths: ["a/b"]).summary.files == 1)
        #expect(try scratch.check(paths: ["/a/b/one", "a/two"]).summary.bytes == 2)
        #expect(throws: Errno.noEntry) { try scratch.check(paths: ["a/c"]) }
    }

    /// Runs `body` on the closed vault as a power cut may have left it: not clean.
    private func afterCut<R>(_ scratch: ScratchVault, _ body: () throws -> R) throws -> R {
        _ = try scratch.makeFile("change \(try scratch.backingNames().count)", content: "x")
        let place = URL(filePath: scratch.backing + "/.envelopefs/vault.json")
        let configuration = try Data(contentsOf: place)
        return try scratch.whileClosed {
            try configuration.write(to: place)
            return try body()
        }
    }

    private func waitForRecovery(_ scratch: ScratchVault) {
        for _ in 0..<500 where !scratch.vault.context.lengthsTell { SystemClock.sleep(nanoseconds: 10_000_000) }
        #expect(scratch.vault.context.lengthsTell)
    }

    /// A file that was left open, with a block of which the write never got to the disk as a whole; and the same sealed.
    private func leaveBlockUnfinished(_ scratch: ScratchVault) throws -> (path: String, open: Data) {
        let path = try scratch.stored { _ = try scratch.makeLarge("large", blocks: 60) }
        let file = try scratch.vault.open(try scratch.find("large").inode, writable: true)
        try file.write(Array("overwritten".utf8).span, at: 4096, isWriteBack: false)
        var bytes = try Data(contentsOf: URL(filePath: path))
        file.release()
        bytes[Int(BlockLayout.blockOffset(of: 20)) + 9] ^= 1
        return (path, bytes)
    }

    @Test func blocksThatWereNeverSyncedAreLeftoversAndNamed() throws {
        let scratch = try ScratchVault()
        let (path, open) = try leaveBlockUnfinished(scratch)
        let lost: [Range<UInt64>] = [20 << 12..<21 << 12]
        try afterCut(scratch) {
            try open.write(to: URL(filePath: path))
            let (summary, findings) = try scratch.checkClosed(false, [], { false })
            #expect(findings.map(\.kind) == [.leftOpen, .unfinishedBlocks, .vaultNotClean])
            #expect(findings[1].lost == lost && findings[1].kind.weight == .leftover)
            #expect(summary.damage == 0 && summary.unfinished == 1)
        }
        waitForRecovery(scratch)
        let (summary, findings) = try scratch.check()
        #expect(findings.map(\.kind) == [.unfinishedBlocks] && findings[0].lost == lost, "sealed by the mount: \(findings)")
        #expect(summary.damage == 0)
    }

    @Test func aRepairSealsAFileWithUnfinishedBlocksAndMarksIt() throws {
        let scratch = try ScratchVault()
        let (path, open) = try leaveBlockUnfinished(scratch)
        try afterCut(scratch) {
            try open.write(to: URL(filePath: path))
            let found = try scratch.checkClosed(true, [], { false })
            #expect(found.findings.map(\.kind) == [.leftOpen, .unfinishedBlocks, .vaultNotClean])
            #expect(found.findings.map { $0.repair != nil } == [true, false, true], "\(found.findings)")
            let after = try Data(contentsOf: URL(filePath: path))
            let block = Int(BlockLayout.blockOffset(of: 20))
            #expect(after[block..<block + 4096] == open[block..<block + 4096], "a repair wrote over what does not open")
            #expect(try scratch.checkClosed(false, [], { false }).findings.map(\.kind) == [.unfinishedBlocks])
        }
    }

    @Test(arguments: [false, true]) func aSmallFileThatIsTornIsMarkedWhileTheVaultIsNotClean(byRepair: Bool) throws {
        let scratch = try ScratchVault()
        let torn = try scratch.stored { _ = try scratch.makeFile("torn", content: String(repeating: "t", count: 2000)) }
        let cut = try scratch.stored { _ = try scratch.makeFile("cut", content: String(repeating: "c", count: 2000)) }
        try afterCut(scratch) {
            try change(torn, at: 1600)
            try SharedDescriptor.open(cut, .readWrite).truncate(to: 1800)
            let (summary, findings) = try scratch.checkClosed(byRepair, [], { false })
            #expect(findings.map(\.kind) == [.unfinishedFile, .unfinishedFile, .vaultNotClean], "\(findings)")
            #expect(findings[0].lost.count == 1 && summary.damage == 0 && summary.unfinished == 2)
            if byRepair { #expect(findings[2].repair != nil && findings[0].repair == nil) }
        }
        waitForRecovery(scratch)
        #expect(try scratch.kinds() == [.unfinishedFile, .unfinishedFile], "marked")
        let third = try scratch.stored { _ = try scratch.makeFile("third", content: String(repeating: "t", count: 2000)) }
        try scratch.whileClosed { try change(third, at: 1600) }
        #expect(try scratch.kinds() == [.damagedBlocks, .unfinishedFile, .unfinishedFile], "a clean vault calls damage what changed in it")
    }

    // MARK: saving

    private func save(_ scratch: ScratchVault) throws -> (directory: String, summary: CheckSummary, findings: [CheckFinding]) {
        try scratch.whileClosed { try saveClosed(scratch) }
    }

    private func saveClosed(_ scratch: ScratchVault) throws -> (directory: String, summary: CheckSummary, findings: [CheckFinding]) {
        let target = scratch.base + "/saved"
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
        let found = Collected()
        let looked = try Vault(
            opening: scratch.backing, keyring: scratch.keyring, mountPoint: "(check)", isReadOnly: true, use: .looking,
            log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        let salvager = try Salvager(looked, into: SharedDescriptor.open(target, [.pathOnly, .directory]), isShared: { false }) { found.add($0) }
        let summary = try salvager.run(paths: [], threads: 2)
        try looked.close()
        return (target, summary, found.all)
    }

    @Test func whatOpensIsSavedWithAMapOfWhatDoesNot() throws {
        let scratch = try ScratchVault()
        var content = Dice(100)
        let due = Data(content.bytes(100 * 4096))
        let block = try scratch.stored { _ = try scratch.makeLarge("block", blocks: 100) }
        let state = try scratch.stored { _ = try scratch.makeLarge("state", blocks: 100) }
        let cut = try scratch.stored { _ = try scratch.makeLarge("cut", blocks: 100) }
        let header = try scratch.stored { _ = try scratch.makeLarge("header", blocks: 100) }
        let renamed = try scratch.stored { _ = try scratch.makeFile("renamed", content: "renamed") }
        try scratch.whileClosed {
            try change(block, at: BlockLayout.blockOffset(of: 60))
            try change(state, at: 600)
            try change(state, at: BlockLayout.blockOffset(of: 3))
            try SharedDescriptor.open(cut, .readWrite).truncate(to: BlockLayout.blockOffset(of: 70) + 100)
            try change(header, at: 20)
            let flipped = scratch.backing + "/" + String(repeating: "A", count: 30)
            try FileManager.default.moveItem(atPath: renamed, toPath: flipped)
        }
        let (target, summary, findings) = try save(scratch)

        func holding(_ name: String) throws -> Data { try Data(contentsOf: URL(filePath: target + "/files/" + name)) }
        func without(_ lost: Range<Int>) -> Data {
            var data = due
            data.replaceSubrange(lost, with: Data(count: lost.count))
            return data
        }
        #expect(try holding("block") == without(60 * 4096..<61 * 4096))
        #expect(try holding("state") == without(3 * 4096..<4 * 4096))
        #expect(try holding("cut") == without(70 * 4096..<100 * 4096))
        #expect(try holding(String(repeating: "A", count: 30)) == Data("renamed".utf8))
        #expect(!FileManager.default.fileExists(atPath: target + "/files/header"))
        #expect(summary.damage == 5, "\(findings)")
        let map = String(decoding: try Data(contentsOf: URL(filePath: target + "/lost.jsonl")), as: UTF8.self)
        #expect(map.contains("\"lost\":[[245760,249856]],\"path\":\"block\""), "\(map)")
        #expect(map.split(separator: "\n").count == 5)
    }
}
