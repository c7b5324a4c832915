// The verbs of backups: a copy of the database at one moment, its sealed form, and its opening with any slot.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

extension Keystore {
    /// A copy of the database at one moment, as a new file: what is being written meanwhile is in it whole or not at all, what was deleted is not.
    package func copyDatabase(to path: String) throws(KeystoreError) {
        guard !FileManager.default.fileExists(atPath: path) else { throw .alreadyExists(path: path) }
        try database.execute("VACUUM INTO ?", arguments: [path])
    }

    /// Begins a backup of the copy at `path`, which has `size` bytes: its first bytes, and what seals the rest. The keystore was opened with `keepsRootKey`.
    package func beginBackup(ofCopyAt path: String, size: UInt64) throws(KeystoreError) -> (bytes: [UInt8], cipher: BackupCipher) {
        let (rootKey, authentication) = (try rootKey(), try authentication())
        let copy = try KeystoreDatabase.open(path)
        let (header, slots) = try copy.read { (try authentication.verify($0), try UnlockSlot.all(in: $0, path: path)) }
        try copy.close()
        do throws(CryptographyError) {
            let salt = try Random.bytes(32)
            var cipher = try BackupCipher(rootKey: rootKey, salt: salt)
            let beginning = BackupHeader(of: header, size: size, slots: slots, createdAt: Self.now(), salt: salt, commitment: [])
            return (try cipher.begin(beginning), cipher)
        } catch { throw .cryptography(error) }
    }

    /// What opens the chunks of a backup. Throws as `open`, and `badBackup`.
    package static func openBackup(_ header: BackupHeader, at path: String, unlockingWith secret: UnlockSecret) throws(KeystoreError) -> BackupCipher {
        guard header.schemaVersion <= Schema.version else { throw .newerVersion(path: path, found: header.schemaVersion, supported: Schema.version) }
        let (rootKey, _) = try UnlockSlot.unlock(header.slots, with: secret)
        do throws(CryptographyError) {
            return try BackupCipher(rootKey: rootKey, opening: header)
        } catch { throw error == .authenticationFailed ? .badBackup(path: path, "its beginning was changed") : .cryptography(error) }
    }

    /// Makes the keystore at `path` one file that may be moved: no other process has it open, and nothing is left in a log. Throws `busy`.
    package static func release(_ path: String) throws(KeystoreError) {
        let database = try KeystoreDatabase.open(path)
        let mode = try database.ask { try String.fetchOne($0, sql: "PRAGMA journal_mode = DELETE") ?? "" }
        try database.close()
        guard mode == "delete" else { throw .busy(path: path) }
    }
}

/// That the keys of a keystore open, each version of each.
package struct KeyProof: Sendable, Equatable {
    package let keyCount: Int
    package let versionCount: Int
    /// `KEYID/VERSION` of those that do not.
    package let unopened: [String]
}

extension Keystore {
    /// Opens every version of every key, and lets go of it again. Changes nothing.
    package func proveKeys() throws(KeystoreError) -> KeyProof {
        let authentication = try authentication()
        return try database.read { database in
            try verify(database, authentication)
            let versions = try KeyVersionRow.all(in: database)
            var unopened: [String] = []
            for version in versions {
                do { try version.material(authentication).wipe() } catch { unopened.append("\(version.keyID)/\(version.version)") }
            }
            return KeyProof(keyCount: try Int.fetchOne(database, sql: "SELECT count(*) FROM cmk") ?? 0, versionCount: versions.count, unopened: unopened)
        }
    }

    /// What SQLite itself finds wrong with the file; empty when nothing.
    package func databaseFaults() throws(KeystoreError) -> [String] {
        try database.read { try String.fetchAll($0, sql: "PRAGMA integrity_check(10)").filter { $0 != "ok" } }
    }
}
