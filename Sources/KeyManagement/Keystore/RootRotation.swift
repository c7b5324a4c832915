// Rotating the root key: everything below it is sealed again, in one transaction.

import Cryptography
import FoundationEssentials
import GRDB

/// What became of the slots when the root key was rotated.
package struct RootRotation: Sendable, Equatable {
    /// Sealed again for the secret that was given.
    package let kept: [Int64]
    /// Recovery slots that have a new code.
    package let renewed: [Int64]
    package let removed: [Int64]
}

extension Keystore {
    /// A new root key. Sealed again under it: every version of every key; and authenticated again: every row.
    /// A slot can be sealed again only with its secret. So each must be opened by one of `secrets` (that which opened the keystore is one of them), or stand in `dropping`;
    /// a recovery slot whose code is not given gets a new one. Running mounts go on with the keys they have, and see no later change until they are unlocked again.
    /// Throws `slotsWithoutSecret`, `noSuchSlot`, `lastSlot`, `wrongPassphrase` and others for a secret that opens nothing.
    /// - Parameter showing: gets each new recovery code once, before anything is changed for good; if it throws, nothing is changed.
    package func rotateRootKey(
        keeping secrets: [UnlockSecret], dropping: Set<Int64> = [], showing: (_ recoveryCode: SecretBytes) throws -> Void
    ) throws(KeystoreError) -> RootRotation {
        let rootKey: SecretBytes
        let keys: RootKeys
        do throws(CryptographyError) {
            rootKey = try SecretBytes.random(count: Self.rootKeySize)
            keys = try RootKeys(rootKey: rootKey)
        } catch { throw .cryptography(error) }
        let (old, oldRoot) = (try authentication(), try self.rootKey())
        let new = RowAuthentication(keys: keys, path: path)
        let result: (rotation: RootRotation, opener: UnlockSlot)
        do throws(KeystoreFailure) {
            result = try database.write { database in
                let header = try old.verify(database)
                let result = try self.resealSlots(secrets, dropping, rootKey, new, database, showing)
                try self.resealRows(from: old, to: new, database)
                try AuditLog(database: database, authentication: old).reseal(from: oldRoot, to: rootKey, new)
                try self.audit(AuditEvent("RotateRootKey"), database, new)
                try new.seal(header, database)
                return result
            }
        } catch { throw error.asKeystoreError(path) }
        takeRoot(rootKey, keys, openedBy: result.opener)
        // What the old root key sealed leaves the log too. Another process may be reading: then it leaves with the next checkpoint.
        owesCheckpoint.store(true, ordering: .relaxed)
        try? forgetDestroyed()
        return result.rotation
    }

    private func resealSlots(
        _ secrets: [UnlockSecret], _ dropping: Set<Int64>, _ rootKey: SecretBytes, _ new: RowAuthentication, _ database: Database,
        _ showing: (SecretBytes) throws -> Void
    ) throws -> (RootRotation, opener: UnlockSlot) {
        let slots = try UnlockSlot.all(in: database, path: path)
        if let missing = dropping.subtracting(slots.map(\.number)).min() { throw KeystoreError.noSuchSlot(missing) }
        var materials: [Int64: SecretBytes] = [:]
        for secret in secrets { materials[try UnlockSlot.unlock(slots, with: secret).1.number] = try secret.material() }
        let staying = slots.filter { !dropping.contains($0.number) }
        let kept = staying.filter { materials[$0.number] != nil }
        let renewed = staying.filter { materials[$0.number] == nil && $0.kind == .recovery }
        let orphans = staying.filter { materials[$0.number] == nil && $0.kind != .recovery }.map(\.number)
        guard orphans.isEmpty else { throw KeystoreError.slotsWithoutSecret(orphans) }
        guard !kept.isEmpty else { throw KeystoreError.lastSlot }
        for slot in renewed {
            let (secret, text) = try UnlockSlot.newRecoveryCode()
            do { try showing(text) } catch { throw KeystoreError.recoveryCodeNotShown(path: path, "\(error)") }
            materials[slot.number] = secret
        }
        for number in dropping { try new.remove(.unlockSlot, key: [number.databaseValue], database) }
        var opener = kept[0]
        for slot in staying {
            guard let material = materials[slot.number] else { continue }
            let resealed = try UnlockSlot.seal(
                rootKey, with: material, kind: slot.kind, scrypt: slot.scrypt, number: slot.number, createdAt: slot.createdAt,
                salt: try Random.bytes(UnlockSlot.saltSize))
            try new.put(.unlockSlot, resealed.values, database)
            if slot.number == openedBy.number || slot.number == opener.number { opener = resealed }
        }
        return (RootRotation(kept: kept.map(\.number), renewed: renewed.map(\.number), removed: dropping.sorted()), opener)
    }

    private func resealRows(from old: RowAuthentication, to new: RowAuthentication, _ database: Database) throws {
        for row in try KeyVersionRow.all(in: database) {
            let material = try row.material(old)
            defer { material.wipe() }
            try new.put(.cmkVersion, KeyVersionRow(sealing: material, as: row, keys: new.keys).values, database)
        }
        // Made for one import each, for a day: whoever needs them asks again.
        for row in try Row.fetchAll(database, sql: "SELECT key_id FROM import_parameters") {
            try old.remove(.importParameters, key: [row["key_id"]], database)
        }
        for table in ProtectedTable.all where ![ProtectedTable.unlockSlot.name, ProtectedTable.cmkVersion.name].contains(table.name) {
            for row in try Row.fetchAll(database, sql: "SELECT \(table.columns.joined(separator: ", ")) FROM \(table.name)") {
                try new.put(table, Array(row.databaseValues), database)
            }
        }
        // The safe's rows are under a key of its own, which alone is sealed again.
        if let safe = try SafeRow(in: database) { try new.put(.safe, try safe.resealed(from: old.keys, to: new.keys), database) }
    }
}
