// What a power cut leaves of bytes that were never synced, and how it is called: unfinished, and not damage.

import Format
import POSIX
import Testing

@testable import Filesystem

@Suite struct UnfinishedTests {
    static let words = "; unfinished: "

    /// Every refusal so far, and each, is called unfinished; or none is.
    private func expect(unfinished: Bool, _ place: Workplace, _ what: Comment) {
        let refusals = place.lines.all.filter { $0.hasPrefix("error") }
        #expect(!refusals.isEmpty, what)
        #expect(refusals.allSatisfy { $0.contains(Self.words) == unfinished }, "\(what): \(refusals)")
        place.lines.clear()
    }

    private func refuse(_ block: Int, of content: FileContent) {
        #expect(throws: Errno.ioError) { try content.bytes(block << 12, 4096) }
    }

    private func flip(_ place: Workplace, block: UInt64) throws { try place.change { $0[TamperTests.place(block) + 50] ^= 0x10 } }

    /// A file of 61 blocks that was left OPEN, with one block that does not open; settled and sealed.
    private func recovered(_ place: Workplace) throws {
        var dice = Dice(5)
        try place.content().put(dice.bytes(TamperTests.size))
        try flip(place, block: 9)
        place.lines.clear()
        let content = try place.content()
        expect(unfinished: true, place, "settling")
        try content.seal()
        #expect(content.isSealed && content.isUnfinished)
    }

    @Test func theMarkStaysWhileTheFileIsSealed() throws {
        let place = try Workplace()
        try recovered(place)
        try flip(place, block: 20)
        for round in 0..<2 {
            let content = try place.content(writable: false)
            refuse(9, of: content)
            // The price: what is changed in such a file later is called so too.
            refuse(20, of: content)
            expect(unfinished: true, place, "sealed with the mark, round \(round)")
            #expect(try content.bytes(10 << 12, 4096).count == 4096)
            let writer = try place.content()
            try writer.put([1, 2, 3], at: 30 << 12)
            try writer.seal()
        }
    }

    @Test func theMarkGoesWhenALaterRecoveryFindsAllInOrder() throws {
        let place = try Workplace()
        try recovered(place)
        try place.content().put([UInt8](repeating: 7, count: 4096), at: 9 << 12)
        #expect(try place.content(writable: false).isUnfinished, "left OPEN, with the mark that it had")
        let content = try place.content()
        #expect(!content.isUnfinished)
        try content.seal()
        try flip(place, block: 20)
        place.lines.clear()
        refuse(20, of: try place.content(writable: false))
        expect(unfinished: false, place, "sealed without it")
    }

    @Test func theMarkGoesWithANewKey() throws {
        for size in [100, 9000] {
            let place = try Workplace()
            try recovered(place)
            let content = try place.content()
            try content.truncate(to: 0)
            try content.put([UInt8](repeating: 7, count: size))
            try content.seal()
            try place.change { $0[size == 100 ? 1060 : TamperTests.place(1)] ^= 1 }
            place.lines.clear()
            refuse(size == 100 ? 0 : 1, of: try place.content(writable: false))
            expect(unfinished: false, place, "\(size) bytes under a new key")
        }
    }

    @Test func aBlockOfASealedFileIsDamaged() throws {
        let place = try Workplace()
        _ = try TamperTests.sealed(place)
        try flip(place, block: 9)
        place.lines.clear()
        refuse(9, of: try place.content(writable: false, context: place.context(wasClean: false)))
        let writer = try place.content()
        try writer.put([1], at: 30 << 12)
        refuse(9, of: writer)
        expect(unfinished: false, place, "sealed, and opened by whoever writes to it")
    }

    // MARK: first pages

    /// Two versions of page 0 of a file of which nothing was synced, the second grown to `size` bytes, put together by sectors: those in `newer` are of the second.
    private func mix(_ place: Workplace, size: Int, newer: Set<Int>) throws {
        var dice = Dice(3)
        let content = try place.content()
        try content.put(dice.bytes(2000))
        let before = try place.stored()
        try content.put(dice.bytes(size))
        try place.change { bytes in
            for sector in 0..<8 where !newer.contains(sector) {
                let start = sector * 512, end = min(start + 512, before.count, bytes.count)
                if start < end { bytes.replaceSubrange(start..<end, with: before[start..<end]) }
            }
        }
        place.lines.clear()
    }

