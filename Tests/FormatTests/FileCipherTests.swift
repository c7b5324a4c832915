// What the content cipher refuses, how it chooses salts, and what is left of it when it is wiped.
import Bytes
import Cryptography
import Testing

@testable import Format

struct FileCipherTests {
    @Test func everyBitOfEntryAndBlockCounts() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let plain = Array("thirty bytes that are sealed..".utf8)
        let (entry, sealed) = try cipher.sealed(block: 5, plain)
        for bit in 0..<(32 * 8) {
            var bytes = entry.array
            bytes[bit / 8] ^= 1 << (bit % 8)
            let changed = Entry(from: bytes.span)
            #expect(throws: FormatError.self) { try cipher.opened(block: 5, changed, sealed, count: 4096) }
        }
        for bit in 0..<(sealed.count * 8) {
            var bytes = sealed
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FormatError.authenticationFailed) { try cipher.opened(block: 5, entry, bytes) }
        }
        #expect(try cipher.opened(block: 5, entry, sealed) == plain)
    }

    @Test func everyBitOfTheStateCounts() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let sector = try cipher.sealed(state: FileState(contentSize: 99, generation: 4), isInline: false)
        for bit in 0..<4096 {
            var bytes = sector
            bytes[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: bit < 480 ? FormatError.authenticationFailed : .reservedBytes) { try cipher.openState(bytes.span, isInline: false) }
        }
        #expect(throws: FormatError.authenticationFailed) { try cipher.openState(sector.span, isInline: true) }
    }

    @Test func everyBitOfTheHeaderIsRefusedOrChangesWhatIsBound() throws {
        let header = FileHeader(fileID: fileID(), isInline: false, wrappedKey: [UInt8](repeating: 7, count: 150))
        var sector = [UInt8](repeating: 0, count: 512)
        var span = sector.mutableSpan
        header.write(into: &span)
        let state = try FileCipher(dataKey: dataKey(), fileID: fileID()).sealed(state: FileState(contentSize: 1), isInline: false)
        for bit in 0..<4096 {
            var bytes = sector
            bytes[bit / 8] ^= 1 << (bit % 8)
            guard let changed = try? FileHeader(parsing: bytes.span) else { continue }
            // What still parses has another wrapped key, which the keystore refuses, or does not open its state.
            if changed.wrappedKey != header.wrappedKey { continue }
            let reader = try FileCipher(dataKey: dataKey(), fileID: changed.fileID)
            #expect(throws: FormatError.authenticationFailed) { try reader.openState(state.span, isInline: changed.isInline) }
        }
    }

    @Test func aFailedOpenLeavesZeros() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let (entry, sealed) = try cipher.sealed(block: 0, [1, 2, 3])
        var plain = [UInt8](repeating: 9, count: 10)
        var span = plain.mutableSpan
        #expect(label(refusal(open: cipher, 1, entry, sealed, &span)) == "authenticationFailed")
        #expect(plain == [UInt8](repeating: 0, count: 10))
        var page = sealed + [9, 9]
        var pageSpan = page.mutableSpan
        do {
            try cipher.openBlockInPlace(1, entry, &pageSpan)
            Issue.record("opened at another index")
        } catch { #expect(error == .authenticationFailed) }
        #expect(page == [0, 0, 0, 0, 0])
    }

    private func refusal(open cipher: FileCipher, _ index: UInt64, _ entry: Entry, _ sealed: [UInt8], _ plain: inout MutableByteSpan) -> FormatError? {
        do { try cipher.openBlock(index, entry, sealed.span, into: &plain) } catch { return error }
        return nil
    }

    @Test func swappedBlocksAndForeignFilesDoNotOpen() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let a = try cipher.sealed(block: 0, Array("first".utf8)), b = try cipher.sealed(block: 1, Array("other".utf8))
        #expect(throws: FormatError.authenticationFailed) { try cipher.opened(block: 0, b.entry, b.bytes) }
        #expect(throws: FormatError.authenticationFailed) { try cipher.opened(block: 0, a.entry, b.bytes) }
        let foreign = try FileCipher(dataKey: dataKey(), fileID: .random())
        #expect(throws: FormatError.authenticationFailed) { try foreign.opened(block: 0, a.entry, a.bytes) }
        #expect(throws: FormatError.authenticationFailed) { try cipher.opened(inline: a.entry, a.bytes) }
    }

    @Test func sizesOutsideABlockAreRefused() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        for count in [0, 4097] { #expect(throws: FormatError.outOfRange) { try cipher.sealed(block: 0, [UInt8](repeating: 1, count: count)) } }
        for count in [0, 3041] { #expect(throws: FormatError.outOfRange) { try cipher.sealed(inline: [UInt8](repeating: 1, count: count)) } }
        #expect(throws: FormatError.outOfRange) { try cipher.sealed(block: BlockLayout.lastBlock + 1, [1]) }
        #expect(throws: FormatError.outOfRange) { try cipher.opened(block: .max, Entry.empty, []) }
        #expect(throws: FormatError.damaged) { try cipher.opened(block: 0, Entry.empty, []) }
        #expect(throws: FormatError.outOfRange) { try FileCipher(dataKey: SecretBytes(count: 16), fileID: fileID()) }
    }

    @Test func nothingIsSealedTwiceAlike() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        var nonces: Set<[UInt8]> = []
        for _ in 0..<2000 { nonces.insert(Array(try cipher.sealed(block: 0, [1]).entry.array[0..<12])) }
        #expect(nonces.count == 2000)
    }

    @Test func aSaltIsChangedAfterItsShareOfSeals() throws {
        var choices = SealingChoices.random
        choices.sealsPerSalt = 10
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID(), choices: choices)
        var salts: [UInt16] = []
        for n in 0..<100 {
            // Blocks and inline content count together.
            let entry = n % 3 == 0 ? try cipher.sealed(inline: [UInt8(n)]).entry : try cipher.sealed(block: UInt64(n), [UInt8(n)]).entry
            salts.append(entry.salt)
        }
        for tens in 0..<10 {
            #expect(Set(salts[(tens * 10)..<(tens * 10 + 10)]).count == 1)
            if tens > 0 { #expect(salts[tens * 10] != salts[tens * 10 - 1]) }
        }
    }

    @Test func oneSessionKeepsItsSaltAndAnotherTakesItsOwn() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let salts = try (0..<50).map { try cipher.sealed(block: $0, [1]).entry.salt }
        #expect(Set(salts).count == 1)
        let others = try (0..<40).map { _ in try FileCipher(dataKey: dataKey(), fileID: fileID()).sealed(block: 0, [1]).entry.salt }
        #expect(Set(others).count > 1)
    }

    /// More salts than keys are kept, read in an order that replaces every kept key again and again, by several threads.
    @Test func manySaltsReadBackOnManyThreads() async throws {
        var choices = SealingChoices.random
        choices.sealsPerSalt = 1
        let writer = try FileCipher(dataKey: dataKey(), fileID: fileID(), choices: choices)
        let blocks = try (0..<40).map { (n: Int) in (try writer.sealed(block: UInt64(n), [UInt8(n), 1]), try writer.sealed(inline: [UInt8(n), 2])) }
        let reader = try FileCipher(dataKey: dataKey(), fileID: fileID())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    for round in 0..<200 {
                        let n = (round * 7 + thread * 13) % 40
                        let (block, inline) = blocks[n]
                        let plain = try reader.opened(block: UInt64(n), block.entry, block.bytes), inlinePlain = try reader.opened(inline: inline.entry, inline.bytes)
                        #expect(plain == [UInt8(n), 1] && inlinePlain == [UInt8(n), 2])
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func wipedKeysDoNothing() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let (entry, sealed) = try cipher.sealed(block: 0, [1, 2, 3])
        let state = try cipher.stateCipher()
        let sector = try cipher.sealed(state: FileState(contentSize: 3), isInline: false)
        cipher.wipeContentKeys()
        #expect(throws: FormatError.keysWiped) { try cipher.opened(block: 0, entry, sealed) }
        #expect(throws: FormatError.keysWiped) { try cipher.sealed(block: 0, [1]) }
        #expect(try state.open(sector.span, isInline: false).contentSize == 3)
        #expect(try cipher.openState(sector.span, isInline: false).contentSize == 3)
        cipher.wipe()
        #expect(throws: FormatError.keysWiped) { try cipher.openState(sector.span, isInline: false) }
        #expect(throws: FormatError.keysWiped) { try state.open(sector.span, isInline: false) }
    }

    @Test func slotsComeBack() throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let slot = Slot(current: try cipher.sealed(block: 0, [1]).entry, previous: try cipher.sealed(block: 0, [1, 2]).entry)
        var bytes = [UInt8](repeating: 0xaa, count: 80)
        var span = bytes.mutableSpan
        slot.store(into: &span, at: 8)
        #expect(Slot(from: bytes.span, at: 8) == slot)
        #expect(Array(bytes[0..<8] + bytes[72...]) == [UInt8](repeating: 0xaa, count: 16))
        #expect(slot.current.length == 1 && slot.previous.length == 2 && !slot.isHole && !slot.isDamaged)
        #expect(Slot.hole.isHole && !Slot.hole.isDamaged)
        #expect(Slot(current: .empty, previous: slot.current).isDamaged)
        var loose = [UInt8](repeating: 0, count: 64)
        loose[3] = 1  // an entry without length that is not all zero
        #expect(Slot(from: loose.span).isDamaged && !Slot(from: loose.span).isHole)
        loose[28] = 1
        loose[29] = 0x10  // length 4097
        #expect(Slot(from: loose.span).isDamaged)
    }
}
