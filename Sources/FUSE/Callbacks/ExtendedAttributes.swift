// Extended attributes.

import Bytes
import CFUSE
import Filesystem
import POSIX

func answerGetExtendedAttribute(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ room: Int) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let name = unsafe bytes(of: name)
        if let counters = service.counters(answering: name, of: node, to: request.caller) { return request.reply(counters, room: room) }
        let value = try service.vault.attribute(name, of: service.inode(node))
        request.reply(value, room: room)
    } catch {
        request.fail(error)
    }
}

func answerSetExtendedAttribute(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<CChar>?, _ count: Int, _ flags: Int32
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let value = unsafe value else { throw .invalidArgument }
        let name = unsafe bytes(of: name)
        try unsafe service.vault.setAttribute(
            name, to: bytes(at: value, count: count), flags: AttributeFlags(rawValue: flags), of: service.inode(node))
        if Worker.takesSetGroupID, Vault.isOwnAccessControlList(name.array) { try service.takeSetGroupID(of: node, request.caller) }
        service.noteChange(of: node, movesMode: service.movesModeUnseen(name))
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerListExtendedAttributes(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ room: Int) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let names = try service.vault.attributeNames(of: service.inode(node))
        request.reply(names, room: room)
    } catch {
        request.fail(error)
    }
}

func answerRemoveExtendedAttribute(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let name = unsafe bytes(of: name)
        try service.vault.removeAttribute(name, of: service.inode(node))
        service.noteChange(of: node, movesMode: service.movesModeUnseen(name))
        request.succeed()
    } catch {
        request.fail(error)
    }
}

extension Service {
    /// Whether setting an attribute changes the mode and the kernel does not ask for it afterwards: an ACL, where the kernel does not know what that is.
    fileprivate func movesModeUnseen(_ name: ByteSpan) -> Bool { !options.checksPermissions && Vault.isAccessControlList(name.array) }
}

extension Request {
    /// Answers a caller that has room for `room` bytes; with none it asks for the size.
    fileprivate consuming func reply(_ bytes: [UInt8], room: Int) {
        if room == 0 { return reply(attributeSize: bytes.count) }
        if bytes.count > room { return fail(.outOfRange) }
        reply(bytes: bytes.span)
    }
}