    /// What opening and reading all of it throws.
    private func outcome(_ place: Workplace, _ context: VaultContext, writable: Bool = false) -> Errno? {
        do {
            let content = try place.content(writable: writable, context: context)
            _ = try content.bytes()
            return nil
        } catch { return error as? Errno }
    }

    @Test(arguments: [1000, 2000, 2500, 9000], [[1], [2], [3, 4], [2, 3, 4, 5, 6, 7], [0], [0, 1], [1, 2]] as [Set<Int>])
    func aPageOfTwoVersionsIsUnfinishedInAVaultThatWasNotClosed(size: Int, newer: Set<Int>) throws {
        let place = try Workplace()
        try mix(place, size: size, newer: newer)
        let unclean = place.context(wasClean: false)
        guard outcome(place, unclean) == .ioError else { return }
        expect(unfinished: true, place, "read after a crash")
        let stored = try place.stored(), time = try place.descriptor().status().modificationTime
        // A clean vault tells nothing; but an OPEN record does.
        let wasKnown = place.context()
        _ = outcome(place, wasKnown)
        let isKnown = place.lines.all.contains { $0.contains(Self.words) }
        place.lines.clear()
        if isKnown { return }
        // The sweep opens each file for writing.
        do { try place.content(context: unclean).markIfTorn() } catch { #expect(error == .ioError) }
        let marked = try place.stored()
        // What is behind an inline file's content is cut, as in any.
        #expect(marked[..<512] == stored[..<512] && marked[1024...] == stored[1024..<marked.count], "something but the record was written")
        #expect(try place.descriptor().status().modificationTime == time)
        place.lines.clear()
        #expect(outcome(place, place.context()) == .ioError, "the mark lets something be read")
        expect(unfinished: true, place, "marked, in a clean vault")
    }

    @Test func aPageOfTwoVersionsIsDamagedInAVaultThatWasClosed() throws {
        for sector in [2, 3, 5] {
            let place = try Workplace()
            try mix(place, size: 2000, newer: [sector])
            let stored = try place.stored()
            #expect(outcome(place, place.context(), writable: true) == .ioError)
            if let content = try? place.content() { try content.markIfTorn() }
            #expect(try place.stored() == stored, "marked though the vault was closed")
            expect(unfinished: false, place, "sector \(sector)")
        }
    }

    @Test func aSealedSmallFileOfACleanVaultIsDamaged() throws {
        let place = try Workplace()
        _ = try TamperTests.sealed(place, 2000)
        let stored = try place.stored()
        // INLINE flipped, the entry, the content, and cuts.
        for byte in [10, 1024, 1052, 1060, 3000] {
            try place.change { $0[byte] ^= 1 }
            place.lines.clear()
            #expect(outcome(place, place.context()) == .ioError, "byte \(byte)")
            expect(unfinished: false, place, "byte \(byte)")
            try place.store(stored)
        }
        for length in [1024, 1056, 2000] {
            try place.store(Array(stored[..<length]))
            #expect(outcome(place, place.context()) == .ioError)
            expect(unfinished: false, place, "cut to \(length)")
        }
    }

    @Test func aFirstPageThatIsMissingInPartIsUnfinished() throws {
        for size in [2000, 9000] {
            for sector in 0..<2 {
                let place = try Workplace()
                var dice = Dice(3)
                try place.content().put(dice.bytes(size))
                try place.change { $0.replaceSubrange(sector * 512..<(sector + 1) * 512, with: [UInt8](repeating: 0, count: 512)) }
                place.lines.clear()
                #expect(outcome(place, place.context()) == .ioError)
                expect(unfinished: true, place, "\(size) bytes, sector \(sector)")
            }
        }
    }

    /// What a sealed file of blocks cannot be after a power cut: its record is written when all else is durable.
    @Test func aHeaderThatSaysInlineOnSealedBlocksIsDamaged() throws {
        let place = try Workplace()
        _ = try TamperTests.sealed(place)
        try place.change { $0[10] ^= 1 }
        place.lines.clear()
        #expect(outcome(place, place.context(wasClean: false), writable: true) == .ioError)
        expect(unfinished: false, place, "INLINE on a sealed file of blocks")
    }

    /// A file with attributes that was cut to 0 and written anew, torn between the keys: the header of one, the rest of the other.
    @Test(arguments: [2000, 9000], [true, false])
    func aPageOfTwoKeysIsUnfinishedInAVaultThatWasNotClosed(size: Int, hasNewHeader: Bool) throws {
        let place = try Workplace()
        var dice = Dice(3)
        let first = try place.content()
        try first.put(dice.bytes(size))
        try first.seal()
        let before = try place.stored()
        let content = try place.content()
        try content.truncate(to: 0)
        try content.put(dice.bytes(size))
        try content.seal()
        var mixed = try place.stored()
        #expect(mixed.count == before.count && mixed[..<512] != before[..<512])
        if hasNewHeader { mixed = Array(mixed[..<512] + before[512...]) } else { mixed = Array(before[..<512] + mixed[512...]) }
        try place.store(mixed)
        place.lines.clear()
        #expect(outcome(place, place.context()) == .ioError)
        expect(unfinished: false, place, "in a vault that was closed")
        let unclean = place.context(wasClean: false)
        #expect(outcome(place, unclean) == .ioError)
        expect(unfinished: true, place, "after a crash")
        #expect(try place.stored() == mixed, "written by a reader")
        #expect(outcome(place, unclean, writable: true) == .ioError)
        let marked = try place.stored()
        #expect(marked[..<512] == mixed[..<512] && marked[1024...] == mixed[1024...] && marked != mixed)
        place.lines.clear()
        #expect(outcome(place, place.context()) == .ioError, "the mark lets something be read")
        expect(unfinished: true, place, "marked, in a clean vault")
    }

    /// An empty file with attributes whose first write came to the disk without its first page.
    @Test(arguments: [100, 3000, 4096, 20000], [true, false])
    func whatStandsBehindAnEmptyFileIsNotPartOfIt(count: Int, wasClean: Bool) throws {
        let place = try Workplace()
        let name = try AttributeName(NameCipher.attributePrefix + Array("made up".utf8))
        let id = try place.content().settingAttribute { (id, descriptor) throws(Errno) in
            try descriptor.setAttribute(name, [1, 2, 3].span)
            return id
        }
        let empty = try place.stored()
        #expect(empty.count == 1024)
        var dice = Dice(3)
        try place.store(empty + dice.bytes(count))
        let context = place.context(wasClean: wasClean)
        let reader = try place.content(writable: false, context: context)
        #expect(try reader.bytes().isEmpty && reader.fileID == id && reader.wasLonger)
        let content = try place.content(context: context)
        try content.markIfTorn()
        #expect(try content.bytes().isEmpty && content.fileID == id)
        try content.put([7, 8])
        try content.seal()
        #expect(try place.content(writable: false).bytes() == [7, 8])
        #expect(try place.content(writable: false).fileID == id)
        #expect(!place.lines.all.contains { $0.hasPrefix("error") }, "\(place.lines.all)")
    }

    @Test func attributesWithoutAHeaderGoAfterACrash() throws {
        let place = try Workplace()
        let name = try AttributeName(NameCipher.attributePrefix + Array("made up".utf8))
        try place.store([])
        try place.descriptor().setAttribute(name, [1, 2, 3].span)
        let closed = try place.content()
        #expect(try closed.removeAttributesWithoutHeader() == 0 && closed.hasAttributesWithoutHeader)
        let content = try place.content(context: place.context(wasClean: false))
        #expect(try content.removeAttributesWithoutHeader() == 1)
        #expect(try !content.hasAttributesWithoutHeader)
        #expect(try place.descriptor().attributeNames().isEmpty)
        // With a header they stay.
        try content.put([1])
        try place.descriptor().setAttribute(name, [1, 2, 3].span)
        #expect(try content.removeAttributesWithoutHeader() == 0 && !content.hasAttributesWithoutHeader)
    }

    @Test func aNewPageTakesTheMarkAway() throws {
        let place = try Workplace()
        try mix(place, size: 2000, newer: [3])
        let unclean = place.context(wasClean: false)
        let content = try place.content(context: unclean)
        try content.markIfTorn()
        #expect(content.isUnfinished)
        try content.put([UInt8](repeating: 9, count: 2000))
        #expect(try place.content(writable: false).bytes() == [UInt8](repeating: 9, count: 2000))
        try place.change { $0[1060] ^= 1 }
        place.lines.clear()
        #expect(outcome(place, place.context()) == .ioError)
        expect(unfinished: false, place, "written anew and changed")
    }
}
