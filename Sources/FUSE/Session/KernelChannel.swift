// How replies go to the kernel, and what is added to the first of them.

import CFUSE
import Glibc
import POSIX
import Synchronization

enum KernelChannel {
    /// Puts our writing in place of libfuse's, on the descriptor that it has mounted. The splicing calls stay empty: none is used.
    /// - Throws: what libfuse answers.
    static func attach(to session: OpaquePointer) throws(Errno) {
        var calls = unsafe fuse_custom_io(writev: sendReply, read: receiveRequest, splice_receive: nil, splice_send: nil)
        let result = unsafe fuse_session_custom_io(session, &calls, fuse_session_fd(session))
        if result != 0 { throw Errno(code: -result) }
    }

    /// The reply to INIT with further flags set.
    /// - Parameter vectors: its header and its content, as libfuse made them.
    fileprivate static func sendInit(_ descriptor: Int32, _ header: iovec, _ content: iovec, adding flags: UInt32) -> Int {
        var reply = fuse_init_out()
        unsafe withUnsafeMutableBytes(of: &reply) { unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: content.iov_base, count: content.iov_len)) }
        reply.flags |= flags
        return unsafe withUnsafeMutableBytes(of: &reply) { reply in
            let vectors = unsafe [header, iovec(iov_base: reply.baseAddress, iov_len: content.iov_len)]
            return unsafe vectors.withUnsafeBufferPointer { unsafe Glibc.writev(descriptor, $0.baseAddress, 2) }
        }
    }
}

/// Sends one reply or notification. libfuse prints every failure but `ENOENT` to standard error: those are logged here, and all look like `ENOENT` to it.
private func sendReply(_ descriptor: Int32, _ vectors: UnsafeMutablePointer<iovec>?, _ count: Int32, _ userData: UnsafeMutableRawPointer?) -> Int {
    guard let vectors = unsafe vectors, unsafe userData != nil else { return -1 }
    let service = unsafe Service.from(userData)
    let pending = service.pendingInit.load(ordering: .relaxed)
    if pending != 0, count == 2, unsafe isReply(vectors, to: pending) {
        service.pendingInit.store(0, ordering: .relaxed)
        let added = service.agreement.withLock { $0?.added ?? 0 }
        if unsafe added != 0 && vectors[1].iov_len <= MemoryLayout<fuse_init_out>.size {
            return unsafe KernelChannel.sendInit(descriptor, vectors[0], vectors[1], adding: added)
        }
    }
    let sent = unsafe Glibc.writev(descriptor, vectors, count)
    if sent >= 0 { return sent }
    let error = Errno(code: errno)
    // No entry: the program that asked was interrupted, or nothing of what is invalidated is cached. No device: unmounted meanwhile.
    if error != .noEntry && error != .noDevice { service.logger.error("a reply could not be sent to the kernel: \(error)") }
    errno = Errno.noEntry.code
    return -1
}

/// Whether the vectors begin with the header of a successful reply to the request `unique`.
private func isReply(_ vectors: UnsafeMutablePointer<iovec>, to unique: UInt64) -> Bool {
    guard unsafe vectors[0].iov_len == MemoryLayout<fuse_out_header>.size, let start = unsafe vectors[0].iov_base else { return false }
    let header = unsafe start.loadUnaligned(as: fuse_out_header.self)
    return header.unique == unique && header.error == 0
}

/// libfuse wants a reading call beside the writing one; the request loop reads by itself.
private func receiveRequest(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int, _ userData: UnsafeMutableRawPointer?) -> Int {
    unsafe Glibc.read(descriptor, buffer, count)
}
