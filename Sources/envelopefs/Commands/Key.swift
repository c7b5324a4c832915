// envelopefs key: customer master keys.

import ArgumentParser
import FoundationEssentials
import KeyManagement
import POSIX

/// Verbs of customer master keys.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Create, list and describe keys.",
        discussion: "KEY is an id, alias/NAME, or the full name efs:kms:KEYSTORE:key/ID.",
        subcommands: [Create.self, List.self, Describe.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Create a key; prints its id.")
        @Option(help: ArgumentHelp("A name for the key, alias/NAME.", valueName: "alias")) var alias: String?
        @Option(help: ArgumentHelp("What the key is for.", valueName: "text")) var description = ""
        @Option(name: .customLong("tag"), help: ArgumentHelp("A tag; may be repeated.", valueName: "k=v")) var tags: [String] = []
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            var pairs: [(name: String, value: String)] = []
            for tag in tags {
                let parts = tag.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, !parts[0].isEmpty, !pairs.contains(where: { $0.name == parts[0] }) else {
                    throw Failure(.usage, "'\(tag)' is not a tag, or is given twice", hint: "Write --tag KEY=VALUE.")
                }
                pairs.append((name: parts[0], value: parts[1]))
            }
            let tags = pairs
            try access.use { keystore throws(KeyError) in
                try keystore.createKey(alias: alias, description: description, tags: tags).description
            } then: { (id) throws(Failure) in
                try Console.result(id)
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List all keys.")
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.use { keystore throws(KeyError) in
                try keystore.keys().map { KeyRecord($0) }
            } then: { (records) throws(Failure) in
                if json { return try Console.json(records) }
                for record in records {
                    try Console.result(([record.keyID, record.state, "version \(record.currentVersion)"] + record.aliases + [record.description].filter { !$0.isEmpty }).joined(separator: "  ").visible)
                }
            }
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Describe one key.")
        @Argument(help: "An id, alias/NAME or full name.") var key: String
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.use { keystore throws(KeyError) in
                KeyRecord(try keystore.describe(KeyReference(key)))
            } then: { (record) throws(Failure) in
                try json ? Console.json(record) : Console.table(record.rows)
            }
        }
    }
}

/// The options with which a command opens the keystore, and the opening.
struct KeystoreAccess: ParsableArguments {
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions

    /// Opens the keystore, asks it, closes it, and passes the answer on.
    func use<Answer>(_ ask: (Keystore) throws(KeyError) -> Answer, then answer: (Answer) throws(Failure) -> Void) throws(Failure) {
        let path = try keystoreOptions.path()
        try KeystoreDoor.requireReadable(path, hint: nil)
        let secret = try SecretEntry.unlockSecret(secretOptions, for: .open(keystore: path))
        let keystore = try KeystoreDoor.open(path, secret: secret)
        defer { KeystoreDoor.close(keystore) }
        let found: Answer
        do throws(KeyError) { found = try ask(keystore) } catch { throw Failure(error) }
        try answer(found)
    }
}

/// A key as commands print it.
struct KeyRecord: Encodable {
    let keyID: String
    let fullName: String
    let state: String
    let aliases: [String]
    let description: String
    let currentVersion: UInt32
    let createdAt: String
    let tags: [String: String]

    init(_ key: KeyDescription) {
        keyID = key.keyID.description
        fullName = key.fullName
        state = key.state.rawValue
        aliases = key.aliases
        description = key.description
        currentVersion = key.currentVersion
        createdAt = Date(timeIntervalSince1970: Double(key.createdAt)).formatted(.iso8601)
        tags = Dictionary(key.tags.map { ($0.name, $0.value) }) { _, last in last }
    }

    var rows: [(String, String)] {
        [
            ("key id", keyID), ("full name", fullName), ("state", state), ("aliases", aliases.joined(separator: ", ")), ("description", description),
            ("version", String(currentVersion)), ("created", createdAt), ("tags", tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")),
        ]
    }
}
