// What is read from a request past libfuse.

import CFUSE
import Glibc
import Testing

@testable import FUSE

@Suite struct KernelRequestTests {
    private func isTransfer(_ request: [UInt8]) -> Bool {
        request.withUnsafeBytes { KernelRequest($0.baseAddress!, count: $0.count).isTransfer }
    }
    private func killsPrivileges(_ request: [UInt8]) -> Bool {
        request.withUnsafeBytes { KernelRequest($0.baseAddress!, count: $0.count).killsPrivileges }
    }

    private func read(_ size: UInt32) -> [UInt8] {
        var argument = fuse_read_in()
        argument.size = size
        return rawRequest(FUSE_READ, argument: bytes(of: argument))
    }
    private func write(_ count: Int, flags: UInt32 = 0) -> [UInt8] {
        var argument = fuse_write_in()
        argument.size = UInt32(count)
        argument.write_flags = flags
        return rawRequest(FUSE_WRITE, argument: bytes(of: argument) + [UInt8](repeating: 0, count: count))
    }

    @Test func largeTransfersAreHeavy() {
        #expect(!isTransfer(read(4096)))
        #expect(!isTransfer(read(131_071)))
        #expect(isTransfer(read(131_072)))
        #expect(!isTransfer(write(4096)))
        #expect(isTransfer(write(131_072)))
        for operation in [FUSE_COPY_FILE_RANGE, FUSE_FALLOCATE] { #expect(isTransfer(rawRequest(operation, argument: []))) }
        for operation in [FUSE_LOOKUP, FUSE_GETATTR, FUSE_FLUSH, FUSE_RELEASE, FUSE_CREATE, FUSE_READDIRPLUS] {
            #expect(!isTransfer(rawRequest(operation, argument: [])))
        }
    }

    @Test func clearingOfSetIDBitsIsAskedForByWriteOpenAndSetattr() {
        #expect(!killsPrivileges(write(10)))
        #expect(!killsPrivileges(write(10, flags: UInt32(FUSE_WRITE_CACHE))))
        #expect(killsPrivileges(write(10, flags: UInt32(FUSE_WRITE_KILL_SUIDGID | FUSE_WRITE_CACHE))))
        var change = fuse_setattr_in()
        change.valid = UInt32(FATTR_SIZE)
        #expect(!killsPrivileges(rawRequest(FUSE_SETATTR, argument: bytes(of: change))))
        change.valid |= UInt32(FATTR_KILL_SUIDGID)
        #expect(killsPrivileges(rawRequest(FUSE_SETATTR, argument: bytes(of: change))))
        var open = fuse_open_in()
        #expect(!killsPrivileges(rawRequest(FUSE_OPEN, argument: bytes(of: open))))
        open.open_flags = UInt32(FUSE_OPEN_KILL_SUIDGID)
        #expect(killsPrivileges(rawRequest(FUSE_OPEN, argument: bytes(of: open))))
    }

    @Test func theSetGroupIDBitIsTakenWithAnACL() {
        func takes(_ operation: fuse_opcode, _ flags: UInt32) -> Bool {
            var argument = fuse_setxattr_in()
            argument.setxattr_flags = flags
            return rawRequest(operation, argument: bytes(of: argument)).withUnsafeBytes { KernelRequest($0.baseAddress!, count: $0.count).takesSetGroupID }
        }
        #expect(takes(FUSE_SETXATTR, UInt32(FUSE_SETXATTR_ACL_KILL_SGID)))
        #expect(!takes(FUSE_SETXATTR, 0))
        #expect(!takes(FUSE_GETXATTR, UInt32(FUSE_SETXATTR_ACL_KILL_SGID)))
    }

    @Test(arguments: 0..<80) func aShortRequestIsReadWithinItsEnd(count: Int) {
        let request = Array(read(1 << 20).prefix(count))
        #expect(isTransfer(request) == (count >= 40 + 20))
        #expect(!killsPrivileges(request))
    }
}
