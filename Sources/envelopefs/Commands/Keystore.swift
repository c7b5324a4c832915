// envelopefs keystore: the keystore itself, and what opens it.

import ArgumentParser
import Cryptography
import FoundationEssentials
import KeyManagement
import POSIX

/// Verbs of the keystore.
struct KeystoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keystore", abstract: "Make a keystore, and manage what opens it.",
        discussion: "A keystore is opened by any one of its slots: a passphrase, a recovery code, a key file, a systemd credential.",
        subcommands: [
            Init.self, Slots.self, AddSlot.self, RemoveSlot.self, RotateRoot.self, Backup.self, Restore.self, Verify.self, Drill.self,
        ])

    struct Init: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a keystore without a vault; prints its id.",
            discussion: "The recovery code is printed once, to standard error. A key file that is not there is made.")
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let path = try access.keystoreOptions.path()
            if try KeystoreDoor.isThere(path) { throw Failure(KeystoreError.alreadyExists(path: path)) }
            let secret: UnlockSecret
            if let file = access.secretOptions.keyFile {
                secret = .keyFile(try KeyFile.findOrMake(file).0)
            } else {
                secret = try SecretEntry.unlockSecret(access.secretOptions, for: .choose(keystore: path))
            }
            let keystore = try KeystoreDoor.create(path, secret: secret)
            defer { KeystoreDoor.close(keystore) }
            try Console.result(keystore.id.description)
        }
    }

    struct Slots: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List what opens the keystore.")
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let records = try access.administer { keystore, _ throws(KeystoreError) in try keystore.slots().map { SlotRecord($0) } }
            if json { return try Console.json(records) }
            for record in records { try Console.result(record.line) }
        }
    }

    struct AddSlot: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add something that opens the keystore; prints the slot's number.",
            discussion: """
                KIND is passphrase, key-file FILE (made where there is none), recovery (prints a new code on standard error), \
                or credential FILE ('-' is standard output: pipe it to 'systemd-creds encrypt --name=envelopefs.key').
                """)
        @Argument(help: "passphrase, key-file, recovery or credential.") var kind: SlotKind
        @Argument(help: "The key file, or where the credential is written to.") var file: String?
        @Option(help: ArgumentHelp("Read the new passphrase from a file; '-' is standard input.", valueName: "file")) var newPassphraseFile: String?
        @Option(name: .customLong("replace"), help: ArgumentHelp("Remove this slot in the same step.", valueName: "slot")) var replaced: Int64?
        @OptionGroup var access: KeystoreAccess

        func validate() throws {
            let needsFile = kind == .keyFile || kind == .credential
            if needsFile && file == nil { throw ValidationError("Name the file: add-slot \(kind.rawValue) FILE.") }
            if !needsFile && file != nil { throw ValidationError("add-slot \(kind.rawValue) takes no file.") }
            if kind != .passphrase && newPassphraseFile != nil { throw ValidationError("--new-passphrase-file is for add-slot passphrase.") }
        }

        func run() throws {
            let number = try access.administer { (keystore, _) throws(Failure) in try add(to: keystore) }
            if kind == .credential && file == "-" { Console.note("slot \(number) was added") } else { try Console.result(String(number)) }
        }

        private func add(to keystore: Keystore) throws(Failure) -> Int64 {
            switch kind {
            case .passphrase:
                let secret = try newPassphrase(for: keystore.path)
                defer { secret.wipe() }
                return try add(.passphrase(secret), to: keystore)
            case .recovery:
                let hint = "The recovery code above opens nothing: its slot could not be written."
                return try KeystoreDoor.showing("a further recovery code for \(keystore.path)", hint: hint) { show throws(KeystoreError) in
                    try keystore.addRecoverySlot(replacing: replaced, showing: show)
                }
            case .keyFile:
                let path = file ?? ""
                let (secret, isNew) = try KeyFile.findOrMake(path)
                defer { secret.wipe() }
                do throws(Failure) { return try add(.keyFile(secret), to: keystore) } catch {
                    if isNew { try? Paths.remove(path) }
                    throw error
                }
            case .credential:
                let secret = try file == "-" ? KeyFile.random() : KeyFile.findOrMake(file ?? "").0
                defer { secret.wipe() }
                if file == "-" {
                    do throws(Errno) {
                        try secret.withBytes { bytes throws(Errno) in try SharedDescriptor.standardOutput.writeSequence(bytes) }
                    } catch { throw Failure("standard output cannot be written", error) }
                }
                return try add(.credential(secret), to: keystore)
            }
        }

        private func newPassphrase(for path: String) throws(Failure) -> SecretBytes {
            if let newPassphraseFile { return try SecretEntry.line(newPassphraseFile) }
            return try SecretEntry.chosen(for: path)
        }

        private func add(_ secret: UnlockSecret, to keystore: Keystore) throws(Failure) -> Int64 {
            do throws(KeystoreError) { return try keystore.addSlot(secret, replacing: replaced) } catch { throw Failure(error) }
        }
    }

    struct RemoveSlot: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a slot: never the last, and never the one that opens the keystore now.",
            discussion: "Older copies of the keystore are still opened by it, and give the root key: see rotate-root.")
        @Argument(help: "The slot's number.") var slot: Int64
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.administer { keystore, _ throws(KeystoreError) in try keystore.removeSlot(slot) }
        }
    }

    struct RotateRoot: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new root key, and seal everything below it again, in one step.",
            discussion: """
                Each slot is sealed again with its secret: that of the slot that opens the keystore, and those given by --also. Recovery codes that are not given \
                are replaced by new ones, printed on standard error. Unmount first: a mount keeps its keys, but sees no later change.
                """)
        @Option(help: ArgumentHelp("The passphrase of another slot that stays.", valueName: "file")) var alsoPassphraseFile: [String] = []
        @Option(help: ArgumentHelp("The key file of another slot that stays.", valueName: "file")) var alsoKeyFile: [String] = []
        @Option(help: ArgumentHelp("The code of a recovery slot that stays.", valueName: "file")) var alsoRecoveryCodeFile: [String] = []
        @Option(help: ArgumentHelp("The bytes of a credential slot that stays.", valueName: "file")) var alsoCredential: [String] = []
        @Option(help: ArgumentHelp("Remove a slot whose secret is not at hand.", valueName: "slot")) var drop: [Int64] = []
        @OptionGroup var access: KeystoreAccess

        private static let notRotated = "The recovery code above opens nothing: nothing was changed, and what opened the keystore still does."

        func run() throws {
            var secrets: [UnlockSecret] = []
            for path in alsoPassphraseFile { secrets.append(.passphrase(try SecretEntry.line(path))) }
            for path in alsoRecoveryCodeFile { secrets.append(.recoveryCode(try SecretEntry.line(path))) }
            for path in alsoKeyFile { secrets.append(.keyFile(try SecretEntry.keyFile(path))) }
            for path in alsoCredential { secrets.append(.credential(try SecretEntry.keyFile(path))) }
            defer { for secret in secrets { secret.wipe() } }
            let others = secrets
            let rotation = try access.administer { (keystore, secret) throws(Failure) in
                try KeystoreDoor.showing("a new root key for \(keystore.path): the old recovery code will open nothing", hint: Self.notRotated) { show throws(KeystoreError) in
                    try keystore.rotateRootKey(keeping: [secret] + others, dropping: Set(drop), showing: show)
                }
            }
            let list = { (numbers: [Int64]) in numbers.map(String.init).joined(separator: ", ") }
            Console.note("the root key was rotated; slots as before: \(list(rotation.kept))")
            if !rotation.renewed.isEmpty { Console.note("new recovery codes, shown above: slots \(list(rotation.renewed))") }
            if !rotation.removed.isEmpty { Console.note("removed: slots \(list(rotation.removed))") }
            Console.note("older copies and backups still open with their secrets, as they were; make a new backup")
        }
    }
}

