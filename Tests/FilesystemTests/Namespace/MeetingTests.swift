// Look-ups and removals of one name at the same time, which the kernel mostly, but not always, keeps apart.

import Bytes
import Foundation
import POSIX
import Synchronization
import Testing

@testable import Filesystem

@Suite struct MeetingTests {
    @Test func aNameThatIsTakenAwayDuringALookUpIsNoPlaceOfTheObject() throws {
        let scratch = try ScratchVault()
        let file = try scratch.makeFile("kept", content: "x")
        let isDone = Atomic<Bool>(false)
        let met = Atomic<Int>(0)
        let vault = scratch.vault
        let thread = try Thread.start(name: "looker") {
            while !isDone.load(ordering: .acquiring) {
                guard let found = try? vault.lookup(Array("other".utf8).span, in: vault.root) else { continue }
                met.add(1, ordering: .relaxed)
                vault.forget(found.inode, 1)
            }
        }
        var wrong = 0
        for round in 0..<4000 {
            vault.forget(try vault.link(file, Array("other".utf8).span, in: vault.root).inode, 1)
            if round & 1 == 0 {
                try scratch.unlink("other")
            } else {
                try scratch.rename("other", to: "moved")
                try scratch.unlink("moved")
            }
            if round % 100 == 99 {
                // Time for the look-up that is under way, which may wait for a CPU: what stays wrong stays so.
                let deadline = ContinuousClock.now + .seconds(10)
                while file.whereabouts.withLock({ $0.others.count }) > 0, ContinuousClock.now < deadline { SystemClock.sleep(nanoseconds: 2_000_000) }
                wrong += file.whereabouts.withLock { $0.others.count }
            }
        }
        isDone.store(true, ordering: .releasing)
        try thread.join()
        #expect(met.load(ordering: .relaxed) > 0)
        #expect(wrong == 0)
        #expect(try vault.status(of: file).linkCount == 1)
    }
}
