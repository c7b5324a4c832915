// The forms of names in a vault's directories, told apart without a key.
import Bytes
import Cryptography

/// SHA-256 of a long name's sealed text: what stands for it in the short name.
package struct LongNameHash: Hashable, Sendable {
    /// 43 characters of base64url.
    let text: [UInt8]

    init(sealedText: ByteSpan) throws(FormatError) {
        let hash: [UInt8]
        do { hash = try SHA256.hash(sealedText) } catch { throw .cryptography(error) }
        text = Base64URL.encode(hash.span)
    }

    /// Nil unless `text` is strict base64url of 32 bytes.
    init?(text: ByteSpan) {
        guard Base64URLText.decodedCount(text) == 32 else { return nil }
        self.text = text.array
    }

    /// `=H`: the file beside the long name that holds its sealed text.
    package var sideName: [UInt8] { [UInt8(ascii: "=")] + text }
}

/// What a name in a vault's directory is, by its form alone; a name of a good form may still not open.
package enum BackingNameForm: Hashable, Sendable {
    /// A file, link or special file.
    case file
    case directory(DirectoryID)
    /// A file, link or special file whose sealed name stands in the side file.
    case longFile(LongNameHash)
    /// A directory whose sealed name stands in the side file.
    case longDirectory(LongNameHash, DirectoryID)
    /// The side file of a long name.
    case side(LongNameHash)
    /// `.envelopefs`, the vault's own directory (in the root; elsewhere nothing of ours).
    case reserved
    /// None of the forms that this format has.
    case foreign
}

/// Names that are the same in every vault.
package enum ReservedName {
    /// The vault's own directory, in its root.
    package static let directory: StaticString = ".envelopefs"
    static let directoryBytes = Array(".envelopefs".utf8)
}

extension BackingNameForm {
    /// Longest name of a backing file system, in bytes.
    static let limit = 255
    /// Text of a directory's id with the dot before it: 12 characters.
    static let identitySuffixSize = 12
    /// Sealed names are longer than this: 16 bytes of SIV and a character at least.
    private static let shortestSealed = SIVKey.overhead + 1

    /// Tells the form of a name of a backing directory. No cryptography.
    package init(_ name: ByteSpan) {
        self = Self.form(of: name) ?? .foreign
    }

    private static func form(of name: ByteSpan) -> BackingNameForm? {
        guard name.count > 0, name.count <= limit else { return nil }
        switch name[0] {
        case UInt8(ascii: "="):
            guard let hash = LongNameHash(text: name.slice(1..<name.count)) else { return nil }
            return .side(hash)
        case UInt8(ascii: "."):
            return name.isEqual(to: ReservedName.directoryBytes.span) ? .reserved : nil
        case UInt8(ascii: "+"):
            guard name.count >= 44, let hash = LongNameHash(text: name.slice(1, 43)) else { return nil }
            if name.count == 44 { return .longFile(hash) }
            guard name.count == 44 + identitySuffixSize, let id = identity(name.slice(44, identitySuffixSize)) else { return nil }
            return .longDirectory(hash, id)
        default:
            return sealedForm(of: name)
        }
    }

    private static func sealedForm(of name: ByteSpan) -> BackingNameForm? {
        let stem = name.count - identitySuffixSize
        let isDirectory = stem > 0 && name[stem] == UInt8(ascii: ".")
        guard let count = Base64URLText.decodedCount(name.slice(0, isDirectory ? stem : name.count)), count >= shortestSealed else { return nil }
        guard isDirectory else { return .file }
        return identity(name.slice(stem, identitySuffixSize)).map { .directory($0) }
    }

    /// The id of `.` and 11 characters.
    private static func identity(_ suffix: ByteSpan) -> DirectoryID? {
        guard suffix[0] == UInt8(ascii: "."), let bytes = Base64URL.decode(suffix.slice(1, 11)) else { return nil }
        return bytes.count == DirectoryID.byteCount ? DirectoryID(bytes.span) : nil
    }

    /// The id that the name carries, if it is a directory's.
    package var directoryID: DirectoryID? {
        switch self {
        case .directory(let id), .longDirectory(_, let id): id
        default: nil
        }
    }

    /// The long name's hash, if it is one (not that of a side file).
    package var longNameHash: LongNameHash? {
        switch self {
        case .longFile(let hash), .longDirectory(let hash, _): hash
        default: nil
        }
    }
}
