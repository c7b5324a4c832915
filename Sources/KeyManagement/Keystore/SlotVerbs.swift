// The verbs on unlock slots: list, add, replace, remove. Each change is one durable transaction; never is the last slot removed.

import Cryptography
import FoundationEssentials
import GRDB

/// What there is to know about a slot, without what it seals.
package struct SlotDescription: Sendable, Equatable {
    package let number: Int64
    package let kind: SlotKind
    /// Seconds since 1970.
    package let createdAt: Int64
    /// Not nil for passphrases only.
    package let scrypt: ScryptParameters?
    /// Whether this slot opened the keystore now.
    package let isOpener: Bool
}

extension Keystore {
    /// All slots, in rising order of their numbers.
    package func slots() throws(KeystoreError) -> [SlotDescription] {
        let authentication = try authentication()
        let slots = try database.read { database in
            try verify(database, authentication)
            return try UnlockSlot.all(in: database, path: path)
        }
        return slots.map {
            SlotDescription(number: $0.number, kind: $0.kind, createdAt: $0.createdAt, scrypt: $0.scrypt, isOpener: $0.salt == openedBy.salt)
        }
    }

    /// A further secret that opens the keystore, opened with `keepsRootKey`. The new slot's number.
    /// Throws `validation` for a secret that is too weak, is a recovery code (`addRecoverySlot`), or opens another slot already; `noSuchSlot`, `tooManySlots`.
    /// - Parameter replaced: a slot that goes in the same transaction.
    package func addSlot(_ secret: UnlockSecret, scrypt: ScryptParameters = .standard, replacing replaced: Int64? = nil) throws(KeystoreError) -> Int64 {
        guard secret.kind != .recovery else { throw .validation("a recovery code is made here, not chosen") }
        try UnlockSlot.check(secret, scrypt)
        return try add(secret.bytes, secret.kind, secret.kind == .passphrase ? scrypt : nil, replacing: replaced) { slots in
            let others = slots.filter { $0.number != replaced && $0.kind == secret.kind }
            do throws(KeystoreError) {
                let (_, slot) = try UnlockSlot.unlock(others, with: secret)
                throw KeystoreError.validation("this secret opens slot \(slot.number) already; to remove or replace a slot, its number is enough")
            } catch {
                switch error {
                case .wrongPassphrase, .wrongSecret, .noSlot: return
                default: throw error
                }
            }
        }
    }

    /// A slot with a new recovery code. The new slot's number.
    /// - Parameter showing: gets the code once, before anything is changed for good; if it throws, nothing is changed.
    package func addRecoverySlot(replacing replaced: Int64? = nil, showing: (_ recoveryCode: SecretBytes) throws -> Void) throws(KeystoreError) -> Int64 {
        let (secret, text) = try UnlockSlot.newRecoveryCode()
        return try add(secret, .recovery, nil, replacing: replaced) { _ in
            do { try showing(text) } catch { throw KeystoreError.recoveryCodeNotShown(path: self.path, "\(error)") }
        }
    }

    private func add(
        _ secret: SecretBytes, _ kind: SlotKind, _ scrypt: ScryptParameters?, replacing replaced: Int64?, _ check: ([UnlockSlot]) throws -> Void
    ) throws(KeystoreError) -> Int64 {
        let rootKey = try rootKey()
        return try changeSlots { slots, database, authentication in
            if let replaced, !slots.contains(where: { $0.number == replaced }) { throw KeystoreError.noSuchSlot(replaced) }
            guard slots.count - (replaced == nil ? 0 : 1) < UnlockSlot.greatestCount else { throw KeystoreError.tooManySlots(UnlockSlot.greatestCount) }
            let slot = try UnlockSlot.seal(
                rootKey, with: secret, kind: kind, scrypt: scrypt, number: (slots.map(\.number).max() ?? 0) + 1, createdAt: Self.now(),
                salt: try Random.bytes(UnlockSlot.saltSize))
            // A keystore with it must still be one that can be opened.
            try UnlockSlot.limitWork(of: slots.filter { $0.number != replaced } + [slot])
            try authentication.put(.unlockSlot, slot.values, database)
            if let replaced { try authentication.remove(.unlockSlot, key: [replaced.databaseValue], database) }
            let words = replaced.map { "slot \(slot.number), \(kind.rawValue), replaces slot \($0)" } ?? "slot \(slot.number), \(kind.rawValue)"
            try self.audit(AuditEvent("AddUnlockSlot", subject: words), database, authentication)
            try check(slots)
            return slot.number
        }
    }

