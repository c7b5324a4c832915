// envelopefs safe: the password safe.

import ArgumentParser
import Cryptography
import FoundationEssentials
import KeyManagement
import POSIX

/// Secrets in the keystore.
struct SafeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "safe", abstract: "Keep passwords and other secrets.",
        discussion: "A value is never given on the command line: it comes from a file, standard input, or the terminal.",
        subcommands: [
            Import.self, Put.self, Get.self, List.self, Search.self, Versions.self, RestoreVersion.self, Delete.self, Restore.self, Generate.self,
        ])

    struct Put: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a secret a new value; prints the version.")
        @Argument(help: "The secret.") var name: String
        @OptionGroup var input: SecretInput
        @OptionGroup var details: SecretDetails
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let edit = try details.edit()
            let key = try details.keyReference()
            let value = try input.value(of: name, access: access)
            try access.useSafe { (safe, _) throws(KeyError) in
                try safe.put(name, value: value, key: key, edit: edit)
            } then: { (version) throws(Failure) in
                try Console.result(String(version))
            }
        }
    }

    struct Get: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give out the value of a secret, byte for byte.")
        @Argument(help: "The secret.") var name: String
        @Option(help: ArgumentHelp("This version; else the current one.", valueName: "number")) var version: UInt32?
        @Option(help: "The version with this label: current or previous.") var label: SecretLabel?
        @Option(help: ArgumentHelp("What it is needed for.", valueName: "text")) var reason: String
        @OptionGroup var output: SecretOutput
        @OptionGroup var access: KeystoreAccess

        func validate() throws {
            if version != nil && label != nil { throw ValidationError("--version and --label exclude each other.") }
            if reason.isEmpty || reason.utf8.count > 512 { throw ValidationError("--reason takes 1 to 512 bytes.") }
        }

        func run() throws {
            try output.check()
            let choice = version.map { SecretVersionChoice.version($0) } ?? .label(label ?? .current)
            try access.useSafe { (safe, keystore) throws(KeyError) in
                try safe.value(of: name, choice, with: try keystore.keyring(), reason: reason).value
            } then: { (value) throws(Failure) in
                defer { value.wipe() }
                try output.write(value)
            }
        }
    }

    struct RestoreVersion: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make an older version of a secret the current one again.")
        @Argument(help: "The secret.") var name: String
        @Argument(help: "The version's number.") var version: UInt32
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.useSafe { (safe, _) throws(KeyError) in try safe.restoreVersion(version, of: name) } then: { () throws(Failure) in }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete a secret; it can be restored for some days.")
        @Argument(help: "The secret.") var name: String
        @Option(help: "Days until it is destroyed, 7 to 30.") var days = 30
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.useSafe { (safe, _) throws(KeyError) in try safe.delete(name, days: days) } then: { (date) throws(Failure) in
                Console.note("\(name) will be destroyed at \(date.asDate); until then 'envelopefs safe restore' takes that back")
            }
        }
    }

    struct Restore: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take the deletion of a secret back.")
        @Argument(help: "The secret.") var name: String
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.useSafe { (safe, _) throws(KeyError) in try safe.restore(name) } then: { () throws(Failure) in }
        }
    }

    struct Generate: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a random password; prints it, or keeps it in the safe.")
        @Option(help: "Count of characters, 4 to 1024.") var length = 24
        @Option(help: ArgumentHelp("Classes of characters, each of which occurs: lower, upper, digits, symbols.", valueName: "list"))
        var classes = "lower,upper,digits,symbols"
        @Flag(help: "Leave out characters that look alike: 0 O o, 1 l I i |, 5 S, 2 Z, 8 B.") var noAmbiguous = false
        @Option(help: ArgumentHelp("Print nothing; make it the value of this secret, which is made where it is missing.", valueName: "name")) var save: String?
        @OptionGroup var output: SecretOutput
        @OptionGroup var details: SecretDetails
        @OptionGroup var access: KeystoreAccess

        func validate() throws {
            if save != nil && (output.out != nil || output.outFd != nil) { throw ValidationError("--save excludes --out and --out-fd.") }
        }

        func run() throws {
            try output.check()
            let password = try generate()
            defer { password.wipe() }
            guard let save else { return try output.write(password) }
            let (metadata, edit, key) = (try details.metadata(of: save), try details.edit(), try details.keyReference())
            try access.useSafe { (safe, _) throws(KeyError) in
                do throws(KeyError) {
                    return try safe.put(save, value: password, key: key, edit: edit)
                } catch {
                    guard case .secretNotFound = error else { throw error }
                    try safe.create(metadata, value: password, key: key)
                    return 1
                }
            } then: { (version) throws(Failure) in
                try Console.result(String(version))
            }
        }

        private func generate() throws(Failure) -> SecretBytes {
            var wanted: [PasswordPolicy.CharacterClass] = []
            for name in classes.split(separator: ",", omittingEmptySubsequences: false) {
                guard let known = PasswordPolicy.CharacterClass(rawValue: String(name)) else {
                    throw Failure(.usage, "'\(name)' is no class of characters", hint: "Give some of lower,upper,digits,symbols, joined by commas.")
                }
                wanted.append(known)
            }
            do throws(KeyError) {
                return try PasswordPolicy(length: length, classes: wanted, avoidsAmbiguous: noAmbiguous).generate()
            } catch { throw Failure(error) }
        }
    }
}

extension SecretLabel: ExpressibleByArgument {}

/// What is said of a secret besides its value, and the key that seals it.
struct SecretDetails: ParsableArguments {
    @Option(help: ArgumentHelp("The account that it belongs to.", valueName: "text")) var account: String?
    @Option(help: ArgumentHelp("What it is for.", valueName: "text")) var description: String?
    @Option(name: .customLong("tag"), help: ArgumentHelp("A tag; may be repeated.", valueName: "k=v")) var tags: [String] = []
    @Option(help: ArgumentHelp("The key that seals the value; else the one so far, or alias/safe.", valueName: "key")) var key: String?

    func keyReference() throws(Failure) -> KeyReference? {
        guard let key else { return nil }
        do throws(KeyError) { return try KeyReference(key) } catch { throw Failure(error) }
    }

    func metadata(of name: String) throws(Failure) -> SecretMetadata {
        let tags = try tagPairs()
        do throws(KeyError) {
            return try SecretMetadata(name: name, account: account ?? "", description: description ?? "", tags: tags)
        } catch { throw Failure(error) }
    }

    /// Changes what is given here, and leaves the rest. Given tags are added.
    func edit() throws(Failure) -> (SecretMetadata) throws(KeyError) -> SecretMetadata {
        let (account, description, added) = (account, description, try tagPairs())
        return { (old) throws(KeyError) in
            try SecretMetadata(
                name: old.name, account: account ?? old.account, description: description ?? old.description,
                tags: old.tags.merging(added) { _, new in new })
        }
    }

    private func tagPairs() throws(Failure) -> [String: String] {
        Dictionary(uniqueKeysWithValues: try Pairs.parse(tags, "tag", option: "--tag").map { ($0.name, $0.value) })
    }
}

extension KeystoreAccess {
    /// Opens the keystore, asks its safe, closes, and passes the answer on.
    func useSafe<Answer>(
        _ ask: (PasswordSafe, Keystore) throws(KeyError) -> Answer, then answer: (Answer) throws(Failure) -> Void
    ) throws(Failure) {
        try use { keystore throws(KeyError) in try ask(PasswordSafe(keystore), keystore) } then: { (found) throws(Failure) in try answer(found) }
    }
}
