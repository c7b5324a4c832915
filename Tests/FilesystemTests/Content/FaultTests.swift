// Writes that stop halfway: a full disk, an I/O error, a killed daemon. What stood before stays readable.

import Format
import POSIX
import Testing

@testable import Filesystem

/// One change, and what the content is before and after it.
struct Change {
    let text: String
    let before: [UInt8]
    let after: [UInt8]
    let run: (FileContent) throws(Errno) -> Void

    static func random(_ dice: inout Dice, _ before: [UInt8], limit: Int) -> Change {
        var after = before
        func grow(_ size: Int) { if size > after.count { after += [UInt8](repeating: 0, count: size - after.count) } }
        let edges = edgeSizes.filter { $0 < limit }
        var point: Int
        switch dice.below(4) {
        case 0: point = edges[dice.below(edges.count)]
        case 1: point = dice.below(limit)
        case 2: point = before.count
        default: point = dice.below(before.count + 1)
        }
        if before.count > limit { point = dice.below(limit) }
        switch dice.below(6) {
        case 0...3:
            let longest = [200, 4096, 20_000, 400_000][dice.below(4)]
            let bytes = dice.bytes(longest == 4096 ? 4096 : 1 + dice.below(longest))
            let end: Int = point + bytes.count
            grow(end)
            after.replaceSubrange(point..<end, with: bytes)
            return Change(text: "write of \(bytes.count) at \(point)", before: before, after: after) { content throws(Errno) in try content.put(bytes, at: point) }
        case 4:
            grow(point)
            after.removeLast(after.count - point)
            return Change(text: "truncate to \(point)", before: before, after: after) { content throws(Errno) in try content.truncate(to: UInt64(point)) }
        default:
            let end: Int = point + 1 + dice.below(100_000)
            for i in point..<max(point, min(end, after.count)) { after[i] = 0 }
            return Change(text: "punch \(point)..<\(end)", before: before, after: after) { content throws(Errno) in
                try content.allocate(mode: .punchHole, UInt64(point)..<UInt64(end))
            }
        }
    }

    /// Whether `bytes` can be what a change leaves that stopped anywhere: each byte old or new, nothing else touched.
    func allows(_ bytes: [UInt8]) -> String? {
        let common: Int = min(before.count, after.count)
        if bytes == before || bytes == after { return nil }
        if bytes.count > max(before.count, after.count) { return "longer than before and after: \(bytes.count)" }
        // A block first written over a hole at the very end, and not reached, does not count (format.md): only zeros may go with it.
        if bytes.count < common, before[bytes.count...].contains(where: { $0 != 0 }) { return "\(bytes.count) bytes: something is lost" }
        let same = min(firstDifference(bytes, before), firstDifference(bytes, after))
        for i in same..<bytes.count {
            let old: UInt8 = i < before.count ? before[i] : 0
            let new: UInt8 = i < after.count ? after[i] : 0
            if bytes[i] != old && bytes[i] != new { return "byte \(i) is neither old nor new" }
        }
        return nil
    }
}

/// Where two arrays begin to differ, to the page.
private func firstDifference(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var same = 0
    while same + 4096 <= min(a.count, b.count), a[same..<same + 4096] == b[same..<same + 4096] { same += 4096 }
    return same
}

