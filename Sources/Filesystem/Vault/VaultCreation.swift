// Making a vault.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX

extension Vault {
    /// Makes a vault in an empty directory. An init that did not end is begun anew.
    /// - Parameters:
    ///   - keystoreHint: where the keystore was; printed to people, never opened.
    ///   - key: the CMK of the vault key and of new files.
    ///   - hasJournal: whether changes of what programs count on go through a journal.
    /// - Returns: the vault's id.
    @discardableResult
    package static func create(
        at path: String, keyring: Keyring, key: KeyID, keystoreHint: String?, hasJournal: Bool = true
    ) throws(VaultError) -> VaultID {
        let directory = try VaultDirectory(creatingIn: path)
        if directory.hasConfiguration { throw .alreadyAVault(path: path) }
        let lock = try directory.lock(mountPoint: "(init)", readOnly: false)
        defer { lock.release() }
        do throws(VaultError) {
            let id = try VaultID.new()
            let bytes = try newConfiguration(id, keyring, key, keystoreHint, hasJournal)
            do throws(Errno) {
                if hasJournal { try directory.makeJournals() }
                try directory.replaceConfiguration(bytes)
                try directory.root.reopen([.readOnly, .directory]).synchronize()
            } catch {
                throw .system("write \(path)/.envelopefs", error)
            }
            return id
        } catch {
            directory.removeUnfinished()
            throw error
        }
    }

    private static func newConfiguration(
        _ id: VaultID, _ keyring: Keyring, _ key: KeyID, _ hint: String?, _ hasJournal: Bool
    ) throws(VaultError) -> [UInt8] {
        let vaultKey: GeneratedDataKey
        do throws(KeyError) {
            vaultKey = try keyring.generateDataKey(under: key, context: EncryptionContext(FileContexts.vault(id)))
        } catch {
            throw .keyUnavailable(error)
        }
        do throws(FormatError) {
            var configuration = VaultConfiguration(
                vaultID: id, keystoreID: KeystoreIdentity(keyring.keystoreID.bytes.span),
                keyStateGeneration: keyring.generation, defaultKey: KeystoreIdentity(key.bytes.span),
                wrappedVaultKey: vaultKey.ciphertext, rootDirectoryID: try DirectoryID.random())
            configuration.keystoreHint = hint
            if hasJournal { configuration.features = [VaultConfiguration.journalFeature] }
            return try configuration.serialize(vaultKey: vaultKey.plaintext)
        } catch {
            throw .damagedConfiguration("it cannot be made: \(error)")
        }
    }
}

extension VaultID {
    fileprivate static func new() throws(VaultError) -> VaultID {
        do throws(FormatError) { return try random() } catch { throw .damagedConfiguration("no random bytes: \(error)") }
    }
}
