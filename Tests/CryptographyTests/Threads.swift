// Real threads for tests: task pools have only as many as the machine has processors.

import Foundation

/// Runs `body` on `count` threads at once, and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let group = DispatchGroup()
        for number in 0..<count {
            group.enter()
            Thread.detachNewThread {
                body(number)
                group.leave()
            }
        }
        group.notify(queue: .global()) { continuation.resume() }
    }
}
