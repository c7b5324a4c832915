// Why a vault cannot be made, opened or closed.

import KeyManagement
import POSIX

/// Faults that a person is told about; the hall gives each its words and exit code.
package enum VaultError: Error, Equatable, Sendable {
    /// The directory is missing, or is none.
    case notADirectory(path: String)
    /// There is no `.envelopefs/vault.json` in it.
    case notAVault(path: String)
    /// `.envelopefs` is there without a `vault.json`: an `init` did not end.
    case unfinishedInit(path: String)
    /// `init` on a vault.
    case alreadyAVault(path: String)
    /// `init` on a directory with content, of which some names are given.
    case notEmpty(path: String, names: [String])
    /// `vault.json` is cut, edited or empty.
    case damagedConfiguration(String)
    /// A later program made it, or it needs what this one does not know; the text names both sides.
    case unsupported(String)
    /// The vault was made with another keystore.
    case foreignKeystore(expected: KeystoreID, found: KeystoreID, hint: String?)
    /// The keystore is older than the one that the vault was last mounted with.
    case olderKeystore(seen: UInt64, found: UInt64)
    /// Its key is disabled, not there, or does not open the vault.
    case keyUnavailable(KeyError)
    /// Another process has it.
    case inUse(processID: Int32, mountPoint: String)
    /// The vault may not be written to, by its file system or by its mode, and was to be.
    case readOnlyFileSystem(path: String)
    /// A system call failed.
    case system(String, Errno)
}
