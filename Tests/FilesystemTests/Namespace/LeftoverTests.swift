// What errors and crashes leave in a vault's directories, and what a mount makes of it.

import Bytes
import Format
import Foundation
import KeyManagement
import Logging
import POSIX
import Testing

@testable import Filesystem

@Suite struct LeftoverTests {
    private static let long = String(repeating: "n", count: 200)

    /// Waits for the walk that follows an unclean end.
    private func waitForRecovery(_ scratch: ScratchVault) throws {
        for _ in 0..<6000 where !scratch.vault.context.lengthsTell { SystemClock.sleep(nanoseconds: 10_000_000) }
        try #require(scratch.vault.context.lengthsTell)
    }

    /// Found by fuzzing: opening the fifo waited for a writer, and with it the listing for ever.
    @Test(.timeLimit(.minutes(1)), arguments: ["fifo", "directory", "link", "socket"])
    func somethingElseInThePlaceOfASideFile(kind: String) throws {
        let scratch = try ScratchVault()
        _ = try scratch.makeDirectory(Self.long)
        _ = try scratch.makeFile("other")
        try scratch.whileClosed {
            let name = try #require(try scratch.backingNames().first { $0.hasPrefix("=") })
            let path = scratch.backing + "/" + name
            try FileManager.default.removeItem(atPath: path)
            switch kind {
            case "fifo": #expect(mkfifo(path, 0o600) == 0)
            case "socket": #expect(mknod(path, S_IFSOCK | 0o600, 0) == 0)
            case "directory": #expect(mkdir(path, 0o700) == 0)
            default: #expect(symlink("nowhere", path) == 0)
            }
        }
        #expect(try scratch.list() == ["other"])
        // The name is free, but its side file cannot be written.
        #expect(scratch.errno { _ = try scratch.find(Self.long) } == .noEntry)
    }

