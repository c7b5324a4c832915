// Seals and opens names, link targets and extended attributes, all under children of the vault key.
import Bytes
import Cryptography

/// Whether a name is a directory's, whose identity it then carries.
package enum NameKind: Equatable, Sendable {
    /// A file, link or special file.
    case file
    case directory(DirectoryID)

    init(_ id: DirectoryID?) { self = id.map { .directory($0) } ?? .file }
}

/// The backing form of a name.
package struct SealedName: Equatable, Sendable {
    /// The file that holds a long name's sealed text, beside the entry.
    package struct Side: Equatable, Sendable {
        /// `=H`.
        package let name: [UInt8]
        /// ASCII text, 244 to 362 bytes.
        package let content: [UInt8]
    }
    /// Name in the backing directory, at most 255 bytes of ASCII.
    package let backingName: [UInt8]
    /// Nil but for a long name.
    package let side: Side?
    package var isLong: Bool { side != nil }
}

/// The plain form of a backing name.
package struct OpenedName: Equatable, Sendable {
    /// 1 to 255 bytes, neither `/` nor NUL in them.
    package let plain: [UInt8]
    /// Nil but for a directory.
    package let directoryID: DirectoryID?
}

/// Names, link targets and attributes of one vault. Thread-safe, deterministic. The keys are wiped when the last reference goes.
package final class NameCipher: Sendable {
    private let names: SIVKey
    let links: SIVKey
    let attributeNames: SIVKey
    let attributeValues: SIVKey

    /// Longest plain name, in bytes.
    package static let maximumNameSize = 255

    /// `vaultKey` is 32 bytes, not kept, and the caller's to wipe.
    package init(vaultKey: SecretBytes) throws(FormatError) {
        names = try VaultKeyTree.siv(vaultKey, VaultKeyLabel.names)
        links = try VaultKeyTree.siv(vaultKey, VaultKeyLabel.links)
        attributeNames = try VaultKeyTree.siv(vaultKey, VaultKeyLabel.attributeNames)
        attributeValues = try VaultKeyTree.siv(vaultKey, VaultKeyLabel.attributeValues)
    }

    /// The backing form of the plain name of something in `parent`. The same name gives the same form each time.
    package func sealName(_ plain: ByteSpan, kind: NameKind, in parent: DirectoryID) throws(FormatError) -> SealedName {
        guard plain.count <= Self.maximumNameSize else { throw .nameTooLong }
        guard Self.isName(plain) else { throw .invalidName }
        let sealed: [UInt8]
        do { sealed = try names.seal(plain, authenticating: Self.associatedData(kind, in: parent).span) } catch { throw .cryptography(error) }
        let text = Base64URL.encode(sealed.span)
        let suffix = Self.suffix(kind)
        if text.count + suffix.count <= BackingNameForm.limit { return SealedName(backingName: text + suffix, side: nil) }
        let hash = try LongNameHash(sealedText: text.span)
        return SealedName(
            backingName: [UInt8(ascii: "+")] + hash.text + suffix, side: SealedName.Side(name: hash.sideName, content: text))
    }

    /// The plain form of a name of the backing directory of `parent`. `longContent` is the content of the side file, given for long forms.
    package func openName(_ backing: ByteSpan, longContent: ByteSpan? = nil, in parent: DirectoryID) throws(FormatError) -> OpenedName {
        let form = BackingNameForm(backing)
        switch form {
        case .file:
            return try open(text: backing, .file, in: parent)
        case .directory(let id):
            return try open(text: backing.slice(0, backing.count - BackingNameForm.identitySuffixSize), .directory(id), in: parent)
        case .longFile(let hash), .longDirectory(let hash, _):
            guard let longContent else { throw .sideFileMissing }
            let kind = NameKind(form.directoryID)
            let shortest = BackingNameForm.limit + 1 - (form.directoryID == nil ? 0 : BackingNameForm.identitySuffixSize)
            guard longContent.count >= shortest, longContent.count <= Self.maximumTextSize else { throw .damaged }
            guard try LongNameHash(sealedText: longContent) == hash else { throw .authenticationFailed }
            return try open(text: longContent, kind, in: parent)
        case .side, .reserved, .foreign:
            throw .foreignName
        }
    }

    /// Longest content of a side file, in bytes: reading more than this is not needed to refuse it.
    package static let maximumTextSize = Base64URLText.length(of: maximumNameSize + SIVKey.overhead)

    private func open(text: ByteSpan, _ kind: NameKind, in parent: DirectoryID) throws(FormatError) -> OpenedName {
        guard let sealed = Base64URL.decode(text), sealed.count > SIVKey.overhead else { throw .damaged }
        let plain: [UInt8]
        do { plain = try names.open(sealed.span, authenticating: Self.associatedData(kind, in: parent).span) } catch { throw FormatError(using: error) }
        guard Self.isName(plain.span) else { throw .invalidName }
        if case .directory(let id) = kind { return OpenedName(plain: plain, directoryID: id) }
        return OpenedName(plain: plain, directoryID: nil)
    }

    /// kind (0 or 1) | parent id 8 | own id 8, zero for kind 0.
    private static func associatedData(_ kind: NameKind, in parent: DirectoryID) -> InlineArray<17, UInt8> {
        var bytes = InlineArray<17, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        span.copy(parent.bytes.span, to: 1)
        if case .directory(let id) = kind {
            span[0] = 1
            span.copy(id.bytes.span, to: 9)
        }
        return bytes
    }

    private static func suffix(_ kind: NameKind) -> [UInt8] {
        guard case .directory(let id) = kind else { return [] }
        return [UInt8(ascii: ".")] + Base64URL.encode(id.bytes.span)
    }

    private static func isName(_ plain: ByteSpan) -> Bool {
        guard plain.count >= 1, plain.count <= maximumNameSize else { return false }
        for i in plain.indices where plain[i] == 0 || plain[i] == UInt8(ascii: "/") { return false }
        let dot = UInt8(ascii: ".")
        return !(plain[0] == dot && (plain.count == 1 || (plain.count == 2 && plain[1] == dot)))
    }
}
