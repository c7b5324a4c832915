// What stands in files: reading, writing, room, holes.

import Bytes
import CFUSE
import Filesystem
import Glibc
import POSIX

func answerRead(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ count: Int, _ offset: off_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        let file = try unsafe Handles.file(information)
        let buffer = try ReplyBuffer.ofThisThread(atLeast: count)
        var plain = unsafe buffer.span(count)
        let length = try file.read(into: &plain, at: UInt64(bitPattern: Int64(offset)))
        request.reply(bytes: plain.span.slice(0, length))
    } catch {
        request.fail(error)
    }
}

func answerWrite(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ data: UnsafePointer<CChar>?, _ count: Int, _ offset: off_t, _ information: FileInformation?
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let data = unsafe data, let information = unsafe information else { throw .invalidArgument }
        let file = try unsafe Handles.file(information)
        try service.clearPrivilegesBeforeWrite(of: node, request.caller)
        try unsafe file.write(
            bytes(at: data, count: count), at: UInt64(bitPattern: Int64(offset)), isWriteBack: information.pointee.writepage != 0)
        request.reply(written: count)
    } catch {
        request.fail(error)
    }
}

func answerAllocate(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ mode: Int32, _ offset: off_t, _ length: off_t, _ information: FileInformation?
) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        try request.service.clearPrivilegesBeforeChange(of: node, request.caller)
        try unsafe Handles.file(information).allocate(
            mode: mode, offset: UInt64(bitPattern: Int64(offset)), length: UInt64(bitPattern: Int64(length)))
        request.succeed()
    } catch {
        request.fail(error)
    }
}

/// `SEEK_HOLE` of Linux, which the C library shows with GNU features only.
private let seekHole: Int32 = 4

/// Only SEEK_DATA and SEEK_HOLE come here; the kernel does the others.
func answerSeek(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ offset: off_t, _ whence: Int32, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        let place = try unsafe Handles.file(information).seek(UInt64(bitPattern: Int64(offset)), to: whence == seekHole ? .hole : .data)
        request.reply(offset: Int64(bitPattern: place))
    } catch {
        request.fail(error)
    }
}

func answerCopyRange(
    _ handle: fuse_req_t?, _ source: fuse_ino_t, _ sourceOffset: off_t, _ sourceInformation: FileInformation?, _ target: fuse_ino_t,
    _ targetOffset: off_t, _ targetInformation: FileInformation?, _ count: Int, _ flags: Int32
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        try service.clearPrivilegesBeforeChange(of: target, request.caller)
        let copied = try unsafe service.vault.copyRange(
            from: Handles.file(sourceInformation), at: UInt64(bitPattern: Int64(sourceOffset)), to: Handles.file(targetInformation),
            at: UInt64(bitPattern: Int64(targetOffset)), count: count)
        request.reply(written: copied)
    } catch {
        request.fail(error)
    }
}
