// Reading and writing bytes of a descriptor, at an offset or in sequence.
import Bytes
import CLinux

extension SharedDescriptor {
    /// Reads until `bytes` is full or the file ends. Returns how many bytes were read: less than asked only at the end of the file.
    @_lifetime(bytes: copy bytes)
    package func read(into bytes: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeMutableBufferPointer { unsafe linux_pread_full(raw, $0.baseAddress, $0.count, offset) }
        return try checked(result)
    }
    /// Reads into `a`, then `b`, with one `preadv` when the file is long enough. Returns the bytes read together; short only at the end.
    @_lifetime(a: copy a)
    @_lifetime(b: copy b)
    package func read(into a: inout MutableByteSpan, _ b: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int {
        let result = unsafe a.withUnsafeMutableBufferPointer { a in
            unsafe b.withUnsafeMutableBufferPointer { b in
                unsafe linux_preadv_full(raw, a.baseAddress, a.count, b.baseAddress, b.count, offset)
            }
        }
        return try checked(result)
    }
    /// One `pwrite`. Returns how many bytes it took, which may be fewer than given.
    package func write(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeBufferPointer { unsafe linux_pwrite(raw, $0.baseAddress, $0.count, offset) }
        return try checked(result)
    }
    /// Writes all of `bytes`; after an error some of them may be written.
    package func writeAll(_ bytes: ByteSpan, at offset: UInt64) throws(Errno) {
        let result = unsafe bytes.withUnsafeBufferPointer { unsafe linux_pwrite_full(raw, $0.baseAddress, $0.count, offset) }
        try succeed(result)
    }
    /// Writes all of `a`, then all of `b` behind it, with one `pwritev` when the kernel takes all.
    package func writeAll(_ a: ByteSpan, _ b: ByteSpan, at offset: UInt64) throws(Errno) {
        let result = unsafe a.withUnsafeBufferPointer { a in
            unsafe b.withUnsafeBufferPointer { b in
                unsafe linux_pwritev_full(raw, a.baseAddress, a.count, b.baseAddress, b.count, offset)
            }
        }
        try succeed(result)
    }

    /// One `read` from the current position (pipes, terminals): 0 at the end.
    @_lifetime(bytes: copy bytes)
    package func readNext(into bytes: inout MutableByteSpan) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeMutableBufferPointer { unsafe linux_read(raw, $0.baseAddress, $0.count) }
        return try checked(result)
    }
    /// Reads from the current position until `bytes` is full or the end comes. Returns the bytes read.
    @_lifetime(bytes: copy bytes)
    package func readSequence(into bytes: inout MutableByteSpan) throws(Errno) -> Int {
        let result = unsafe bytes.withUnsafeMutableBufferPointer { unsafe linux_read_full(raw, $0.baseAddress, $0.count) }
        return try checked(result)
    }
    /// Writes all of `bytes` at the current position (pipes, terminals).
    package func writeSequence(_ bytes: ByteSpan) throws(Errno) {
        let result = unsafe bytes.withUnsafeBufferPointer { unsafe linux_write_full(raw, $0.baseAddress, $0.count) }
        try succeed(result)
    }
    /// Writes the UTF-8 of `text` at the current position.
    package func writeSequence(_ text: String) throws(Errno) { try writeSequence(Array(text.utf8).span) }

    /// All bytes from the current position to the end, also of /proc files and pipes. EFBIG past `limit` bytes. Never for secrets.
    package func readToEnd(limit: Int) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            var span = chunk.mutableSpan
            let count = try readNext(into: &span)
            if count == 0 { return all }
            guard all.count + count <= limit else { throw .fileTooLarge }
            all.append(contentsOf: chunk[0..<count])
        }
    }
}
