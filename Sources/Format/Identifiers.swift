// The fixed-size random identities that stand on disk: of files, directories and vaults, and identities that other modules define.
import Bytes
import Cryptography

/// Sixteen bytes, compared and hashed as two words.
struct SixteenBytes: Hashable, Sendable {
    var first: UInt64
    var second: UInt64

    /// Traps unless `bytes` holds exactly 16.
    init(_ bytes: ByteSpan) {
        precondition(bytes.count == 16)
        first = bytes.littleEndian(UInt64.self, at: 0)
        second = bytes.littleEndian(UInt64.self, at: 8)
    }

    static func random() throws(FormatError) -> SixteenBytes {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        do { try Random.fill(&span) } catch { throw .cryptography(error) }
        return SixteenBytes(bytes.span)
    }

    var bytes: InlineArray<16, UInt8> {
        var out = InlineArray<16, UInt8>(repeating: 0)
        var span = out.mutableSpan
        span.storeLittleEndian(first, at: 0)
        span.storeLittleEndian(second, at: 8)
        return out
    }
}

/// Identity of a file's content: 16 random bytes, in its header.
package struct FileID: Hashable, Sendable, CustomStringConvertible {
    let value: SixteenBytes
    /// Size on disk, in bytes.
    package static let byteCount = 16
    /// Traps unless `bytes` holds exactly 16.
    package init(_ bytes: ByteSpan) { value = SixteenBytes(bytes) }
    private init(value: SixteenBytes) { self.value = value }
    /// A new identity from the system's random source.
    package static func random() throws(FormatError) -> FileID { FileID(value: try SixteenBytes.random()) }
    /// The 16 bytes as they stand on disk.
    package var bytes: InlineArray<16, UInt8> { value.bytes }
    /// 32 lowercase hexadecimal digits.
    package var description: String { Hex.text(bytes.span) }
}

/// Identity of a vault: 16 random bytes, in `vault.json`.
package struct VaultID: Hashable, Sendable, CustomStringConvertible {
    let value: SixteenBytes
    /// Traps unless `bytes` holds exactly 16.
    package init(_ bytes: ByteSpan) { value = SixteenBytes(bytes) }
    private init(value: SixteenBytes) { self.value = value }
    /// A new identity from the system's random source.
    package static func random() throws(FormatError) -> VaultID { VaultID(value: try SixteenBytes.random()) }
    /// The identity written as 32 lowercase hexadecimal digits; nil for any other text.
    package init?(hex: String) {
        guard let bytes = Hex.bytes(hex, count: 16) else { return nil }
        self.init(bytes.span)
    }
    /// The 16 bytes.
    package var bytes: InlineArray<16, UInt8> { value.bytes }
    /// 32 lowercase hexadecimal digits.
    package var description: String { Hex.text(bytes.span) }
}

/// Sixteen bytes that name something of the keystore (a keystore, a key); this module gives them no meaning.
package struct KeystoreIdentity: Hashable, Sendable, CustomStringConvertible {
    let value: SixteenBytes
    /// Traps unless `bytes` holds exactly 16.
    package init(_ bytes: ByteSpan) { value = SixteenBytes(bytes) }
    /// The identity written as 32 lowercase hexadecimal digits; nil for any other text.
    package init?(hex: String) {
        guard let bytes = Hex.bytes(hex, count: 16) else { return nil }
        self.init(bytes.span)
    }
    /// The 16 bytes.
    package var bytes: InlineArray<16, UInt8> { value.bytes }
    /// 32 lowercase hexadecimal digits.
    package var description: String { Hex.text(bytes.span) }
}

/// Identity of a directory: 8 random bytes, in its name (the root's: in `vault.json`).
package struct DirectoryID: Hashable, Sendable, CustomStringConvertible {
    let value: UInt64
    /// Size on disk, in bytes.
    package static let byteCount = 8
    /// Traps unless `bytes` holds exactly 8.
    package init(_ bytes: ByteSpan) {
        precondition(bytes.count == 8)
        value = bytes.littleEndian(UInt64.self, at: 0)
    }
    /// The identity written as 16 lowercase hexadecimal digits; nil for any other text.
    package init?(hex: String) {
        guard let bytes = Hex.bytes(hex, count: 8) else { return nil }
        self.init(bytes.span)
    }
    /// Eight zero bytes, where no directory is named.
    package static let none = DirectoryID(InlineArray<8, UInt8>(repeating: 0).span)
    /// A new identity from the system's random source.
    package static func random() throws(FormatError) -> DirectoryID {
        var bytes = InlineArray<8, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        do { try Random.fill(&span) } catch { throw .cryptography(error) }
        return DirectoryID(bytes.span)
    }
    /// The 8 bytes.
    package var bytes: InlineArray<8, UInt8> {
        var out = InlineArray<8, UInt8>(repeating: 0)
        var span = out.mutableSpan
        span.storeLittleEndian(value, at: 0)
        return out
    }
    /// 16 lowercase hexadecimal digits.
    package var description: String { Hex.text(bytes.span) }
}
