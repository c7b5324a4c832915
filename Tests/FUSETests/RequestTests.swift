// A request is answered exactly once, whatever its callback does.

import CFUSE
import Filesystem
import Glibc
import POSIX
import Synchronization
import Testing

@testable import FUSE

/// What a LOOKUP of a test's session is answered with.
private enum Behaviour: Sendable { case drop, fail, absent, succeed }

/// A libfuse session whose replies are collected instead of sent.
private final class Wire: Sendable {
    struct State {
        var replies: [[UInt8]] = []
        var behaviour = Behaviour.drop
    }
    static let state = Mutex(State())

    /// Feeds INIT and then a LOOKUP of the name "x" (number 7), and returns the replies to the latter.
    static func replies(_ behaviour: Behaviour) throws -> [[UInt8]] {
        state.withLock { $0 = State(behaviour: behaviour) }
        var table = fuse_lowlevel_ops()
        table.lookup = { handle, _, _ in
            let request = Request(handle)
            switch Wire.state.withLock({ $0.behaviour }) {
            case .drop: break
            case .fail: request.fail(.notEmpty)
            case .absent: _ = request.reply(entry: fuse_entry_param())
            case .succeed: request.succeed()
            }
        }
        var arguments = fuse_args()
        fuse_opt_add_arg(&arguments, "test")
        defer { fuse_opt_free_args(&arguments) }
        let session = try #require(fuse_session_new(&arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, nil))
        defer { fuse_session_destroy(session) }
        var calls = fuse_custom_io(
            writev: { _, vectors, count, _ in
                let bytes = (0..<Int(count)).flatMap { Array(UnsafeRawBufferPointer(start: vectors![$0].iov_base, count: vectors![$0].iov_len)) }
                Wire.state.withLock { $0.replies.append(bytes) }
                return bytes.count
            }, read: { _, _, _, _ in -1 }, splice_receive: nil, splice_send: nil)
        #expect(fuse_session_custom_io(session, &calls, open("/dev/null", O_RDWR)) == 0)

        feed(session, operation: FUSE_INIT, unique: 1, argument: bytes(of: fuse_init_in(major: 7, minor: 38)))
        state.withLock { $0.replies = [] }
        feed(session, operation: FUSE_LOOKUP, unique: 7, argument: [UInt8(ascii: "x"), 0])
        return state.withLock { $0.replies }
    }

    private static func feed(_ session: OpaquePointer, operation: fuse_opcode, unique: UInt64, argument: [UInt8]) {
        var message = rawRequest(operation, unique: unique, argument: argument)
        message.withUnsafeMutableBytes { memory in
            var buffer = fuse_buf()
            buffer.size = memory.count
            buffer.mem = memory.baseAddress
            fuse_session_process_buf(session, &buffer)
        }
    }
}

/// A request as the kernel would send it.
func rawRequest(_ operation: fuse_opcode, unique: UInt64 = 1, argument: [UInt8]) -> [UInt8] {
    var header = fuse_in_header()
    header.len = UInt32(MemoryLayout<fuse_in_header>.size + argument.count)
    header.opcode = operation.rawValue
    header.unique = unique
    header.nodeid = 1
    return bytes(of: header) + argument
}

func bytes<Value>(of value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

extension fuse_init_in {
    init(major: UInt32, minor: UInt32) {
        self.init()
        self.major = major
        self.minor = minor
    }
}

@Suite(.serialized) struct RequestTests {
    private func header(_ reply: [UInt8]) -> fuse_out_header { reply.withUnsafeBytes { $0.loadUnaligned(as: fuse_out_header.self) } }

    @Test func droppedRequestAnswersInputOutputErrorOnce() throws {
        let replies = try Wire.replies(.drop)
        #expect(replies.count == 1)
        let header = header(try #require(replies.first))
        #expect(header.error == -EIO)
        #expect(header.unique == 7)
    }

    @Test func failureIsAnsweredOnceWithItsNumber() throws {
        let replies = try Wire.replies(.fail)
        #expect(replies.count == 1)
        #expect(header(try #require(replies.first)).error == -ENOTEMPTY)
    }

    @Test func successIsAnsweredOnce() throws {
        let replies = try Wire.replies(.succeed)
        #expect(replies.count == 1)
        #expect(header(try #require(replies.first)).error == 0)
    }

    @Test func absentNameIsAnEntryWithoutNode() throws {
        let replies = try Wire.replies(.absent)
        #expect(replies.count == 1)
        let reply = try #require(replies.first)
        #expect(header(reply).error == 0)
        #expect(reply.count == MemoryLayout<fuse_out_header>.size + MemoryLayout<fuse_entry_out>.size)
        #expect(reply[16..<24].allSatisfy { $0 == 0 })
    }
}