    /// Throws `noSuchSlot`, `lastSlot`, and `openerSlot` for the slot that opened the keystore: another one must be known to work first.
    package func removeSlot(_ number: Int64) throws(KeystoreError) {
        try changeSlots { slots, database, authentication in
            guard let slot = slots.first(where: { $0.number == number }) else { throw KeystoreError.noSuchSlot(number) }
            guard slots.count > 1 else { throw KeystoreError.lastSlot }
            guard slot.salt != self.openedBy.salt else { throw KeystoreError.openerSlot(number) }
            try authentication.remove(.unlockSlot, key: [number.databaseValue], database)
            try self.audit(AuditEvent("RemoveUnlockSlot", subject: "slot \(number), \(slot.kind.rawValue)"), database, authentication)
        }
    }

    private func changeSlots<R>(_ body: ([UnlockSlot], Database, RowAuthentication) throws -> R) throws(KeystoreError) -> R {
        do throws(KeystoreFailure) {
            return try transaction { database, authentication in
                try body(UnlockSlot.all(in: database, path: self.path), database, authentication)
            }
        } catch { throw error.asKeystoreError(path) }
    }
}

extension UnlockSlot {
    /// Throws `validation` for a secret that no slot should be made for.
    static func check(_ secret: UnlockSecret, _ scrypt: ScryptParameters) throws(KeystoreError) {
        switch secret.kind {
        case .passphrase:
            guard secret.bytes.count > 0 else { throw .validation("the passphrase is empty") }
            guard scrypt.isAllowed else { throw .validation("these scrypt parameters are not allowed") }
        case .keyFile, .credential:
            guard secret.bytes.count >= leastKeyFileSize else {
                throw .validation("a key file or credential holds at least \(leastKeyFileSize) random bytes; this one has \(secret.bytes.count)")
            }
        case .recovery: break
        }
    }

    /// The root key, and the slot of `slots` that gave it. Throws `noSlot`, `wrongPassphrase`, `wrongRecoveryCode`, `wrongSecret`, `rowRefused` and others.
    static func unlock(_ slots: [UnlockSlot], with secret: UnlockSecret) throws(KeystoreError) -> (SecretBytes, UnlockSlot) {
        let candidates = slots.filter { $0.kind == secret.kind }
        guard !candidates.isEmpty else { throw .noSlot(kind: secret.kind.rawValue) }
        let material = try secret.material()
        try limitWork(of: candidates)
        for slot in candidates {
            do throws(CryptographyError) {
                if let rootKey = try slot.open(with: material) { return (rootKey, slot) }
            } catch {
                switch error {
                case .authenticationFailed: throw .rowRefused(name: slot.name, .edited)
                case .invalidParameter: throw .excessiveParameters(slot: slot.name)
                default: throw .cryptography(error)
                }
            }
        }
        switch secret.kind {
        case .passphrase: throw .wrongPassphrase(slots: candidates.map(\.name))
        case .recovery: throw .wrongRecoveryCode
        case .keyFile, .credential: throw .wrongSecret(kind: secret.kind.rawValue)
        }
    }

    /// 25 random bytes, and their text.
    static func newRecoveryCode() throws(KeystoreError) -> (SecretBytes, text: SecretBytes) {
        do throws(CryptographyError) {
            let secret = try SecretBytes.random(count: RecoveryCode.byteCount)
            return (secret, try RecoveryCode.text(of: secret))
        } catch { throw .cryptography(error) }
    }
}
