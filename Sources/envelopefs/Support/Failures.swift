// What the modules below refuse with, in words for people and with an exit code.

import KeyManagement
import Filesystem
import Format
import FUSE
import POSIX

extension Failure {
    /// A system call that failed on something that the user named.
    init(_ what: String, _ error: Errno, hint: String = "") {
        let reason: ExitReason =
            switch error {
            case .noSpace, .quotaExceeded: .storageFull
            case .readOnlyFilesystem: .storageReadOnly
            case .accessDenied, .notPermitted: .permissionDenied
            case .ioError, .damaged, .stale: .inputOutput
            default: .failure
            }
        self.init(reason, "\(what): \(error)", hint: hint)
    }

    /// Why a key could not be used.
    init(_ error: KeyError) {
        if case .storage(let why) = error {
            self.init(why)
            return
        }
        let reason: ExitReason =
            switch error {
            case .notFound: .keyNotFound
            case .disabled, .invalidState, .keyUnavailable, .versionTooOld, .protected, .unsupportedOperation: .keyUnusable
            case .alreadyExists: .alreadyExists
            case .validation, .invalidMarker: .usage
            case .invalidCiphertext, .incorrectKey, .invalidMaterial, .incorrectKeyMaterial, .invalidImportToken, .expiredImportToken: .ciphertextRefused
            case .secretNotFound, .secretDeleted: .secretNotFound
            default: .failure
            }
        self.init(reason, error.description, hint: Failure.hint(error))
    }

    private static func hint(_ error: KeyError) -> String {
        switch error {
        case .disabled(let key): "'envelopefs key enable \(key)' makes it usable."
        case .invalidState(let key, .pendingDeletion): "'envelopefs key cancel-deletion \(key)' takes the deletion back."
        case .invalidState(let key, .pendingImport): "Its material has to be imported: 'envelopefs key import-parameters \(key)'."
        case .invalidState(let key, .decryptOnly): "It was retired: 'envelopefs key enable \(key)' lets it seal again."
        case .invalidState(let key, .destroyed): "The material of \(key) is gone for ever."
        case .protected(let key): "'envelopefs key unprotect \(key)' takes the protection away."
        case .invalidCiphertext: "The encryption context must be given as it was (--context)."
        case .secretDeleted(let name, _): "'envelopefs safe restore \(name)' takes the deletion back."
        default: ""
        }
    }

    /// Why a keystore could not be made, opened, read or written.
    init(_ error: KeystoreError) {
        var cause = error
        if case .notMigrated(_, _, _, let why) = error { cause = why }
        let reason: ExitReason =
            switch cause {
            case .notFound: .keystoreMissing
            case .alreadyExists: .alreadyExists
            case .newerVersion: .keystoreUnsupported
            case .wrongPassphrase, .wrongRecoveryCode, .wrongSecret, .malformedRecoveryCode, .noSlot: .wrongSecret
            case .noSuchSlot, .tooManySlots, .lastSlot, .openerSlot, .slotsWithoutSecret: .slotRefused
            case .olderGeneration: .keystoreOlder
            case .diskFull: .storageFull
            case .readOnlyDisk: .storageReadOnly
            case .notAKeystore, .damaged, .rowRefused, .rowsOfDifferentTimes, .excessiveParameters, .permissionDenied, .storage, .notMigrated, .badBackup: .keystoreUnreadable
            case .auditBroken: .auditBroken
            case .validation: .usage
            case .noHardLinks, .recoveryCodeNotShown, .rootKeyRotated, .busy, .closed, .cryptography: .failure
            }
        let words = error.description
        // The sentence before the semicolon says what; the rest what to try.
        let parts = words.split(separator: ";", maxSplits: 1)
        self.init(reason, parts.first.map(String.init) ?? words, hint: parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "")
    }

