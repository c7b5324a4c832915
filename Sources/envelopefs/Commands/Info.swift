// envelopefs info: what the disk says of a file or a vault.

import ArgumentParser
import KeyManagement

/// Prints headers and sizes; needs no secret unless seals are to be checked.
struct InfoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Tell what the disk says of a file or a vault.",
        discussion: "A file is given by its sealed path in the vault, or by its plain path in a mount. Needs no secret; --unlock checks seals too.")

    @Argument(help: "A vault, a file of a vault, or a file in a mount.") var path: String
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Open the keystore, and check the seal of vault.json or of the file's state.") var unlock = false
    @OptionGroup var access: KeystoreAccess

    func run() throws {
        let place = try BackingPlace.find(path)
        guard unlock else { return try tell(place, nil) }
        let (keystore, secret) = try access.unlock()
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
