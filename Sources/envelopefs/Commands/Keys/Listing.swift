// Creating, describing, listing and naming keys.

import ArgumentParser
import KeyManagement

/// How a list is printed: all of it, or one page.
struct KeyListOptions: ParsableArguments {
    @Flag(help: "Print JSON.") var json = false
    @Option(help: ArgumentHelp("At most this many; the marker of the rest is printed to standard error.", valueName: "n")) var limit: Int?
    @Option(help: ArgumentHelp("Go on after the page that gave this marker.", valueName: "marker")) var marker: String?

    func validate() throws { if marker != nil && limit == nil { throw ValidationError("--marker needs --limit.") } }

    /// Prints what `page` gives: the page that was asked for, or all, in pages of `greatestPage`.
    func show<Item, Record: Encodable>(
        _ access: KeystoreAccess, greatestPage: Int, _ page: (Keystore, _ limit: Int, _ marker: String?) throws(KeyError) -> Page<Item>,
        record: (Item) -> Record, line: (Record) -> String
    ) throws(Failure) {
        try access.use { keystore throws(KeyError) in
            var (records, next) = ([Record](), marker)
            repeat {
                let found = try page(keystore, limit ?? greatestPage, next)
                records += found.items.map(record)
                next = found.nextMarker
            } while next != nil && limit == nil
            return (records, next)
        } then: { (records: [Record], next: String?) throws(Failure) in
            if json { try Console.json(records) } else { for record in records { try Console.result(line(record)) } }
            if let next { Console.note("there is more: --marker \(next)") }
        }
    }
}

extension KeyCommand {
    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Create a key; prints its id.")
        @Option(help: ArgumentHelp("A name for the key, alias/NAME.", valueName: "alias")) var alias: String?
        @Option(help: ArgumentHelp("What the key is for.", valueName: "text")) var description = ""
        @Option(name: .customLong("tag"), help: ArgumentHelp("A tag; may be repeated.", valueName: "k=v")) var tags: [String] = []
        @Option(help: "generated; or external, for material that is imported.") var origin = OriginChoice.generated
        @OptionGroup var dry: DryRunOption
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let tags = try Pairs.parse(tags, "tag", option: "--tag")
            try access.use { keystore throws(KeyError) in
                try keystore.createKey(alias: alias, description: description, tags: tags, origin: origin.origin, dryRun: dry.dryRun).description
            } then: { (id) throws(Failure) in
                try Console.result(id)
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List keys, oldest first.")
        @OptionGroup var list: KeyListOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try list.show(access, greatestPage: 1000) { keystore, limit, marker throws(KeyError) in
                try keystore.keys(limit: limit, marker: marker)
            } record: { KeyRecord($0) } line: { $0.line }
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Describe one key.")
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var target: KeyArgument

        func run() throws {
            try target.use { keystore, key throws(KeyError) in
                KeyRecord(try keystore.describe(key))
            } then: { (record) throws(Failure) in
                try json ? Console.json(record) : Console.table(record.rows)
            }
        }
    }

    struct Aliases: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List aliases and the keys that they name.")
        struct Record: Encodable { let alias, keyID: String }
        @OptionGroup var list: KeyListOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try list.show(access, greatestPage: 100) { keystore, limit, marker throws(KeyError) in
                try keystore.aliases(limit: limit, marker: marker)
            } record: { Record(alias: $0.name, keyID: $0.keyID.description) } line: { "\($0.alias)  \($0.keyID)" }
        }
    }

    /// `alias create|update|delete`.
    struct Alias: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give, move and take away names of keys.", subcommands: [Create.self, Update.self, Delete.self])

        struct Create: KeyChangeCommand {
            static let configuration = CommandConfiguration(abstract: "Give a key a further name.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var arguments: KeyChangeArguments
            func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.createAlias(alias, for: key, dryRun: dryRun) }
        }

        struct Update: KeyChangeCommand {
            static let configuration = CommandConfiguration(abstract: "Move a name to another key.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var arguments: KeyChangeArguments
            func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.updateAlias(alias, to: key, dryRun: dryRun) }
        }

        struct Delete: ParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Take a name away; the key stays.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var dry: DryRunOption
            @OptionGroup var access: KeystoreAccess
            func run() throws { try access.use({ keystore throws(KeyError) in try keystore.deleteAlias(alias, dryRun: dry.dryRun) }, then: { _ in }) }
        }
    }

    struct Describing: KeyChangeCommand {
        static let configuration = CommandConfiguration(commandName: "set-description", abstract: "Say anew what a key is for.")
        @OptionGroup var arguments: KeyChangeArguments
        @Argument(help: "The text.") var text: String
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.updateDescription(text, of: key, dryRun: dryRun) }
    }

    struct Tag: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add tags to a key, or change them.")
        @OptionGroup var arguments: KeyChangeArguments
        @Argument(help: ArgumentHelp("Tags.", valueName: "k=v")) var tags: [String]
        func run() throws {
            let pairs = try Pairs.parse(tags, "tag", option: "them as")
            try arguments.target.use { keystore, key throws(KeyError) in try keystore.tagKey(key, pairs, dryRun: arguments.dry.dryRun) }
        }
    }

    struct Untag: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Remove tags from a key.")
        @OptionGroup var arguments: KeyChangeArguments
        @Argument(help: "Names of tags.") var names: [String]
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.untagKey(key, names, dryRun: dryRun) }
    }
}

/// What `--origin` may say.
enum OriginChoice: String, ExpressibleByArgument, CaseIterable {
    case generated, external

    var origin: KeyOrigin { self == .external ? .external : .generated }
}
