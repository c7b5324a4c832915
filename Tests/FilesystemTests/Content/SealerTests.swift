// The sealer: batches, changes in between, unlinked files, failures. And the modification time, which it leaves alone.

import Format
import POSIX
import Synchronization
import Testing

@testable import Filesystem

@Suite struct SealerTests {
    /// Long enough for a slow disk on a busy machine.
    private func wait(until isDone: () -> Bool) {
        for _ in 0..<1200 where !isDone() { SystemClock.sleep(nanoseconds: 100_000_000) }
    }

    @Test func drainSealsEverything() throws {
        let place = try Workplace()
        let sealer = Sealer(context: place.context())
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        let done = Atomic<Int>(0)
        sealer.enqueue(content) { done.add(1, ordering: .relaxed) }
        #expect(sealer.count == 1)
        #expect(sealer.drain())
        #expect(content.isSealed)
        #expect(done.load(ordering: .relaxed) == 1)
        #expect(try place.content(writable: false).isSealed)
    }

    @Test func quietFilesAreSealedByThemselves() throws {
        let place = try Workplace()
        let sealer = Sealer(context: place.context())
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        let done = Atomic<Int>(0)
        let began = SystemClock.monotonicCoarse
        sealer.enqueue(content) { done.add(1, ordering: .relaxed) }
        SystemClock.sleep(nanoseconds: 1_000_000_000)
        let isSealed = content.isSealed
        // On a busy machine the sleep may have taken longer than the quiet time.
        if SystemClock.monotonicCoarse - began < Sealer.quietTime { #expect(!isSealed, "not yet quiet for long enough") }
        wait { done.load(ordering: .relaxed) > 0 }
        #expect(content.isSealed)
        #expect(sealer.count == 0)
    }

    @Test func aCrowdIsSealedAtOnce() throws {
        let place = try Workplace()
        // Never quiet for long enough: it is the crowd, or nothing.
        let sealer = Sealer(context: place.context(), quietTime: 3_600_000_000_000)
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        let done = Atomic<Int>(0)
        var others: [FileContent] = []
        for _ in 0..<Sealer.crowd { others.append(try place.content()) }
        sealer.enqueue(content) { done.add(1, ordering: .relaxed) }
        for other in others { sealer.enqueue(other) {} }
        wait { done.load(ordering: .relaxed) > 0 }
        #expect(done.load(ordering: .relaxed) == 1)
        #expect(content.isSealed)
    }

    /// In a mount: a writer comes and goes while the batch that has its file is under way.
    @Test func aFileMayBeHandedInAgainInTheMiddleOfABatch() throws {
        let place = try Workplace()
        let sealer = Sealer(context: place.context(), crowd: 1)
        var contents: [FileContent] = []
        for index in 0..<8 {
            let content = try place.content()
            try content.put([UInt8](repeating: UInt8(index), count: 5000))
            contents.append(content)
        }
        let done = Atomic<Int>(0)
        for content in contents {
            sealer.enqueue(content) { [unowned sealer] in
                sealer.enqueue(content) { done.add(1, ordering: .relaxed) }
            }
        }
        #expect(sealer.drain())
        #expect(done.load(ordering: .relaxed) == 8)
        #expect(sealer.count == 0)
    }

    @Test func whoOpensFilesFasterThanTheyAreSealedWaits() throws {
        let place = try Workplace()
        let sealer = Sealer(context: place.context(), crowd: 1)
        let isHeld = Atomic<Bool>(true)
        let isIn = Atomic<Bool>(false)
        sealer.waitForRoom()
        for index in 0..<4 {
            let content = try place.content()
            try content.put([UInt8](repeating: UInt8(index), count: 5000))
            sealer.enqueue(content, unless: {
                isIn.store(true, ordering: .relaxed)
                while isHeld.load(ordering: .relaxed) { SystemClock.sleep(nanoseconds: 1_000_000) }
                return false
            }) {}
        }
        while !isIn.load(ordering: .relaxed) { SystemClock.sleep(nanoseconds: 1_000_000) }
        // The batch has taken the first four: as many again come meanwhile.
        for _ in 0..<4 { sealer.enqueue(try place.content()) {} }
        let hasRoom = Atomic<Bool>(false)
        let opener = try Thread.start(name: "opener") {
            sealer.waitForRoom()
            hasRoom.store(true, ordering: .relaxed)
        }
        SystemClock.sleep(nanoseconds: 200_000_000)
        #expect(hasRoom.load(ordering: .relaxed) == false)
        isHeld.store(false, ordering: .relaxed)
        try opener.join()
        #expect(hasRoom.load(ordering: .relaxed) == true)
        sealer.drain()
    }

    @Test func changedAfterTheNoteIsNotSealed() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        let counter = try #require(try content.prepareToSeal())
        try content.put([2], at: 3)
        #expect(try content.seal(ifUnchangedSince: counter) == .changed)
        #expect(!content.isSealed)
        let next = try #require(try content.prepareToSeal())
        #expect(try content.seal(ifUnchangedSince: next) == .sealed)
        #expect(try content.prepareToSeal() == nil)
    }

