// What stat shows, and what changes it.

import Bytes
import Format
import POSIX

extension Vault {
    /// The plain status of an object.
    package func status(of inode: Inode) throws(Errno) -> FileStatus {
        if let content = inode.regularFile?.content { return try content.status() }
        do throws(Errno) {
            let status = try inode.reach { (parent, name) throws(Errno) in
                try access.steadily { () throws(Errno) in try parent.statusAt(name) }
            } anchored: { (descriptor) throws(Errno) in
                try access.steadily { () throws(Errno) in try descriptor.status() }
            }
            return plainStatus(of: inode, status)
        } catch {
            if error == .noEntry, let last = inode.whereabouts.withLock({ $0.removed }) { return last }
            throw error
        }
    }

    /// The backing status with the plain size.
    func plainStatus(of inode: Inode, _ backing: FileStatus) -> FileStatus {
        var status = backing
        switch inode.role {
        case .regular(let file):
            if let content = file.content {
                // Its own writes may have changed the time that `backing` shows.
                if content.hasHiddenTime.load(ordering: .acquiring), let shown = try? content.status() { return shown }
                status.size = Int64(content.size)
            } else if context.lengthsTell && !file.asksForSize {
                status.size = FileContent.size(of: backing)
            } else {
                status.size = sizeAfterCrash(of: inode, backing)
                if let time = context.replayedTime(of: backing) { status.modificationTime = time }
            }
        case .link where backing.isSymbolicLink:
            status.size = Int64(NameCipher.plainLength(ofLink: Int(backing.size)))
        case .directory:
            // The vault's own directory is no subdirectory that is shown. (Where links of directories are not counted, there are fewer than 3.)
            if inode === root && status.linkCount > 2 { status.linkCount -= 1 }
        case .link, .special:
            break
        }
        return status
    }

    /// After a crash, or when somebody made a small file longer, the length alone lies: the file is opened for a moment. One that does not open shows what its length says.
    private func sizeAfterCrash(of inode: Inode, _ backing: FileStatus) -> Int64 {
        guard backing.size > 0, let file = inode.regularFile else { return 0 }
        do throws(Errno) {
            let content = try acquire(file, of: inode, writable: false)
            defer { file.release(writable: false, of: inode, in: self) }
            return Int64(content.size)
        } catch {
            return FileContent.size(of: backing)
        }
    }

    /// Changes what `change` names, in the order of the kernel: size, owner, mode, times.
    /// - Returns: the status afterwards.
    package func setStatus(of inode: Inode, _ change: StatusChange, caller: Caller) throws(Errno) -> FileStatus {
        try context.willChange()
        if change.isEmpty && change.isAskedFor { try requireMayClearSetID(of: inode, caller) }
        if let size = change.size { try setSize(of: inode, to: size) }
        do throws(Errno) {
            // A change of owner that names nobody still takes set-id bits away; the backing file system knows which.
            if change.userID != nil || change.groupID != nil || change.isEmpty {
                try setOwner(of: inode, change.userID, change.groupID)
            }
            if let mode = change.mode { try setMode(of: inode, mode) }
            do throws(Errno) {
                try setTimes(of: inode, change)
            } catch {
                // The kernel would keep the old size if it were told of an error, and with it what it has cached of bytes that are gone.
                guard change.size != nil else { throw error }
                context.log.failed("setting the times of \(inode.label) after its size", error)
            }
        } catch {
            // Nothing leads to it any more: what is known of it is all that there is. The kernel also writes back the times of what has just lost its last name.
            guard error == .noEntry, inode.whereabouts.withLock({ $0.removed?.take(change) != nil }) else { throw error }
        }
        return try status(of: inode)
    }

