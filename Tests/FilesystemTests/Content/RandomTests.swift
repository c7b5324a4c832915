// Thousands of random operations against a model of plain bytes.

import Format
import POSIX
import Testing

@testable import Filesystem

@Suite struct RandomTests {
    @Test(arguments: UInt64(1)...12) func operationsAgreeWithTheModel(seed: UInt64) throws {
        let place = try Workplace()
        var player = try Player(place, seed: seed)
        for _ in 0..<500 { try player.step() }
        try player.compare("at the end")
        #expect(place.lines.all.filter { $0.hasPrefix("error") } == [])
    }

    @Test func oneFileForAThousandReopens() throws {
        let place = try Workplace()
        var player = try Player(place, seed: 4711, limit: 300_000)
        for _ in 0..<2000 {
            try player.step()
            if player.dice.below(2) == 0 { try player.reopen(sealing: player.dice.below(2) == 0) }
        }
        #expect(place.lines.all.filter { $0.hasPrefix("error") } == [])
    }
}

/// Does the same to a content and to an array.
struct Player {
    let place: Workplace
    let seed: UInt64
    let limit: Int
    var dice: Dice
    var content: FileContent
    var model: [UInt8] = []
    var steps = 0

    init(_ place: Workplace, seed: UInt64, limit: Int = 1_300_000) throws {
        self.place = place
        self.seed = seed
        self.limit = limit
        dice = Dice(seed)
        content = try place.content()
    }

    mutating func step() throws {
        steps += 1
        let what: String
        do {
            switch dice.below(20) {
            case 0...6: what = try write()
            case 7: what = try append()
            case 8, 9: what = try truncate()
            case 10: what = try punch()
            case 11: what = try allocate()
            case 12...15: what = try readSome()
            case 16: what = try reopen(sealing: true)
            case 17: what = try reopen(sealing: false)
            case 18: what = try rest()
            default: what = try seek()
            }
        } catch {
            Issue.record("seed \(seed) step \(steps): \(error)")
            throw error
        }
        if content.size != UInt64(model.count) || steps % 16 == 0 { try compare(what) }
    }

    func compare(_ what: String) throws {
        let bytes = try content.bytes()
        guard bytes != model else { return }
        let first = zip(bytes, model).enumerated().first { $1.0 != $1.1 }?.offset ?? min(bytes.count, model.count)
        Issue.record("seed \(seed) step \(steps) after \(what): \(bytes.count) bytes instead of \(model.count), first difference at \(first)")
        throw Errno.ioError
    }

    /// An offset or size, often at an edge.
    mutating func point() -> Int {
        switch dice.below(4) {
        case 0: edgeSizes[dice.below(edgeSizes.count)] % (limit + 1)
        case 1: dice.below(limit)
        case 2: dice.below(min(limit, model.count + 10_000))
        default: min(limit, dice.below(300) * 4096)
        }
    }

    mutating func length() -> Int {
        switch dice.below(6) {
        case 0: 1 + dice.below(100)
        case 1: 4096
        case 2: 1 + dice.below(10_000)
        case 3: 4096 * (1 + dice.below(64))
        case 4: 1 + dice.below(300_000)
        default: 3000 + dice.below(80)
        }
    }

    mutating func write() throws -> String {
        let offset = point(), bytes = dice.bytes(length())
        try put(bytes, at: offset)
        return "write of \(bytes.count) at \(offset)"
    }

    mutating func append() throws -> String {
        let bytes = dice.bytes(1 + dice.below(6000))
        if model.count > limit { return try truncate() }
        try put(bytes, at: model.count)
        return "append of \(bytes.count)"
    }

    private mutating func put(_ bytes: [UInt8], at offset: Int) throws {
        try content.put(bytes, at: offset, isWriteBack: dice.below(2) == 0)
        if model.count < offset + bytes.count { model += [UInt8](repeating: 0, count: offset + bytes.count - model.count) }
        model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }

    mutating func truncate() throws -> String {
        let size = point()
        try content.truncate(to: UInt64(size))
        grow(to: size)
        if size < model.count { model.removeLast(model.count - size) }
        return "truncate to \(size)"
    }

    private mutating func grow(to size: Int) {
        if size > model.count { model += [UInt8](repeating: 0, count: size - model.count) }
    }

    mutating func punch() throws -> String {
        let start = point(), end = start + length()
        try content.allocate(mode: .punchHole, UInt64(start)..<UInt64(end))
        for i in start..<max(start, min(end, model.count)) { model[i] = 0 }
        return "punch \(start)..<\(end)"
    }

    mutating func allocate() throws -> String {
        let start = point(), end = start + length()
        switch dice.below(4) {
        case 0:
            try content.allocate(mode: .allocate, UInt64(start)..<UInt64(end))
            grow(to: end)
        case 1: try content.allocate(mode: .keepSize, UInt64(start)..<UInt64(end))
        case 2:
            try content.allocate(mode: .zeroRange, UInt64(start)..<UInt64(end))
            grow(to: end)
            for i in start..<end { model[i] = 0 }
        default:
            try content.allocate(mode: .zeroRangeKeepSize, UInt64(start)..<UInt64(end))
            for i in start..<max(start, min(end, model.count)) { model[i] = 0 }
        }
        return "allocate \(start)..<\(end)"
    }

    mutating func readSome() throws -> String {
        let offset = point(), count = length()
        let bytes = try content.bytes(offset, count)
        let expected = offset < model.count ? Array(model[offset..<min(model.count, offset + count)]) : []
        if bytes != expected {
            Issue.record("seed \(seed) step \(steps): read of \(count) at \(offset)")
            throw Errno.ioError
        }
        return "read"
    }

    mutating func seek() throws -> String {
        guard model.count > 0 else { return "seek" }
        let offset = dice.below(model.count)
        let hole = Int(try content.seek(UInt64(offset), to: .hole))
        // Between here and the hole is data; the hole reads as zeros.
        if hole < model.count { #expect(model[hole..<min(model.count, (hole / 4096 + 1) * 4096)].allSatisfy { $0 == 0 }, "seed \(seed) step \(steps)") }
        do {
            let data = Int(try content.seek(UInt64(offset), to: .data))
            #expect(model[offset..<data].allSatisfy { $0 == 0 }, "seed \(seed) step \(steps)")
        } catch {
            #expect(error == .noDeviceOrAddress)
            #expect(model[offset...].allSatisfy { $0 == 0 }, "seed \(seed) step \(steps)")
        }
        return "seek"
    }

    mutating func rest() throws -> String {
        content.rest()
        return "rest"
    }

    /// Without sealing: as if the daemon had been killed between two requests.
    @discardableResult
    mutating func reopen(sealing: Bool) throws -> String {
        if sealing { try content.seal() }
        if sealing && !content.isSealed { Issue.record("seed \(seed) step \(steps): not sealed") }
        let isReader = dice.below(3) == 0
        content = try place.content(writable: !isReader)
        if isReader {
            try compare("reopening to read, sealed \(sealing)")
            content.adoptWritable(try place.descriptor())
        }
        try compare("reopening, sealed \(sealing)")
        return "reopen"
    }
}