extension SlotKind: ExpressibleByArgument {}

extension KeystoreAccess {
    /// Opens the keystore for work on itself, and closes it. The secret that opened it is wiped afterwards.
    /// - Parameter appliesSchedule: false where nothing may be changed.
    func administer<Answer>(
        appliesSchedule: Bool = true, _ work: (Keystore, UnlockSecret) throws(KeystoreError) -> Answer
    ) throws(Failure) -> Answer {
        try administer(appliesSchedule: appliesSchedule) { (keystore, secret) throws(Failure) in
            do throws(KeystoreError) { return try work(keystore, secret) } catch { throw Failure(error) }
        }
    }

    func administer<Answer>(
        appliesSchedule: Bool = true, _ work: (Keystore, UnlockSecret) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        let (keystore, secret) = try unlock(forSlots: true, appliesSchedule: appliesSchedule)
        defer {
            KeystoreDoor.close(keystore)
            secret.wipe()
        }
        return try work(keystore, secret)
    }
}

/// A slot as commands print it.
struct SlotRecord: Encodable {
    let slot: Int64
    let kind: String
    let createdAt: String
    /// Whether it opened the keystore for this command.
    let opened: Bool
    let scryptLogN: Int?
    let scryptR: Int?
    let scryptP: Int?

    init(_ description: SlotDescription) {
        slot = description.number
        kind = description.kind.rawValue
        createdAt = description.createdAt.asDate
        opened = description.isOpener
        (scryptLogN, scryptR, scryptP) = (description.scrypt?.logN, description.scrypt?.r, description.scrypt?.p)
    }

    var line: String {
        let cost = scryptLogN.map { "scrypt N=2^\($0) r=\(scryptR ?? 0) p=\(scryptP ?? 0)" } ?? ""
        return "\(opened ? "*" : " ") \(slot)  \(kind.padding(12))\(createdAt)  \(cost)"
    }
}

extension String {
    /// Filled up with spaces.
    func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
