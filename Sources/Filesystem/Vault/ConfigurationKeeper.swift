// The configuration of an open vault, and its changes on disk.

import Cryptography
import Format
import KeyManagement
import POSIX
import Synchronization

/// `vault.json`, verified, with the vault key.
final class ConfigurationKeeper: Sendable {
    let vaultID: VaultID
    let defaultKey: KeyID
    let rootDirectoryID: DirectoryID
    let wasClean: Bool
    let hasJournal: Bool
    /// Single directories have keys of their own, which new files there would have to get.
    let hasDirectoryPolicies: Bool
    /// Of the records that stand in the journal files.
    let journalEpoch: UInt64
    let vaultKey: SecretBytes
    private let directory: VaultDirectory
    private let current: Mutex<VaultConfiguration>

    /// - Throws: what is wrong with the file or with its key.
    init(reading directory: VaultDirectory, keyring: Keyring, acceptsOlderKeystore: Bool) throws(VaultError) {
        let bytes = try directory.readConfiguration()
        let unverified = try Self.parse(bytes)
        vaultKey = try Self.openVaultKey(of: unverified.claimed, keyring)
        let configuration: VaultConfiguration
        do throws(FormatError) {
            configuration = try unverified.verified(vaultKey: vaultKey)
        } catch {
            throw .damagedConfiguration("it was changed by somebody without its key")
        }
        try configuration.requireKeystore(keyring, acceptsOlder: acceptsOlderKeystore)
        guard let key = KeyID(configuration.defaultKey.bytes.span) else {
            throw .damagedConfiguration("its key id is not one")
        }
        defaultKey = key
        vaultID = configuration.vaultID
        rootDirectoryID = configuration.rootDirectoryID
        wasClean = configuration.isClean
        hasJournal = configuration.hasJournal
        hasDirectoryPolicies = !configuration.directoryPolicies.isEmpty
        journalEpoch = configuration.journalEpoch
        self.directory = directory
        current = Mutex(configuration)
    }

    private static func openVaultKey(of configuration: VaultConfiguration, _ keyring: Keyring) throws(VaultError) -> SecretBytes {
        do throws(KeyError) {
            let context = try EncryptionContext(FileContexts.vault(configuration.vaultID))
            return try keyring.decrypt(configuration.wrappedVaultKey.span, context: context)
        } catch {
            if error == .invalidCiphertext { throw .damagedConfiguration("its wrapped vault key does not open") }
            throw .keyUnavailable(error)
        }
    }

    /// The key of a new epoch of the journal, with its number.
    func newEpoch() throws(Errno) -> (number: UInt64, cipher: JournalCipher) {
        do throws(FormatError) {
            let number = try DirectoryID.random().bytes.span.littleEndian(UInt64.self, at: 0)
            return (number, try JournalCipher(vaultKey: vaultKey, epoch: number))
        } catch {
            throw .ioError
        }
    }

    /// Replaces `vault.json` by one with another clean mark. The highest generation of key states stays.
    /// - Parameter epoch: the new one of the journal, if there is to be one.
    func update(isClean: Bool, generation: UInt64, epoch: UInt64? = nil) throws(Errno) {
        try replace { configuration in
            configuration.isClean = isClean
            if let epoch { configuration.journalEpoch = epoch }
            configuration.keyStateGeneration = max(configuration.keyStateGeneration, generation)
        }
    }

    private func replace(_ change: (inout VaultConfiguration) -> Void) throws(Errno) {
        try current.withLock { (configuration: inout VaultConfiguration) throws(Errno) in
            var next = configuration
            change(&next)
            let bytes: [UInt8]
            do throws(FormatError) { bytes = try next.serialize(vaultKey: vaultKey) } catch { throw .ioError }
            try directory.replaceConfiguration(bytes)
            configuration = next
        }
    }

    static func parse(_ bytes: [UInt8]) throws(VaultError) -> UnverifiedVaultConfiguration {
        do throws(FormatError) {
            return try VaultConfiguration.parse(bytes.span)
        } catch {
            switch error {
            case .vaultFileDamaged(let why): throw .damagedConfiguration(why)
            case .vaultUnsupported(let why): throw .unsupported(why)
            default: throw .damagedConfiguration("\(error)")
            }
        }
    }

    /// Remembers that the keystore was seen at `generation`, so that an older one put in its place is noticed.
    /// - Parameter isAccepted: also when the vault has seen a later one: the person who mounts it says that this is the keystore from now on.
    func note(generation: UInt64, isAccepted: Bool) throws(Errno) {
        let known = current.withLock { $0.keyStateGeneration }
        if known < generation || isAccepted && known != generation { try replace { $0.keyStateGeneration = generation } }
    }

    /// The same when it cannot be written now: it is with the next change.
    func remember(generation: UInt64, isAccepted: Bool) {
        current.withLock { if isAccepted || $0.keyStateGeneration < generation { $0.keyStateGeneration = generation } }
    }

    func wipe() { vaultKey.wipe() }
}

extension VaultConfiguration {
    /// Says which keystore is wanted before anything is tried with a wrong one.
    /// - Throws: `foreignKeystore`, `olderKeystore`.
    func requireKeystore(_ keyring: Keyring, acceptsOlder: Bool) throws(VaultError) {
        guard let expected = KeystoreID(keystoreID.bytes.span) else {
            throw .damagedConfiguration("its keystore id is not one")
        }
        guard expected == keyring.keystoreID else {
            throw .foreignKeystore(expected: expected, found: keyring.keystoreID, hint: keystoreHint)
        }
        guard acceptsOlder || keyring.foundGeneration >= keyStateGeneration else {
            throw .olderKeystore(seen: keyStateGeneration, found: keyring.foundGeneration)
        }
    }
}
