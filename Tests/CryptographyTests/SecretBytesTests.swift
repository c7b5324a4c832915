// Secrets: filled, compared, wiped, many of them; random bytes and nonces.

import Bytes
import Cryptography
import Foundation
import Synchronization
import Testing

@Suite struct SecretBytesTests {
    @Test(arguments: [0, 1, 31, 32, 33, 64, 100, 4096, 4097, 70_000])
    func holdsWhatWasCopied(count: Int) throws {
        let bytes = pattern(count)
        let secret = try SecretBytes(copying: bytes.span)
        #expect(secret.count == count)
        #expect(secret.exposed == bytes)
        #expect(try SecretBytes(count: count).exposed == [UInt8](repeating: 0, count: count))
        secret.wipe()
        #expect(secret.exposed == [UInt8](repeating: 0, count: count))
    }

    private func isSame(_ a: [UInt8], _ b: [UInt8]) -> Bool { constantTimeEqual(a.span, b.span) }

    @Test func isFilledOnce() throws {
        let secret = try SecretBytes(count: 40)
        secret.withMutableBytes { $0.copy(pattern(8).span, to: 32) }
        #expect(secret.exposed == [UInt8](repeating: 0, count: 32) + pattern(8))
    }

    @Test func comparesAllBytes() throws {
        let secret = try SecretBytes(copying: pattern(50).span)
        #expect(secret.isEqual(to: try SecretBytes(copying: pattern(50).span)))
        #expect(!secret.isEqual(to: try SecretBytes(copying: pattern(49).span)))
        for i in 0..<50 {
            var other = pattern(50)
            other[i] ^= 0x80
            #expect(!secret.isEqual(to: try SecretBytes(copying: other.span)))
            #expect(!isSame(other, pattern(50)))
        }
        #expect(isSame([], []))
        #expect(isSame(pattern(50), pattern(50)))
        #expect(!isSame(pattern(50), pattern(51)))
    }

    @Test func refusesImpossibleCounts() {
        for count in [-1, Int.min, Int.max, 1 << 31] { #expect(throws: CryptographyError.invalidParameter) { try SecretBytes(count: count) } }
    }

    /// The places of freed secrets are handed out again; a new secret must not show an old one.
    @Test func freedPlacesAreZero() throws {
        for count in [32, 200, 4096] {
            for round in 0..<3 {
                let secrets = try (0..<300).map { _ in try SecretBytes(count: count) }
                #expect(secrets.allSatisfy { $0.withBytes { $0.isAllZero } }, "round \(round)")
                for secret in secrets { secret.withMutableBytes { $0.copy(pattern(count).span) } }
            }
        }
    }

    @Test func manyLiveAtOnceEachForItself() throws {
        let secrets = try (0..<120_000).map { n in
            let secret = try SecretBytes(count: 32)
            secret.withMutableBytes { $0.storeLittleEndian(UInt64(n), at: 0); $0.storeLittleEndian(~UInt64(n), at: 24) }
            return secret
        }
        let wrong = secrets.enumerated().count { n, secret in
            secret.withBytes { $0.littleEndian(UInt64.self, at: 0) != UInt64(n) || $0.littleEndian(UInt64.self, at: 24) != ~UInt64(n) }
        }
        #expect(wrong == 0)
    }

    @Test func comesAndGoesOnManyThreads() async {
        let wrong = Atomic(0)
        await onThreads(8) { thread in
            var kept: [SecretBytes] = []
            for i in 0..<5000 {
                guard let secret = try? SecretBytes(count: 32 + i % 100) else { wrong.add(1, ordering: .relaxed); continue }
                if secret.withBytes({ !$0.isAllZero }) { wrong.add(1, ordering: .relaxed) }
                secret.withMutableBytes { $0.storeLittleEndian(UInt64(thread), at: 8) }
                kept.append(secret)
                if kept.count > 50 {
                    let old = kept.removeFirst()
                    if old.withBytes({ $0.littleEndian(UInt64.self, at: 8) }) != UInt64(thread) { wrong.add(1, ordering: .relaxed) }
                }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }

    /// The kernel says of the very pages: left out of core dumps (dd), wiped on fork (wf), and locked (lo) when `isMemoryLocked` says so.
    @Test func pagesAreUndumpableAndWipedOnFork() throws {
        for count in [32, 100_000] {
            let secret = try SecretBytes(count: count)
            defer { withExtendedLifetime(secret) {} }
            let address = secret.withBytes { bytes in bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress!) } }
            // A FileHandle reads to the end; String(contentsOfFile:) stops after one page, since files in /proc say that they are empty.
            let smaps = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps")).readToEnd()
            let maps = String(decoding: try #require(smaps), as: UTF8.self).split(separator: "\n")
            var isInside = false
            var flags: Substring?
            for line in maps {
                let range = line.split(separator: " ")[0].split(separator: "-")
                if range.count == 2, let start = UInt(range[0], radix: 16), let end = UInt(range[1], radix: 16) {
                    isInside = start <= address && address < end
                } else if isInside, line.hasPrefix("VmFlags:") {
                    flags = line
                }
            }
            let words = try #require(flags).split(separator: " ")
            #expect(words.contains("dd"))
            #expect(words.contains("wf"))
            if SecretBytes.isMemoryLocked { #expect(words.contains("lo")) }
        }
    }

    @Test func randomBytesDiffer() throws {
        let secrets = try (0..<1000).map { _ in try SecretBytes.random(count: 32).exposed }
        #expect(Set(secrets).count == 1000)
        #expect(Set(try (0..<1000).map { _ in try Random.bytes(16) }).count == 1000)
        #expect(try Random.bytes(0).isEmpty)
        #expect(throws: CryptographyError.invalidParameter) { try Random.bytes(-1) }
    }

    @Test func smallDrawsNeverRepeat() async {
        let all = Mutex(Set<[UInt8]>())
        await onThreads(8) { _ in
            // 8 to 68 bytes: from the pool, over its end, and past what it gives.
            let mine = (0..<3000).compactMap { try? Array(Random.bytes(8 + $0 % 61).prefix(8)) }
            all.withLock { $0.formUnion(mine) }
        }
        #expect(all.withLock { $0.count } == 8 * 3000)
        #expect(all.withLock { !$0.contains([UInt8](repeating: 0, count: 8)) })
    }

    @Test func noncesNeverRepeat() async throws {
        let source = NonceSource()
        let all = Mutex(Set<[UInt8]>())
        await onThreads(8) { _ in
            var mine: [[UInt8]] = []
            for i in 0..<3000 {
                var nonces = [UInt8](repeating: 0, count: 12 * (1 + i % 3))
                var span = nonces.mutableSpan
                guard (try? source.fill(&span)) != nil else { continue }
                for n in 0..<(1 + i % 3) { mine.append(Array(nonces[(12 * n)..<(12 * n + 12)])) }
            }
            all.withLock { $0.formUnion(mine) }
        }
        #expect(all.withLock { $0.count } == 8 * 6000)
        #expect(all.withLock { !$0.contains([UInt8](repeating: 0, count: 12)) })
        var large = [UInt8](repeating: 0, count: 12 * 5000)
        var largeSpan = large.mutableSpan
        try source.fill(&largeSpan)
        var distinct = Set<[UInt8]>()
        for n in 0..<5000 { distinct.insert(Array(large[(12 * n)..<(12 * n + 12)])) }
        #expect(distinct.count == 5000)
        var odd = [UInt8](repeating: 0, count: 13)
        var oddSpan = odd.mutableSpan
        #expect(throws: CryptographyError.invalidParameter) { try source.next(into: &oddSpan) }
    }
}
