// What sealing and opening of blocks and names cost in-process. ENVELOPEFS_BENCHMARK=100000 is how many of each, with times printed; see Docs/TESTING.md.

import Bytes
import Cryptography
import Foundation
import Testing

@testable import Format

struct BenchmarkTests {
    private let given = ProcessInfo.processInfo.environment["ENVELOPEFS_BENCHMARK"].flatMap { Int($0) }

    /// The least of five rounds: what others do on the machine only adds.
    private func measured(_ what: String, _ body: () throws -> Void) rethrows {
        let count = max((given ?? 500) / 5, 1)
        var best = Duration.seconds(1 << 30)
        for _ in 0..<5 {
            let start = ContinuousClock.now
            for _ in 0..<count { try body() }
            best = min(best, (ContinuousClock.now - start) / count)
        }
        if given != nil { print("benchmark: \(what): \(best)") }
    }

    @Test func blocksAreSealedAndOpened() throws {
        let cipher = try FileCipher(dataKey: SecretBytes.random(count: 32), fileID: FileID.random())
        let plain = [UInt8](repeating: 0x61, count: BlockLayout.blockSize)
        var sealed = plain
        var opened = plain
        var entry: Entry?
        try measured("seal a block of 4 KiB") {
            var span = sealed.mutableSpan
            entry = try cipher.sealBlock(7, plain.span, into: &span)
        }
        let last = try #require(entry)
        try measured("open a block of 4 KiB") {
            var span = opened.mutableSpan
            try cipher.openBlock(7, last, sealed.span, into: &span)
        }
        #expect(opened == plain && sealed != plain)
    }

    @Test func namesAreSealedAndOpened() throws {
        let cipher = try NameCipher(vaultKey: SecretBytes.random(count: 32))
        let parent = try DirectoryID.random()
        let plain = Array("quarterly-report.odt".utf8)
        var sealed = try cipher.sealName(plain.span, kind: .file, in: parent)
        try measured("seal a name of 20 bytes") { sealed = try cipher.sealName(plain.span, kind: .file, in: parent) }
        var opened = try cipher.openName(sealed.backingName.span, in: parent)
        try measured("open a name of 20 bytes") { opened = try cipher.openName(sealed.backingName.span, in: parent) }
        #expect(opened.plain == plain)
    }

    @Test func filesGetTheirKeys() throws {
        let key = try SecretBytes.random(count: 32)
        let id = try FileID.random()
        let plain = [UInt8](repeating: 0x61, count: 100)
        var sealed = plain
        var entry: Entry?
        try measured("a file's keys, and its first seal of 100 bytes") {
            var span = sealed.mutableSpan
            entry = try FileCipher(dataKey: key, fileID: id).sealInline(plain.span, into: &span)
        }
        var opened = [UInt8](repeating: 0, count: plain.count)
        var span = opened.mutableSpan
        try FileCipher(dataKey: key, fileID: id).openInline(#require(entry), sealed.span, into: &span)
        #expect(opened == plain)
    }
}
