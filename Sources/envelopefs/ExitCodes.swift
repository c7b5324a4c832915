// The stable table of exit codes. Docs/COMMANDS.md carries the same table; a test compares the two.

/// Why the program ended. Scripts rely on these numbers: one is never reused, changed or removed.
///
/// 64 to 112 stay clear of what jobs under `run` usually return (small numbers, and 128+n for signals).
package enum ExitReason: Int32, CaseIterable, Sendable {
    case success = 0
    case failure = 1
    case usage = 64
    case vaultDamaged = 65
    case notAVault = 66
    case vaultUnfinished = 67
    case vaultUnsupported = 68
    case vaultInUse = 69
    case vaultReadOnly = 70
    case directoryNotEmpty = 71
    case storageFull = 72
    case storageReadOnly = 73
    case inputOutput = 74
    case mountBusy = 75
    case wrongSecret = 76
    case permissionDenied = 77
    case noSecret = 78
    case keystoreMissing = 80
    case keystoreUnreadable = 81
    case keystoreForeign = 82
    case keystoreUnsupported = 83
    case keystoreOlder = 84
    case keyNotFound = 85
    case keyUnusable = 86
    case alreadyExists = 87
    case mountPointMissing = 88
    case mountPointNotEmpty = 89
    case mountPointInUse = 90
    case noFuseDevice = 91
    case noFusermount = 92
    case mountRefused = 93
    case notMounted = 94
    case daemonDied = 95
    case fileDamaged = 96
    case slotRefused = 97
    case auditBroken = 98
    case checkDamage = 110
    case checkLeftovers = 111
    case checkIncomplete = 112
    case ciphertextRefused = 99
    case secretNotFound = 115
    case importIncomplete = 116
    case commandNotExecutable = 126
    case commandNotFound = 127

    /// What the number means, word for word as in Docs/COMMANDS.md.
    package var meaning: String {
        switch self {
        case .success: "done"
        case .failure: "something else failed; the message says what"
        case .usage: "the command line is wrong"
        case .vaultDamaged: "`vault.json` is damaged, or was changed by somebody without the keys"
        case .notAVault: "the directory is missing, or is not a vault"
        case .vaultUnfinished: "an `init` of this vault did not finish"
        case .vaultUnsupported: "the vault's format version or a feature is newer than this program"
        case .vaultInUse: "the vault is mounted already; the message says by whom and where"
        case .vaultReadOnly: "the vault cannot be written; `--read-only` mounts it"
        case .directoryNotEmpty: "`init` found files that are not its own"
        case .storageFull: "the disk is full"
        case .storageReadOnly: "the disk or directory is mounted read-only"
        case .inputOutput: "reading or writing below failed"
        case .mountBusy: "programs still use the mount; the message names them"
        case .wrongSecret: "the passphrase, recovery code or key file opens no slot of the keystore"
        case .permissionDenied: "this user may not do that"
        case .noSecret: "no passphrase was given, or it is empty or unreadable"
        case .keystoreMissing: "there is no keystore at that path"
        case .keystoreUnreadable: "the keystore cannot be read, is not one, or was changed outside"
        case .keystoreForeign: "the vault belongs to another keystore"
        case .keystoreUnsupported: "the keystore is of a newer version"
        case .keystoreOlder: "the keystore is older than the one this vault was last mounted with"
        case .keyNotFound: "no such key"
        case .keyUnusable: "the key's state does not allow that"
        case .alreadyExists: "something of that name exists already"
        case .mountPointMissing: "the mount point does not exist, or is not a directory"
        case .mountPointNotEmpty: "the mount point is not empty"
        case .mountPointInUse: "something is mounted on the mount point already"
        case .noFuseDevice: "`/dev/fuse` is missing or may not be opened"
        case .noFusermount: "`fusermount3` is missing, and this user cannot mount without it"
        case .mountRefused: "the kernel or `fusermount3` refused the mount"
        case .notMounted: "no EnvelopeFS mount there"
        case .daemonDied: "the background process ended before the mount was ready"
        case .fileDamaged: "the file is not one that this vault can open"
        case .slotRefused: "the unlock slot does not exist, or must stay"
        case .auditBroken: "the audit log was changed, reordered or cut; the message says where"
        case .checkDamage: "`check` found damage: something in the vault cannot be read, or is not shown"
        case .checkLeftovers: "`check` found only what a crash leaves behind: nothing that was synced is lost"
        case .checkIncomplete: "`check` found nothing wrong, but could not look into everything: keys that may not be used, files that were changing"
        case .ciphertextRefused: "the ciphertext or its encryption context was changed, or another key made it"
        case .secretNotFound: "no such secret or version in the password safe, or it was deleted"
        case .importIncomplete: "entries of an import file were skipped; the report names them"
        case .commandNotExecutable: "`run`: the command was found but could not be executed"
        case .commandNotFound: "`run`: the command was not found"
        }
    }
}
