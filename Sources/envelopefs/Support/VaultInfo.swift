// What `info` tells of a vault.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX

/// The content of vault.json, and who has the vault.
struct VaultInfo: Encodable {
    let vault: String
    let vaultID: String
    let formatVersion: Int
    let features: [String]
    let keystoreID: String
    let keystoreHint: String?
    let keyStateGeneration: UInt64
    let defaultKey: String
    /// The key and version that wrap the vault key.
    let vaultKeyID: String?
    let vaultKeyVersion: UInt32?
    let isClean: Bool
    let mountedBy: Int32?
    let mountPoint: String?
    /// Whether the seal of vault.json was checked and is right; null where no secret was given.
    let isAuthentic: Bool?

    init(at path: String, _ keys: SealChecking?) throws(Failure) {
        let files = try VaultFiles(at: path)
        let claimed = files.configuration.claimed
        vault = files.path
        vaultID = claimed.vaultID.description
        formatVersion = claimed.formatVersion
        features = claimed.features
        keystoreID = claimed.keystoreID.description
        keystoreHint = claimed.keystoreHint
        keyStateGeneration = claimed.keyStateGeneration
        defaultKey = claimed.defaultKey.keyText
        let wrapped = try? Keyring.describe(claimed.wrappedVaultKey.span)
        vaultKeyID = wrapped?.keyID.description
        vaultKeyVersion = wrapped?.version
        isClean = claimed.isClean
        let owner = VaultFiles.owner(of: files.path)
        mountedBy = owner?.process
        mountPoint = owner?.mountPoint
        isAuthentic = try keys.map { (keys) throws(Failure) in try Self.verify(files.configuration, keys) }
    }

    private static func verify(_ configuration: UnverifiedVaultConfiguration, _ keys: SealChecking) throws(Failure) -> Bool {
        let vaultKey: SecretBytes
        do throws(KeyError) {
            vaultKey = try keys.open(configuration.claimed.wrappedVaultKey.span, FileContexts.vault(configuration.claimed.vaultID), of: configuration.claimed.vaultID)
        } catch {
            if error == .invalidCiphertext { return false }
            throw Failure(error)
        }
        defer { vaultKey.wipe() }
        return (try? configuration.verified(vaultKey: vaultKey)) != nil
    }

    var rows: [(String, String)] {
        [
            ("vault", vault), ("vault id", vaultID), ("format", String(formatVersion)), ("features", features.isEmpty ? "none" : features.joined(separator: ", ")),
            ("keystore id", keystoreID), ("keystore was", keystoreHint ?? "unknown"), ("default key", defaultKey),
            ("vault key under", vaultKeyID.map { "\($0), version \(vaultKeyVersion ?? 0)" } ?? "unreadable"),
            ("left clean", isClean ? "yes" : mountedBy == nil ? "no: unsealed files are read by what fits" : "mounted"),
            ("mounted", mountedBy.map { "by process \($0) at \(mountPoint ?? "")" } ?? "no"),
            ("seal", isAuthentic.map { $0 ? "right" : "WRONG: vault.json was changed without its key" } ?? "not checked (--unlock)"),
        ]
    }
}

extension KeystoreIdentity {
    /// As keys are written everywhere else: a UUID.
    var keyText: String {
        let bytes = bytes
        return KeyID(bytes.span)?.description ?? description
    }
}
