// Making objects.

import CFUSE
import Filesystem
import Glibc
import POSIX

func answerMakeNode(_ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t, _ device: dev_t) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let found = try unsafe service.vault.makeNode(
            bytes(of: name), in: service.inode(parent), mode: mode, device: UInt64(device), caller: request.caller)
        service.noteChange(of: parent)
        request.reply(found, service)
    } catch {
        request.fail(error)
    }
}

func answerMakeDirectory(_ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let found = try unsafe service.vault.makeDirectory(bytes(of: name), in: service.inode(parent), mode: mode, caller: request.caller)
        service.noteChange(of: parent)
        request.reply(found, service)
    } catch {
        request.fail(error)
    }
}

func answerMakeSymbolicLink(
    _ handle: fuse_req_t?, _ target: UnsafePointer<CChar>?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let found = try unsafe service.vault.makeSymbolicLink(
            to: bytes(of: target), bytes(of: name), in: service.inode(parent), caller: request.caller)
        service.noteChange(of: parent)
        request.reply(found, service)
    } catch {
        request.fail(error)
    }
}

func answerCreate(
    _ handle: fuse_req_t?, _ parent: fuse_ino_t, _ name: UnsafePointer<CChar>?, _ mode: mode_t, _ information: FileInformation?
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let information = unsafe information else { throw .invalidArgument }
        var granted = unsafe information.pointee
        let (found, file) = try unsafe service.vault.create(
            bytes(of: name), in: service.inode(parent), mode: mode, isExclusive: granted.flags & O_EXCL != 0,
            writable: granted.flags & O_ACCMODE != O_RDONLY, caller: request.caller)
        service.noteChange(of: parent)
        // The file was made by somebody else meanwhile: it may have content.
        if granted.flags & O_TRUNC != 0 && found.status.size > 0 {
            do throws(Errno) {
                try service.truncate(found.inode, request.caller)
            } catch {
                file.release()
                service.vault.forget(found.inode, 1)
                throw error
            }
        }
        service.grant(file, &granted)
        if !request.reply(created: service.entry(for: found), open: granted) {
            service.withdraw(granted)
            service.vault.forget(found.inode, 1)
        }
    } catch {
        request.fail(error)
    }
}
