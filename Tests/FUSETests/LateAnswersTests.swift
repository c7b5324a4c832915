// Who may still have to take up a status that he was told.

import Testing

@testable import FUSE

@Suite("Late answers") struct LateAnswersTests {
    @Test func bitsKeepBoth() {
        let telling = Telling(time: 123_456_789, thread: 4_194_303)
        #expect(Telling(telling.bits) == telling)
    }

    @Test func whoWasToldAloneNeedsNoNotice() {
        let told = Telling(0).and(7, at: 10_000).and(7, at: 11_000)
        #expect(!told.concernsOthers(than: 7, at: 11_000))
        #expect(told.concernsOthers(than: 8, at: 11_000))
        #expect(told.concernsOthers(than: 8, at: 12_999))
        #expect(!told.concernsOthers(than: 8, at: 13_000))
    }

    @Test func oneOfSeveralNeedsOne() {
        let told = Telling(0).and(7, at: 10_000).and(8, at: 11_000)
        for thread: UInt64 in [7, 8, 9] { #expect(told.concernsOthers(than: thread, at: 11_500)) }
        // The last of them has had the time to take it up, and the one before as well.
        #expect(!told.and(7, at: 13_000).concernsOthers(than: 7, at: 13_000))
        #expect(told.and(8, at: 12_999).concernsOthers(than: 8, at: 12_999))
    }

    @Test func whoIsNotKnownIsAnybody() {
        let told = Telling(0).and(0, at: 10_000)
        #expect(told.concernsOthers(than: 0, at: 10_000) && told.concernsOthers(than: 7, at: 10_000))
        #expect(Telling(0).and(7, at: 10_000).concernsOthers(than: 0, at: 10_000))
    }

    @Test func nothingToldConcernsNobody() { #expect(!Telling(0).concernsOthers(than: 7, at: 5_000)) }
}
