// envelopefs keystore backup, restore, verify, drill: a copy elsewhere, and the proof that it opens.

import ArgumentParser
import Format
import FoundationEssentials
import KeyManagement
import POSIX

extension KeystoreCommand {
    struct Backup: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the keystore into one encrypted file, which any of its slots opens.",
            discussion: "The file is opened again, and every key in it, before it gets its name. Nothing is written over.")
        @Argument(help: "The file to be made.") var file: String
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let path = file.absolutePath
            let header = try access.administer { (keystore, secret) throws(Failure) in try BackupFile.write(keystore, to: path, secret: secret) }
            Console.note("\(path): generation \(header.generation), opened again and whole; any slot of today opens it")
        }
    }

    struct Restore: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a keystore of a backup, with any slot that the keystore had then.",
            discussion: "A vault that was mounted with a newer keystore refuses an older one; 'mount --accept-older-keystore' mounts it, and is audited.")
        @Argument(help: "The backup.") var file: String
        @Flag(help: "Put it in the place of the keystore that is there, which is kept under another name.") var replace = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let path = try access.keystoreOptions.path()
            let backup = file.absolutePath
            guard (try? Paths.exists(backup)) == true else { throw Failure(.keystoreMissing, "there is no backup at \(backup)") }
            if try KeystoreDoor.isThere(path), !replace {
                throw Failure(.alreadyExists, "\(path) already exists", hint: "Nothing was changed. Choose another --keystore, or --replace it: it is kept under another name.")
            }
            let secret = try SecretEntry.unlockSecret(access.secretOptions, for: .open(keystore: backup))
            defer { secret.wipe() }
            CurrentProcess.setUmask(0o077)
            let restored = try BackupFile.restore(backup, to: path, secret: secret, replaces: replace)
            if let kept = restored.kept { Console.note("the keystore that was there is \(kept)") }
            Console.note("\(path): generation \(restored.header.generation), as it was \(restored.header.createdAt.asDate)")
            for key in restored.deletions.keys {
                Console.note("key \(key.keyID) is to be destroyed on \(key.date.asDate): 'envelopefs key cancel-deletion \(key.keyID)' keeps it")
            }
            if restored.deletions.secrets > 0 {
                Console.note("deleted secrets that are not destroyed yet: \(restored.deletions.secrets); 'envelopefs safe list --deleted' names them, 'safe restore' keeps them")
            }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check every row, every key, the audit log and the database itself; changes nothing.")
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        struct Record: Encodable {
            let keystore: String
            let generation: UInt64
            let slots: Int
            let keys: Int
            let versions: Int
            let auditEntries: Int64
            let secrets: Int
            /// Empty when all is well.
            let faults: [String]
        }

        func run() throws {
            let record = try access.administer(appliesSchedule: false) { (keystore, _) throws(KeystoreError) in
                let proof = try keystore.proveKeys()
                let audit = try keystore.verifyAudit()
                var faults = proof.unopened.map { "key version \($0) does not open" } + (try keystore.databaseFaults())
                if let fault = audit.fault { faults.append("audit log: \(fault)") }
                var secrets = 0
                do throws(KeyError) { secrets = try PasswordSafe(keystore).verify().secrets } catch { faults.append("password safe: \(error)") }
                if let mode = try? Paths.status(keystore.path).mode & 0o7777, mode & 0o077 != 0 { faults.append("\(keystore.path) may be read by others (mode \(String(mode, radix: 8)))") }
                return Record(
                    keystore: keystore.path, generation: try keystore.generation(), slots: try keystore.slots().count, keys: proof.keyCount, versions: proof.versionCount,
                    auditEntries: audit.count, secrets: secrets, faults: faults)
            }
            if json { try Console.json(record) } else {
                try Console.table([
                    ("keystore", record.keystore), ("generation", String(record.generation)), ("slots", String(record.slots)),
                    ("keys", "\(record.keys), with \(record.versions) versions, all open"), ("audit entries", String(record.auditEntries)),
                    ("secrets", String(record.secrets)),
                ])
            }
            if !record.faults.isEmpty { throw Failure(.keystoreUnreadable, "the keystore is not whole: \(record.faults.joined(separator: "; "))") }
        }
    }

    struct Drill: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prove that one slot alone opens every key, and files of vaults; changes nothing.",
            discussion: """
                The slot is that of the secret that is given: drill with the recovery code from its hiding place, or with the key file on its stick. With --backup the same is \
                proved of a backup, without restoring it.
                """)
        @Option(name: .customLong("vault"), help: ArgumentHelp("Open files of this vault too; may be repeated.", valueName: "vault")) var vaults: [String] = []
        @Option(help: ArgumentHelp("How many files of each vault, chosen at random.", valueName: "n")) var sample = 16
        @Option(help: ArgumentHelp("Drill with this backup instead of the keystore.", valueName: "file")) var backup: String?
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func validate() throws { if sample < 0 { throw ValidationError("--sample is at least 0.") } }

        func run() throws {
            guard let backup else {
                return try finish(try access.administer(appliesSchedule: false) { (keystore, _) throws(Failure) in try drill(keystore) })
            }
            let path = backup.absolutePath
            let secret = try SecretEntry.unlockSecret(access.secretOptions, for: .open(keystore: path))
            defer { secret.wipe() }
            CurrentProcess.setUmask(0o077)
            let work = try WorkDirectory.temporary("drill")
            defer { work.remove() }
            _ = try BackupFile.open(path, named: path, to: work.path + "/keystore.db", secret: secret)
            let keystore = try KeystoreDoor.open(work.path + "/keystore.db", secret: secret, forSlots: true, appliesSchedule: false)
            defer { KeystoreDoor.close(keystore) }
            try finish(try drill(keystore))
        }

        private func drill(_ keystore: Keystore) throws(Failure) -> DrillRecord {
            let keyring = try KeystoreDoor.keyring(of: keystore)
            defer { keyring.lock() }
            let proof: KeyProof
            let slot: SlotDescription?
            do throws(KeystoreError) {
                (proof, slot) = (try keystore.proveKeys(), try keystore.slots().first(where: \.isOpener))
            } catch { throw Failure(error) }
            var drilled: [DrillRecord.OfVault] = []
            for vault in vaults { drilled.append(try DrillRecord.OfVault(vault, keyring: keyring, keystore: backup ?? keystore.path, sample: sample)) }
            return DrillRecord(
                slot: slot?.number ?? 0, kind: slot?.kind.rawValue ?? "", keys: proof.keyCount, versions: proof.versionCount, unopened: proof.unopened, vaults: drilled)
        }

        private func finish(_ record: DrillRecord) throws(Failure) {
            if json { try Console.json(record) } else { try Console.table(record.rows) }
            guard record.failures.isEmpty else { throw Failure(.keystoreUnreadable, "the drill failed: \(record.failures.joined(separator: "; "))") }
        }
    }
}

