// Descriptors of objects that nobody has open: a bounded number, and none of objects that are gone.

import Synchronization
import Testing

@testable import Filesystem

@Suite struct DescriptorPoolTests {
    private final class Holder: DescriptorHolder {
        let isOpen = Atomic<Bool>(true)
        func giveBackDescriptor() { isOpen.store(false, ordering: .relaxed) }
    }

    private func open(_ holders: [Holder]) -> Int { holders.count { $0.isOpen.load(ordering: .relaxed) } }

    @Test func theFirstOpenedAreGivenBackFirst() {
        let pool = DescriptorPool(limit: 100)
        let holders = (0..<1000).map { _ in Holder() }
        for holder in holders {
            pool.opened(holder)
            #expect(pool.count <= 100)
        }
        #expect(holders.prefix(900).allSatisfy { !$0.isOpen.load(ordering: .relaxed) })
        #expect(open(Array(holders.suffix(100))) == 100)
    }

    /// Found by the long soak: thousands of directories that were removed long ago were held, each with its descriptor.
    @Test func nobodyIsHeldByIt() {
        let pool = DescriptorPool(limit: 100)
        weak let gone: Holder? = {
            let holder = Holder()
            pool.opened(holder)
            return holder
        }()
        #expect(gone == nil)
    }

    @Test func thoseThatAreGoneMakeRoom() {
        let pool = DescriptorPool(limit: 100)
        let living = (0..<50).map { _ in Holder() }
        living.forEach(pool.opened)
        for _ in 0..<10_000 {
            pool.opened(Holder())
            #expect(pool.count <= 100)
        }
        #expect(open(living) == 50, "the living gave theirs back for the sake of those that are gone")
    }
}
