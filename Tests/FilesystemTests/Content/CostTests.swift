// What the main paths cost in system calls on the backing file.

import Format
import POSIX
import Testing

@testable import Filesystem

@Suite struct CostTests {
    /// The calls of `body`, by kind.
    func cost(_ place: Workplace, _ body: () throws -> Void) throws -> [String: Int] {
        place.saboteur.reset()
        try body()
        return place.saboteur.state.withLock { $0.counts }
    }

    /// Expects `body` to cost exactly these calls.
    func expect(_ expected: [String: Int], _ place: Workplace, _ comment: Comment? = nil, at line: SourceLocation = #_sourceLocation, _ body: () throws -> Void) throws {
        let calls: [String: Int] = try cost(place, body)
        #expect(calls == expected, comment, sourceLocation: line)
    }

    @Test func smallFile() throws {
        let place = try Workplace()
        let plain = [UInt8](repeating: 1, count: 3040)
        let content = try place.content()
        try expect(["write": 1], place) { try content.put(plain) }
        #expect(content.isSealed)
        #expect(place.saboteur.writes.map(\.count) == [4096])
        try expect([:], place) { _ = try content.bytes() }
        // Found at open: one read serves header, state and content.
        try expect(["read": 1, "status": 1], place) { _ = try place.content(writable: false).bytes() }
        try content.truncate(to: 3000)
        try expect(["read": 1], place) { _ = try place.content(writable: false).bytes() }
        try expect(["write": 1], place) { try content.put([2, 3], at: 5) }
    }

    @Test func firstWriteOfBlocks() throws {
        let place = try Workplace()
        let content = try place.content()
        try expect(["write": 1], place) { try content.put([UInt8](repeating: 1, count: 10_000)) }
        #expect(place.saboteur.writes.map(\.count) == [4096 + 10_000])
        #expect(!content.isSealed)
    }

    @Test func overwriteOfABlock() throws {
        let place = try Workplace()
        _ = try TamperTests.sealed(place)
        let content = try place.content()
        let block = [UInt8](repeating: 5, count: 4096)
        // The first change of a sealed file: record and barrier.
        try expect(["write": 3, "synchronize": 1], place) { try content.put(block, at: 9 * 4096) }
        try expect(["write": 2], place) { try content.put(block, at: 10 * 4096) }
        #expect(place.saboteur.writes.map(\.count) == [64, 4096])
        try expect(["write": 2, "read": 1], place) { try content.put([1], at: 11 * 4096) }
        // Another group: its slots are read once.
        try expect(["write": 2, "read": 1], place) { try content.put(block, at: 52 * 4096) }
        try expect(["write": 2], place) { try content.put(block, at: 53 * 4096) }
    }

    @Test func sequentialMebibyte() throws {
        let place = try Workplace()
        let content = try place.content()
        let mebibyte = [UInt8](repeating: 1, count: 1 << 20)
        for i in 0..<3 {
            let calls = try cost(place) { try content.put(mebibyte, at: i << 20) }
            #expect(calls.keys.sorted() == ["write"])
            #expect(calls["write"]! <= 6, "at \(i) MiB")
        }
        try content.seal()
        let reader = try place.content()
        try expect(["read": 6], place, "five groups, and the slots of the first of them") { _ = try reader.bytes(1 << 20, 1 << 20) }
        try expect(["read": 1], place) { _ = try reader.bytes(1 << 20, 4096) }
    }

    @Test func inlineGrowth() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 3000))
        // New content: blocks, then page 0, no barrier.
        try expect(["write": 2], place) { try content.put([UInt8](repeating: 2, count: 3000), at: 3000) }
        #expect(place.saboteur.writes.map(\.offset) == [4096, 0])
        // Content that may be durable: its successor is durable first.
        try content.truncate(to: 0)
        try content.put([UInt8](repeating: 1, count: 3000))
        let found = try place.content()
        try expect(["write": 2, "synchronize": 1], place) { try found.put([UInt8](repeating: 2, count: 3000), at: 3000) }
    }
}
