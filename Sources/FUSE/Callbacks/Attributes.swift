// Status of objects and of the whole file system.

import CFUSE
import Filesystem
import Glibc
import POSIX

func answerGetAttributes(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let inode = try service.inode(node)
        let status = try service.vault.status(of: inode)
        request.reply(attributes: status, lifetime: service.lifetime(of: inode, status))
    } catch {
        request.fail(error)
    }
}

func answerSetAttributes(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ values: UnsafeMutablePointer<stat>?, _ mask: Int32, _ information: FileInformation?
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let values = unsafe values else { throw .invalidArgument }
        let inode = try service.inode(node)
        var change = unsafe StatusChange(values.pointee, mask: mask)
        try service.clearPrivileges(of: inode, in: &change)
        let status = try service.vault.setStatus(of: inode, change, caller: request.caller)
        request.reply(attributes: status, lifetime: service.lifetime(of: inode, status))
    } catch {
        request.fail(error)
    }
}

/// Asked by access(2), chdir(2) and their kin where the kernel checks no permissions: on behalf of root, whom only a file that nobody may execute holds up.
func answerAccess(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ mask: Int32) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let inode = try service.inode(node)
        if mask & X_OK != 0, !inode.isDirectory, try service.vault.status(of: inode).mode & FileMode.executeMask == 0 { throw .accessDenied }
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerStatistics(_ handle: fuse_req_t?, _ node: fuse_ino_t) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let statistics = try service.vault.statistics()
        request.reply(statistics: statistics)
    } catch {
        request.fail(error)
    }
}