    /// Of a later program: new files in such a directory would get the wrong key here.
    @Test func aVaultWithKeysForDirectoriesIsOnlyRead() throws {
        let scratch = try ScratchVault()
        _ = try scratch.makeFile("file", content: "kept")
        let path = scratch.backing + "/.envelopefs/vault.json"
        func open(readOnly: Bool) throws -> Vault {
            try Vault(
                opening: scratch.backing, keyring: scratch.keyring, mountPoint: "(test)", isReadOnly: readOnly,
                log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        }
        try scratch.whileClosed {
            let before = try Data(contentsOf: URL(filePath: path))
            defer { try? before.write(to: URL(filePath: path)) }
            let bytes = Array(before)
            var configuration = try VaultConfiguration.parse(bytes.span).claimed
            let wrapped = configuration.wrappedVaultKey
            let vaultKey = try scratch.keyring.decrypt(wrapped.span, context: EncryptionContext(FileContexts.vault(configuration.vaultID)))
            configuration.directoryPolicies[configuration.rootDirectoryID] = configuration.defaultKey
            try Data(configuration.serialize(vaultKey: vaultKey)).write(to: URL(filePath: path))
            var refused: (any Error)?
            do { _ = try open(readOnly: false) } catch { refused = error }
            guard case .unsupported = refused as? VaultError else {
                Issue.record("\(String(describing: refused))")
                return
            }
            let reader = try open(readOnly: true)
            #expect(try reader.lookup(Array("file".utf8).span, in: reader.root).status.size == 4)
            try reader.close()
        }
    }

    /// Found by reading: a mount that was cut off left such files unsealed in a vault that was called clean.
    @Test func whatNobodyClosedIsSealedAtTheEnd() throws {
        let scratch = try ScratchVault()
        let inode = try scratch.makeFile("open")
        let file = try scratch.vault.open(inode, writable: true)
        let plain = [UInt8](repeating: 7, count: 100_000)
        try file.write(plain.span, at: 0, isWriteBack: true)
        try scratch.remount()
        #expect(scratch.vault.context.wasClean)
        let again = try scratch.vault.open(scratch.find("open").inode, writable: false)
        #expect(again.content.isSealed && again.content.size == 100_000)
        again.release()
    }

    /// Found by reading: whoever has the disk could make the first change, and then every other, wait for ever.
    @Test(.timeLimit(.minutes(1))) func aFIFOInThePlaceOfTheNewConfiguration() throws {
        let scratch = try ScratchVault()
        #expect(mkfifo(scratch.backing + "/.envelopefs/vault.json.new", 0o600) == 0)
        _ = try scratch.makeFile("a", content: "a")
        try scratch.remount()
        #expect(try scratch.read(scratch.find("a").inode) == "a")
    }

    /// The same with a file whose name the kernel knows already.
    @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func aFIFOInThePlaceOfAFileThatIsKnown(writable: Bool) throws {
        let scratch = try ScratchVault()
        _ = try scratch.makeFile("a", content: "a")
        try scratch.remount()
        let inode = try scratch.find("a").inode
        let path = scratch.backing + "/" + (try #require(try scratch.backingNames().first))
        try FileManager.default.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(scratch.errno { _ = try scratch.vault.open(inode, writable: writable) } == .ioError)
    }

    /// A rename over an empty directory that stopped before that was removed: its parent could never be removed.
    @Test func theEmptyOneOfTwoDirectoriesOfOneNameGoes() throws {
        let scratch = try ScratchVault()
        let parent = try scratch.makeDirectory("parent")
        let moved = try scratch.makeDirectory("a", in: parent)
        _ = try scratch.makeFile("inside", in: moved)
        _ = try scratch.makeDirectory("b", in: parent)
        let vault = scratch.vault
        let backing = try #require(try moved.whereabouts.withLock { $0.first }).name
        let new = try vault.sealed(Array("b".utf8).span, .directory(moved.directory.id), in: parent.directory).name
        let descriptor = try parent.directory.descriptor(of: parent)
        try descriptor.renameAt(backing, to: descriptor, as: new)
        vault.context.noteUnfinished()
        try scratch.remount()
        try waitForRecovery(scratch)
        let again = try scratch.find("parent").inode
        #expect(try scratch.list(again) == ["b"])
        #expect(try scratch.backingNames("/" + scratch.backingNames()[0]).count == 1)
        let b = try scratch.find("b", in: again).inode
        try scratch.unlink("inside", in: b)
        try scratch.removeDirectory("b", in: again)
        try scratch.removeDirectory("parent")
        #expect(try scratch.backingNames().isEmpty)
    }

    /// On a full disk the room of a removed file is wanted at once; a file that waited to be sealed held it.
    @Test func aRemovedFileDoesNotWaitToBeSealed() throws {
        let scratch = try ScratchVault()
        let content = String(repeating: "x", count: 9000)
        _ = try scratch.makeFile("a", content: content)
        _ = try scratch.makeFile("b", content: content)
        _ = try scratch.makeFile("c", content: content)
        #expect(scratch.vault.unsealedCount == 3)
        try scratch.unlink("a")
        #expect(scratch.vault.unsealedCount == 2)
        try scratch.rename("b", to: "c")
        #expect(scratch.vault.unsealedCount == 1)
        #expect(try scratch.list() == ["c"])
    }

    /// A small file whose growth into blocks stopped is sealed, but its length told the size that it was to have.
    @Test func aGrowthThatStoppedShowsTheRightSize() throws {
        let scratch = try ScratchVault()
        _ = try scratch.makeFile("small", content: "content")
        scratch.vault.context.noteUnfinished()
        try scratch.whileClosed {
            let path = scratch.backing + "/" + (try #require(try scratch.backingNames().first))
            #expect(truncate(path, 100_000) == 0)
        }
        try waitForRecovery(scratch)
        #expect(try scratch.find("small").status.size == 7)
        try scratch.remount()
        #expect(try scratch.find("small").status.size == 7)
    }
}
