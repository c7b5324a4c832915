// What each attack on a file gets: the table of format.md, section 5, as far as it is about one file.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX
import Testing

@testable import Filesystem

@Suite struct TamperTests {
    static let block = 4096
    static let size = 60 * 4096 + 100

    /// A sealed file of 61 blocks.
    static func sealed(_ place: Workplace, _ size: Int = size, _ name: String = "file") throws -> [UInt8] {
        var dice = Dice(9)
        let plain = dice.bytes(size)
        let content = try place.content(name)
        try content.put(plain)
        try content.seal()
        #expect(content.isSealed)
        return plain
    }

    static func slot(_ block: UInt64) -> Int { Int(BlockLayout.slotOffset(of: block)) }
    static func place(_ block: UInt64) -> Int { Int(BlockLayout.blockOffset(of: block)) }

    /// Every block but `bad` reads as before, `bad` is EIO with one line of log that names it.
    static func expectOnlyBad(_ bad: UInt64, _ place: Workplace, _ plain: [UInt8]) throws {
        let content = try place.content(writable: false)
        for i in 0..<(plain.count + block - 1) / block {
            let range = i * block..<min(plain.count, (i + 1) * block)
            if UInt64(i) == bad {
                place.lines.clear()
                #expect(throws: Errno.ioError) { try content.bytes(range.lowerBound, range.count) }
                #expect(place.lines.all.count == 1)
                #expect(place.lines.all.first?.contains("inode 7: block \(bad)") == true)
            } else {
                #expect(try content.bytes(range.lowerBound, range.count) == Array(plain[range]))
            }
        }
        // A run that holds the bad block is refused as a whole.
        #expect(throws: Errno.ioError) { try content.bytes() }
    }

