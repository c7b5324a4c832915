// Proofs of the layout's arithmetic: inverse, no overlap, no overflow, the same numbers as the specification's.
import Testing

@testable import Format

private let page: UInt64 = 4096
/// Blocks beside every kind of edge: the ends of the first groups and of far ones.
private let edgeBlocks: [UInt64] = {
    var blocks: Set<UInt64> = []
    let groups: [UInt64] = [0, 1, 2, 3, 63, 64, 65, 1000, 1 << 20, 1 << 32, (1 << 44) - 1]
    for group in groups {
        let first: UInt64 = group == 0 ? 0 : 64 * group - 16
        let last: UInt64 = 64 * group + 47
        for near in [first, last] {
            for distance in UInt64(0)...2 { blocks.formUnion([near + distance, near > distance ? near - distance : 0]) }
        }
    }
    blocks.formUnion([(1 << 50) - 1, 1 << 50])
    return blocks.filter { $0 <= 1 << 50 }.sorted()
}()

struct BlockLayoutTests {
    @Test func placesAreTheKnownOnes() {
        for place in Vectors.all.blockPlaces {
            #expect(BlockLayout.slotOffset(of: place.block) == place.slot)
            #expect(BlockLayout.blockOffset(of: place.block) == place.offset)
        }
        for length in Vectors.all.lengths { #expect(BlockLayout.backingLength(ofContent: length.size) == length.backing) }
    }

    @Test func groupsEndWhereTheNextOnesSlotsBegin() {
        #expect(BlockLayout.groupEnd(ofBacking: 0) == 0)
        for block in edgeBlocks where block < 1 << 49 {
            let next = (block + 16) / 64 * 64 + 48
            let end = BlockLayout.slotOffset(of: next)
            #expect(end % page == 0)
            for length in [BlockLayout.slotOffset(of: block) + 1, BlockLayout.blockOffset(of: block) + 1, BlockLayout.blockOffset(of: block) + page] {
                #expect(BlockLayout.groupEnd(ofBacking: length) == end, "block \(block)")
            }
        }
    }

    /// The first groups, walked page by page as the picture in the specification draws them, without the formula.
    @Test func walkingTheFileGivesTheSamePlaces() {
        var block: UInt64 = 0, number: UInt64 = 0
        for group in 0..<40 {
            let slotPage = number
            number += 1
            for n in UInt64(group == 0 ? 16 : 0)..<64 {
                #expect(BlockLayout.slotOffset(of: block) == slotPage * page + n * 64)
                #expect(BlockLayout.blockOffset(of: block) == number * page)
                #expect(BlockLayout.place(ofBacking: slotPage * page + n * 64 + 63) == .slot(block))
                #expect(BlockLayout.place(ofBacking: number * page) == .block(block, at: 0))
                #expect(BlockLayout.place(ofBacking: number * page + 4095) == .block(block, at: 4095))
                #expect(BlockLayout.contiguousSlots(from: block) == 64 - n)
                block += 1
                number += 1
            }
        }
        #expect(BlockLayout.place(ofBacking: 0) == .header && BlockLayout.place(ofBacking: 511) == .header)
        #expect(BlockLayout.place(ofBacking: 512) == .state && BlockLayout.place(ofBacking: 1023) == .state)
        #expect(BlockLayout.place(ofBacking: 1024) == .slot(0))
    }

    @Test func placesOfFarBlocksInvert() {
        for i in edgeBlocks {
            #expect(BlockLayout.place(ofBacking: BlockLayout.blockOffset(of: i)) == .block(i, at: 0))
            #expect(BlockLayout.place(ofBacking: BlockLayout.slotOffset(of: i)) == .slot(i))
            #expect(BlockLayout.place(ofBacking: BlockLayout.slotOffset(of: i) + 63) == .slot(i))
        }
    }

    @Test func everySizeNearAnEdgeComesBack() {
        for i in edgeBlocks {
            for size in [i * page, i * page + 1, i * page + 4095, i * page + 2048, i * page &- 1] where size <= 1 << 62 { roundTrip(size) }
        }
        for size in UInt64(0)...20000 { roundTrip(size) }
    }

    @Test func randomSizesComeBack() {
        for bits in 1...62 { for _ in 0..<200 { roundTrip(UInt64.random(in: 0...(1 << bits))) } }
    }

    private func roundTrip(_ size: UInt64) {
        let length = BlockLayout.backingLength(ofContent: size)
        #expect(length <= UInt64(Int64.max))
        let extent = BlockLayout.contentSize(ofBacking: length)
        #expect(extent.size == size)
        #expect(extent.form == (size == 0 ? .empty : size <= 3040 ? .inline : .blocks))
        let blocked = BlockLayout.blockedLength(ofContent: size)
        #expect(BlockLayout.blockedContentSize(ofBacking: blocked) == Extent(size: size, form: size == 0 ? .empty : .blocks))
    }

    @Test func sizesGrowWithLengths() {
        var lengths = Array(UInt64(4097)...12300)
        for i in edgeBlocks { lengths += [BlockLayout.blockOffset(of: i) + 1, BlockLayout.slotOffset(of: i) + 1] }
        var last: UInt64 = 0
        for length in Set(lengths).filter({ $0 > 4096 }).sorted() {
            let extent = BlockLayout.contentSize(ofBacking: length)
            if extent.form == .damaged {
                #expect(length > BlockLayout.blockedLength(ofContent: BlockLayout.maximumContentSize))
                continue
            }
            #expect(extent.size >= last)
            last = extent.size
        }
    }

    /// A longer backing file is nothing that this program writes, and its places would be out of range.
    @Test func aLengthPastTheLimitIsDamage() {
        let limit = BlockLayout.blockedLength(ofContent: BlockLayout.maximumContentSize)
        #expect(BlockLayout.contentSize(ofBacking: limit).size == BlockLayout.maximumContentSize)
        for length in [limit + 8192, UInt64(Int64.max) - 4096, UInt64(Int64.max), .max] {
            #expect(BlockLayout.contentSize(ofBacking: length).form == .damaged)
            #expect(BlockLayout.blockedContentSize(ofBacking: length).form == .damaged)
        }
    }

    @Test func lengthsThatEndInAPageOfSlots() {
        for group in [UInt64(1), 2, 3, 1 << 20, 1 << 40] {
            let first = 64 * group - 16
            let start = BlockLayout.slotOffset(of: first)
            #expect(BlockLayout.contentSize(ofBacking: start) == Extent(size: first * page, form: .blocks))
            for length in [start + 1, start + 64, start + 4096] {
                #expect(BlockLayout.contentSize(ofBacking: length) == Extent(size: first * page, form: .slotPage))
                #expect(BlockLayout.contentSize(ofBacking: length).isInsideSlotPage)
            }
            #expect(BlockLayout.contentSize(ofBacking: start + 4097) == Extent(size: first * page + 1, form: .blocks))
        }
    }

    @Test func lengthsOfOnePage() {
        for length in UInt64(0)...4097 {
            let form = BlockLayout.contentSize(ofBacking: length).form
            let expected: Extent.Form =
                switch length {
                case 0: .empty
                case 1024: .headerOnly
                case 1057...4096: .inline
                case 4097: .blocks
                default: .damaged
                }
            #expect(form == expected)
        }
        #expect(BlockLayout.blockedContentSize(ofBacking: 1023).form == .damaged)
        #expect(BlockLayout.blockedContentSize(ofBacking: 1024).form == .headerOnly)
        #expect(BlockLayout.blockedContentSize(ofBacking: 1088) == Extent(size: 0, form: .slotPage))
        #expect(BlockLayout.blockedContentSize(ofBacking: 4096) == Extent(size: 0, form: .slotPage))
    }

    @Test func slotsAndBlocksNeverOverlap() {
        var owner: [UInt64: String] = [:]  // 64-byte pieces of the first 20 groups
        func claim(_ start: UInt64, _ count: UInt64, _ name: String) {
            for piece in (start / 64)..<((start + count) / 64) {
                #expect(owner[piece] == nil, "\(name) lies on \(owner[piece] ?? "")")
                owner[piece] = name
            }
        }
        claim(0, 1024, "head")
        for i in UInt64(0)..<(20 * 64 - 16) {
            claim(BlockLayout.slotOffset(of: i), 64, "slot \(i)")
            claim(BlockLayout.blockOffset(of: i), 4096, "block \(i)")
        }
        #expect(owner.count == (20 * 65 - 16) * 64)  // and no piece is left over: group 0 has 49 pages
    }

    @Test func blocksThatCoverARange() {
        #expect(BlockLayout.blocks(covering: 0..<0).isEmpty)
        #expect(BlockLayout.blocks(covering: 4096..<4096).isEmpty)
        #expect(BlockLayout.blocks(covering: 0..<1) == 0..<1)
        #expect(BlockLayout.blocks(covering: 0..<4096) == 0..<1)
        #expect(BlockLayout.blocks(covering: 0..<4097) == 0..<2)
        #expect(BlockLayout.blocks(covering: 4095..<8193) == 0..<3)
        #expect(BlockLayout.blocks(covering: 0..<UInt64.max) == 0..<(1 << 52))
    }
}
