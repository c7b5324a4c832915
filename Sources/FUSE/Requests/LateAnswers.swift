// Status that a program takes up late.
//
// An answer with an object's status lies in the kernel until the program that asked runs again. When another program changes the object meanwhile, the
// kernel drops what it keeps of it, and then keeps the late answer: the status from before the change, for as long as that answer allowed. It tells old
// answers from new ones by a number that changes of status (SETATTR) and removals move on, but not what changes a directory, links a file or sets an
// ACL. A notice that the status is void moves it on too. So one is sent before such a change is answered, where the status was told a short while ago.

import CFUSE
import Filesystem
import POSIX
import Synchronization

extension Service {
    /// How long an answer may lie there. Nanoseconds.
    private static let patience: UInt64 = 2_000_000_000

    /// Links, mode or times of a node have just been changed by a request other than SETATTR, which has not been answered yet and holds the node.
    func noteChange(of node: fuse_ino_t) {
        guard let inode = try? inode(node), SystemClock.monotonicCoarse < inode.statusToldAt.load(ordering: .relaxed) + Self.patience,
            let session = unsafe OpaquePointer(bitPattern: sessionAddress.load(ordering: .acquiring))
        else { return }
        // A negative offset: the pages stay. The kernel takes no lock for it that the request might hold, and writes nothing back.
        let result = unsafe fuse_lowlevel_notify_inval_inode(session, node, -1, 0)
        if result != 0 && result != -Errno.noEntry.code { logger.debug("what the kernel keeps of a status stays: \(Errno(code: -result))") }
    }
}