    @Test func unlinkedFileIsNotWritten() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        try SharedDescriptor.open(place.directory, [.readOnly, .directory]).unlinkAt(FileName("file"), directory: false)
        let sealer = Sealer(context: place.context())
        sealer.enqueue(content) {}
        place.saboteur.reset()
        #expect(sealer.drain())
        #expect(place.saboteur.count("write") == 0)
    }

    @Test func failureIsReportedAndSurvived() throws {
        let place = try Workplace()
        let context = place.context()
        let sealer = Sealer(context: context)
        let bad = try place.content()
        let label = FileLabel(inode: 8, backingName: nil)
        let good = try FileContent(place.descriptor("other"), isWritable: true, context: context, policyKey: place.keyID, label: label)
        try bad.put([UInt8](repeating: 1, count: 5000))
        try good.put([UInt8](repeating: 2, count: 5000))
        place.saboteur.arm(after: 0, pagesTaken: 0, isFatal: true)
        let done = Atomic<Int>(0)
        sealer.enqueue(bad) { done.add(1, ordering: .relaxed) }
        sealer.enqueue(good) { done.add(1, ordering: .relaxed) }
        #expect(!sealer.drain())
        #expect(done.load(ordering: .relaxed) == 2)
        #expect(context.isUnfinished)
        #expect(good.isSealed)
        #expect(!bad.isSealed)
        #expect(place.lines.all.contains { $0.contains("inode 7") })
        place.saboteur.disarm()
        #expect(try place.content().bytes() == [UInt8](repeating: 1, count: 5000))
    }

    @Test func reopenedBeforeSealingCostsNoBarrier() throws {
        let place = try Workplace()
        let sealer = Sealer(context: place.context())
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        sealer.enqueue(content, unless: { true }) {}
        place.saboteur.reset()
        try content.put([2])
        #expect(place.saboteur.count("synchronize") == 0)
        #expect(sealer.drain())
        #expect(!content.isSealed)
    }

    // MARK: times

    static let past = Timestamp(seconds: 1_000_000_000, nanoseconds: 123)

    @Test func sealingDoesNotShowInTheModificationTime() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([UInt8](repeating: 1, count: 5000))
        try content.setTimes(access: .omit, modification: .set(Self.past))
        try content.seal()
        #expect(try place.descriptor().status().modificationTime == Self.past)
        // Nor do a header, write-back, and the repairs after a crash.
        try content.put([2], at: 0, isWriteBack: true)
        #expect(try content.status().modificationTime == Self.past)
        try content.put([2], at: 0, isWriteBack: true)
        let again = try place.content()
        #expect(try again.status().modificationTime >= Self.past)
        try content.restoreTimes()
        #expect(try place.descriptor().status().modificationTime == Self.past)
        // A program's write does.
        try content.put([3], at: 0)
        try content.seal()
        #expect(try place.descriptor().status().modificationTime > Self.past)
    }

    @Test func aNewSizeMakesANewTime() throws {
        for size in [0, 100, 5000] as [UInt64] {
            let place = try Workplace()
            let content = try place.content()
            try content.truncate(to: size)
            for target in [size, 50, 9000] {
                try content.setTimes(access: .omit, modification: .set(Self.past))
                try content.put([1], at: 0, isWriteBack: true)
                let before = content.size
                try content.truncate(to: target)
                let time = try content.status().modificationTime
                #expect(before == target ? time == Self.past : time > Self.past, "\(before) to \(target)")
            }
        }
    }

    @Test func timeThatIsSetReplacesTheHiddenOne() throws {
        let place = try Workplace()
        let content = try place.content()
        try content.put([1], at: 0, isWriteBack: true)
        try content.setTimes(access: .omit, modification: .set(Self.past))
        #expect(try content.status().modificationTime == Self.past)
    }

    // MARK: attributes

    @Test func cutFileKeepsTheIDOfItsAttributes() throws {
        for size in [100, 5000] {
            let place = try Workplace()
            let content = try place.content()
            let id = try content.settingAttribute { (id, _) in id }
            #expect(try place.stored().count == 1024)
            #expect(content.isSealed)
            let value: [UInt8] = [1]
            do throws(Errno) {
                try content.descriptor.setAttribute(AttributeName("user.sealed"), value.span)
            } catch {
                // Without attributes in the backing file system there is no id to keep.
                #expect(error == .notSupported)
                return
            }
            try content.put([UInt8](repeating: 1, count: size))
            #expect(content.fileID == id)
            try content.seal()
            try content.truncate(to: 0)
            #expect(try place.stored().count == 1024)
            let again = try place.content()
            #expect(again.fileID == id)
            #expect(again.size == 0)
            let key = Array(try place.stored()[30..<164])
            try again.put([1])
            #expect(again.fileID == id)
            let newKey = Array(try place.stored()[30..<164])
            #expect(newKey != key, "a new data key all the same")
            #expect(try place.content().bytes() == [1])
        }
    }

    @Test func sizeFromTheLengthAlone() throws {
        let place = try Workplace()
        for size in edgeSizes {
            let content = try place.content()
            try content.truncate(to: 0)
            try content.put([UInt8](repeating: 1, count: size))
            #expect(FileContent.size(of: try place.descriptor().status()) == Int64(size))
        }
    }
}
