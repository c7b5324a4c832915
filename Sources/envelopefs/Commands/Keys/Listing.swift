// Creating, describing, listing and naming keys.

import ArgumentParser
import KeyManagement

/// One page of a long list.
struct PageOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most this many; the marker of the rest is printed to standard error.", valueName: "n")) var limit: Int?
    @Option(help: ArgumentHelp("Go on after the page that gave this marker.", valueName: "marker")) var marker: String?

    func validate() throws { if marker != nil && limit == nil { throw ValidationError("--marker needs --limit.") } }

    static func tell(_ marker: String?) { if let marker { Console.note("there is more: --marker \(marker)") } }
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
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var page: PageOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.use { keystore throws(KeyError) in
                guard let limit = page.limit else { return (try keystore.keys().map { KeyRecord($0) }, String?.none) }
                let found = try keystore.keys(limit: limit, marker: page.marker)
                return (found.items.map { KeyRecord($0) }, found.nextMarker)
            } then: { (records, marker) throws(Failure) in
                if json { try Console.json(records) } else { for record in records { try Console.result(record.line) } }
                PageOptions.tell(marker)
            }
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
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var page: PageOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.use { keystore throws(KeyError) in
                guard let limit = page.limit else { return (try keystore.aliases().map { Record(alias: $0.name, keyID: $0.keyID.description) }, String?.none) }
                let found = try keystore.aliases(limit: limit, marker: page.marker)
                return (found.items.map { Record(alias: $0.name, keyID: $0.keyID.description) }, found.nextMarker)
            } then: { (records, marker) throws(Failure) in
                if json { try Console.json(records) } else { for record in records { try Console.result("\(record.alias)  \(record.keyID)") } }
                PageOptions.tell(marker)
            }
        }
    }

    /// `alias create|update|delete`.
    struct Alias: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give, move and take away names of keys.", subcommands: [Create.self, Update.self, Delete.self])

        struct Create: ParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Give a key a further name.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var dry: DryRunOption
            @OptionGroup var target: KeyArgument
            func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.createAlias(alias, for: key, dryRun: dry.dryRun) } }
        }

        struct Update: ParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Move a name to another key.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var dry: DryRunOption
            @OptionGroup var target: KeyArgument
            func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.updateAlias(alias, to: key, dryRun: dry.dryRun) } }
        }

        struct Delete: ParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Take a name away; the key stays.")
            @Argument(help: "alias/NAME.") var alias: String
            @OptionGroup var dry: DryRunOption
            @OptionGroup var access: KeystoreAccess
            func run() throws { try access.use({ keystore throws(KeyError) in try keystore.deleteAlias(alias, dryRun: dry.dryRun) }, then: { _ in }) }
        }
    }

    struct Describing: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "set-description", abstract: "Say anew what a key is for.")
        @OptionGroup var target: KeyArgument
        @Argument(help: "The text.") var text: String
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.updateDescription(text, of: key, dryRun: dry.dryRun) } }
    }

    struct Tag: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add tags to a key, or change them.")
        @OptionGroup var target: KeyArgument
        @Argument(help: ArgumentHelp("Tags.", valueName: "k=v")) var tags: [String]
        @OptionGroup var dry: DryRunOption
        func run() throws {
            let pairs = try Pairs.parse(tags, "tag", option: "them as")
            try target.use { keystore, key throws(KeyError) in try keystore.tagKey(key, pairs, dryRun: dry.dryRun) }
        }
    }

    struct Untag: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove tags from a key.")
        @OptionGroup var target: KeyArgument
        @Argument(help: "Names of tags.") var names: [String]
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.untagKey(key, names, dryRun: dry.dryRun) } }
    }
}

/// What `--origin` may say.
enum OriginChoice: String, ExpressibleByArgument, CaseIterable {
    case generated, external

    var origin: KeyOrigin { self == .external ? .external : .generated }
}