    /// A change of owner that names nobody takes set-id bits away, which is for the owner and root alone. The kernel leaves it to the daemon.
    private func requireMayClearSetID(of inode: Inode, _ caller: Caller) throws(Errno) {
        guard isRoot, caller.userID != 0, inode.isRegular else { return }
        let status = try status(of: inode)
        let takesGroup = status.mode & FileMode.setGroupID != 0 && status.mode & 0o010 != 0
        if status.userID != caller.userID && (takesGroup || status.mode & FileMode.setUserID != 0) { throw .notPermitted }
    }

    private func setSize(of inode: Inode, to size: UInt64) throws(Errno) {
        guard let file = inode.regularFile else { throw inode.isDirectory ? .isDirectory : .invalidArgument }
        let content = try acquire(file, of: inode, writable: true)
        defer { file.release(writable: true, of: inode, in: self) }
        try content.truncate(to: size)
    }

    private func setOwner(of inode: Inode, _ user: UInt32?, _ group: UInt32?) throws(Errno) {
        // The owner is synced with the mode, which may lose its set-id bits. Also of a content that came into use meanwhile.
        defer { inode.regularFile?.content?.noteMode() }
        if let content = inode.regularFile?.content {
            let descriptor = content.descriptor
            return try access.alone { () throws(Errno) in try descriptor.changeOwner(userID: user, groupID: group) }
        }
        try inode.reach { (parent, name) throws(Errno) in
            try access.alone { () throws(Errno) in try parent.changeOwnerAt(name, userID: user, groupID: group) }
        } anchored: { (descriptor) throws(Errno) in
            try access.alone { () throws(Errno) in try descriptor.changeOwner(userID: user, groupID: group) }
        }
    }

    private func setMode(of inode: Inode, _ mode: UInt32) throws(Errno) {
        // Also of a content that came into use meanwhile.
        defer { inode.regularFile?.content?.noteMode() }
        if let content = inode.regularFile?.content {
            let (descriptor, protection) = (content.descriptor, content.protection)
            return try access.alone { () throws(Errno) in
                guard let protection else { return try descriptor.changeMode(mode & 0o7777) }
                // Not while a change of the journal's is being made in the file, which puts back what the kernel takes of the mode.
                try protection.untimed { () throws(Errno) in try descriptor.changeMode(mode & 0o7777) }
            }
        }
        try inode.reach { (parent, name) throws(Errno) in
            try access.alone { () throws(Errno) in try parent.changeModeAt(name, mode & 0o7777) }
        } anchored: { (descriptor) throws(Errno) in
            try access.alone { () throws(Errno) in try descriptor.changeMode(mode & 0o7777) }
        }
    }

    private func setTimes(of inode: Inode, _ change: StatusChange) throws(Errno) {
        if case .omit = change.access, case .omit = change.modification { return }
        if let content = inode.regularFile?.content {
            return try content.setTimes(access: change.access, modification: change.modification)
        }
        try inode.reach { (parent, name) throws(Errno) in
            try parent.setTimesAt(name, access: change.access, modification: change.modification)
        } anchored: { (descriptor) throws(Errno) in
            try descriptor.setTimes(access: change.access, modification: change.modification)
        }
    }

    /// The numbers of the file system that the vault is on.
    package func statistics() throws(Errno) -> FilesystemStatistics { try root.directory.descriptor(of: root).statistics() }
}

extension FileStatus {
    /// Makes it that of the object after `change`, which is not about its size.
    fileprivate mutating func take(_ change: StatusChange) {
        let now = SystemClock.now
        if let mode = change.mode { self.mode = self.mode & FileMode.kindMask | mode & FileMode.permissionMask }
        userID = change.userID ?? userID
        groupID = change.groupID ?? groupID
        accessTime = change.access.applied(to: accessTime, now)
        modificationTime = change.modification.applied(to: modificationTime, now)
        changeTime = now
    }
}

extension TimeChange {
    fileprivate func applied(to time: Timestamp, _ now: Timestamp) -> Timestamp {
        switch self {
        case .omit: time
        case .now: now
        case .set(let other): other
        }
    }
}
