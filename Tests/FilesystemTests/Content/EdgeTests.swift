// Contents of every size around an edge: stored, read, reopened, cut and grown.

import Format
import POSIX
import Testing

@testable import Filesystem

@Suite struct EdgeTests {
    @Test(arguments: edgeSizes) func oneWriteReadsBack(size: Int) throws {
        let place = try Workplace()
        var dice = Dice(UInt64(size))
        let plain = dice.bytes(size)
        let content = try place.content()
        try content.put(plain)
        #expect(content.size == UInt64(size))
        #expect(try content.bytes() == plain)
        #expect(UInt64(try place.stored().count) == BlockLayout.backingLength(ofContent: UInt64(size)))
        #expect(content.isSealed == (size <= 3040))
        try content.seal()
        #expect(content.isSealed)
        let again = try place.content(writable: false)
        #expect(try again.bytes() == plain)
        #expect(again.isSealed)
        #expect(place.lines.all == [])
    }

    @Test(arguments: edgeSizes) func foundOpenReadsBack(size: Int) throws {
        let place = try Workplace()
        var dice = Dice(UInt64(size))
        let plain = dice.bytes(size)
        try place.content().put(plain)
        let reader = try place.content(writable: false)
        #expect(try reader.bytes() == plain)
        let writer = try place.content()
        #expect(try writer.bytes() == plain)
        try writer.seal()
        #expect(try place.content().bytes() == plain)
        #expect(place.lines.all == [])
    }

    @Test(arguments: edgeSizes) func growthReadsAsZeros(size: Int) throws {
        let place = try Workplace()
        let content = try place.content()
        try content.truncate(to: UInt64(size))
        #expect(try content.bytes() == [UInt8](repeating: 0, count: size))
        try content.seal()
        #expect(try place.content().bytes() == [UInt8](repeating: 0, count: size))
        #expect(place.lines.all == [])
    }

    @Test(arguments: edgeSizes) func everyCutKeepsWhatIsBefore(size: Int) throws {
        let place = try Workplace()
        var dice = Dice(UInt64(size))
        let plain = dice.bytes(size)
        for target in edgeSizes where target < size {
            let content = try place.content()
            try content.truncate(to: 0)
            try content.put(plain)
            try content.truncate(to: UInt64(target))
            #expect(try content.bytes() == Array(plain[..<target]))
            // What was cut never comes back.
            try content.truncate(to: UInt64(size))
            try content.seal()
            let expected = Array(plain[..<target]) + [UInt8](repeating: 0, count: size - target)
            #expect(try place.content().bytes() == expected, "cut to \(target)")
        }
        #expect(place.lines.all == [])
    }

    @Test func sparseFilesPast16TiB() throws {
        // 16 TiB of the backing file system is its limit here: 15 TiB of content is not.
        let place = try Workplace()
        let content = try place.content()
        let far = UInt64(15) << 40
        try content.put([1, 2, 3], at: 10)
        try content.write([4, 5, 6].span, at: far)
        #expect(content.size == far + 3)
        #expect(try content.seek(0, to: .data) == 0)
        #expect(try content.seek(4096, to: .data) == far)
        #expect(try content.seek(0, to: .hole) == 4096)
        #expect(try content.bytes(Int(far) - 2, 5) == [0, 0, 4, 5, 6])
        try content.seal()
        let again = try place.content()
        #expect(try again.bytes(Int(far), 3) == [4, 5, 6])
        #expect(throws: Errno.fileTooLarge) { try again.truncate(to: 1 << 63) }
        #expect(throws: Errno.fileTooLarge) { try again.put([1], at: 1 << 62) }
    }

    @Test func holesAreFoundAndPunched() throws {
        let place = try Workplace()
        var dice = Dice(5)
        var plain = dice.bytes(1 << 20)
        let content = try place.content()
        try content.put(plain)
        try content.allocate(mode: .punchHole, 5000..<600_000)
        plain.replaceSubrange(5000..<600_000, with: [UInt8](repeating: 0, count: 595_000))
        #expect(try content.bytes() == plain)
        #expect(try content.seek(0, to: .hole) == 8192)
        #expect(try content.seek(8192, to: .data) == 598_016)
        #expect(throws: Errno.noDeviceOrAddress) { try content.seek(1 << 20, to: .hole) }
        try content.allocate(mode: .zeroRange, (1 << 20) - 10..<(1 << 20) + 10)
        plain.replaceSubrange(((1 << 20) - 10)..., with: [UInt8](repeating: 0, count: 20))
        #expect(try content.bytes() == plain)
        try content.allocate(mode: .keepSize, 0..<2 << 20)
        #expect(content.size == (1 << 20) + 10)
        try content.allocate(mode: .allocate, 0..<2 << 20)
        #expect(content.size == 2 << 20)
        try content.seal()
        #expect(try place.content().bytes() == plain + [UInt8](repeating: 0, count: (1 << 20) - 10))
        #expect(place.lines.all == [])
    }

    @Test func sparseIsDecidedWhenSealing() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 7, count: 4096), at: 8192)
        try content.put([UInt8](repeating: 7, count: 8192))
        try content.seal()
        // No hole is left: a zeroed slot is damage.
        try place.change { $0.replaceSubrange(1024 + 64..<1024 + 128, with: [UInt8](repeating: 0, count: 64)) }
        #expect(throws: Errno.ioError) { try place.content().bytes(4096, 4096) }
    }
}
