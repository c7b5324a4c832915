// What is known of a secret besides its value: checked, and in the form in which it is sealed. Specified in Docs/FORMAT-KEYS.md.

import Bytes

/// Name, account, description and tags of a secret. Not secret in the way of a value, but sealed where it is stored.
package struct SecretMetadata: Sendable, Equatable {
    /// By which the secret is got: 1 to 512 bytes of UTF-8 without control characters, compared byte by byte.
    package let name: String
    /// At most 1024 bytes without control characters.
    package let account: String
    /// At most 8192 bytes; may have several lines.
    package let description: String
    /// At most 50; names of 1 to 128 bytes, values of at most 2048.
    package let tags: [String: String]

    static let maximumNameSize = 512
    static let maximumTagCount = 50

    /// Throws `validation` for what is too long or holds what it may not. The message says which field, never what is in it.
    package init(name: String, account: String = "", description: String = "", tags: [String: String] = [:]) throws(KeyError) {
        try Self.check(name: name)
        guard account.utf8.count <= 1024, !account.hasControlCharacter else {
            throw .validation("an account has at most 1024 bytes and no control characters")
        }
        guard description.utf8.count <= 8192, !description.hasControlCharacter(but: ["\t", "\n", "\r"]) else {
            throw .validation("a description has at most 8192 bytes and no control characters but ends of lines and tabs")
        }
        guard tags.count <= Self.maximumTagCount else { throw .limitExceeded("a secret has at most \(Self.maximumTagCount) tags") }
        for (tag, value) in tags {
            guard (1...128).contains(tag.utf8.count), value.utf8.count <= 2048, !tag.hasControlCharacter, !value.hasControlCharacter else {
                throw .validation("a tag has a name of 1 to 128 bytes, a value of at most 2048, and no control characters")
            }
        }
        self.name = name
        self.account = account
        self.description = description
        self.tags = tags
    }

    /// With what `newer` says; what it leaves empty stays as it is. Throws `limitExceeded` for too many tags.
    func filled(from newer: SecretMetadata) throws(KeyError) -> SecretMetadata {
        try SecretMetadata(
            name: name, account: newer.account.isEmpty ? account : newer.account,
            description: newer.description.isEmpty ? description : newer.description, tags: tags.merging(newer.tags) { _, new in new })
    }

    /// Throws `validation` unless `name` may be that of a secret.
    static func check(name: String) throws(KeyError) {
        guard (1...maximumNameSize).contains(name.utf8.count), !name.hasControlCharacter else {
            throw .validation("a secret's name has 1 to \(maximumNameSize) bytes and no control characters")
        }
        guard name.first != " ", name.last != " " else { throw .validation("a secret's name neither begins nor ends with a space") }
    }

    /// Length u32 and bytes of name, account and description; count of tags u32; of each, in rising order of the bytes of its name, name and value likewise.
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ text: String) {
            bytes.append(littleEndian: UInt32(text.utf8.count))
            bytes += text.utf8
        }
        append(name)
        append(account)
        append(description)
        bytes.append(littleEndian: UInt32(tags.count))
        for (tag, value) in tags.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            append(tag)
            append(value)
        }
        return bytes
    }

    /// Nil for anything that `encoded` cannot have given.
    init?(encoded bytes: ByteSpan) {
        var offset = 0
        func number() -> Int? {
            guard bytes.count - offset >= 4 else { return nil }
            defer { offset += 4 }
            return Int(bytes.littleEndian(UInt32.self, at: offset))
        }
        func text() -> String? {
            guard let count = number(), count <= bytes.count - offset else { return nil }
            defer { offset += count }
            return String(validating: bytes.slice(offset, count).array, as: UTF8.self)
        }
        guard let name = text(), let account = text(), let description = text(), let count = number(), count <= Self.maximumTagCount else { return nil }
        var tags: [String: String] = [:]
        for _ in 0..<count {
            guard let tag = text(), let value = text() else { return nil }
            tags[tag] = value
        }
        guard offset == bytes.count, tags.count == count else { return nil }
        do throws(KeyError) { try self.init(name: name, account: account, description: description, tags: tags) } catch { return nil }
        // One form only: tags in their order.
        let written = encoded
        guard written.span.isEqual(to: bytes) else { return nil }
    }

    /// Whether `text`, in lower case, occurs in name, account, description or a tag.
    func contains(_ text: String) -> Bool {
        let fields = [name, account, description] + tags.flatMap { [$0.key, $0.value] }
        return fields.contains { $0.lowercased().contains(text) }
    }
}

extension String {
    var hasControlCharacter: Bool { hasControlCharacter(but: []) }

    /// Of C0, DEL and C1.
    func hasControlCharacter(but allowed: [Unicode.Scalar]) -> Bool {
        unicodeScalars.contains { ($0.value < 0x20 || (0x7F...0x9F).contains($0.value)) && !allowed.contains($0) }
    }
}
