// Targets of symbolic links, and names and values of extended attributes, in their sealed form.
import Bytes
import Cryptography

/// What an extended attribute belongs to.
package enum ObjectID: Hashable, Sendable {
    case file(FileID)
    case directory(DirectoryID)

    /// 16 bytes; a directory's eight are followed by zeros.
    var bytes: InlineArray<16, UInt8> {
        switch self {
        case .file(let id): return id.bytes
        case .directory(let id):
            var bytes = InlineArray<16, UInt8>(repeating: 0)
            var span = bytes.mutableSpan
            span.copy(id.bytes.span)
            return bytes
        }
    }
}

/// First byte of the associated data, so that no sealed thing passes for another kind.
enum SealedPurpose {
    static let linkTarget: UInt8 = 1
    static let attributeName: UInt8 = 2
    static let attributeValue: UInt8 = 3
}

extension NameCipher {
    /// Stands before a target or value, so that an empty one can be sealed too.
    private static let marker: UInt8 = 1
    private static let sealedOverhead = SIVKey.overhead + 1
    /// Longest plain link target, in bytes, whose sealed form a backing file system takes (4095).
    package static let maximumLinkSize = 4095 * 6 / 8 - sealedOverhead

    // MARK: links

    /// Text of the backing link, ASCII, for a target of 1 to `maximumLinkSize` bytes.
    package func sealLinkTarget(_ target: ByteSpan) throws(FormatError) -> [UInt8] {
        guard target.count >= 1 else { throw .invalidName }
        guard target.count <= Self.maximumLinkSize else { throw .nameTooLong }
        let associated = Self.associatedData(SealedPurpose.linkTarget, object: InlineArray<16, UInt8>(repeating: 0).span)
        let sealed = try Self.sealMarked(target, links, associated)
        return Base64URL.encode(sealed.span)
    }

    /// The plain target of a backing link.
    package func openLinkTarget(_ text: ByteSpan) throws(FormatError) -> [UInt8] {
        guard let sealed = Base64URL.decode(text) else { throw .damaged }
        let associated = Self.associatedData(SealedPurpose.linkTarget, object: InlineArray<16, UInt8>(repeating: 0).span)
        let target = try Self.openMarked(sealed.span, links, associated)
        for i in target.indices where target[i] == 0 { throw .damaged }
        guard !target.isEmpty else { throw .damaged }
        return target
    }

    /// Length of the plain target of a backing link of `length` bytes: no key needed; 0 where that is no sealed target.
    package static func plainLength(ofLink length: Int) -> Int { max(0, min(length, longestLink) * 6 / 8 - sealedOverhead) }
    /// No file system has longer ones, in bytes; what says that it is longer is none.
    private static let longestLink = 65536

    // MARK: attributes

    /// Every sealed attribute's backing name begins so.
    package static let attributePrefix = Array("user.efs.".utf8)
    private static let plainPrefix = Array("user.".utf8)
    /// Longest plain attribute name, in bytes, `user.` included, whose sealed form Linux takes (255).
    package static let maximumAttributeNameSize = (255 - attributePrefix.count) * 6 / 8 - SIVKey.overhead + plainPrefix.count

    /// Full backing name of the attribute `user.…`; the prefix is not sealed with it.
    package func sealAttributeName(_ plain: ByteSpan) throws(FormatError) -> [UInt8] {
        guard plain.count <= Self.maximumAttributeNameSize else { throw .nameTooLong }
        let start = Self.plainPrefix.count
        guard plain.count > start, plain.slice(0, start).isEqual(to: Self.plainPrefix.span) else { throw .invalidName }
        for i in plain.indices where plain[i] == 0 { throw .invalidName }
        do {
            let sealed = try attributeNames.seal(plain.slice(start..<plain.count), authenticating: Self.nameAssociatedData.span)
            return Self.attributePrefix + Base64URL.encode(sealed.span)
        } catch { throw .cryptography(error) }
    }

    /// Plain name, `user.` included, of a backing attribute. `.foreignName` for one without the prefix of sealed ones.
    package func openAttributeName(_ backing: ByteSpan) throws(FormatError) -> [UInt8] {
        let start = Self.attributePrefix.count
        guard backing.count > start, backing.slice(0, start).isEqual(to: Self.attributePrefix.span) else { throw .foreignName }
        guard let sealed = Base64URL.decode(backing.slice(start..<backing.count)), sealed.count > SIVKey.overhead else { throw .damaged }
        let plain: [UInt8]
        do { plain = try attributeNames.open(sealed.span, authenticating: Self.nameAssociatedData.span) } catch { throw FormatError(using: error) }
        guard !plain.contains(0) else { throw .damaged }
        return Self.plainPrefix + plain
    }

    /// Backing value, 17 bytes longer than `value`, of the attribute whose full backing name is `sealedName`.
    package func sealAttributeValue(_ value: ByteSpan, name sealedName: ByteSpan, of object: ObjectID) throws(FormatError) -> [UInt8] {
        let associated = Self.associatedData(SealedPurpose.attributeValue, object: object.bytes.span, sealedName)
        return try Self.sealMarked(value, attributeValues, associated)
    }

    /// Plain value of the attribute whose full backing name is `sealedName`.
    package func openAttributeValue(_ sealed: ByteSpan, name sealedName: ByteSpan, of object: ObjectID) throws(FormatError) -> [UInt8] {
        let associated = Self.associatedData(SealedPurpose.attributeValue, object: object.bytes.span, sealedName)
        return try Self.openMarked(sealed, attributeValues, associated)
    }

    /// Length of the plain value of a backing value of `length` bytes; 0 where that is no sealed value.
    package static func plainLength(ofAttributeValue length: Int) -> Int { max(0, length - sealedOverhead) }

    // MARK: -

    private static let nameAssociatedData: [UInt8] = [SealedPurpose.attributeName]

    /// purpose 1 | object id 16 | sealed attribute name.
    private static func associatedData(_ purpose: UInt8, object: ByteSpan, _ sealedName: ByteSpan = ByteSpan()) -> [UInt8] {
        [purpose] + object.array + sealedName.array
    }

    private static func sealMarked(_ plain: ByteSpan, _ key: SIVKey, _ associated: [UInt8]) throws(FormatError) -> [UInt8] {
        let marked = [marker] + plain.array
        do { return try key.seal(marked.span, authenticating: associated.span) } catch { throw .cryptography(error) }
    }

    private static func openMarked(_ sealed: ByteSpan, _ key: SIVKey, _ associated: [UInt8]) throws(FormatError) -> [UInt8] {
        guard sealed.count >= sealedOverhead else { throw .damaged }
        let marked: [UInt8]
        do { marked = try key.open(sealed, authenticating: associated.span) } catch { throw FormatError(using: error) }
        guard marked.first == marker else { throw .damaged }
        return Array(marked.dropFirst())
    }
}
