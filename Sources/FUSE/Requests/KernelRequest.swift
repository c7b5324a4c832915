// A request as the kernel sent it, for what libfuse does not pass on.

import CFUSE
import Glibc

/// The bytes of one request: a header and the arguments of its kind.
@safe struct KernelRequest {
    private let start: UnsafeRawPointer
    private let count: Int

    /// INVARIANT: the bytes stay until the request has been answered.
    @unsafe init(_ start: UnsafeRawPointer, count: Int) {
        unsafe self.start = start
        self.count = count
    }

    /// From this size on a read or write takes longer than waking another thread.
    static let heavyTransfer = 128 << 10

    private func header<Value: BitwiseCopyable>(_ field: KeyPath<fuse_in_header, Value>) -> Value? { value(field, after: 0) }
    private func argument<Root, Value: BitwiseCopyable>(_ field: KeyPath<Root, Value>) -> Value? {
        value(field, after: MemoryLayout<fuse_in_header>.size)
    }

    /// A field of a protocol structure, nil when the request is too short for it.
    private func value<Root, Value: BitwiseCopyable>(_ field: KeyPath<Root, Value>, after base: Int) -> Value? {
        guard let offset = MemoryLayout<Root>.offset(of: field), base + offset + MemoryLayout<Value>.size <= count else { return nil }
        return unsafe start.loadUnaligned(fromByteOffset: base + offset, as: Value.self)
    }

    /// What is asked for, in the protocol's numbering.
    var operation: fuse_opcode { fuse_opcode(rawValue: header(\.opcode) ?? 0) }
    /// The number that the reply will carry.
    var unique: UInt64 { header(\.unique) ?? 0 }
    /// Who asks.
    var asker: (userID: UInt32, processID: Int32) { (header(\.uid) ?? 0, Int32(truncatingIfNeeded: header(\.pid) ?? 0)) }
    /// Whether a program waits for the answer; what the kernel sends by itself names nobody.
    var isWaitedFor: Bool { asker.processID != 0 }
    /// What the kernel offers in INIT.
    var offeredFlags: UInt32 { argument(\fuse_init_in.flags) ?? 0 }

    /// How many bytes a WRITE brings; nil for other kinds.
    var bytesWritten: UInt32? { operation == FUSE_WRITE ? argument(\fuse_write_in.size) : nil }
    /// How many bytes a READ asks for; nil for other kinds.
    var bytesAsked: UInt32? { operation == FUSE_READ ? argument(\fuse_read_in.size) : nil }

    /// Whether it makes something durable, which takes microseconds on one disk and milliseconds on another.
    var isSynchronization: Bool { operation == FUSE_FSYNC || operation == FUSE_FSYNCDIR }

    /// Whether it moves so much content that serving it is likely to take longer than to wake another thread, which then reads the next request.
    var isTransfer: Bool {
        switch operation {
        case FUSE_READ: Int(argument(\fuse_read_in.size) ?? 0) >= Self.heavyTransfer
        case FUSE_WRITE: count >= Self.heavyTransfer
        case FUSE_COPY_FILE_RANGE, FUSE_FALLOCATE: true
        default: false
        }
    }

    /// Whether the kernel asks the daemon to take the set-group-id bit, should this request set an access ACL. Only of a request with extended arguments.
    var takesSetGroupID: Bool {
        operation == FUSE_SETXATTR && (argument(\fuse_setxattr_in.setxattr_flags) ?? 0) & UInt32(FUSE_SETXATTR_ACL_KILL_SGID) != 0
    }

    /// Whether the kernel asks the daemon to clear set-id bits with this request (HANDLE_KILLPRIV_V2).
    var killsPrivileges: Bool {
        switch operation {
        case FUSE_WRITE: (argument(\fuse_write_in.write_flags) ?? 0) & UInt32(FUSE_WRITE_KILL_SUIDGID) != 0
        case FUSE_SETATTR: (argument(\fuse_setattr_in.valid) ?? 0) & UInt32(FATTR_KILL_SUIDGID) != 0
        case FUSE_OPEN: (argument(\fuse_open_in.open_flags) ?? 0) & UInt32(FUSE_OPEN_KILL_SUIDGID) != 0
        default: false
        }
    }
}
