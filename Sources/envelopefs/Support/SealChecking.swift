// Checking seals of a vault from outside, without mounting it.

import Bytes
import Cryptography
import Format
import KeyManagement

/// The keys with which seals of a vault are checked from outside.
struct SealChecking {
    let keyring: Keyring
    private let keystore: Keystore?

    /// - Parameter keystore: whose audit log each use is written to; nil where nothing may be changed, in a proof.
    init(_ keyring: Keyring, auditing keystore: Keystore?) {
        self.keyring = keyring
        self.keystore = keystore
    }

    /// What a wrapped key of a vault wraps. Throws as `Keyring.decrypt`.
    func open(_ wrapped: ByteSpan, _ context: [(String, String)], of vault: VaultID) throws(KeyError) -> SecretBytes {
        let uses = KeyUses.ofThisProgram()
        defer { if let keystore { uses.end(in: keystore, subject: vault.auditSubject) } }
        do throws(KeyError) {
            let opened = try keyring.decrypt(wrapped, context: EncryptionContext(context))
            uses.note(.decrypt, wrapped)
            return opened
        } catch {
            uses.note(.decrypt, wrapped, refused: error)
            throw error
        }
    }
}
