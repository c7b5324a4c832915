// What a session has done so far, for `status`.

import Bytes
import CFUSE
import Filesystem
import POSIX
import Synchronization

/// Counts of requests and of the bytes in them since the session began. Any number of threads count; relaxed, as no other memory depends on them.
package final class Counters: Sendable {
    /// The virtual attribute of the mount's root that gives them out: the kernel has no such attribute itself, checks no permission for it, and
    /// no list shows it.
    package static let attributeName = "system.envelopefs.counters"
    fileprivate static let attributeBytes = Array(attributeName.utf8)

    /// Requests are numbered from 1; those past this count are counted as 0, "other".
    private static let kinds = 64
    private let requests = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }
    private let bytesWritten = Atomic<UInt64>(0)
    private let bytesAsked = Atomic<UInt64>(0)

    /// Names by the numbers of the protocol. What is missing here is "other".
    private static let names: [(fuse_opcode, String)] = [
        (FUSE_LOOKUP, "lookup"), (FUSE_FORGET, "forget"), (FUSE_BATCH_FORGET, "forget"), (FUSE_GETATTR, "getattr"), (FUSE_SETATTR, "setattr"), (FUSE_ACCESS, "access"),
        (FUSE_READLINK, "readlink"), (FUSE_SYMLINK, "symlink"), (FUSE_MKNOD, "mknod"), (FUSE_MKDIR, "mkdir"), (FUSE_UNLINK, "unlink"),
        (FUSE_RMDIR, "rmdir"), (FUSE_RENAME, "rename"), (FUSE_RENAME2, "rename"), (FUSE_LINK, "link"), (FUSE_OPEN, "open"), (FUSE_READ, "read"),
        (FUSE_WRITE, "write"), (FUSE_STATFS, "statfs"), (FUSE_RELEASE, "release"), (FUSE_FSYNC, "fsync"), (FUSE_FSYNCDIR, "fsync"),
        (FUSE_SETXATTR, "setxattr"), (FUSE_GETXATTR, "getxattr"), (FUSE_LISTXATTR, "listxattr"), (FUSE_REMOVEXATTR, "removexattr"),
        (FUSE_FLUSH, "flush"), (FUSE_OPENDIR, "opendir"), (FUSE_READDIR, "readdir"), (FUSE_READDIRPLUS, "readdir"),
        (FUSE_RELEASEDIR, "releasedir"), (FUSE_CREATE, "create"), (FUSE_FALLOCATE, "fallocate"), (FUSE_LSEEK, "lseek"),
        (FUSE_COPY_FILE_RANGE, "copy"),
    ]

    /// Counts a request as begun.
    func count(_ request: KernelRequest) {
        let number = Int(request.operation.rawValue)
        requests[number < Self.kinds ? number : 0].add(1, ordering: .relaxed)
        if let size = request.bytesWritten { bytesWritten.add(UInt64(size), ordering: .relaxed) }
        if let size = request.bytesAsked { bytesAsked.add(UInt64(size), ordering: .relaxed) }
    }

    /// Lines of a name, a space and a number: `requests.KIND` for each kind that occurred, `bytes-written`, `bytes-read` (as far as they were
    /// asked for), `files-in-memory`, `files-unsealed`, and `process`: this process's id.
    func report(of service: Service) -> [UInt8] {
        var byName: [String: UInt64] = [:]
        var named = Set<Int>()
        for (operation, name) in Self.names {
            named.insert(Int(operation.rawValue))
            byName[name, default: 0] += requests[Int(operation.rawValue)].load(ordering: .relaxed)
        }
        for number in 0..<Self.kinds where !named.contains(number) { byName["other", default: 0] += requests[number].load(ordering: .relaxed) }
        var lines = byName.filter { $0.value > 0 }.map { ("requests.\($0.key)", $0.value) }.sorted { $0.0 < $1.0 }
        lines += [
            ("bytes-written", bytesWritten.load(ordering: .relaxed)), ("bytes-read", bytesAsked.load(ordering: .relaxed)),
            ("files-in-memory", UInt64(service.vault.inodeCount)), ("files-unsealed", UInt64(service.vault.unsealedCount)),
            ("process", UInt64(CurrentProcess.id)),
        ]
        return Array(lines.map { "\($0.0) \($0.1)\n" }.joined().utf8)
    }
}

extension Service {
    /// The counters, for root and for whoever runs the daemon.
    /// - Returns: nil when something else was asked for, or somebody else asks.
    func counters(answering name: ByteSpan, of node: fuse_ino_t, to caller: Caller) -> [UInt8]? {
        guard node == UInt64(FUSE_ROOT_ID), name.isEqual(to: Counters.attributeBytes.span) else { return nil }
        guard caller.userID == 0 || caller.userID == CurrentProcess.effectiveUserID else { return nil }
        return counters.report(of: self)
    }
}
