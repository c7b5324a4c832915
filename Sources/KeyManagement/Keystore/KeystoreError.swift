// Why a keystore could not be made, opened or trusted; each message says what failed and what to do next.

import Cryptography

/// What is wrong with a row of the keystore.
package enum RowFault: Equatable, Sendable {
    case edited, missing
    /// Not written by this program, or its MAC was removed.
    case added
}

/// What making or opening a keystore refuses with. Paths are as given.
package indirect enum KeystoreError: Error, Equatable, Sendable {
    case notFound(path: String)
    /// Also when only remains of an earlier one, such as its write-ahead log, are there.
    case alreadyExists(path: String)
    /// The file is something else; the text says what.
    case notAKeystore(path: String, String)
    /// The file is a keystore that lost or changed parts; the text says which.
    case damaged(path: String, String)
    case newerVersion(path: String, found: Int, supported: Int)
    /// The keystore is of an older version, and could not be brought to this program's; why. It is unchanged.
    case notMigrated(path: String, found: Int, to: Int, KeystoreError)
    /// A row, by its name `TABLE/KEY`, was changed by something else than this program.
    case rowRefused(name: String, RowFault)
    /// Rows are each as they once were, but not of one moment: an old one was put back, or rows went together with their MACs.
    case rowsOfDifferentTimes(expectedCount: Int, foundCount: Int)
    /// The passphrase opens none of these slots.
    case wrongPassphrase(slots: [String])
    case wrongRecoveryCode
    /// A key file or credential that opens no slot.
    case wrongSecret(kind: String)
    /// The recovery code has a typing mistake; the text says where. It was not tried.
    case malformedRecoveryCode(String)
    case noSlot(kind: String)
    case noSuchSlot(Int64)
    case tooManySlots(Int)
    /// It is not removed: nothing would open the keystore.
    case lastSlot
    /// It opened the keystore just now: nobody knows whether another slot can.
    case openerSlot(Int64)
    /// The root key cannot be rotated without what opens these slots.
    case slotsWithoutSecret([Int64])
    /// Another process rotated the root key: this one knows the old one.
    case rootKeyRotated
    /// The file is no backup, or was changed; the text says which.
    case badBackup(path: String, String)
    /// The audit log was changed outside; the text says how. Nothing is appended to it.
    case auditBroken(String)
    /// A slot asks for more work than is allowed, and was not tried.
    case excessiveParameters(slot: String)
    case busy(path: String)
    case permissionDenied(path: String)
    case diskFull(path: String)
    /// The disk that the path is on is mounted read-only.
    case readOnlyDisk(path: String)
    /// The file system has no second names for files, without which a keystore cannot get its name without a risk for what has it.
    case noHardLinks(path: String)
    /// The recovery code could not be shown, and therefore nothing was made; the text says why.
    case recoveryCodeNotShown(path: String, String)
    /// The keystore is older than one that was seen before.
    case olderGeneration(seen: UInt64, found: UInt64)
    case closed
    case validation(String)
    case cryptography(CryptographyError)
    /// Any other failure of the database or the file system.
    case storage(path: String, String)
}

extension KeystoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notFound(let path): "there is no keystore at \(path); `envelopefs init` makes one"
        case .alreadyExists(let path): "\(path) already exists and is not overwritten; move it away, or choose another --keystore"
        case .notAKeystore(let path, let why): "\(path) is not a keystore: \(why)"
        case .damaged(let path, let why): "the keystore \(path) is damaged: \(why); restore a backup"
        case .newerVersion(let path, let found, let supported):
            "the keystore \(path) has version \(found), and this program knows versions up to \(supported); use a newer envelopefs"
        case .notMigrated(let path, let found, let to, let why):
            "the keystore \(path) has version \(found) and has to be brought to version \(to), which failed: \(why.description.prefix { $0 != ";" }); it is unchanged: open it once where it can be written, or work with a copy (--keystore)"
        case .rowRefused(let name, .edited): "the keystore is refused: row \(name) was changed outside envelopefs; restore a backup"
        case .rowRefused(let name, .missing): "the keystore is refused: row \(name) was deleted outside envelopefs; restore a backup"
        case .rowRefused(let name, .added): "the keystore is refused: row \(name) was added outside envelopefs, or its MAC was deleted; restore a backup"
        case .rowsOfDifferentTimes(let expected, let found):
            "the keystore is refused: an older row was put back, or rows were deleted with their MACs (\(expected) rows expected, \(found) found); restore a backup"
        case .wrongPassphrase(let slots):
            "the passphrase does not open the keystore (tried \(slots.joined(separator: ", "))); try again, or use the recovery code"
        case .wrongRecoveryCode: "the recovery code is well-formed, but is not that of this keystore"
        case .malformedRecoveryCode(let why): "the recovery code has a typing mistake: \(why)"
        case .wrongSecret(let kind): "the \(kind) opens no slot of the keystore"
        case .noSlot(let kind): "the keystore has no \(kind) slot"
        case .noSuchSlot(let number): "the keystore has no slot \(number); `envelopefs keystore slots` lists them"
        case .tooManySlots(let limit): "the keystore has \(limit) slots already; remove one first"
        case .lastSlot: "the last slot is not removed, since nothing would open the keystore any more; add another first"
        case .openerSlot(let number):
            "slot \(number) has just opened the keystore; open it by another slot, which proves that one works, or replace this one"
        case .slotsWithoutSecret(let numbers):
            "the root key cannot be sealed for slots \(numbers.map(String.init).joined(separator: ", ")) without their secrets; give them, or drop these slots"
        case .badBackup(let path, let why): "the backup \(path) cannot be used: \(why); try another one"
        case .auditBroken(let why): "the audit log is refused: \(why); `envelopefs audit verify` says more, restore a backup"
        case .rootKeyRotated: "the root key of the keystore was rotated by another process; unlock it again"
        case .excessiveParameters(let slot): "the scrypt parameters of \(slot) are outside of what is allowed; the row was changed, restore a backup"
        case .busy(let path): "the keystore \(path) is in use by another process that does not let go; try again"
        case .permissionDenied(let path): "no permission to use the keystore \(path)"
        case .diskFull(let path): "no space left for the keystore \(path)"
        case .readOnlyDisk(let path): "the disk of the keystore \(path) is mounted read-only; choose another --keystore"
        case .noHardLinks(let path): "the file system of \(path) has no hard links, which making a keystore takes; choose another --keystore"
        case .recoveryCodeNotShown(let path, let why):
            "the recovery code could not be shown, so the keystore \(path) was not made: \(why)"
        case .olderGeneration(let seen, let found): "the keystore is older (generation \(found)) than it was seen before (\(seen))"
        case .closed: "the keystore was closed"
        case .validation(let why): why
        case .cryptography(let error): "the cryptographic library failed: \(error)"
        case .storage(let path, let why): "the keystore \(path) cannot be used: \(why)"
        }
    }
}