    @Test(arguments: [0, 47, 48, 60] as [UInt64]) func flippedBitOfABlock(bad: UInt64) throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        try place.change { $0[Self.place(bad) + 50] ^= 0x10 }
        try Self.expectOnlyBad(bad, place, plain)
    }

    /// Nonce, tag, length, salt of the current entry.
    @Test(arguments: [0, 11, 12, 27, 28, 29, 30, 31]) func flippedBitOfASlot(byte: Int) throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        try place.change { $0[Self.slot(50) + byte] ^= 1 }
        try Self.expectOnlyBad(50, place, plain)
    }

    @Test func flippedBitsOfWhatIsNotUsed() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        try place.change { bytes in
            bytes[Self.slot(50) + 40] ^= 1
            bytes[Self.slot(61)] ^= 1
        }
        #expect(try place.content(writable: false).bytes() == plain)
    }

    /// Any bit of the first kilobyte of a sealed file.
    @Test func flippedBitOfHeaderOrState() throws {
        for size in [100, 5000] {
            let place = try Workplace()
            let plain = try Self.sealed(place, size)
            let stored = try place.stored()
            for byte in stride(from: 0, to: 1024, by: 7) {
                try place.change { $0[byte] ^= 1 << UInt8(byte % 8) }
                place.lines.clear()
                do {
                    let content = try place.content(writable: false)
                    Issue.record("byte \(byte) of a file of \(size): opened")
                    _ = content
                } catch {
                    #expect([Errno.ioError, .noKey, .keyRevoked].contains(error))
                }
                try place.store(stored)
            }
            #expect(try place.content(writable: false).bytes() == plain)
        }
    }

    @Test func flippedBitOfInlineContent() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place, 1000)
        let stored = try place.stored()
        for byte in [1024, 1040, 1052, 1054, 1056, 2055] {
            try place.change { $0[byte] ^= 4 }
            #expect(throws: Errno.ioError, "byte \(byte)") { try place.content(writable: false).bytes() }
            try place.store(stored)
        }
        #expect(try place.content(writable: false).bytes() == plain)
    }

    @Test func swappedBlocks() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        try place.change { bytes in
            for i in 0..<Self.block { bytes.swapAt(Self.place(3) + i, Self.place(4) + i) }
        }
        let content = try place.content(writable: false)
        for bad in [3, 4] { #expect(throws: Errno.ioError) { try content.bytes(bad * Self.block, 10) } }
        #expect(try content.bytes(5 * Self.block) == Array(plain[(5 * Self.block)...]))
        // With their slots too: the index is bound.
        try place.change { bytes in for i in 0..<64 { bytes.swapAt(Self.slot(3) + i, Self.slot(4) + i) } }
        let again = try place.content(writable: false)
        for bad in [3, 4] { #expect(throws: Errno.ioError) { try again.bytes(bad * Self.block, 10) } }
    }

    @Test func blocksAndHeadersOfAnotherFile() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        _ = try Self.sealed(place, Self.size, "other")
        let other = try place.stored("other"), own = try place.stored()
        try place.change { bytes in
            bytes.replaceSubrange(Self.place(3)..<Self.place(4), with: other[Self.place(3)..<Self.place(4)])
            bytes.replaceSubrange(Self.slot(3)..<Self.slot(4), with: other[Self.slot(3)..<Self.slot(4)])
        }
        try Self.expectOnlyBad(3, place, plain)
        try place.store(own)
        try place.change { $0.replaceSubrange(0..<512, with: other[0..<512]) }
        #expect(throws: Errno.ioError) { try place.content(writable: false) }
        try place.change { $0.replaceSubrange(0..<1024, with: other[0..<1024]) }
        // Same size, so it opens; but none of its blocks does.
        let planted = try place.content(writable: false)
        #expect(throws: Errno.ioError) { try planted.bytes(0, 10) }
        // An inline header on blocks.
        _ = try Self.sealed(place, 500, "other")
        let small = try place.stored("other")
        try place.store(own)
        try place.change { $0.replaceSubrange(0..<512, with: small[0..<512]) }
        #expect(throws: Errno.ioError) { try place.content(writable: false) }
    }

    @Test func headerPlantedOnAnEmptyFileHasNoEffect() throws {
        let place = try Workplace()
        let other = try place.content("other")
        _ = try other.settingAttribute { (id, _) in id }
        try place.store(try place.stored("other"))
        let content = try place.content()
        #expect(content.size == 0)
        try content.put([1, 2, 3])
        #expect(try content.bytes() == [1, 2, 3])
        let key = try place.stored()[30..<164], planted = try place.stored("other")[30..<164]
        #expect(key != planted, "a new data key")
        #expect(content.fileID != other.fileID)
    }

    @Test func cutOrGrownSealedFile() throws {
        let place = try Workplace()
        _ = try Self.sealed(place)
        let stored = try place.stored()
        let lengths = [1, 512, 1023, 1024, 1025, 1056, 1057, 4095, 4096, 4097, 8192, Self.place(47) + 4096, Self.place(48) - 1, Self.place(48),
            stored.count - 4096, stored.count - 1, stored.count + 1, stored.count + 4096, stored.count + 400_000]
        for length in lengths {
            try place.store(stored)
            try place.descriptor().truncate(to: UInt64(length))
            #expect(throws: Errno.ioError, "length \(length)") { try place.content(writable: false) }
            #expect(throws: Errno.ioError, "length \(length), to write") { try place.content() }
        }
        // Cut to nothing: not detected, documented.
        try place.descriptor().truncate(to: 0)
        #expect(try place.content(writable: false).size == 0)
    }

    @Test func cutOrGrownInlineFile() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place, 1000)
        let stored = try place.stored()
        for length in [1024, 1025, 1056, 1057, 2055] {
            try place.store(stored)
            try place.descriptor().truncate(to: UInt64(length))
            #expect(throws: Errno.ioError, "length \(length)") { try place.content(writable: false).bytes() }
        }
        for length in [2057, 4096, 4097, 100_000] {
            try place.store(stored)
            try place.descriptor().truncate(to: UInt64(length))
            #expect(try place.content(writable: false).bytes() == plain)
            #expect(try place.stored().count == length, "only read")
            place.lines.clear()
            #expect(try place.content().bytes() == plain)
            #expect(place.lines.all.count == 1)
            #expect(try place.stored().count == 2056)
        }
    }

    @Test func zeroedBlockOrSlot() throws {
        let place = try Workplace()
        let plain = try Self.sealed(place)
        let stored = try place.stored()
        try place.change { $0.replaceSubrange(Self.place(9)..<Self.place(10), with: [UInt8](repeating: 0, count: 4096)) }
        try Self.expectOnlyBad(9, place, plain)
        try place.store(stored)
        try place.change { $0.replaceSubrange(Self.slot(9)..<Self.slot(10), with: [UInt8](repeating: 0, count: 64)) }
        try Self.expectOnlyBad(9, place, plain)
        try place.change { $0.replaceSubrange(Self.place(9)..<Self.place(10), with: [UInt8](repeating: 0, count: 4096)) }
        try Self.expectOnlyBad(9, place, plain)
        // An empty current entry beside a previous one.
        try place.store(stored)
        try place.change { bytes in
            bytes.replaceSubrange(Self.slot(9) + 32..<Self.slot(10), with: bytes[Self.slot(9)..<Self.slot(9) + 32])
            bytes.replaceSubrange(Self.slot(9)..<Self.slot(9) + 32, with: [UInt8](repeating: 0, count: 32))
        }
        try Self.expectOnlyBad(9, place, plain)
    }

    @Test func oldBlockPutBack() throws {
        let place = try Workplace()
        var plain = try Self.sealed(place)
        let old = try place.stored()
        let content = try place.content()
        var dice = Dice(77)
        let new = dice.bytes(4096)
        try content.put(new, at: 9 * 4096)
        plain.replaceSubrange(9 * 4096..<10 * 4096, with: new)
        // While the daemon that made it OPEN has it open, previous is not tried.
        let running = try place.stored()
        try place.change { $0.replaceSubrange(Self.place(9)..<Self.place(10), with: old[Self.place(9)..<Self.place(10)]) }
        #expect(throws: Errno.ioError) { try content.bytes(9 * 4096, 4096) }
        try place.store(running)
        #expect(try content.bytes() == plain)
        try content.seal()
        try place.change { $0.replaceSubrange(Self.place(9)..<Self.place(10), with: old[Self.place(9)..<Self.place(10)]) }
        try Self.expectOnlyBad(9, place, plain)
        // With its slot: not detected in format 1, documented.
        try place.change { $0.replaceSubrange(Self.slot(9)..<Self.slot(10), with: old[Self.slot(9)..<Self.slot(10)]) }
        #expect(try place.content(writable: false).bytes(9 * 4096, 4096) != new)
    }

    @Test func damagedBlockIsOverwrittenAsAWhole() throws {
        let place = try Workplace()
        var plain = try Self.sealed(place)
        var dice = Dice(78)
        let new = dice.bytes(4096), tail = dice.bytes(100)
        try place.change { bytes in
            bytes[Self.place(9)] ^= 1
            bytes[Self.place(60)] ^= 1
        }
        let content = try place.content()
        #expect(throws: Errno.ioError) { try content.put([1], at: 9 * 4096 + 5) }
        #expect(throws: Errno.ioError) { try content.put([1], at: 60 * 4096 + 5) }
        try content.put(new, at: 9 * 4096)
        try content.put(tail, at: 60 * 4096)
        plain.replaceSubrange(9 * 4096..<10 * 4096, with: new)
        plain.replaceSubrange(60 * 4096..<60 * 4096 + 100, with: tail)
        try content.seal()
        #expect(try place.content().bytes() == plain)
    }

    @Test func keysThatMayNotBeUsed() throws {
        let place = try Workplace()
        _ = try Self.sealed(place, 100)
        let disabled = place.context(keyring: try Workplace.keyring([place.keyID: .disabled]))
        #expect(throws: Errno.keyRevoked) { try place.content(context: disabled) }
        let unknown = place.context(keyring: try Workplace.keyring([:]))
        #expect(throws: Errno.noKey) { try place.content(context: unknown) }
        // A file without content needs no key to be opened, and one to be written.
        try place.descriptor().truncate(to: 0)
        let empty = try place.content(context: disabled)
        #expect(throws: Errno.keyRevoked) { try empty.put([1]) }
        #expect(try place.stored().isEmpty)
        #expect(throws: Errno.noKey) { try place.content(context: unknown).truncate(to: 5) }
    }

    @Test func restingContentUnwrapsAgain() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 3, count: 9000))
        content.rest()
        #expect(try content.bytes(8990) == [UInt8](repeating: 3, count: 10))
        content.rest()
        place.keyring.lock()
        #expect(throws: (any Error).self) { try content.bytes() }
        #expect(throws: (any Error).self) { try content.put([1]) }
        // The state record's key is kept: it can be sealed all the same.
        try content.seal()
        #expect(content.isSealed)
    }
}
