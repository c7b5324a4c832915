// Every parser of bytes from the disk, with bytes that were changed at random: no crash, and nothing is taken that a writer would not leave.
//
// ENVELOPEFS_FUZZ=10000000 sets how many inputs all parsers get together, ENVELOPEFS_FUZZ_SEED the seed.
import Bytes
import Cryptography
import Foundation
import Testing

@testable import Format

/// Changes bytes as disks, tools and attackers do. The same sequence for the same seed.
struct Mutator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { limit <= 1 ? 0 : Int(next() % UInt64(limit)) }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) } }

    /// One to four changes of `sample`; now and then nothing but noise. With `keepsLength` none that adds or takes bytes.
    mutating func change(_ sample: [UInt8], keepsLength: Bool = false) -> [UInt8] {
        if below(50) == 0 { return bytes(keepsLength ? sample.count : below(2 * sample.count + 2)) }
        var changed = sample
        for _ in 0...below(4) { changeOnce(&changed, keepsLength) }
        return changed
    }

    private mutating func changeOnce(_ bytes: inout [UInt8], _ keepsLength: Bool) {
        guard !bytes.isEmpty else {
            if !keepsLength { bytes = self.bytes(1 + below(8)) }
            return
        }
        let place = below(bytes.count)
        switch below(keepsLength ? 5 : 9) {
        case 0: bytes[place] ^= 1 << UInt8(below(8))
        case 1: bytes[place] = [0, 1, 0x7f, 0x80, 0xff, 0x2e, 0x2f, 0x22, 0x5c][below(9)]
        case 2: bytes[place] = UInt8(truncatingIfNeeded: next())
        case 3: for index in place..<min(bytes.count, place + 1 + below(16)) { bytes[index] = 0 }
        case 4:
            let from = below(bytes.count), count = min(1 + below(16), bytes.count - max(from, place))
            let piece = Array(bytes[from..<from + count])
            bytes.replaceSubrange(place..<place + count, with: piece)
        case 5: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(16)))
        case 6: bytes.insert(contentsOf: self.bytes(1 + below(16)), at: place)
        case 7: bytes.removeSubrange(place...)
        default: bytes += bytes[place...]
        }
    }
}

/// One parser with what it normally gets; `violation` says what it did that it must not, or nothing.
private struct Target {
    let samples: [[UInt8]]
    var keepsLength = false
    let violation: (_ input: [UInt8], _ sample: [UInt8], _ mutator: inout Mutator) -> String?
}

private enum Parser: String, CaseIterable {
    case header, state, plainState, slot, inline, nameForm, name, longName, link, plainLink, attributeName, attributeValue, vaultFile, lengths, journal

