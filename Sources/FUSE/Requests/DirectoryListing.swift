// The records of one reply to READDIR or READDIRPLUS.

import Bytes
import CFUSE
import Filesystem
import Glibc
import POSIX

/// Records in the kernel's form, packed into the reply buffer of this thread until it is full.
@safe struct DirectoryListing: ~Copyable {
    private let service: Service
    private let buffer: ReplyBuffer
    private let room: Int
    private(set) var count = 0

    /// - Parameter room: bytes that the kernel has room for.
    /// - Throws: `ENOMEM`.
    init(room: Int, service: Service) throws(Errno) {
        buffer = try ReplyBuffer.ofThisThread(atLeast: room)
        self.room = room
        self.service = service
    }

    /// Where the records begin.
    var start: UnsafePointer<CChar> { unsafe UnsafePointer(buffer.base.assumingMemoryBound(to: CChar.self)) }

    /// Adds a record of a name and its kind.
    /// - Returns: false when it does not fit.
    mutating func append(_ name: ByteSpan, _ status: FileStatus, _ next: Int64) -> Bool {
        var form = stat()
        form.st_ino = ino_t(status.inode)
        form.st_mode = status.mode
        return unsafe append(name) { (text, place, room) in unsafe fuse_add_direntry(nil, place, room, text, &form, off_t(next)) }
    }

    /// Adds a record that is a look-up as well. Without an inode (`.`, `..`, or one that cannot be looked up) it is the name alone.
    /// - Returns: false when it does not fit.
    mutating func append(_ name: ByteSpan, _ status: FileStatus, _ inode: Inode?, _ next: Int64) -> Bool {
        var entry = fuse_entry_param()
        if let inode {
            entry = service.entry(for: inode, status)
        } else {
            entry.attr.st_ino = ino_t(status.inode)
            entry.attr.st_mode = status.mode
        }
        return unsafe append(name) { (text, place, room) in unsafe fuse_add_direntry_plus(nil, place, room, text, &entry, off_t(next)) }
    }

    /// Packs one record through `pack`, which answers how long it is, fitting or not.
    private mutating func append(_ name: ByteSpan, _ pack: (UnsafePointer<CChar>, UnsafeMutablePointer<CChar>, Int) -> Int) -> Bool {
        let remaining = room - count
        let place = unsafe buffer.base.advanced(by: count).assumingMemoryBound(to: CChar.self)
        let length = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { text in
            for index in name.indices { unsafe text[index] = CChar(bitPattern: name[index]) }
            unsafe text[name.count] = 0
            return unsafe text.baseAddress.map { unsafe pack($0, place, remaining) } ?? 0
        }
        guard length > 0, length <= remaining else { return false }
        count += length
        return true
    }

    /// Takes back the look-ups of a READDIRPLUS that did not reach the kernel.
    func forgetEntries() {
        // A record is a look-up reply, which begins with the node id, and a directory entry; records are multiples of 8 bytes long.
        let entrySize = MemoryLayout<fuse_entry_out>.size
        let lengthOffset = entrySize + (MemoryLayout<fuse_dirent>.offset(of: \fuse_dirent.namelen) ?? 16)
        let nameOffset = entrySize + 24
        var place = 0
        while place + nameOffset <= count {
            let node = unsafe buffer.base.loadUnaligned(fromByteOffset: place, as: UInt64.self)
            let nameLength = unsafe Int(buffer.base.loadUnaligned(fromByteOffset: place + lengthOffset, as: UInt32.self))
            if node != 0 { service.forget(node, 1) }
            place += (nameOffset + nameLength + 7) & ~7
        }
    }
}
