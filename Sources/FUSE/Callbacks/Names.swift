// Look-ups by name, and changes of names.

import CFUSE
import Filesystem
import POSIX

func answerLookup(_ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let found = try unsafe service.vault.lookup(bytes(of: name), in: service.inode(parent))
        request.reply(found, service)
    } catch .noEntry where service.options.absenceLifetime > 0 {
        // An entry without inode tells the kernel to remember that the name is not there.
        _ = request.reply(entry: service.absentEntry)
    } catch {
        request.fail(error)
    }
}

func answerForget(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ count: UInt64) {
    let request = unsafe Request(handle)
    request.service.forget(node, count)
    request.finishWithoutReply()
}

func answerForgetMany(_ handle: fuse_req_t?, _ count: Int, _ list: UnsafeMutablePointer<fuse_forget_data>?) {
    let request = unsafe Request(handle)
    let service = request.service
    if let list = unsafe list {
        for index in 0..<count {
            let item = unsafe list[index]
            service.forget(item.ino, item.nlookup)
        }
    }
    request.finishWithoutReply()
}

func answerReadLink(_ handle: fuse_req_t?, _ node: fuse_ino_t) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let target = try service.vault.readLink(service.inode(node))
        request.reply(linkTarget: target)
    } catch {
        request.fail(error)
    }
}

func answerRename(
    _ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ newParent: fuse_ino_t, _ newName: UnsafePointer<CChar>?,
    _ flags: UInt32
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let mode = try RenameMode(flags)
        try unsafe service.vault.rename(
            bytes(of: name), in: service.inode(parent), to: bytes(of: newName), in: service.inode(newParent), mode)
        for node in [parent, newParent] { service.noteChange(of: node) }
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerLink(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ newParent: fuse_ino_t, _ newName: UnsafePointer<CChar>?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let found = try unsafe service.vault.link(service.inode(node), bytes(of: newName), in: service.inode(newParent))
        for node in [node, newParent] { service.noteChange(of: node) }
        request.reply(found, service)
    } catch {
        request.fail(error)
    }
}

func answerUnlink(_ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        try unsafe service.vault.unlink(bytes(of: name), in: service.inode(parent))
        service.noteChange(of: parent)
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerRemoveDirectory(_ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        try unsafe service.vault.removeDirectory(bytes(of: name), in: service.inode(parent))
        service.noteChange(of: parent)
        request.succeed()
    } catch {
        request.fail(error)
    }
}

extension RenameMode {
    /// - Parameter flags: those of renameat2(2).
    /// - Throws: `EINVAL` for flags without meaning here; `RENAME_WHITEOUT` is for the backing store of an overlay, which a vault is not.
    init(_ flags: UInt32) throws(Errno) {
        switch flags {
        case 0: self = .replace
        case 1: self = .keep
        case 2: self = .exchange
        default: throw .invalidArgument
        }
    }
}

extension Request {
    /// Answers with an entry; takes the look-up back when the kernel no longer waits.
    consuming func reply(_ found: FoundEntry, _ service: Service) {
        if !reply(entry: service.entry(for: found)) { service.vault.forget(found.inode, 1) }
    }
}

extension Service {
    /// Gives `count` look-ups of a node back. The root is never forgotten.
    func forget(_ node: fuse_ino_t, _ count: UInt64) {
        guard node != UInt64(FUSE_ROOT_ID) else { return }
        do throws(Errno) {
            try vault.forget(inode(node), count)
        } catch {
            logger.error("the kernel forgets node 0, which it was never given")
        }
    }
}
