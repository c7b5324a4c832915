// Extended attributes of a descriptor's object (O_PATH too), or of (directory, name) without following a link.
import Bytes
import CLinux

/// Longest attribute value and longest list of names the kernel knows, bytes.
package let longestAttribute = 65536

extension SharedDescriptor {
    /// Reads a value; returns its length. With an empty span only the length. ERANGE when it does not fit, ENODATA when there is none.
    @_lifetime(value: copy value)
    package func readAttribute(_ name: AttributeName, into value: inout MutableByteSpan) throws(Errno) -> Int {
        let result = unsafe value.withUnsafeMutableBufferPointer {
            unsafe linux_getxattr(raw, nil, name.terminated, $0.baseAddress, $0.count)
        }
        return try checked(result)
    }
    /// A whole value. ENODATA when there is none.
    package func attribute(_ name: AttributeName) throws(Errno) -> [UInt8] {
        try unsafe growing { buffer, size in unsafe linux_getxattr(raw, nil, name.terminated, buffer, size) }
    }
    /// Sets a value.
    package func setAttribute(_ name: AttributeName, _ value: ByteSpan, flags: AttributeFlags = []) throws(Errno) {
        let result = unsafe value.withUnsafeBufferPointer {
            unsafe linux_setxattr(raw, nil, name.terminated, $0.baseAddress, $0.count, flags.rawValue)
        }
        try succeed(result)
    }
    /// All names, each with a NUL behind.
    package func attributeNames() throws(Errno) -> [UInt8] {
        try unsafe growing { buffer, size in unsafe linux_listxattr(raw, nil, buffer, size) }
    }
    /// ENODATA when there is none.
    package func removeAttribute(_ name: AttributeName) throws(Errno) {
        try unsafe succeed(linux_removexattr(raw, nil, name.terminated))
    }

    /// The value of an entry's attribute; see `attribute`.
    package func attributeAt(_ file: FileName, _ name: AttributeName) throws(Errno) -> [UInt8] {
        try unsafe growing { buffer, size in unsafe linux_getxattr(raw, file.terminated, name.terminated, buffer, size) }
    }
    /// Sets a value of an entry. EPERM for "user." on anything but regular files and directories, as the kernel has it.
    package func setAttributeAt(
        _ file: FileName, _ name: AttributeName, _ value: ByteSpan, flags: AttributeFlags = []
    ) throws(Errno) {
        let result = unsafe value.withUnsafeBufferPointer {
            unsafe linux_setxattr(raw, file.terminated, name.terminated, $0.baseAddress, $0.count, flags.rawValue)
        }
        try succeed(result)
    }
    /// All names of an entry's attributes, each with a NUL behind.
    package func attributeNamesAt(_ file: FileName) throws(Errno) -> [UInt8] {
        try unsafe growing { buffer, size in unsafe linux_listxattr(raw, file.terminated, buffer, size) }
    }
    /// Removes an entry's attribute.
    package func removeAttributeAt(_ file: FileName, _ name: AttributeName) throws(Errno) {
        try unsafe succeed(linux_removexattr(raw, file.terminated, name.terminated))
    }

    /// Calls with a small buffer first, then with the largest: the size may change between asking for it and reading.
    private func growing(_ call: (UnsafeMutablePointer<UInt8>?, Int) -> Int) throws(Errno) -> [UInt8] {
        for size in [512, longestAttribute] {
            var buffer = [UInt8](repeating: 0, count: size)
            let result = unsafe buffer.withUnsafeMutableBufferPointer { unsafe call($0.baseAddress, $0.count) }
            if result == -Int(LINUX_ERANGE) { continue }
            let count = try checked(result)
            buffer.removeLast(size - count)
            return buffer
        }
        throw .outOfRange
    }
}

/// The names of a NUL-separated list.
package func splitAttributeNames(_ list: [UInt8]) -> [[UInt8]] { list.split(separator: 0).map(Array.init) }
