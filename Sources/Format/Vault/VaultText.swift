// The JSON lines of `vault.json`: one object for the vault, one for each directory policy, one for the tag.
import Bytes
import Cryptography
import FoundationEssentials

/// Reading and writing of the lines. There is exactly one text for each configuration.
enum VaultText {
    /// The lines of a file, not yet understood.
    struct Lines {
        let vault: ByteLine
        let policies: [ByteLine]
        /// All bytes before the tag's line.
        let body: [UInt8]
        let tag: [UInt8]
    }
    typealias ByteLine = [UInt8]

    // MARK: writing

    static func body(of vault: VaultConfiguration) -> [UInt8] {
        let features = vault.features.map(quoted).joined(separator: ",")
        let wrapped = Base64URL.encode(vault.wrappedVaultKey.span)
        var text = "{\"format\":\(vault.formatVersion),\"features\":[\(features)],\"vault\":\"\(vault.vaultID)\",\"keystore\":\"\(vault.keystoreID)\""
        text += ",\"keystoreHint\":\(vault.keystoreHint.map(quoted) ?? "null"),\"keyStateGeneration\":\(vault.keyStateGeneration)"
        text += ",\"defaultKey\":\"\(vault.defaultKey)\",\"wrappedVaultKey\":\"\(String(decoding: wrapped, as: UTF8.self))\""
        text += ",\"rootDirectory\":\"\(vault.rootDirectoryID)\",\"journalEpoch\":\"\(epochText(vault.journalEpoch))\",\"clean\":\(vault.isClean)}\n"
        let policies = vault.directoryPolicies.map { (directory: $0.key.description, key: $0.value.description) }
        for policy in policies.sorted(by: { $0.directory < $1.directory }) {
            text += "{\"directory\":\"\(policy.directory)\",\"key\":\"\(policy.key)\"}\n"
        }
        return Array(text.utf8)
    }

    static func tagLine(_ tag: [UInt8]) -> [UInt8] { Array("{\"tag\":\"\(Hex.text(tag.span))\"}\n".utf8) }

    /// 16 hexadecimal digits, the most significant first.
    private static func epochText(_ epoch: UInt64) -> String {
        let digits = String(epoch, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// A JSON string: only quotes, backslashes and control characters are escaped, the last as `\u00xx`.
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case "\u{00}"..."\u{1f}":
                let byte: [UInt8] = [UInt8(scalar.value)]
                out += "\\u00\(Hex.text(byte.span))"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    static func isFeature(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
            }
    }

    // MARK: reading

    static func lines(of text: ByteSpan) throws(FormatError) -> Lines {
        guard text.count > 0 else { throw .vaultFileDamaged("empty") }
        guard text.count <= VaultConfiguration.maximumSize else { throw .vaultFileDamaged("longer than \(VaultConfiguration.maximumSize) bytes") }
        let newline = UInt8(ascii: "\n")
        guard text[text.count - 1] == newline else { throw .vaultFileDamaged("cut short: the last line does not end") }
        let bytes = text.array
        let lines = bytes.dropLast().split(separator: newline, omittingEmptySubsequences: false).map { Array($0) }
        guard lines.count >= 2, let last = lines.last else { throw .vaultFileDamaged("cut short: no line with a tag") }
        guard let tag = tag(of: last) else { throw .vaultFileDamaged("the last line is not a tag") }
        return Lines(vault: lines[0], policies: Array(lines[1..<(lines.count - 1)]), body: Array(bytes.dropLast(last.count + 1)), tag: tag)
    }

    private static func tag(of line: ByteLine) -> [UInt8]? {
        let parts = String(decoding: line, as: UTF8.self).split(separator: "\"", omittingEmptySubsequences: false)
        guard parts.count == 5, let tag = Hex.bytes(String(parts[3]), count: VaultTag.byteCount) else { return nil }
        return tagLine(tag) == line + [UInt8(ascii: "\n")] ? tag : nil
    }

    static func configuration(_ lines: Lines, knownFeatures: Set<String>) throws(FormatError) -> VaultConfiguration {
        let needs = try decode(Requirements.self, lines.vault)
        try check(needs, knownFeatures)
        let line = try decode(VaultLine.self, lines.vault)
        guard let vaultID = VaultID(hex: line.vault), let keystoreID = KeystoreIdentity(hex: line.keystore), let key = KeystoreIdentity(hex: line.defaultKey),
            let root = DirectoryID(hex: line.rootDirectory), let epoch = Hex.bytes(line.journalEpoch, count: 8)
        else { throw .vaultFileDamaged("an identity of the first line") }
        let wrappedText = Array(line.wrappedVaultKey.utf8)
        guard let wrapped = Base64URL.decode(wrappedText.span) else { throw .vaultFileDamaged("the wrapped vault key") }
        var vault = VaultConfiguration(
            vaultID: vaultID, keystoreID: keystoreID, keyStateGeneration: line.keyStateGeneration, defaultKey: key, wrappedVaultKey: wrapped,
            rootDirectoryID: root)
        vault.features = line.features
        vault.keystoreHint = line.keystoreHint
        vault.journalEpoch = epoch.reduce(0) { $0 << 8 | UInt64($1) }
        vault.isClean = line.clean
        for text in lines.policies {
            let policy = try decode(PolicyLine.self, text)
            guard let directory = DirectoryID(hex: policy.directory), let key = KeystoreIdentity(hex: policy.key), vault.directoryPolicies[directory] == nil
            else { throw .vaultFileDamaged("a directory policy") }
            vault.directoryPolicies[directory] = key
        }
        return vault
    }

    /// Refuses, with both named, a version or a feature that this program does not know; before anything else of the text is looked at.
    private static func check(_ needs: Requirements, _ known: Set<String>) throws(FormatError) {
        guard needs.format >= 1 else { throw .vaultFileDamaged("format \(needs.format)") }
        guard needs.format > VaultConfiguration.knownVersion || !known.isSuperset(of: needs.features) else { return }
        throw .vaultUnsupported(
            "the vault has format \(needs.format) with \(list(needs.features)); this program knows format \(VaultConfiguration.knownVersion) with \(list(known.sorted()))")
    }

    /// Names for people; one that could not be a feature's is not shown, since the text may be anybody's.
    private static func list(_ features: [String]) -> String {
        if features.isEmpty { return "no features" }
        let shown = features.prefix(16).map { isFeature($0) ? $0 : "(an unprintable name)" }
        return "features \(shown.joined(separator: ", "))\(features.count > 16 ? ", …" : "")"
    }

    private static func decode<T: Decodable>(_ type: T.Type, _ line: ByteLine) throws(FormatError) -> T {
        do { return try JSONDecoder().decode(type, from: Data(line)) } catch { throw .vaultFileDamaged("a line is not the JSON that it should be") }
    }

    private struct Requirements: Decodable {
        let format: Int
        let features: [String]
    }

    private struct VaultLine: Decodable {
        let features: [String]
        let vault: String
        let keystore: String
        let keystoreHint: String?
        let keyStateGeneration: UInt64
        let defaultKey: String
        let wrappedVaultKey: String
        let rootDirectory: String
        let journalEpoch: String
        let clean: Bool
    }

    private struct PolicyLine: Decodable {
        let directory: String
        let key: String
    }
}