    func target() throws -> Target {
        let names = try NameCipher(vaultKey: vaultKey())
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let parent = directory(Vectors.all.rootDirectory)
        switch self {
        case .header: return Target(samples: try Self.headers(), violation: Self.checkHeader)
        case .state:
            let sample = try cipher.sealed(state: FileState(contentSize: 99, generation: 4), isInline: false)
            return Target(samples: [sample]) { input, sample, _ in
                (try? cipher.openState(input.span, isInline: false)) != nil && input != sample ? "a changed state record opens" : nil
            }
        case .plainState: return Target(samples: [try Self.plainState()], keepsLength: true, violation: Self.checkPlainState)
        case .slot:
            let (entry, sealed) = try cipher.sealed(block: 5, Array("thirty bytes that are sealed..".utf8))
            return Target(samples: [entry.array + entry.array, entry.array + [UInt8](repeating: 0, count: 32)], keepsLength: true) { input, sample, mutator in
                let slot = Slot(from: input.span)
                let stored = mutator.below(4) == 0 ? mutator.change(sealed) : sealed
                if slot.isDamaged && slot.isHole { return "damaged and a hole" }
                let isChanged = Array(input.prefix(32)) != Array(sample.prefix(32)) || stored.prefix(sealed.count) != sealed[...]
                return (try? cipher.opened(block: 5, slot.current, stored, count: 4096)) != nil && isChanged ? "a changed block opens" : nil
            }
        case .inline:
            var stored = [UInt8](repeating: 0, count: 25)
            var span = stored.mutableSpan
            let entry = try cipher.sealInline(Array("content of a small file..".utf8).span, into: &span)
            return Target(samples: [entry.array + stored]) { input, sample, _ in
                guard input.count >= 32 else { return nil }
                let entry = Entry(from: input.span)
                var plain = [UInt8](repeating: 0, count: BlockLayout.inlineLimit)
                var target = plain.mutableSpan
                let isOpen = (try? cipher.openInline(entry, input.span.slice(32, input.count - 32), into: &target)) != nil
                return isOpen && input.prefix(sample.count) != sample[...] ? "changed inline content opens" : nil
            }
        case .nameForm:
            return Target(samples: try Self.names(names, parent).map(\.name)) { input, _, _ in
                let form = BackingNameForm(input.span)
                return input.count > 255 && form != .foreign ? "too long a name has a form" : nil
            }
        case .name:
            return Target(samples: try Self.names(names, parent).filter { $0.side == nil }.map(\.name)) { input, _, _ in
                guard let opened = try? names.openName(input.span, in: parent) else { return nil }
                let kind: NameKind = opened.directoryID.map { .directory($0) } ?? .file
                return (try? names.sealName(opened.plain.span, kind: kind, in: parent).backingName) == input ? nil : "a name opens that no writer makes"
            }
        case .longName:
            let long = try Self.names(names, parent).compactMap { name in name.side.map { (name.name, $0) } }
            return Target(samples: long.map(\.1)) { input, sample, mutator in
                guard let name = long.first(where: { $0.1 == sample })?.0 else { return "no name" }
                let changed = mutator.below(4) == 0 ? mutator.change(name) : name
                guard (try? names.openName(changed.span, longContent: input.span, in: parent)) != nil else { return nil }
                return input == sample ? nil : "a changed side file opens"
            }
        case .link:
            let samples = try ["../target", String(repeating: "t", count: 3000)].map { try names.sealLinkTarget(Array($0.utf8).span) }
            return Target(samples: samples) { input, sample, _ in (try? names.openLinkTarget(input.span)) != nil && input != sample ? "a changed target opens" : nil }
        case .plainLink:
            return Target(samples: [[1] + Array("../target".utf8)]) { input, _, _ in Self.checkSealedLink(input, names) }
        case .attributeName:
            return Target(samples: [try names.sealAttributeName(Array("user.comment".utf8).span)]) { input, sample, _ in
                (try? names.openAttributeName(input.span)) != nil && input != sample ? "a changed attribute name opens" : nil
            }
        case .attributeValue:
            let name = try names.sealAttributeName(Array("user.comment".utf8).span), object = ObjectID.file(try fileID())
            let samples = try ["", "value"].map { try names.sealAttributeValue(Array($0.utf8).span, name: name.span, of: object) }
            return Target(samples: samples) { input, sample, _ in
                (try? names.openAttributeValue(input.span, name: name.span, of: object)) != nil && !samples.contains(input) ? "a changed value opens" : nil
            }
        case .vaultFile:
            let key = try vaultKey()
            let samples = try Vectors.all.vaults.map { try VaultConfiguration.known($0).serialize(vaultKey: key) }
            return Target(samples: samples) { input, _, _ in
                guard let parsed = try? VaultConfiguration.parse(input.span) else { return nil }
                guard let whole = try? parsed.claimed.serialize(vaultKey: key) else { return "what was read cannot be written" }
                let isAuthentic = (try? parsed.verified(vaultKey: key)) != nil
                return isAuthentic && whole != input ? "a changed vault.json is believed" : nil
            }
        case .journal: return try Self.journal()
        case .lengths: return Target(samples: [[UInt8](repeating: 0x11, count: 8)], keepsLength: true, violation: Self.checkLength)
        }
    }

    // MARK: samples and checks

    private static func journal() throws -> Target {
        let cipher = try JournalCipher(vaultKey: vaultKey(), epoch: 7)
        let records = try (5...7).map { sequence in
            JournalRecord(
                sequence: sequence, seconds: 1, nanoseconds: 2, fileID: try fileID(), directoryID: directory(Vectors.all.rootDirectory), name: Array("name".utf8),
                pieces: [.write(offset: 4096, bytes: Array("sealed".utf8)), .length(sequence), .zero(offset: 9, count: 10)])
        }
        let file = try records.flatMap { record in
            var bytes = [UInt8](repeating: 0, count: record.size)
            var span = bytes.mutableSpan
            try cipher.seal(record, into: &span)
            return bytes
        }
        return Target(samples: [file]) { input, _, mutator in
            // What a holder of the key, but another program, could have sealed: no crash.
            if input.count > 56 { _ = JournalRecord(parsing: input.span.slice(0, min(input.count, mutator.below(2) == 0 ? records[0].size - 16 : input.count))) }
            return records.starts(with: cipher.records(in: input.span)) ? nil : "a changed record counts"
        }
    }

