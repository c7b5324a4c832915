// Encryption contexts under which keys of a vault are wrapped: what a wrapped key is bound to.
import Bytes

/// Pairs of the encryption context, for the keystore. Identities are lowercase hexadecimal.
package enum FileContexts {
    /// Of a file's data key.
    package static func file(_ file: FileID, in vault: VaultID) -> [(String, String)] {
        [("purpose", "file"), ("vault-id", vault.description), ("file-id", file.description)]
    }

    /// Of the vault key.
    package static func vault(_ vault: VaultID) -> [(String, String)] {
        [("purpose", "vault"), ("vault-id", vault.description)]
    }
}
