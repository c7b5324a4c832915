// Pages that stand in the journal only: which of them need bytes of the disk.

import Bytes
import Format
import POSIX
import Testing

@testable import Filesystem

@Suite struct OverlayTests {
    private func record(_ pieces: [(UInt64, Int)]) throws -> JournalRecord {
        JournalRecord(
            sequence: 1, seconds: 0, nanoseconds: 0, fileID: try FileID.random(), directoryID: .none, name: [],
            pieces: pieces.map { .write(offset: $0.0, bytes: [UInt8](repeating: 7, count: $0.1)) })
    }

    /// A record is adopted without reading: what it needs was read before, so that an error of the disk cannot leave half of it.
    @Test func gapsAreKnownBeforehand() throws {
        var overlay = Overlay()
        #expect(try overlay.gaps(of: record([(512, 512), (1100, 64)])) == [0])
        #expect(try overlay.gaps(of: record([(512, 512), (1024, 64)])).isEmpty)
        #expect(try overlay.gaps(of: record([(1024, 64), (512, 512)])).isEmpty)
        #expect(try overlay.gaps(of: record([(0, 100), (8000, 5000), (4100, 10)])) == [1])
        overlay.write([1, 2, 3].span, at: 4096 + 10, sequence: 1) { (_, _) -> Int in 0 }
        #expect(try overlay.gaps(of: record([(4096 + 13, 4)])).isEmpty)
        #expect(try overlay.gaps(of: record([(4096 + 14, 4)])) == [1])
        #expect(try overlay.gaps(of: record([(4096, 5)])) == [1])
        #expect(try overlay.gaps(of: record([(4096, 4096), (4096 + 4000, 9)])).isEmpty)
    }

    @Test func noGapIsReadThatWasNotNamed() throws {
        var dice = Dice(5), overlay = Overlay()
        for _ in 0..<500 {
            let next = try record((0..<1 + dice.below(4)).map { _ in (UInt64(dice.below(12_000)), 1 + dice.below(3000)) })
            let gaps = overlay.gaps(of: next)
            for case .write(let offset, let bytes) in next.pieces {
                overlay.write(bytes.span, at: offset, sequence: 1) { (_, place) -> Int in
                    #expect(gaps.contains(place >> 12))
                    return 0
                }
            }
            if dice.below(3) == 0 { overlay.remove(overlay.ready(upTo: 1)[...]) }
        }
    }
}
