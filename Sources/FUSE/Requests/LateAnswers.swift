// Status that a program takes up late.
//
// An answer with an object's status lies in the kernel until the program that asked runs again. When another program changes the object meanwhile, the
// kernel drops what it keeps of it, and then keeps the late answer: the status from before the change, for as long as that answer allowed. It tells old
// answers from new ones by a number that changes of status (SETATTR) and removals move on, but not what changes a directory, links a file or sets an
// ACL. A notice that the status is void moves it on too. So one is sent before such a change is answered, where an answer may still lie there: where
// another thread of a program than the one that makes the change was told the status a short while ago, or is being answered at the moment. What the
// same thread was told it has taken up, since it asks for one thing after the other.

import CFUSE
import Filesystem
import POSIX
import Synchronization

/// Who was told a status, and when, in the 64 bits that an inode keeps of it.
struct Telling: Equatable {
    /// Milliseconds of `SystemClock.monotonicCoarse`, 40 bits of them.
    let time: UInt64
    /// The thread that asked, as the kernel numbers it (at most 2^22); 0 for one that is not known, or for several.
    let thread: UInt64

    /// How long an answer may lie there. Milliseconds.
    static let patience: UInt64 = 2000

    init(time: UInt64, thread: UInt64) { (self.time, self.thread) = (time, thread) }
    init(_ bits: UInt64) { self.init(time: bits >> 24, thread: bits & 0xFF_FFFF) }
    var bits: UInt64 { time << 24 | thread & 0xFF_FFFF }

    /// Whether an answer of this or an earlier time may still lie in the kernel.
    func isRecent(at now: UInt64) -> Bool { now < time + Self.patience }

    /// This one and one more, at `now` for `thread`.
    func and(_ thread: UInt64, at now: UInt64) -> Telling {
        Telling(time: now, thread: isRecent(at: now) && self.thread != thread ? 0 : thread)
    }

    /// Whether somebody else than `thread` may have an answer to take up.
    func concernsOthers(than thread: UInt64, at now: UInt64) -> Bool { isRecent(at: now) && (self.thread == 0 || self.thread != thread) }
}

extension Service {
    private static var milliseconds: UInt64 { SystemClock.monotonicCoarse / 1_000_000 }
    private static var asker: UInt64 { UInt64(UInt32(bitPattern: Asker.current?.processID ?? 0)) }

    /// The status of an object is about to be told to whoever asks with this thread's request.
    func noteTold(_ inode: Inode) {
        let asker = Self.asker
        let now = Self.milliseconds
        var known = inode.statusTold.load(ordering: .relaxed)
        while true {
            let told = Telling(known).and(asker, at: now).bits
            if told == known { return }
            let (isDone, found) = inode.statusTold.weakCompareExchange(expected: known, desired: told, ordering: .relaxed)
            if isDone { return }
            known = found
        }
    }

    /// Links, mode or times of a node have just been changed by a request other than SETATTR, which has not been answered yet and holds the node.
    /// - Parameter movesMode: in a way that the kernel does not expect of the request, so that it has to be told in any case.
    func noteChange(of node: fuse_ino_t, movesMode: Bool = false) {
        guard let inode = try? inode(node), movesMode || mayBeTakenUpLate(inode), let session = unsafe OpaquePointer(bitPattern: sessionAddress.load(ordering: .acquiring))
        else { return }
        // A negative offset: the pages stay. The kernel takes no lock for it that the request might hold, and writes nothing back.
        let result = unsafe fuse_lowlevel_notify_inval_inode(session, node, -1, 0)
        if result != 0 && result != -Errno.noEntry.code { logger.debug("what the kernel keeps of a status stays: \(Errno(code: -result))") }
    }

    private func mayBeTakenUpLate(_ inode: Inode) -> Bool {
        // First who is being served: one that is done by now has noted whom it told. One that begins later sees the change.
        if serving.load(ordering: .sequentiallyConsistent) > 1 { return true }
        return Telling(inode.statusTold.load(ordering: .relaxed)).concernsOthers(than: Self.asker, at: Self.milliseconds)
    }
}
