// Whether one program alone is served.

import Testing

@testable import FUSE

@Suite("Askers") struct AskersTests {
    private let second: UInt64 = 1_000_000_000

    @Test func oneIsAloneWhenNobodyElseHasAskedForAWhile() {
        let askers = Askers()
        askers.note(7, at: second)
        #expect(!askers.areOne(at: second))
        #expect(!askers.areOne(at: second + Askers.memory - 1))
        #expect(askers.areOne(at: second + Askers.memory))
        // Its own requests change nothing.
        askers.note(7, at: second + Askers.memory)
        #expect(askers.areOne(at: second + Askers.memory))
    }

    @Test func anotherOneEndsIt() {
        let askers = Askers()
        askers.note(7, at: second)
        askers.note(8, at: 3 * second)
        #expect(!askers.areOne(at: 3 * second))
        askers.note(7, at: 3 * second + 1)
        #expect(!askers.areOne(at: 3 * second + Askers.memory))
        #expect(askers.areOne(at: 3 * second + 1 + Askers.memory))
    }
}