/// What a drill has shown.
struct DrillRecord: Encodable {
    let slot: Int64
    let kind: String
    let keys: Int
    let versions: Int
    let unopened: [String]
    let vaults: [OfVault]

    struct OfVault: Encodable {
        let vault: String
        /// How many were opened: the vault's own key, the file's key, and its state record.
        let opened: Int
        let files: Int
        let failed: [String]

        init(_ given: String, keyring: Keyring, keystore: String, sample: Int) throws(Failure) {
            let keys = SealChecking(keyring, auditing: nil)
            let info = try VaultInfo(at: given, keys)
            vault = info.vault
            guard info.keystoreID == keyring.keystoreID.description else {
                throw Failure(.keystoreForeign, "the vault \(vault) belongs to keystore \(info.keystoreID), but \(keystore) is keystore \(keyring.keystoreID)")
            }
            var (names, failed) = Self.sealedFiles(in: vault)
            if info.isAuthentic != true { failed.append(".envelopefs/vault.json") }
            files = names.count
            names.shuffle()
            var opened = 0
            for name in names.prefix(sample) {
                do throws(Failure) {
                    if try FileInfo(at: vault + "/" + name, keys).state != nil { opened += 1 }
                } catch { failed.append(name) }
            }
            (self.opened, self.failed) = (opened, failed)
        }

        /// The files of a vault that hold a key, as paths in it, and the directories that cannot be looked into.
        private static func sealedFiles(in vault: String) -> (names: [String], failed: [String]) {
            var (names, failed) = ([String](), [String]())
            var waiting = [""]
            while let directory = waiting.popLast() {
                let path = directory.isEmpty ? vault : vault + "/" + directory
                guard let found = try? FileManager.default.contentsOfDirectory(atPath: path) else {
                    // One that was removed meanwhile has no files.
                    if (try? Paths.exists(path)) != false { failed.append(directory.isEmpty ? "." : directory) }
                    continue
                }
                for entry in found {
                    let name = directory.isEmpty ? entry : directory + "/" + entry
                    guard let status = try? Paths.status(vault + "/" + name, followsLink: false) else { continue }
                    switch BackingNameForm(Array(entry.utf8).span) {
                    case .directory, .longDirectory: if status.isDirectory { waiting.append(name) }
                    case .file, .longFile: if status.isRegular && status.size > 0 { names.append(name) }
                    case .side, .reserved, .foreign: break
                    }
                }
            }
            return (names, failed)
        }
    }

    var failures: [String] {
        unopened.map { "key version \($0) does not open" } + vaults.flatMap { vault in vault.failed.map { "\(vault.vault)/\($0) does not open" } }
    }

    var rows: [(String, String)] {
        [("slot", "\(slot), \(kind)"), ("keys", "\(keys), with \(versions) versions: \(unopened.isEmpty ? "all open" : "\(unopened.count) do not open")")]
            + vaults.map { ("vault", "\($0.vault): \($0.opened) of \($0.files) files opened\($0.failed.isEmpty ? "" : ", \($0.failed.count) FAILED")") }
    }
}