    /// Why a vault could not be made, opened or closed.
    init(_ error: VaultError, keystore: String) {
        switch error {
        case .notADirectory(let path): self = .noVault(path)
        case .notAVault(let path): self.init(.notAVault, "\(path) is not a vault", hint: "'envelopefs init \(path)' makes an empty or new directory one.")
        case .unfinishedInit(let path): self = .unfinished(path)
        case .alreadyAVault(let path): self.init(.directoryNotEmpty, "\(path) is a vault already", hint: "'envelopefs info \(path)' says more of it.")
        case .notEmpty(let path, let names): self = .foreignFiles(path, names)
        case .damagedConfiguration(let why): self.init(.vaultDamaged, "vault.json is damaged or was changed: \(why)", hint: Self.restoreHint)
        case .unsupported(let why): self.init(.vaultUnsupported, "the vault needs a newer program: \(why)", hint: "Use a newer envelopefs.")
        case .foreignKeystore(let expected, let found, let hint):
            self.init(
                .keystoreForeign, "the vault belongs to keystore \(expected), but \(keystore) is keystore \(found)",
                hint: hint.map { "It was made with \($0); give --keystore if that is right." } ?? "Give the right one with --keystore.")
        case .olderKeystore(let seen, let found):
            self.init(
                .keystoreOlder, "\(keystore) is older than the keystore that this vault was last mounted with (generation \(found), seen \(seen))",
                hint: "If you have restored it from a backup on purpose, use --accept-older-keystore.")
        case .keyUnavailable(let error): self.init(error)
        case .inUse(let process, let mountPoint): self = .inUse(process, mountPoint)
        case .readOnlyFileSystem(let path): self.init(.vaultReadOnly, "\(path) cannot be written to", hint: "'--read-only' mounts it as it is.")
        case .system(let what, let error): self.init(what, error)
        }
    }

    /// Why a vault could not be mounted. The sentence before the first colon says what, unless it names a path.
    init(_ error: MountError, mountPoint: String) {
        let reason: ExitReason =
            switch error {
            case .noDevice, .deviceNotPermitted: .noFuseDevice
            case .noHelper, .helperNotPrivileged: .noFusermount
            case .missingMountPoint, .notADirectory: .mountPointMissing
            case .deadMount: .mountPointInUse
            case .allowOtherNotPermitted: .permissionDenied
            case .refused, .negotiation: .mountRefused
            case .mountPoint(_, let error), .system(_, let error): Failure("", error).status
            case .connectionLost: .inputOutput
            }
        self.init(reason, error.description)
    }

    static let restoreHint = "Nothing was changed. Put back the newest copy of vault.json, then run 'envelopefs check': what stood only in the journal may be lost."

    static func noVault(_ path: String) -> Failure { Failure(.notAVault, "\(path) is not there, or is not a directory") }

    static func unfinished(_ path: String) -> Failure {
        Failure(.vaultUnfinished, "an 'init' of \(path) did not finish: there is .envelopefs, but no vault.json", hint: "'envelopefs init \(path)' begins anew; nothing can be lost by it if the directory is otherwise empty.")
    }

    static func foreignFiles(_ path: String, _ names: [String]) -> Failure {
        Failure(
            .directoryNotEmpty, "\(path) is not empty: it holds \(names.prefix(4).joined(separator: ", "))\(names.count > 4 ? " and more" : "")",
            hint: "A vault begins in an empty or new directory. Mount it, and copy the files into the mount.")
    }

    static func inUse(_ process: Int32, _ mountPoint: String) -> Failure {
        let program = process > 0 ? Processes.name(of: process).map { " (\($0))" } ?? "" : ""
        let by = process > 0 ? "process \(process)\(program)" : "another process"
        let place = mountPoint.isEmpty ? "" : " at \(mountPoint)"
        return Failure(.vaultInUse, "the vault is mounted already, by \(by)\(place)", hint: mountPoint.hasPrefix("/") ? "'envelopefs unmount \(mountPoint)' ends that." : "")
    }
}
