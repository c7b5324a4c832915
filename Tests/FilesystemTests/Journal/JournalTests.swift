// The redo journal of an open vault: what programs count on is changed in its files only when that is durable, and comes back when nobody closed the vault.

import Bytes
import Foundation
import Format
import KeyManagement
import Logging
import POSIX
import Testing

@testable import Filesystem

@Suite("Journal") struct JournalTests {
    private let scratch: ScratchVault

    init() throws { scratch = try ScratchVault() }

    private func open(_ name: String) throws -> OpenFile { try scratch.vault.open(scratch.find(name).inode, writable: true) }

    /// A new file with `plain` in it, which is durable, open for writing.
    private func durable(_ name: String, _ plain: [UInt8]) throws -> OpenFile {
        _ = try scratch.makeFile(name)
        let file = try open(name)
        try file.write(plain.span, at: 0, isWriteBack: false)
        try file.synchronize(dataOnly: false)
        return file
    }

    /// Runs `body` while the content uses another backing file.
    private func with(_ backing: BackingFile, in file: OpenFile, _ body: () throws -> Void) throws {
        let sound = file.content.lock.withWriteLock {
            defer { file.content.backing = backing }
            return file.content.backing
        }
        defer { file.content.lock.withWriteLock { file.content.backing = sound } }
        try body()
    }

    /// Until the sealer is done with it, whatever came of that.
    private func waitForSealer(_ inode: Inode) {
        for _ in 0..<1200 where inode.regularFile?.content != nil { SystemClock.sleep(nanoseconds: 100_000_000) }
    }

    private func bytes(of file: OpenFile) throws -> [UInt8] {
        var all = [UInt8](repeating: 0xee, count: Int(file.content.size) + 1)
        var span = all.mutableSpan
        let count = try file.read(into: &span, at: 0)
        return Array(all.prefix(count))
    }

    /// The one backing file of the root.
    private func stored() throws -> [UInt8] {
        let name = try #require(try scratch.backingNames().first)
        return Array(try Data(contentsOf: URL(fileURLWithPath: scratch.backing + "/" + name)))
    }

