// One thread that reads and serves requests.

import CFUSE
import Glibc
import POSIX
import Synchronization

/// What belongs to one serving thread. Only that thread uses its memory; the flags are looked at by others too.
@safe final class Worker: @unchecked Sendable {
    let number: Int
    /// Whether it is this worker's turn to read requests. Changed under the loop's lock; looked at without it.
    let isReading = Atomic<Bool>(false)
    /// Whether it serves a heavy request, during which its turn, if it still has it, is another's to take.
    let isBusy = Atomic<Bool>(false)
    /// Odd while a request is being served; +1 at each beginning and end.
    let progress = Atomic<UInt64>(0)
    /// Where the worker sleeps until it is its turn.
    let turn = Doorbell()
    /// The request in hand, for flags in it that libfuse does not pass on.
    fileprivate var request: KernelRequest?
    /// What the request in hand said before `withoutExtension`.
    fileprivate var takesSetGroupID = false

    private let memory: UnsafeMutableRawPointer
    private let memoryCount: Int
    /// Largest request that fits.
    let capacity: Int

    /// Whether a request has been served since the memory was last given back.
    private(set) var holdsMemory = false
    /// After this long without a request a worker gives its memory back: a burst wakes many, and most of them then sleep for hours.
    static let patience = Duration.seconds(1)

    /// Requests begin so that the bytes of a WRITE, behind two headers, begin on a page.
    private static let headers = MemoryLayout<fuse_in_header>.size + MemoryLayout<fuse_write_in>.size
    private static let page = 4096

    /// - Parameter maxRequest: largest read or write in bytes.
    /// - Throws: `ENOMEM`.
    init(number: Int, maxRequest: Int) throws(Errno) {
        self.number = number
        memoryCount = maxRequest + 2 * Self.page
        capacity = memoryCount - Self.page + Self.headers
        let mapped = unsafe mmap(nil, memoryCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw .noMemory }
        unsafe memory = mapped
    }

    deinit { unsafe munmap(memory, memoryCount) }

    /// Where the next request goes.
    var start: UnsafeMutableRawPointer { unsafe memory.advanced(by: Self.page - Self.headers) }

    /// What is in the request memory.
    func received(_ count: Int) -> KernelRequest { unsafe KernelRequest(start, count: count) }

    /// Lets the kernel take the pages of the calling thread's requests, replies and scratch buffers, whose contents are lost; the addresses stay.
    func giveMemoryBack() {
        unsafe madvise(memory, memoryCount, MADV_DONTNEED)
        ReplyBuffer.giveBackOfThisThread()
        PageBuffer.giveBackScratch()
        holdsMemory = false
    }

    /// Tells that the request in memory is being served. Followed by `serve`.
    func begin(_ request: KernelRequest) {
        holdsMemory = true
        self.request = request
        progress.add(1, ordering: .sequentiallyConsistent)
    }

    /// Brings a SETXATTR with extended arguments into the form that libfuse expects, and remembers what that has no place for.
    /// - Returns: how many bytes the request has now.
    func withoutExtension(_ count: Int) -> Int {
        let kept = MemoryLayout<fuse_in_header>.size + Int(FUSE_COMPAT_SETXATTR_IN_SIZE)
        let extended = MemoryLayout<fuse_in_header>.size + MemoryLayout<fuse_setxattr_in>.size
        guard let request, request.operation == FUSE_SETXATTR, count >= extended else { return count }
        takesSetGroupID = request.takesSetGroupID
        unsafe memmove(start + kept, start + extended, count - extended)
        return count - (extended - kept)
    }

    /// Serves the request in memory: libfuse decodes it and calls back.
    func serve(count: Int, session: OpaquePointer) {
        var buffer = unsafe fuse_buf()
        unsafe buffer.size = count
        unsafe buffer.mem = start
        unsafe fuse_session_process_buf(session, &buffer)
        progress.add(1, ordering: .relaxed)
        self.request = nil
        takesSetGroupID = false
    }

    // MARK: the worker of a thread

    private static let slot: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key, nil)
        return key
    }()

    /// Makes this the worker of the calling thread. INVARIANT: it lives as long as the thread.
    func adoptThread() { unsafe pthread_setspecific(Self.slot, Unmanaged.passUnretained(self).toOpaque()) }

    /// Whether the calling thread serves requests: it may then not wait for the kernel.
    static var isServingThread: Bool { unsafe pthread_getspecific(slot) != nil }

    private static func ofThisThread<R>(_ body: (Worker) -> R?) -> R? {
        guard let held = unsafe pthread_getspecific(slot) else { return nil }
        return unsafe Unmanaged<Worker>.fromOpaque(held)._withUnsafeGuaranteedRef { body($0) }
    }

    /// Whether the request that the calling thread serves asks for set-id bits to be cleared.
    static var killsPrivileges: Bool { ofThisThread { $0.request?.killsPrivileges } ?? false }

    /// Whether the request that the calling thread serves asks for the set-group-id bit to be taken, should it set an access ACL.
    static var takesSetGroupID: Bool { ofThisThread { $0.takesSetGroupID } ?? false }

    /// Who asks with the request that the calling thread serves.
    fileprivate static var asker: (userID: UInt32, processID: Int32)? { ofThisThread { $0.request?.asker } }
}

/// For whom a thread works.
package enum Asker {
    /// The user and process (0: none that can be seen from here) whose request the calling thread serves; nil on a thread that serves none.
    package static var current: (userID: UInt32, processID: Int32)? { Worker.asker }
}
