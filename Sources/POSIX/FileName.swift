// Names: bytes that end in NUL for the kernel, of files (without "/") and of extended attributes.
import Bytes

/// The name of one entry of a directory: any bytes but NUL and "/". "." and ".." are allowed.
package struct FileName: Hashable, Sendable, CustomStringConvertible {
    /// INVARIANT: ends in its only NUL; holds no "/"; has at least one byte before the NUL.
    let terminated: [UInt8]

    /// Throws ENOENT for an empty name, EINVAL for NUL or "/". Length is left to the kernel (ENAMETOOLONG).
    package init(_ bytes: ByteSpan) throws(Errno) {
        guard bytes.count > 0 else { throw .noEntry }
        var terminated: [UInt8] = []
        terminated.reserveCapacity(bytes.count + 1)
        for i in bytes.indices {
            let byte = bytes[i]
            guard byte != 0, byte != UInt8(ascii: "/") else { throw .invalidArgument }
            terminated.append(byte)
        }
        terminated.append(0)
        self.terminated = terminated
    }
    /// The same for an array.
    package init(_ bytes: [UInt8]) throws(Errno) { try self.init(bytes.span) }
    /// The UTF-8 of `text`; throws as for bytes.
    package init(_ text: String) throws(Errno) { try self.init(Array(text.utf8).span) }

    /// A name written in the program. Traps when it is none.
    package init(fixed text: StaticString) {
        let bytes = terminatedText(text)
        precondition(bytes.count > 1 && !bytes.contains(UInt8(ascii: "/")), "not a file name")
        terminated = bytes
    }

    init(trusted terminated: [UInt8]) { self.terminated = terminated }
    /// "." itself.
    package static let current = FileName(trusted: [UInt8(ascii: "."), 0])
    /// "..".
    package static let parent = FileName(trusted: [UInt8(ascii: "."), UInt8(ascii: "."), 0])

    /// Bytes without the NUL.
    package var count: Int { terminated.count - 1 }
    /// The bytes without the NUL, as a new array.
    package var bytes: [UInt8] { Array(terminated.dropLast()) }
    /// The bytes without the NUL.
    package func withSpan<R, E: Error>(_ body: (ByteSpan) throws(E) -> R) throws(E) -> R {
        try body(terminated.span.slice(0, count))
    }
    /// Whether the name is "." or "..".
    package var isCurrentOrParent: Bool { self == .current || self == .parent }
    /// For people: invalid UTF-8 is repaired.
    package var description: String { String(decoding: terminated.dropLast(), as: UTF8.self) }
}

/// The name of an extended attribute, with its namespace: "user.x".
package struct AttributeName: Hashable, Sendable, CustomStringConvertible {
    /// INVARIANT: ends in its only NUL.
    let terminated: [UInt8]

    /// Throws EINVAL for NUL, ERANGE for an empty name as the kernel does. Length is left to the kernel (ERANGE).
    package init(_ bytes: ByteSpan) throws(Errno) {
        guard bytes.count > 0 else { throw .outOfRange }
        var terminated = bytes.array
        guard !terminated.contains(0) else { throw .invalidArgument }
        terminated.append(0)
        self.terminated = terminated
    }
    /// The same for an array.
    package init(_ bytes: [UInt8]) throws(Errno) { try self.init(bytes.span) }
    /// The UTF-8 of `text`; throws as for bytes.
    package init(_ text: String) throws(Errno) { try self.init(Array(text.utf8).span) }

    /// A name written in the program. Traps when it is empty.
    package init(fixed text: StaticString) {
        terminated = terminatedText(text)
        precondition(terminated.count > 1, "not an attribute name")
    }

    /// The bytes without the NUL, as a new array.
    package var bytes: [UInt8] { Array(terminated.dropLast()) }
    /// The bytes without the NUL.
    package func withSpan<R, E: Error>(_ body: (ByteSpan) throws(E) -> R) throws(E) -> R {
        try body(terminated.span.slice(0, terminated.count - 1))
    }
    /// For people: invalid UTF-8 is repaired.
    package var description: String { String(decoding: terminated.dropLast(), as: UTF8.self) }
}

/// The UTF-8 of a literal with a NUL behind.
private func terminatedText(_ text: StaticString) -> [UInt8] {
    var bytes = text.withUTF8Buffer { unsafe Array($0) }
    precondition(!bytes.contains(0), "NUL inside a name")
    bytes.append(0)
    return bytes
}

/// `bytes` with a NUL behind; EINVAL when one is inside, ENOENT when empty.
func terminatedPath(_ bytes: ByteSpan) throws(Errno) -> [UInt8] {
    guard bytes.count > 0 else { throw .noEntry }
    var terminated = bytes.array
    guard !terminated.contains(0) else { throw .invalidArgument }
    terminated.append(0)
    return terminated
}
/// The UTF-8 of `text` with a NUL behind.
func terminatedPath(_ text: String) throws(Errno) -> [UInt8] { try terminatedPath(Array(text.utf8).span) }
