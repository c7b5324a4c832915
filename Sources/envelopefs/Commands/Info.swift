// envelopefs info: what the disk says of a file or a vault.

import ArgumentParser
import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX

/// Prints headers and sizes; needs no secret unless seals are to be checked.
struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Tell what the disk says of a file or a vault.",
        discussion: "A file is given by its sealed path in the vault, or by its plain path in a mount. Needs no secret; --unlock checks seals too.")

    @Argument(help: "A vault, a file of a vault, or a file in a mount.") var path: String
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Open the keystore, and check the seal of vault.json or of the file's state.") var unlock = false
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions

    func run() throws {
        let place = try BackingPlace.find(path)
        guard unlock else { return try tell(place, nil) }
        let keystorePath = try keystoreOptions.path()
        try KeystoreDoor.requireReadable(keystorePath, hint: nil)
        let secret = try SecretEntry.unlockSecret(secretOptions, for: .open(keystore: keystorePath))
        let keystore = try KeystoreDoor.open(keystorePath, secret: secret)
        defer { KeystoreDoor.close(keystore) }
        secret.wipe()
        let keyring = try KeystoreDoor.keyring(of: keystore)
        defer { keyring.lock() }
        try tell(place, SealChecking(keyring, auditing: keystore))
    }

    private func tell(_ place: BackingPlace, _ keys: SealChecking?) throws(Failure) {
        if place.isVault {
            let info = try VaultInfo(at: place.path, keys)
            try json ? Console.json(info) : Console.table(info.rows)
        } else {
            let info = try FileInfo(at: place.path, keys)
            try json ? Console.json(info) : Console.table(info.rows)
        }
    }
}

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
        defer { if let keystore { uses.end(in: keystore, subject: "vault/\(vault)") } }
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
