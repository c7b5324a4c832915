// Listing directories.

import CFUSE
import Filesystem
import Glibc
import POSIX

func answerOpenDirectory(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        guard let information = unsafe information else { throw .invalidArgument }
        let directory = try service.vault.openDirectory(service.inode(node))
        var granted = unsafe information.pointee
        granted.fh = Handles.grant(directory)
        // The kernel keeps the listing over opens, and drops it itself when an entry is made or removed.
        granted.cache_readdir = service.options.keepsCaches && directory.mayBeKept ? 1 : 0
        granted.keep_cache = granted.cache_readdir
        if !request.reply(open: granted) { _ = Handles.takeBack(OpenDirectory.self, granted.fh) }
    } catch {
        request.fail(error)
    }
}

func answerReadDirectory(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ room: Int, _ offset: off_t, _ information: FileInformation?) {
    unsafe answerListing(handle, room, offset, information, withStatus: false)
}

func answerReadDirectoryWithStatus(
    _ handle: fuse_req_t?, _ node: fuse_ino_t, _ room: Int, _ offset: off_t, _ information: FileInformation?
) {
    unsafe answerListing(handle, room, offset, information, withStatus: true)
}

/// READDIR or, with status, READDIRPLUS, which is a look-up of each entry as well.
private func answerListing(
    _ handle: fuse_req_t?, _ room: Int, _ offset: off_t, _ information: FileInformation?, withStatus: Bool
) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        let directory = try unsafe Handles.directory(information)
        var listing = try DirectoryListing(room: room, service: service)
        do throws(Errno) {
            try directory.list(from: Int64(offset), withStatus: withStatus) { name, status, inode, next in
                withStatus ? listing.append(name, status, inode, next) : listing.append(name, status, next)
            }
        } catch {
            // What was listed before is true; the error comes again when the kernel reads on from there.
            if listing.count == 0 { throw error }
        }
        if !request.reply(listing: listing) && withStatus { listing.forgetEntries() }
    } catch {
        request.fail(error)
    }
}

func answerReleaseDirectory(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    do throws(Errno) {
        _ = try unsafe Handles.take(OpenDirectory.self, information)
        request.succeed()
    } catch {
        request.fail(error)
    }
}

func answerSynchronizeDirectory(_ handle: fuse_req_t?, _ node: fuse_ino_t, _ dataOnly: Int32, _ information: FileInformation?) {
    let request = unsafe Request(handle)
    let service = request.service
    do throws(Errno) {
        try unsafe service.vault.synchronize(Handles.directory(information), dataOnly: dataOnly != 0)
        request.succeed()
    } catch {
        request.fail(error)
    }
}
