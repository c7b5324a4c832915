// Large writes, whose blocks are sealed before it is their turn.

import Bytes
import Format
import POSIX
import Synchronization
import Testing

@testable import Filesystem

@Suite struct SealingAheadTests {
    private let place: Workplace
    private let content: FileContent
    private let before: [UInt8]
    private static let size = 1 << 20

    init() throws {
        place = try Workplace()
        content = try place.content()
        var dice = Dice(1)
        before = dice.bytes(Self.size)
        try content.put(before)
    }

    /// Seals `bytes` ahead, lets `between` change the file, then writes them.
    private func write(_ bytes: [UInt8], at offset: Int, after between: () throws -> Void) throws -> Bool {
        var area = [UInt8](repeating: 0xEE, count: FileContent.roomForRuns(of: bytes.count, at: UInt64(offset)))
        var span = area.mutableSpan
        let cipher = content.sealAhead(bytes.span, at: UInt64(offset), into: &span)
        try between()
        try content.write(bytes.span, at: UInt64(offset), sealedBy: cipher, in: &span)
        return cipher != nil
    }

    private func slot(of block: UInt64) throws -> Slot {
        let stored = try place.stored()
        return Slot(from: stored.span, at: Int(BlockLayout.slotOffset(of: block)))
    }

    @Test(arguments: [0, 1, 4095, 4096, 47 << 12, 48 << 12, 500_001]) func readsBackAndRemembersWhatWasReplaced(offset: Int) throws {
        var dice = Dice(2)
        let new = dice.bytes(300_000)
        let whole = UInt64(offset >> 12) + 10
        let old = try slot(of: whole)
        #expect(try write(new, at: offset) {})
        let expected = Array(before[..<offset]) + new + Array(before[(offset + new.count)...])
        #expect(try content.bytes() == expected)
        let replaced = try slot(of: whole)
        #expect(replaced.previous == old.current)
        #expect(replaced.current != old.current)
        // As after a kill, then sealed.
        #expect(try place.content(writable: false).bytes() == expected)
        try content.seal()
        #expect(try place.content(writable: false).bytes() == expected)
        #expect(place.lines.all == [])
    }

    @Test func growsTheFileAndLeavesAHole() throws {
        var dice = Dice(3)
        let new = dice.bytes(200_000)
        #expect(try write(new, at: Self.size + 300_000) {})
        try content.seal()
        #expect(try place.content(writable: false).bytes() == before + [UInt8](repeating: 0, count: 300_000) + new)
    }

    /// Another key meanwhile: what was sealed with the old one may not reach the disk.
    @Test func isSealedAgainWhenTheFileHasAnotherKey() throws {
        var dice = Dice(4)
        let new = dice.bytes(400_000), other = dice.bytes(900_000)
        #expect(try write(new, at: 100_000) {
            try content.truncate(to: 0)
            try content.put(other)
        })
        let expected = Array(other[..<100_000]) + new + Array(other[500_000...])
        #expect(try content.bytes() == expected)
        try content.seal()
        #expect(try place.content(writable: false).bytes() == expected)
    }

    @Test func isSealedAgainWhenTheFileIsEmptyOrInline() throws {
        var dice = Dice(5)
        let new = dice.bytes(400_000)
        for few in [0, 100] {
            #expect(try write(new, at: 0) {
                try content.truncate(to: 0)
                try content.put([UInt8](repeating: 1, count: few))
            })
            #expect(try content.bytes() == new)
        }
        try content.seal()
        #expect(try place.content(writable: false).bytes() == new)
    }

    @Test func nothingIsSealedAheadWithoutKeys() throws {
        var dice = Dice(6)
        let new = dice.bytes(400_000)
        try content.seal()
        content.rest()
        #expect(try !write(new, at: 0) {})
        #expect(try content.bytes(0, new.count) == new)
        try content.truncate(to: 0)
        #expect(try !write(new, at: 0) {})
        #expect(try content.bytes() == new)
    }

    private static let piece = 200_001
    private static func piece(_ number: Int, _ round: Int) -> [UInt8] { [UInt8](repeating: UInt8(1 + number + 4 * round), count: piece) }

    /// Several threads write pieces of their own, some of them with a neighbour in the same block, while another cuts and grows what is behind.
    @Test func threadsWriteSideBySide() throws {
        let rounds = 20, end = 3 * Self.piece
        let content = content
        let failures = Mutex<[String]>([])
        let threads = try (0..<4).map { number in
            try Thread.start(name: "writer") {
                var dice = Dice(UInt64(100 + number))
                for round in 0..<rounds {
                    do throws(Errno) {
                        if number == 3 {
                            try content.truncate(to: UInt64(end + dice.below(300_000)))
                        } else {
                            try content.put(Self.piece(number, round), at: number * Self.piece, isWriteBack: round % 2 == 0)
                        }
                    } catch { failures.withLock { $0.append("\(number): \(error)") } }
                }
            }
        }
        for thread in threads { try thread.join() }
        #expect(failures.withLock { $0 } == [])
        try content.truncate(to: UInt64(end))
        let expected = Self.piece(0, rounds - 1) + Self.piece(1, rounds - 1) + Self.piece(2, rounds - 1)
        #expect(try content.bytes() == expected)
        try content.seal()
        #expect(try place.content(writable: false).bytes() == expected)
        #expect(place.lines.all == [])
    }
}
