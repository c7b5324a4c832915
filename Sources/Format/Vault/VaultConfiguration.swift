// What `vault.json` says of a vault, and its authenticated text.
import Bytes
import Cryptography

/// Everything about a vault that must be known before any of its files can be read. Docs/FORMAT.md, "vault.json".
package struct VaultConfiguration: Equatable, Sendable {
    /// The only version of the format so far.
    package static let knownVersion = 1
    /// The redo journal: Docs/FORMAT.md, section 10.
    package static let journalFeature = "JOURNAL"
    /// Features that this program can honour.
    package static let knownFeatures: Set<String> = [journalFeature]
    /// Longest `vault.json`, in bytes; read no more than one byte beyond this.
    package static let maximumSize = 1 << 20
    /// Longest hint, in bytes of UTF-8.
    package static let maximumHintSize = 4096

    package var formatVersion: Int
    /// Features that a program must know to use the vault, each 1 to 32 of `A-Z0-9_`; ascending, none twice.
    package var features: [String]
    package var vaultID: VaultID
    package var keystoreID: KeystoreIdentity
    /// Where the keystore was; shown to people, never opened.
    package var keystoreHint: String?
    /// Highest generation of key states that the vault was mounted with.
    package var keyStateGeneration: UInt64
    /// The key that new files get where no policy says otherwise.
    package var defaultKey: KeystoreIdentity
    /// The vault key as the keystore wrapped it, 1 to 448 bytes.
    package var wrappedVaultKey: [UInt8]
    package var rootDirectoryID: DirectoryID
    /// The key that new files below a directory get.
    package var directoryPolicies: [DirectoryID: KeystoreIdentity]
    /// Random per mount of a vault with a journal; 0 where there is none.
    package var journalEpoch: UInt64
    /// Whether the vault was unmounted with everything sealed and synced.
    package var isClean: Bool
    package var hasJournal: Bool { features.contains(Self.journalFeature) }

    /// A vault of format 1 without features, policies or hint, clean.
    package init(
        vaultID: VaultID, keystoreID: KeystoreIdentity, keyStateGeneration: UInt64, defaultKey: KeystoreIdentity, wrappedVaultKey: [UInt8],
        rootDirectoryID: DirectoryID
    ) {
        formatVersion = Self.knownVersion
        features = []
        self.vaultID = vaultID
        self.keystoreID = keystoreID
        keystoreHint = nil
        self.keyStateGeneration = keyStateGeneration
        self.defaultKey = defaultKey
        self.wrappedVaultKey = wrappedVaultKey
        self.rootDirectoryID = rootDirectoryID
        directoryPolicies = [:]
        journalEpoch = 0
        isClean = true
    }

    /// The text of `vault.json` with its tag. Refuses what `parse` would refuse.
    package func serialize(vaultKey: SecretBytes) throws(FormatError) -> [UInt8] {
        try checkBounds()
        let body = VaultText.body(of: self)
        let tag = try VaultTag.of(body.span, vaultKey: vaultKey)
        let text = body + VaultText.tagLine(tag)
        guard text.count <= Self.maximumSize else { throw .vaultFileDamaged("longer than \(Self.maximumSize) bytes") }
        return text
    }

    /// Reads `vault.json` strictly: only text that a writer leaves. The tag is not checked yet, since the key for it is named in the text.
    package static func parse(_ text: ByteSpan) throws(FormatError) -> UnverifiedVaultConfiguration {
        try parse(text, knownFeatures: knownFeatures)
    }

    static func parse(_ text: ByteSpan, knownFeatures: Set<String>) throws(FormatError) -> UnverifiedVaultConfiguration {
        let lines = try VaultText.lines(of: text)
        let configuration = try VaultText.configuration(lines, knownFeatures: knownFeatures)
        try configuration.checkBounds()
        // One text per configuration: whatever a reader of JSON might take two ways is refused.
        guard VaultText.body(of: configuration) == lines.body else { throw .vaultFileDamaged("not in the form that it is written in") }
        return UnverifiedVaultConfiguration(claimed: configuration, body: lines.body, tag: lines.tag)
    }

    private func checkBounds() throws(FormatError) {
        guard (1...FileHeader.maximumWrappedKeySize).contains(wrappedVaultKey.count) else { throw .vaultFileDamaged("size of the wrapped vault key") }
        guard (keystoreHint?.utf8.count ?? 0) <= Self.maximumHintSize else { throw .vaultFileDamaged("keystore hint too long") }
        guard features.count <= 64, features.allSatisfy(VaultText.isFeature), zip(features, features.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw .vaultFileDamaged("list of features")
        }
    }
}

/// A configuration whose tag was not checked: good for finding the keystore and unwrapping the vault key, and for nothing else.
package struct UnverifiedVaultConfiguration: Sendable {
    /// What the text says. Nobody has vouched for it.
    package let claimed: VaultConfiguration
    private let body: [UInt8]
    private let tag: [UInt8]

    init(claimed: VaultConfiguration, body: [UInt8], tag: [UInt8]) {
        self.claimed = claimed
        self.body = body
        self.tag = tag
    }

    /// The configuration, if `vaultKey` made the tag; else `.authenticationFailed`.
    package func verified(vaultKey: SecretBytes) throws(FormatError) -> VaultConfiguration {
        let expected = try VaultTag.of(body.span, vaultKey: vaultKey)
        guard constantTimeEqual(expected.span, tag.span) else { throw .authenticationFailed }
        return claimed
    }
}

/// HMAC-SHA256 over the text before the last line.
enum VaultTag {
    static let byteCount = 32

    static func of(_ body: ByteSpan, vaultKey: SecretBytes) throws(FormatError) -> [UInt8] {
        let secret = try VaultKeyTree.secret(vaultKey, VaultKeyLabel.vaultTag, count: byteCount)
        do { return try HMACKey(secret).authenticate(body) } catch { throw .cryptography(error) }
    }
}
