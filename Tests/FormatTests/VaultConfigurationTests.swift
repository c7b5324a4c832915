// vault.json: any change is refused, and a refusal says what it met and what this program knows.
import Cryptography
import Testing

@testable import Format

struct VaultConfigurationTests {
    private func sample() throws -> VaultConfiguration { try .known(Vectors.all.vaults[1]) }

    @Test func everyBitAndEveryLengthCounts() throws {
        let text = try sample().serialize(vaultKey: vaultKey())
        let key = try vaultKey()
        for bit in 0..<(text.count * 8) {
            var changed = text
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FormatError.self) { try VaultConfiguration.parse(changed.span).verified(vaultKey: key) }
        }
        for length in 0..<text.count {
            #expect(throws: FormatError.self) { try VaultConfiguration.parse(text.span.slice(0, length)).verified(vaultKey: key) }
        }
        #expect(try VaultConfiguration.parse(text.span).verified(vaultKey: key) == sample())
    }

    @Test func unknownFeaturesAndNewerVersionsAreNamedWithWhatIsKnown() throws {
        let refused = Vectors.all.refused.filter { $0.kind == "vault" }
        func message(_ what: String, known: Set<String> = []) throws -> String {
            let text = [UInt8](text: try #require(refused.first { $0.what == what }?.text))
            do throws(FormatError) { _ = try VaultConfiguration.parse(text.span, knownFeatures: known) } catch {
                if case .vaultUnsupported(let message) = error { return message }
            }
            return ""
        }
        #expect(try message("unknown feature") == "the vault has format 1 with features JOURNAL; this program knows format 1 with no features")
        #expect(try message("newer version") == "the vault has format 2 with no features; this program knows format 1 with no features")
        #expect(try message("newer and unknown", known: ["JOURNAL"]) == "the vault has format 3 with features AAA, BBB; this program knows format 1 with features JOURNAL")
        #expect(try message("unknown feature", known: ["JOURNAL"]) == "")
    }

    @Test func aFeatureThatIsKnownComesBack() throws {
        var vault = try sample()
        vault.features = ["A_1", "JOURNAL"]
        let text = try vault.serialize(vaultKey: vaultKey())
        #expect(throws: FormatError.self) { try VaultConfiguration.parse(text.span) }
        #expect(try VaultConfiguration.parse(text.span, knownFeatures: ["JOURNAL", "A_1"]).verified(vaultKey: vaultKey()) == vault)
    }

    @Test func whatCouldNotBeReadIsNotWritten() throws {
        let key = try vaultKey()
        var vault = try sample()
        vault.features = ["JOURNAL", "A"]
        #expect(throws: FormatError.vaultFileDamaged("list of features")) { try vault.serialize(vaultKey: key) }
        vault.features = ["lower"]
        #expect(throws: FormatError.vaultFileDamaged("list of features")) { try vault.serialize(vaultKey: key) }
        vault = try sample()
        vault.wrappedVaultKey = []
        #expect(throws: FormatError.self) { try vault.serialize(vaultKey: key) }
        vault.wrappedVaultKey = [UInt8](repeating: 0, count: 449)
        #expect(throws: FormatError.self) { try vault.serialize(vaultKey: key) }
        vault = try sample()
        vault.keystoreHint = String(repeating: "x", count: 4097)
        #expect(throws: FormatError.self) { try vault.serialize(vaultKey: key) }
        vault = try sample()
        for _ in 0..<15000 { vault.directoryPolicies[try DirectoryID.random()] = vault.defaultKey }
        #expect(throws: FormatError.self) { try vault.serialize(vaultKey: key) }
    }

    @Test func anOversizedFileIsRefusedBeforeItIsRead() {
        let bytes = [UInt8](repeating: 0x0a, count: VaultConfiguration.maximumSize + 1)
        #expect(throws: FormatError.vaultFileDamaged("longer than 1048576 bytes")) { try VaultConfiguration.parse(bytes.span) }
    }

    @Test func hintsOfEveryKindComeBack() throws {
        for hint in ["", "/a b", "\"\\\u{08}\u{0c}\n\t\u{1f}\u{7f}", "\u{1F511}/ключ", "e\u{301}", "\u{2028}", "</script>", "\u{0}"] {
            var vault = try sample()
            vault.keystoreHint = hint
            let text = try vault.serialize(vaultKey: vaultKey())
            let back = try VaultConfiguration.parse(text.span).verified(vaultKey: vaultKey())
            #expect(back.keystoreHint.map { Array($0.utf8) } == Array(hint.utf8))
        }
    }

    @Test func manyPoliciesComeBack() throws {
        var vault = try sample()
        for _ in 0..<5000 { vault.directoryPolicies[try DirectoryID.random()] = vault.keystoreID }
        let text = try vault.serialize(vaultKey: vaultKey())
        #expect(try VaultConfiguration.parse(text.span).verified(vaultKey: vaultKey()) == vault)
    }

    @Test func contextsNameWhatTheKeyIsFor() {
        let vectors = Vectors.all
        let vault = VaultID([UInt8](hex: vectors.vaultID).span)
        #expect(FileContexts.vault(vault).map { "\($0)=\($1)" } == ["purpose=vault", "vault-id=\(vectors.vaultID)"])
        #expect(
            FileContexts.file(fileID(), in: vault).map { "\($0)=\($1)" } == ["purpose=file", "vault-id=\(vectors.vaultID)", "file-id=\(vectors.fileID)"])
    }

    @Test func identitiesInTextAreStrict() {
        #expect(VaultID(hex: Vectors.all.vaultID)?.description == Vectors.all.vaultID)
        for text in ["", "00", Vectors.all.vaultID.uppercased(), Vectors.all.vaultID + "0", String(Vectors.all.vaultID.dropLast()) + "g"] {
            #expect(VaultID(hex: text) == nil)
        }
        #expect(DirectoryID(hex: "8081828384858687")?.description == "8081828384858687")
    }
}