    private static func headers() throws -> [[UInt8]] {
        try [1, 134, 448].map { count in
            var sector = [UInt8](repeating: 0, count: 512)
            var span = sector.mutableSpan
            FileHeader(fileID: try fileID(), isInline: count == 134, wrappedKey: [UInt8](repeating: 7, count: count)).write(into: &span)
            return sector
        }
    }

    private static func checkHeader(_ input: [UInt8], _ sample: [UInt8], _ mutator: inout Mutator) -> String? {
        guard let header = try? FileHeader(parsing: input.span) else { return nil }
        var again = [UInt8](repeating: 0xaa, count: 512)
        var span = again.mutableSpan
        header.write(into: &span)
        return again == input ? nil : "a header is read that no writer leaves"
    }

    private static func plainState() throws -> [UInt8] {
        var plain = [UInt8](repeating: 0, count: FileState.byteCount)
        var span = plain.mutableSpan
        FileState(contentSize: 99, isOpen: true, isSparse: true, generation: 4).write(into: &span)
        return plain
    }

    private static func checkPlainState(_ input: [UInt8], _ sample: [UInt8], _ mutator: inout Mutator) -> String? {
        guard let state = try? FileState(parsing: input.span) else { return nil }
        var again = [UInt8](repeating: 0, count: FileState.byteCount)
        var span = again.mutableSpan
        state.write(into: &span)
        return again == input ? nil : "a state is read that no writer leaves"
    }

    private static func names(_ cipher: NameCipher, _ parent: DirectoryID) throws -> [(name: [UInt8], side: [UInt8]?)] {
        let id = try #require(DirectoryID(hex: "88898a8b8c8d8e8f"))
        return try [("a", NameKind.file), ("report.odt", .file), ("src", .directory(id)), (String(repeating: "n", count: 255), .file), (String(repeating: "d", count: 170), .directory(id))]
            .map { plain, kind in
                let sealed = try cipher.sealName(Array(plain.utf8).span, kind: kind, in: parent)
                return (sealed.backingName, sealed.side?.content)
            }
    }

    /// What somebody with the key, but another program, could have sealed.
    private static func checkSealedLink(_ input: [UInt8], _ cipher: NameCipher) -> String? {
        let associated = [SealedPurpose.linkTarget] + [UInt8](repeating: 0, count: 16)
        guard let sealed = try? cipher.links.seal(input.span, authenticating: associated.span) else { return nil }
        let text = Base64URL.encode(sealed.span)
        guard let target = try? cipher.openLinkTarget(text.span) else { return nil }
        return target.isEmpty || target.contains(0) || input.first != 1 ? "a target is read that no link can have" : nil
    }

    private static func checkLength(_ input: [UInt8], _ sample: [UInt8], _ mutator: inout Mutator) -> String? {
        let length = input.span.littleEndian(UInt64.self, at: 0) >> UInt64(mutator.below(64))
        let extent = BlockLayout.contentSize(ofBacking: length)
        if extent.size > BlockLayout.maximumContentSize { return "a size beyond the largest" }
        if extent.form == .blocks && BlockLayout.blockedLength(ofContent: extent.size) != length { return "a length that does not come back" }
        if length < 1 << 62, case .block(let block, let at) = BlockLayout.place(ofBacking: length), block < BlockLayout.lastBlock,
            BlockLayout.blockOffset(of: block) + UInt64(at) != length
        {
            return "a place that does not come back"
        }
        return nil
    }
}

@Suite("Fuzz") struct FuzzTests {
    @Test("Parsers", arguments: Parser.allCases)
    private func parser(_ parser: Parser) throws {
        let environment = ProcessInfo.processInfo.environment
        let count = (environment["ENVELOPEFS_FUZZ"].flatMap { Int($0) } ?? 70_000) / Parser.allCases.count
        let seed = environment["ENVELOPEFS_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        var mutator = Mutator(seed: seed &* 1000 &+ UInt64(Parser.allCases.firstIndex(of: parser) ?? 0))
        let target = try parser.target()
        for sample in target.samples {
            #expect(target.violation(sample, sample, &mutator) == nil, "the sample itself")
        }
        for number in 0..<count {
            let sample = target.samples[mutator.below(target.samples.count)]
            let input = mutator.change(sample, keepsLength: target.keepsLength)
            if let violation = target.violation(input, sample, &mutator) {
                Issue.record("\(parser.rawValue), seed \(seed), input \(number): \(violation): \(input.map { String($0, radix: 16) }.joined(separator: " "))")
                return
            }
        }
    }
}
