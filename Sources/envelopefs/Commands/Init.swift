// envelopefs init: a keystore where there is none, a key, and a vault.

import ArgumentParser
import Cryptography
import Filesystem
import Format
import KeyManagement
import POSIX

/// Makes an empty or new directory a vault.
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make a vault, and a keystore if there is none.",
        discussion: "Prints the vault's id. A new keystore's recovery code is printed once, to standard error.")

    @Argument(help: "An empty directory, or one to be made.") var vault: String
    @Option(help: ArgumentHelp("An existing key for the vault, instead of a new one: an id, alias/NAME or full name.", valueName: "key")) var key: String?
    @Flag(help: "Without the journal that keeps what was synced through a power cut.") var noJournal = false
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions

    func run() throws {
        if vault.isEmpty { throw Failure(.usage, "the name of the vault is empty") }
        let path = vault.absolutePath
        let keystorePath = try keystoreOptions.path()
        if keystorePath.isInside(path) { throw Failure(.usage, "the keystore \(keystorePath) would be inside the vault", hint: "Keep them apart: who has both needs only the passphrase.") }
        let isNew = try VaultPlace.check(path)
        let hasKeystore = try KeystoreDoor.isThere(keystorePath)
        if !hasKeystore && secretOptions.recoveryCode { throw Failure(.keystoreMissing, "there is no keystore at \(keystorePath) that a recovery code could open") }
        if !hasKeystore && key != nil { throw Failure(.keystoreMissing, "there is no keystore at \(keystorePath) that could hold \(key ?? "")") }
        let secret = try SecretEntry.unlockSecret(
            secretOptions, for: hasKeystore ? .open(keystore: keystorePath) : .choose(keystore: keystorePath))
        try VaultPlace.prepare(path, isNew: isNew)
        do throws(Failure) {
            try Console.result(try make(path, keystorePath, secret, hasKeystore: hasKeystore))
        } catch {
            if isNew { VaultPlace.takeBack(path) }
            throw error
        }
    }

    private func make(_ path: String, _ keystorePath: String, _ secret: UnlockSecret, hasKeystore: Bool) throws(Failure) -> String {
        let keystore = try hasKeystore ? KeystoreDoor.open(keystorePath, secret: secret) : KeystoreDoor.create(keystorePath, secret: secret)
        defer { KeystoreDoor.close(keystore) }
        let keyID: KeyID
        do throws(KeyError) {
            if let key { keyID = try keystore.describe(KeyReference(key)).keyID } else { keyID = try keystore.createKey(description: "made by init") }
        } catch {
            throw Failure(error)
        }
        let keyring = try KeystoreDoor.keyring(of: keystore)
        defer { keyring.lock() }
        do throws(VaultError) {
            let id = try Vault.create(at: path, keyring: keyring, key: keyID, keystoreHint: keystorePath, hasJournal: !noJournal)
            keystore.record(AuditEvent("CreateVault", keyID: keyID, subject: id.auditSubject))
            return id.description
        } catch {
            if key == nil { Console.note("the new key \(keyID) stays in the keystore, unused: 'init --key' takes it the next time") }
            throw Failure(error, keystore: keystorePath)
        }
    }
}

/// The directory that becomes a vault: looked at before anything is asked or made.
enum VaultPlace {
    /// - Returns: whether the directory is still to be made.
    /// - Throws: `Failure` when it holds anything but the beginning of an `init`.
    static func check(_ path: String) throws(Failure) -> Bool {
        let names: [String]
        do throws(Errno) {
            guard try Paths.exists(path) else {
                guard try Paths.status(path.parentPath).isDirectory else { throw .notDirectory }
                return true
            }
            guard try Paths.status(path).isDirectory else { throw .notDirectory }
            names = try MountPoint.names(in: path)
            if try Paths.exists(path + "/.envelopefs/vault.json") { throw .exists }
        } catch {
            if error == .exists { throw Failure(.directoryNotEmpty, "\(path) is a vault already", hint: "'envelopefs info \(path)' says more of it.") }
            throw Failure("\(path) cannot be made a vault", error)
        }
        let foreign = names.filter { $0 != ".envelopefs" && !isLeftover($0, in: path) }
        guard foreign.isEmpty else { throw Failure.foreignFiles(path, foreign) }
        if names.contains(".envelopefs") { Console.note("\(path): an earlier 'init' did not finish; it is begun anew") }
        return false
    }

    /// Makes the directory if it is new, and sees that it can take a file of some pages: before a keystore is made for it.
    static func prepare(_ path: String, isNew: Bool) throws(Failure) {
        do throws(Errno) {
            if isNew { try Paths.makeDirectories(path, mode: 0o700) }
            do throws(Errno) {
                try probe(path)
            } catch {
                if isNew { takeBack(path) }
                throw error
            }
        } catch {
            throw Failure("\(path) cannot be made a vault", error, hint: "Nothing was changed.")
        }
    }

    private static let probeName = ".envelopefs-probe"

    /// Whether it is the probe of an `init` that was killed: nothing was ever written under that name.
    private static func isLeftover(_ name: String, in path: String) -> Bool {
        guard name == probeName, let status = try? Paths.status(path + "/" + name, followsLink: false) else { return false }
        return status.isRegular && status.size == 0
    }

    private static func probe(_ path: String) throws(Errno) {
        let name = path + "/" + probeName
        if isLeftover(probeName, in: path) { try Paths.remove(name) }
        let file = try SharedDescriptor.open(name, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
        // Without a name before it has a content: whoever kills this leaves an empty file at most.
        try Paths.remove(name)
        try file.writeAll([UInt8](repeating: 1, count: 32768).span, at: 0)
        try file.synchronize()
    }

    /// Removes the directory that was made, if it is still empty.
    static func takeBack(_ path: String) { try? Paths.remove(path, directory: true) }
}