    /// The vault as it stands on disk at this moment, opened elsewhere: what a killed daemon leaves.
    /// - Parameter content: what a power cut has left in the one backing file of the root, though the journal holds more.
    private func afterKill<R>(readOnly: Bool = false, leaving content: [UInt8]? = nil, _ body: (Vault) throws -> R) throws -> R {
        let copy = scratch.base + "/copy-" + UUID().uuidString
        try FileManager.default.copyItem(atPath: scratch.backing, toPath: copy)
        if let content { try Data(content).write(to: URL(filePath: copy + "/" + (try #require(try scratch.backingNames().first)))) }
        let before = try Self.contents(of: copy)
        let vault = try Vault(
            opening: copy, keyring: scratch.keyring, mountPoint: "(test)", isReadOnly: readOnly,
            log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        let result = try body(vault)
        try vault.close()
        if readOnly { #expect(try Self.contents(of: copy) == before) }
        return result
    }

    private static func contents(of directory: String) throws -> [String: Data] {
        var all: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: directory) where path != ".envelopefs/lock" {
            all[path] = FileManager.default.contents(atPath: directory + "/" + path) ?? Data()
        }
        return all
    }

    private func read(_ name: String, in vault: Vault) throws -> [UInt8] {
        let file = try vault.open(vault.lookup(Array(name.utf8).span, in: vault.root).inode, writable: false)
        defer { file.release() }
        return try bytes(of: file)
    }

    private func expectAfterKill(_ name: String, _ expected: [UInt8], _ what: Comment) throws {
        for readOnly in [true, false] {
            let found = try afterKill(readOnly: readOnly) { vault in try read(name, in: vault) }
            #expect(found == expected, "\(what), read-only \(readOnly)")
        }
    }

    @Test(arguments: [100, 3000, 10_000, 400_000])
    func whatWasSyncedStandsUntilItsSuccessorIsDurable(size: Int) throws {
        var dice = Dice(UInt64(size))
        var plain = dice.bytes(size)
        _ = try scratch.makeFile("a")
        let file = try open("a")
        try file.write(plain.span, at: 0, isWriteBack: false)
        try file.synchronize(dataOnly: false)
        let durable = try stored()
        let change = dice.bytes(50)
        try file.write(change.span, at: 20, isWriteBack: false)
        plain.replaceSubrange(20..<70, with: change)
        #expect(try stored() == durable, "the file was changed before the record was durable")
        #expect(try bytes(of: file) == plain)
        try expectAfterKill("a", plain, "with a record that was not synced")
        try file.synchronize(dataOnly: true)
        #expect(try stored() != durable)
        #expect(try bytes(of: file) == plain)
        try expectAfterKill("a", plain, "after the sync")
        file.release()
        try scratch.remount()
        #expect(try read("a", in: scratch.vault) == plain)
    }

    /// More than that could come to the disk in part.
    @Test func aJournalFileIsMadeInvalidByOneSector() throws {
        _ = try scratch.makeFile("a")
        let file = try open("a")
        defer { file.release() }
        for number in 0..<40 {
            try file.write([UInt8](repeating: UInt8(number), count: 60).span, at: UInt64(number) * 30, isWriteBack: false)
            try file.synchronize(dataOnly: true)
        }
        func journals() throws -> [[UInt8]] {
            try (0..<2).map { Array(try Data(contentsOf: URL(fileURLWithPath: scratch.backing + "/.envelopefs/journal-\($0)"))) }
        }
        let before = try journals()
        let journal = try #require(scratch.vault.context.journal)
        try journal.checkpoint { () throws(Errno) in try file.content.descriptor.syncFilesystem() }
        let after = try journals()
        let written = (0..<2).filter { before[$0] != after[$0] }
        let index = try #require(written.first)
        #expect(written.count == 1 && before[index].count == after[index].count)
        #expect(after[index][..<512].allSatisfy { $0 == 0 } && after[index][512...] == before[index][512...])
        #expect(before[index][512..<4096].contains { $0 != 0 }, "there were no records behind it")
    }

    @Test func anAppendedLogReadsBack() throws {
        _ = try scratch.makeFile("log")
        let file = try open("log")
        var plain: [UInt8] = []
        for number in 0..<300 {
            let line = Array("line \(number) of a log that a program appends to\n".utf8)
            try file.write(line.span, at: UInt64(plain.count), isWriteBack: true)
            plain += line
            if number % 7 == 0 { try file.synchronize(dataOnly: true) }
            if number % 60 == 5 { try expectAfterKill("log", plain, "line \(number)") }
        }
        file.release()
        try scratch.remount()
        #expect(try read("log", in: scratch.vault) == plain)
    }

    /// Random changes of one file against an array, with syncs and kills.
    @Test(arguments: 1...6)
    func anyChangesReadBack(seed: UInt64) throws {
        var dice = Dice(seed)
        _ = try scratch.makeFile("f")
        var file = try open("f")
        var plain: [UInt8] = []
        for step in 0..<120 {
            let place = dice.below(plain.count + 300), count = 1 + dice.below(step % 5 == 0 ? 300_000 : 5000)
            switch dice.below(9) {
            case 0...3:
                let change = dice.bytes(count)
                try file.write(change.span, at: UInt64(place), isWriteBack: dice.below(2) == 0)
                if plain.count < place + count { plain += [UInt8](repeating: 0, count: place + count - plain.count) }
                plain.replaceSubrange(place..<place + count, with: change)
            case 4:
                let size = dice.below(4) == 0 ? 0 : dice.below(plain.count + 5000)
                try file.content.truncate(to: UInt64(size))
                plain = Array(plain.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - plain.count))
            case 5:
                try file.content.allocate(mode: .punchHole, UInt64(place)..<UInt64(place + count))
                for index in place..<max(place, min(place + count, plain.count)) { plain[index] = 0 }
            case 6, 7: try file.synchronize(dataOnly: dice.below(2) == 0)
            default:
                if dice.below(3) == 0 {
                    file.release()
                    try scratch.remount()
                    file = try open("f")
                }
            }
            #expect(file.content.size == UInt64(plain.count))
            if step % 4 == 0 { #expect(try bytes(of: file) == plain, "step \(step)") }
            if step % 24 == 7 { try expectAfterKill("f", plain, "step \(step)") }
        }
        file.release()
        try scratch.remount()
        #expect(try read("f", in: scratch.vault) == plain)
    }

    /// Found by the kill test: the record of a growth, made again, cut off what was appended after it past the protected groups.
    @Test func whatIsAppendedAfterAGrowthStays() throws {
        var dice = Dice(9)
        var plain = dice.bytes(30_000)
        let file = try durable("g", plain)
        let change = dice.bytes(100)
        try file.write(change.span, at: 0, isWriteBack: false)
        plain.replaceSubrange(0..<100, with: change)
        try file.content.truncate(to: 47_278)
        plain += [UInt8](repeating: 0, count: 47_278 - plain.count)
        let more = dice.bytes(900_000)
        try file.write(more.span, at: UInt64(plain.count), isWriteBack: false)
        plain += more
        try file.synchronize(dataOnly: true)
        try expectAfterKill("g", plain, "after a growth and an append")
        file.release()
    }

    @Test func aFullJournalIsTurnedOver() throws {
        _ = try scratch.makeFile("big")
        let file = try open("big")
        var dice = Dice(3)
        var plain = dice.bytes(6 << 20)
        try file.write(plain.span, at: 0, isWriteBack: true)
        try file.synchronize(dataOnly: true)
        for round in 0..<9 {
            plain = dice.bytes(6 << 20)
            try file.write(plain.span, at: 0, isWriteBack: true)
            for name in ["journal-0", "journal-1"] {
                let size = try SharedDescriptor.open(scratch.backing + "/.envelopefs/" + name, .readOnly).status().size
                #expect(UInt64(size) <= Journal.largestArea, "round \(round)")
            }
        }
        try expectAfterKill("big", plain, "after 54 MiB of records")
        file.release()
        try scratch.remount()
        #expect(try read("big", in: scratch.vault) == plain)
    }

    /// Found by reading: the ranges of a punch that met an error were punched by the next punch, over what was written there meanwhile.
    @Test(arguments: [false, true]) func aPunchThatFailedIsNotMadeLater(isPunchFailing: Bool) throws {
        var dice = Dice(11)
        var plain = dice.bytes(200 << 12)
        var file = try durable("p", plain)
        file.release()
        try scratch.remount()
        file = try open("p")
        let sound = file.content.backing
        let limit = UInt64(1).slotPageOffset
        let probe = BackingProbe { call, offset, count in
            let isMet = isPunchFailing ? call == .times : call == .read && offset <= limit && limit < offset + UInt64(count)
            return isMet ? .fail(.ioError) : .proceed
        }
        try with(BackingFile(sound.descriptor, probe: probe, protection: sound.protection), in: file) {
            #expect(scratch.errno { try file.content.allocate(mode: .punchHole, 0..<150 << 12) } == .ioError)
        }
        let change = dice.bytes(48 << 12)
        try file.write(change.span, at: 0, isWriteBack: false)
        plain.replaceSubrange(0..<change.count, with: change)
        try file.content.allocate(mode: .punchHole, 180 << 12..<181 << 12)
        plain.replaceSubrange(180 << 12..<181 << 12, with: [UInt8](repeating: 0, count: 4096))
        let begin = try bytes(of: file).prefix(change.count)
        #expect(Array(begin) == change, "what was written after the error is punched")
        try file.synchronize(dataOnly: false)
        let found = try bytes(of: file)
        for block in 48..<200 {
            let bytes = found[block << 12..<(block + 1) << 12]
            #expect(bytes == plain[block << 12..<(block + 1) << 12] || bytes.allSatisfy { $0 == 0 } && block < 150, "block \(block)")
        }
        try expectAfterKill("p", found, "after the error")
        file.release()
    }

    /// Found by reading: past what was synced, a hole that was filled again at once was made a hole again after a kill.
    @Test func aHoleOfALiveFileIsNotMadeAgainOverWhatFilledIt() throws {
        var dice = Dice(21)
        var plain = dice.bytes(10 << 12)
        let file = try durable("z", plain)
        defer { file.release() }
        let change = dice.bytes(100)
        try file.write(change.span, at: 0, isWriteBack: false)
        plain.replaceSubrange(0..<100, with: change)
        // All from here on goes to the file at once.
        let more = dice.bytes(290 << 12)
        try file.write(more.span, at: UInt64(plain.count), isWriteBack: false)
        plain += more
        try file.content.allocate(mode: .punchHole, 240 << 12..<260 << 12)
        plain.replaceSubrange(240 << 12..<260 << 12, with: [UInt8](repeating: 0, count: 20 << 12))
        try expectAfterKill("z", plain, "with a hole")
        let filling = dice.bytes(3 << 12)
        try file.write(filling.span, at: 250 << 12, isWriteBack: false)
        plain.replaceSubrange(250 << 12..<253 << 12, with: filling)
        try expectAfterKill("z", plain, "with the hole filled")
        try file.synchronize(dataOnly: false)
        try expectAfterKill("z", plain, "after a sync")
    }

    /// Found by reading: what a power cut left in the journal alone was taken for a hole where nothing may be written, and saved as zeros.
    @Test func whatOnlyTheJournalHoldsIsNoHole() throws {
        var dice = Dice(31)
        var plain = dice.bytes(3000)
        let file = try durable("g", plain)
        defer { file.release() }
        let before = try stored()
        let more = dice.bytes(1 << 20)
        try file.write(more.span, at: UInt64(plain.count), isWriteBack: false)
        try file.synchronize(dataOnly: false)
        plain += more
        try afterKill(readOnly: true, leaving: before) { vault in
            #expect(try read("g", in: vault) == plain)
            let again = try vault.open(vault.lookup(Array("g".utf8).span, in: vault.root).inode, writable: false)
            defer { again.release() }
            for place in stride(from: UInt64(0), to: UInt64(plain.count), by: 4096) { #expect(try again.seek(place, to: .data) == place) }
        }
    }

    /// Found by reading: a program was told that nothing was cut, counted on it, and the next mount made the cut.
    @Test func aCutThatFailedIsNotMadeLater() throws {
        var dice = Dice(22)
        var plain = dice.bytes(300 << 12)
        let file = try durable("c", plain)
        defer { file.release() }
        let sound = file.content.backing
        // Of a descriptor that is open for reading alone no length is set; what goes through the journal is written by another one.
        let reading = try scratch.vault.access.open(sound.descriptor, .readOnly)
        try with(BackingFile(reading, protection: sound.protection), in: file) {
            #expect(scratch.errno { try file.content.truncate(to: 5 << 12) } == .invalidArgument)
        }
        #expect(try bytes(of: file) == plain)
        try expectAfterKill("c", plain, "after the cut that failed")
        // It is as protected as before.
        let durable = try stored()
        let change = dice.bytes(100)
        try file.write(change.span, at: 290 << 12, isWriteBack: false)
        plain.replaceSubrange(290 << 12..<290 << 12 + 100, with: change)
        #expect(try stored() == durable, "the file was changed before the record was durable")
        try file.synchronize(dataOnly: false)
        try expectAfterKill("c", plain, "after a sync")
    }

    /// Found by reading: the header in a record had an id that no file on disk had.
    @Test func whatIsWrittenBehindAHeaderIsFoundAgain() throws {
        let name = Array("user.note".utf8)
        let inode = try scratch.makeFile("h")
        try scratch.vault.setAttribute(name.span, to: Array("x".utf8).span, flags: [], of: inode)
        let file = try open("h")
        defer { file.release() }
        try file.synchronize(dataOnly: false)
        let id = file.content.fileID
        try scratch.vault.removeAttribute(name.span, of: inode)
        var dice = Dice(23)
        let plain = dice.bytes(10_000)
        try file.write(plain.span, at: 0, isWriteBack: false)
        #expect(id != nil && file.content.fileID != id)
        try expectAfterKill("h", plain, "with a record that was not synced")
        try file.synchronize(dataOnly: false)
        try expectAfterKill("h", plain, "after the sync")
    }

    /// Found by reading: what the journal does not hold has to be synced in the file.
    @Test func aFullSyncGoesToTheFileAfterAChangeOfOwnerOrAttributes() throws {
        let inode = try scratch.makeFile("m", content: "m")
        let file = try open("m")
        defer { file.release() }
        let protection = try #require(file.content.protection)
        let note = Array("user.note".utf8), security = Array("security.efstest".utf8)
        var owner = StatusChange()
        (owner.userID, owner.isAskedFor) = (scratch.caller.userID, true)
        let changes: [(String, () throws -> Void)] = [
            ("owner", { _ = try scratch.vault.setStatus(of: inode, owner, caller: scratch.caller) }),
            ("sealed", { try scratch.vault.setAttribute(note.span, to: Array("x".utf8).span, flags: [], of: inode) }),
            ("passed through", { try scratch.vault.setAttribute(security.span, to: Array("x".utf8).span, flags: [], of: inode) }),
            ("removed", { try scratch.vault.removeAttribute(note.span, of: inode) }),
        ]
        for (what, change) in changes {
            try file.synchronize(dataOnly: false)
            #expect(!protection.takeDirectChanges(dataOnly: false), "\(what)")
            try change()
            #expect(protection.takeDirectChanges(dataOnly: false), "\(what)")
        }
    }

    /// Found by reading: its content was let go of with what waited for it, and whoever opened it next read what the disk had.
    @Test func aFileTooLargeToBeComparedShowsWhatWaitsForIt() throws {
        _ = try scratch.makeFile("large")
        let file = try open("large")
        var dice = Dice(24)
        let plain = dice.bytes(20 << 12), size = FileContent.recoveryLimit + 1 << 20
        try file.write(plain.span, at: 0, isWriteBack: false)
        try file.content.truncate(to: size)
        try file.synchronize(dataOnly: false)
        try afterKill { vault in
            let inode = try vault.lookup(Array("large".utf8).span, in: vault.root).inode
            let file = try vault.open(inode, writable: true)
            #expect(file.content.isRecovering && file.content.size == size)
            let change = dice.bytes(2 << 12)
            try file.write(change.span, at: 4 << 12, isWriteBack: false)
            file.release()
            waitForSealer(inode)
            let again = try vault.open(inode, writable: true)
            #expect(again.content !== file.content)
            var found = [UInt8](repeating: 0, count: 20 << 12)
            var span = found.mutableSpan
            #expect(try again.read(into: &span, at: 0) == found.count)
            #expect(Array(found[4 << 12..<6 << 12]) == change && Array(found.prefix(4 << 12)) == Array(plain.prefix(4 << 12)))
            again.release()
        }
        file.release()
    }

    /// A change that cannot be made in its file stays known, and is nobody else's error.
    @Test func whatWaitsForAFileOutlastsItsContent() throws {
        let inode = try scratch.makeFile("s"), other = try scratch.makeFile("o", content: "other")
        var file = try open("s")
        var dice = Dice(25)
        var plain = dice.bytes(30_000)
        try file.write(plain.span, at: 0, isWriteBack: false)
        try file.synchronize(dataOnly: false)
        let change = dice.bytes(9000)
        try file.write(change.span, at: 5000, isWriteBack: false)
        plain.replaceSubrange(5000..<14_000, with: change)
        let protection = try #require(file.content.protection)
        protection.use(try scratch.vault.access.open(file.content.descriptor, .readOnly))
        #expect(scratch.errno { try file.synchronize(dataOnly: false) } == .badDescriptor)
        let neighbour = try open("o")
        try neighbour.write(Array("more".utf8).span, at: 5, isWriteBack: false)
        try neighbour.synchronize(dataOnly: false)
        try neighbour.write(Array("O".utf8).span, at: 0, isWriteBack: false)
        try neighbour.synchronize(dataOnly: false)
        #expect(try scratch.read(other) == "Othermore")
        file.release()
        // Sealing fails, as no change of the file can be made.
        waitForSealer(inode)
        #expect(inode.regularFile?.content == nil)
        // A reader sees it, and takes nothing away.
        #expect(try read("s", in: scratch.vault) == plain)
        #expect(inode.regularFile?.content == nil)
        file = try open("s")
        #expect(file.content.protection === protection)
        #expect(try bytes(of: file) == plain)
        // Its new descriptor can be written.
        try file.synchronize(dataOnly: false)
        try expectAfterKill("s", plain, "after the sync")
        file.release()
        neighbour.release()
        try scratch.remount()
        #expect(try read("s", in: scratch.vault) == plain)
    }

    /// The kernel takes the capability of a program at every write, root's too: also at those that no program has asked for.
    @Test(.enabled(if: CurrentProcess.effectiveUserID == 0, "only root gives capabilities"))
    func aCapabilityOutlastsTheDaemonsOwnWrites() throws {
        let name = Array("security.capability".utf8), other = [UInt8]([1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12))
        let value: [UInt8] = [1, 0, 0, 2, 0, 32, 0, 0] + [UInt8](repeating: 0, count: 12)
        let inode = try scratch.makeFile("p")
        func capability(_ inode: Inode) -> [UInt8]? { try? scratch.vault.attribute(name.span, of: inode) }
        var dice = Dice(26)
        let plain = dice.bytes(300_000)
        let file = try open("p")
        try file.write(plain.span, at: 0, isWriteBack: true)
        try scratch.vault.setAttribute(name.span, to: value.span, flags: [], of: inode)
        // Appended directly, then through the journal, then made in the file.
        try file.write(plain.span, at: UInt64(plain.count), isWriteBack: true)
        #expect(capability(inode) == value, "after a direct write")
        try file.synchronize(dataOnly: false)
        try file.write(plain.span.slice(0, 9000), at: 500, isWriteBack: true)
        try file.synchronize(dataOnly: true)
        #expect(capability(inode) == value, "after a change of the journal's")
        try file.write(plain.span.slice(0, 9000), at: 700, isWriteBack: true)
        file.release()
        waitForSealer(inode)
        #expect(capability(inode) == value, "after sealing")
        try scratch.remount()
        let again = try scratch.find("p").inode
        #expect(capability(again) == value)
        let writer = try open("p")
        try writer.write(plain.span.slice(0, 10), at: 0, isWriteBack: true)
        #expect(capability(again) == value, "of a file that had it")
        try scratch.vault.setAttribute(name.span, to: other.span, flags: [], of: again)
        try writer.write(plain.span.slice(0, 10), at: 0, isWriteBack: true)
        #expect(capability(again) == other)
        // A program's own write takes it, also where the kernel does not say so before.
        try writer.write(plain.span.slice(0, 10), at: 0, isWriteBack: false)
        try writer.synchronize(dataOnly: false)
        #expect(capability(again) == nil)
        try scratch.vault.setAttribute(name.span, to: other.span, flags: [], of: again)
        // The kernel removes it before a program writes.
        try scratch.vault.removeAttribute(name.span, of: again)
        try writer.write(plain.span.slice(0, 10), at: 0, isWriteBack: false)
        try writer.synchronize(dataOnly: false)
        #expect(capability(again) == nil)
        writer.release()
    }

    @Test func recordsOfARemovedFileMeetNobodyElse() throws {
        _ = try scratch.makeFile("x", content: String(repeating: "old ", count: 500))
        let file = try open("x")
        try file.synchronize(dataOnly: false)
        try file.write(Array("new".utf8).span, at: 5, isWriteBack: false)
        try file.synchronize(dataOnly: true)
        file.release()
        try scratch.unlink("x")
        _ = try scratch.makeFile("x")
        try expectAfterKill("x", [], "an empty file of the same name")
        _ = try scratch.makeFile("y", content: "other")
        try scratch.rename("y", to: "x")
        try expectAfterKill("x", Array("other".utf8), "another file of the same name")
    }

    @Test func aRenamedFileIsFound() throws {
        let directory = try scratch.makeDirectory("d")
        _ = try scratch.makeFile("a", content: String(repeating: "durable ", count: 1000))
        let file = try open("a")
        try file.synchronize(dataOnly: false)
        try file.write(Array("changed".utf8).span, at: 4000, isWriteBack: false)
        try file.synchronize(dataOnly: true)
        try file.write(Array("again".utf8).span, at: 9, isWriteBack: false)
        let plain = try bytes(of: file)
        try scratch.vault.rename(Array("a".utf8).span, in: scratch.vault.root, to: Array("b".utf8).span, in: directory, .replace)
        for readOnly in [true, false] {
            try afterKill(readOnly: readOnly) { vault in
                let inside = try vault.lookup(Array("d".utf8).span, in: vault.root).inode
                let found = try vault.open(vault.lookup(Array("b".utf8).span, in: inside).inode, writable: false)
                #expect(try bytes(of: found) == plain)
                found.release()
            }
        }
        file.release()
    }

    @Test func theTimeThatAProgramSetComesBack() throws {
        _ = try scratch.makeFile("t", content: String(repeating: "durable ", count: 1000))
        let file = try open("t")
        try file.synchronize(dataOnly: false)
        try file.write(Array("x".utf8).span, at: 0, isWriteBack: true)
        let time = Timestamp(seconds: 1_000_000_000, nanoseconds: 5)
        try file.content.setTimes(access: .omit, modification: .set(time))
        try file.synchronize(dataOnly: true)
        #expect(try file.content.status().modificationTime == time)
        let shown = try afterKill { vault in try vault.lookup(Array("t".utf8).span, in: vault.root).status.modificationTime }
        #expect(shown == time)
        file.release()
    }

    /// Space for a block in a hole is taken at once, which moves the time of the backing file.
    @Test func collectedWritesIntoAHoleLeaveTheTime() throws {
        _ = try scratch.makeFile("t", content: String(repeating: "durable ", count: 1000))
        let file = try open("t")
        try file.content.truncate(to: 1 << 20)
        try file.synchronize(dataOnly: false)
        let time = Timestamp(seconds: 1_000_000_000, nanoseconds: 5)
        try file.content.setTimes(access: .omit, modification: .set(time))
        try file.write(Array("x".utf8).span, at: 512 << 10, isWriteBack: true)
        #expect(try file.content.status().modificationTime == time)
        try file.synchronize(dataOnly: false)
        #expect(try file.content.status().modificationTime == time)
        let shown = try afterKill { vault in try vault.lookup(Array("t".utf8).span, in: vault.root).status.modificationTime }
        #expect(shown == time)
        file.release()
    }

    @Test func aVaultWithoutJournalHasNone() throws {
        let path = scratch.base + "/plain"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try Vault.create(at: path, keyring: scratch.keyring, key: scratch.key, keystoreHint: nil, hasJournal: false)
        #expect(!FileManager.default.fileExists(atPath: path + "/.envelopefs/journal-0"))
        let vault = try Vault(
            opening: path, keyring: scratch.keyring, mountPoint: "(test)", isReadOnly: false,
            log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        #expect(vault.context.journal == nil)
        try vault.close()
    }
}
