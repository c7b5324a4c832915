// DirectoryStream: the entries of one directory, with the kernel's offsets, through a buffer of its own.
import Bytes
import CLinux

/// A cursor over a directory. One user at a time; hold it in a `Mutex` where threads share it.
///
/// "." and ".." are among the entries. Offsets are the file system's cookies: only good for `seek(to:)` on the same directory.
@safe package final class DirectoryStream {
    private let descriptor: SharedDescriptor
    private var buffer: [UInt8]
    /// INVARIANT: 0 <= cursor <= filled <= buffer.count; `cursor` is the record after the current one.
    private var cursor = 0
    private var filled = 0
    /// The start of the current record, or -1.
    private var current = -1
    /// The cookie of `cursor`, and of the current record.
    private var position: Int64 = 0
    private var positionOfCurrent: Int64 = 0

    /// Reads through `descriptor`, which must be readable (not O_PATH) and used by nobody else: they share its position.
    package init(_ descriptor: SharedDescriptor, bufferSize: Int = 32768) {
        self.descriptor = descriptor
        buffer = [UInt8](repeating: 0, count: max(bufferSize, 1024))
    }
    /// Opens a directory again for reading from its start; `directory` may be O_PATH.
    package convenience init(opening directory: SharedDescriptor) throws(Errno) {
        self.init(try directory.openAt(.current, [.readOnly, .directory]))
    }

    /// Goes to the next entry. False at the end.
    package func advance() throws(Errno) -> Bool {
        if cursor == filled {
            current = -1
            let count = unsafe buffer.withUnsafeMutableBufferPointer {
                unsafe linux_getdents(descriptor.raw, $0.baseAddress, $0.count)
            }
            (cursor, filled) = (0, 0)
            filled = try checked(count)
            if filled == 0 { return false }
        }
        current = cursor
        positionOfCurrent = position
        cursor += recordLength
        position = nextOffset
        return true
    }
    /// Goes on from an entry's `nextOffset`, or 0. Costs nothing at the current entry or the one after it.
    package func seek(to offset: Int64) throws(Errno) {
        if offset == position, cursor > 0 || offset == 0 && filled == 0 && current < 0 { return }
        if offset == positionOfCurrent, current >= 0 {
            cursor = current
            position = positionOfCurrent
            current = -1
            return
        }
        try descriptor.setPosition(UInt64(bitPattern: offset))
        (cursor, filled, current, position) = (0, 0, -1, offset)
    }

    // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name with NUL.
    private var recordLength: Int { Int(number(UInt16.self, at: 16)) }

    private func number<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        let buffer = buffer
        return buffer.span.littleEndian(type, at: current + offset)
    }

    /// The current entry's inode number.
    package var inode: UInt64 { number(UInt64.self, at: 0) }
    /// The cookie of the entry after the current one.
    package var nextOffset: Int64 { Int64(bitPattern: number(UInt64.self, at: 8)) }
    /// The current entry's kind; `unknown` where the file system does not say.
    package var kind: FileKind { FileKind(entryType: buffer[current + 18]) }
    /// Whether the current entry is "." or "..".
    package var isCurrentOrParent: Bool {
        let dot = UInt8(ascii: ".")
        guard buffer[current + 19] == dot else { return false }
        return buffer[current + 20] == 0 || buffer[current + 20] == dot && buffer[current + 21] == 0
    }
    /// The bytes of the current entry's name.
    package func withName<R, E: Error>(_ body: (ByteSpan) throws(E) -> R) throws(E) -> R {
        let buffer = buffer
        var count = 0
        while buffer[current + 19 + count] != 0 { count += 1 }
        return try body(buffer.span.slice(current + 19, count))
    }
    /// The current entry's name as a value of its own.
    package var name: FileName {
        withName { span in
            var terminated = span.array
            terminated.append(0)
            return FileName(trusted: terminated)
        }
    }

    /// The next entry as a value, or nil at the end.
    package func next() throws(Errno) -> DirectoryEntry? {
        guard try advance() else { return nil }
        return DirectoryEntry(name: name, kind: kind, inode: inode, nextOffset: nextOffset)
    }
}

/// One entry of a directory.
package struct DirectoryEntry: Hashable, Sendable {
    /// Its name, "." and ".." included.
    package let name: FileName
    /// `unknown` where the file system does not say.
    package let kind: FileKind
    /// Its inode number.
    package let inode: UInt64
    /// The cookie of the entry after this one.
    package let nextOffset: Int64
}
