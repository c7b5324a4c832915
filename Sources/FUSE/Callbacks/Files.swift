// Opening, closing and syncing files.

import CFUSE
import Filesystem
import Glibc
import POSIX

func answerOpen(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let information = unsafe information else { throw .invalidArgument }
        var granted = unsafe information.pointee
        let inode = try service.inode(node)
        let file = try service.vault.open(inode, writable: granted.flags & O_ACCMODE != O_RDONLY)
        if granted.flags & O_TRUNC != 0 {
            do throws(Errno) {
                try service.truncate(inode, request.caller)
            } catch {
                file.release()
                throw error
            }
        }
        service.grant(file, &granted)
        if !request.reply(open: granted) { service.withdraw(granted) }
    } catch {
        request.fail(error)
    }
}

func answerFlush(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        try unsafe Handles.file(information).flush()
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerSynchronize(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ dataOnly: Int32, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        try unsafe Handles.file(information).synchronize(dataOnly: dataOnly != 0)
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerRelease(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        try unsafe Handles.take(OpenFile.self, information).release()
        request.succeed()
    } catch {
        request.fail(error)
    }
}

/// No ioctl has a meaning here. `ENOTTY` is what a file of a disk file system answers.
func answerControl(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ command: UInt32, _ argument: UnsafeMutableRawPointer?, _ information: FileInformation?,
    _ flags: UInt32, _ input: UnsafeRawPointer?, _ inputCount: Int, _ outputCount: Int
) {
    let request = unsafe Request(handle)
    request.fail(.notTerminal)
}

extension Service {
    /// Notes in a reply to OPEN or CREATE which file was opened, and that the kernel may keep what it has cached of it:
    /// nothing changes a vault but its mount. `direct_io` stays off, since the kernel serves O_DIRECT itself.
    func grant(_ file: OpenFile, _ information: inout fuse_file_info) {
        information.fh = Handles.grant(file)
        information.keep_cache = options.keepsCaches ? 1 : 0
    }

    /// Takes back what `grant` gave, for a kernel that no longer wanted it.
    func withdraw(_ information: fuse_file_info) {
        Handles.takeBack(OpenFile.self, information.fh)?.release()
    }

    /// O_TRUNC inside OPEN (ATOMIC_O_TRUNC): one request less than the kernel's own OPEN and SETATTR, with the same effect.
    func truncate(_ inode: Inode, _ caller: Caller) throws(Errno) {
        var change = StatusChange()
        change.size = 0
        change.modification = .now
        try clearPrivileges(of: inode, in: &change)
        _ = try vault.setStatus(of: inode, change, caller: caller)
    }
}
