// Status that a program takes up late.
//
// An answer with an object's status lies in the kernel until the program that asked runs again. When another program changes the object meanwhile, the
// kernel drops what it keeps of it, and then keeps the late answer: the status from before the change, for as long as the answer allowed (it tells the
// two apart for changes by SETATTR alone). So what was told shortly before a change is dropped from the kernel once more, a second after the change.

import CFUSE
import Filesystem
import POSIX
import Synchronization

/// Objects that were changed shortly after the kernel had been told of them.
final class LateAnswers: Sendable {
    /// How long an answer is thought to lie there at most, and for how long after a change. Nanoseconds.
    static let patience: UInt64 = 1_000_000_000
    private static let step: UInt64 = 50_000_000

    private let changed = Mutex<[ObjectIdentifier: Inode]>([:])
    private let bell = Doorbell()
    private let isOver = Atomic<Bool>(false)

    /// The links or times of an object were changed by another request than SETATTR.
    func noteChange(of inode: Inode) {
        guard SystemClock.monotonicCoarse < inode.statusToldAt.load(ordering: .relaxed) + Self.patience else { return }
        let isFirst = changed.withLock { changed in
            defer { changed[ObjectIdentifier(inode)] = inode }
            return changed.isEmpty
        }
        if isFirst { bell.ring() }
    }

    /// Drops, until `end`.
    func run(drop: (Inode) -> Void) {
        while true {
            bell.wait()
            var slept: UInt64 = 0
            while slept < Self.patience, !isOver.load(ordering: .relaxed) {
                SystemClock.sleep(nanoseconds: Self.step)
                slept += Self.step
            }
            let ready = changed.withLock { changed in
                defer { changed = [:] }
                return changed
            }
            if isOver.load(ordering: .relaxed) { return }
            for inode in ready.values { drop(inode) }
        }
    }

    func end() {
        isOver.store(true, ordering: .relaxed)
        bell.ring()
    }
}

extension Service {
    /// The links or times of a node were changed by another request than SETATTR.
    func noteChange(of node: fuse_ino_t) {
        if let inode = try? inode(node) { lateAnswers.noteChange(of: inode) }
    }
}