@Suite struct FaultTests {
    /// The daemon dies at some call of some change, as seen by the next mount.
    @Test(arguments: UInt64(1)...6) func killedAnywhere(seed: UInt64) throws {
        let place = try Workplace()
        var dice = Dice(seed), model: [UInt8] = []
        for step in 0..<100 {
            place.saboteur.disarm()
            var content = try place.content()
            if dice.below(2) == 0 { try content.seal() }
            if dice.below(2) == 0 { content = try place.content() }
            let change = Change.random(&dice, model, limit: 700_000)
            place.saboteur.arm(after: dice.below(6), pagesTaken: dice.below(8), isFatal: true)
            do {
                try change.run(content)
                // Calls after the last one of the change: it was done.
                if place.saboteur.state.withLock({ !$0.isDead }) { #expect(try content.bytes() == change.after, "seed \(seed) step \(step) \(change.text)") }
            } catch {}
            place.saboteur.disarm()
            place.lines.clear()
            let story: Comment = "seed \(seed) step \(step) \(change.text)"
            do {
                let seen = try place.content(writable: false).bytes()
                if let complaint = change.allows(seen) { Issue.record("\(story): \(complaint)") }
                let again = try place.content()
                model = try again.bytes()
                #expect(model == seen, story)
            } catch {
                Issue.record("\(story): \(error) \(place.lines.all)")
                return
            }
        }
        let content = try place.content()
        try content.seal()
        #expect(content.isSealed)
        #expect(try place.content().bytes() == model)
        #expect(place.saboteur.faults > 15)
    }

    /// A change fails, the daemon goes on with the file.
    @Test(arguments: UInt64(1)...6) func failedAnywhere(seed: UInt64) throws {
        let place = try Workplace()
        var dice = Dice(seed &+ 1000), model: [UInt8] = []
        var content = try place.content()
        for step in 0..<150 {
            let change = Change.random(&dice, model, limit: 700_000)
            let story: Comment = "seed \(seed) step \(step) \(change.text)"
            place.saboteur.arm(after: dice.below(6), pagesTaken: dice.below(8), isFatal: false)
            var failure: Errno?
            do throws(Errno) { try change.run(content) } catch { failure = error }
            place.saboteur.disarm()
            if failure == nil {
                model = try content.bytes()
                #expect(model == change.after, story)
            } else {
                let error = failure
                #expect(error == .noSpace, story)
                place.lines.clear()
                model = try content.bytes()
                if let complaint = change.allows(model) { Issue.record("\(story): \(complaint)") }
                #expect(content.size == UInt64(model.count), story)
                let seen = try place.content(writable: false).bytes()
                #expect(seen == model, "\(story): what is on disk differs from what the daemon believes")
            }
            if dice.below(4) == 0 { try content.seal() }
            if dice.below(8) == 0 { content = try place.content() }
        }
        try content.seal()
        #expect(content.isSealed)
        #expect(try place.content().bytes() == model)
        #expect(place.saboteur.faults > 25)
    }

    @Test func killedBetweenSlotAndBlock() throws {
        let place = try Workplace()
        let plain = try TamperTests.sealed(place)
        let content = try place.content()
        let new = [UInt8](repeating: 5, count: 4096)
        // State record, then slot, then block.
        place.saboteur.arm(after: 2, pagesTaken: 0, isFatal: true)
        #expect(throws: Errno.self) { try content.put(new, at: 9 * 4096) }
        place.saboteur.disarm()
        let previous: Range<Int> = TamperTests.slot(9) + 32..<TamperTests.slot(10)
        #expect(try place.stored()[previous].contains { $0 != 0 })
        #expect(try place.content(writable: false).bytes() == plain)
        // The writable open settles the slot: previous is gone.
        let settled = try place.content()
        #expect(try settled.bytes() == plain)
        #expect(try place.stored()[previous].allSatisfy { $0 == 0 })
        try settled.seal()
        #expect(try place.content().bytes() == plain)
    }

    /// In RECOVER, the file is not settled at open when it is too large: the entry that matches is kept as previous.
    @Test func overwritingInRecover() throws {
        let place = try Workplace()
        var plain = try TamperTests.sealed(place)
        let content = try place.content()
        let new = [UInt8](repeating: 5, count: 4096)
        place.saboteur.arm(after: 2, pagesTaken: 0, isFatal: true)
        #expect(throws: Errno.self) { try content.put(new, at: 9 * 4096) }
        place.saboteur.disarm()
        let late = try place.content(writable: false)
        late.lock.withWriteLock { late.isRecovering = true }
        // Adopting a writable descriptor settles; here the second attempt is killed at the same place first.
        let second = try place.content(writable: false)
        second.lock.withWriteLock { second.backing = BackingFile(try! place.descriptor(), probe: place.saboteur.probe) }
        #expect(second.isRecovering)
        #expect(throws: Errno.badDescriptor) { try second.put(new, at: 9 * 4096) }
        let third = try place.content()
        third.lock.withWriteLock { third.isRecovering = true }
        place.saboteur.arm(after: 2, pagesTaken: 0, isFatal: true)
        #expect(throws: Errno.self) { try third.put([7], at: 9 * 4096 + 1) }
        place.saboteur.disarm()
        #expect(try place.content(writable: false).bytes() == plain)
        let fourth = try place.content()
        fourth.lock.withWriteLock { fourth.isRecovering = true }
        try fourth.put([7], at: 9 * 4096 + 1)
        plain[9 * 4096 + 1] = 7
        #expect(try fourth.bytes() == plain)
        try fourth.recover()
        #expect(!fourth.isRecovering)
        let previous: Range<Int> = TamperTests.slot(9) + 32..<TamperTests.slot(10)
        #expect(try place.stored()[previous].allSatisfy { $0 == 0 })
        try fourth.seal()
        #expect(try place.content().bytes() == plain)
    }

    @Test func readOnlyVaultIsNeverWritten() throws {
        let place = try Workplace()
        let plain = try TamperTests.sealed(place)
        let content = try place.content()
        place.saboteur.arm(after: 2, pagesTaken: 0, isFatal: true)
        #expect(throws: Errno.self) { try content.put([1], at: 9 * 4096) }
        place.saboteur.reset()
        let stored = try place.stored()
        let reader = try place.content(writable: true, context: place.context(isReadOnly: true))
        #expect(try reader.bytes() == plain)
        #expect(throws: Errno.readOnlyFilesystem) { try reader.put([1]) }
        #expect(throws: Errno.readOnlyFilesystem) { try reader.truncate(to: 0) }
        try reader.seal()
        #expect(try place.stored() == stored)
        for call in ["write", "truncate", "shape", "times"] { #expect(place.saboteur.count(call) == 0) }
    }

    /// A first write that the disk has no room for leaves no trace.
    @Test func fullDiskAtTheFirstWrite() throws {
        for size in [100, 5000, 300_000] {
            let place = try Workplace()
            let content = try place.content()
            place.saboteur.arm(after: 0, pagesTaken: 0, isFatal: false)
            #expect(throws: Errno.noSpace) { try content.put([UInt8](repeating: 1, count: size)) }
            #expect(content.size == 0)
            #expect(content.isSealed)
            #expect(try place.stored().isEmpty)
            try content.put([2, 3])
            #expect(try place.content().bytes() == [2, 3])
        }
    }

    @Test func tornBlockIsRefusedAndCanBeReplaced() throws {
        let place = try Workplace()
        var plain = try TamperTests.sealed(place)
        let content = try place.content()
        try content.put([UInt8](repeating: 5, count: 4096), at: 9 * 4096)
        // Half of the block did not reach the disk.
        let half: Int = TamperTests.place(9) + 2048
        try place.change { $0.replaceSubrange(half..<half + 2048, with: [UInt8](repeating: 9, count: 2048)) }
        let again = try place.content()
        #expect(throws: Errno.ioError) { try again.bytes(9 * 4096, 1) }
        #expect(throws: Errno.ioError) { try again.put([1], at: 9 * 4096) }
        try again.put([UInt8](repeating: 6, count: 4096), at: 9 * 4096)
        plain.replaceSubrange(9 * 4096..<10 * 4096, with: [UInt8](repeating: 6, count: 4096))
        #expect(try again.bytes() == plain)
        try again.seal()
        #expect(try place.content().bytes() == plain)
    }

    /// The size that `truncate` gave stays, although the only slot near the end names a block that never came.
    @Test func aFirstWriteIntoTheLastHoleDoesNotCutTheFile() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        try content.truncate(to: 1 << 20)
        try content.synchronize(dataOnly: false)
        place.saboteur.arm(after: 1, pagesTaken: 0, isFatal: true)
        #expect(throws: Errno.self) { try content.put([UInt8](repeating: 2, count: 4096), at: (1 << 20) - 4096) }
        place.saboteur.disarm()
        let found = try place.content()
        #expect(found.size == 1 << 20)
        #expect(try found.bytes() == [UInt8](repeating: 1, count: 5000) + [UInt8](repeating: 0, count: (1 << 20) - 5000))
    }

    /// Every call after some call of a growth fails, reading the file again too; once the disk is well, the same content reads.
    @Test func aDiskThatIsWellAgainReads() throws {
        for calls in 0..<6 {
            let place = try Workplace()
            let old = [UInt8](repeating: 1, count: 3000), more = [UInt8](repeating: 2, count: 9000)
            let content = try place.content()
            try content.put(old)
            try content.synchronize(dataOnly: false)
            let change = Change(text: "growth", before: old, after: old + more) { content throws(Errno) in try content.put(more, at: 3000) }
            place.saboteur.arm(after: calls, pagesTaken: 0, isFatal: true)
            do { try change.run(content) } catch {}
            place.saboteur.disarm()
            let bytes = try content.bytes()
            if let complaint = change.allows(bytes) { Issue.record("after \(calls) calls: \(complaint)") }
            try change.run(content)
            #expect(try content.bytes() == old + more)
        }
    }
}
