// envelopefs safe list, search, versions: what there is, without opening a value.

import ArgumentParser
import FoundationEssentials
import KeyManagement

extension SafeCommand {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List secrets.")
        @OptionGroup var listing: ListingOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws { try listing.run("", access) }
    }

    struct Search: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List secrets that have a text in their name, account, description or tags.")
        @Argument(help: "The text; upper and lower case are the same.") var text: String
        @OptionGroup var listing: ListingOptions
        @OptionGroup var access: KeystoreAccess

        func run() throws { try listing.run(text, access) }
    }

    struct Versions: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the versions of a secret.")
        @Argument(help: "The secret.") var name: String
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            try access.useSafe { (safe, _) throws(KeyError) in
                try safe.versions(of: name).map { VersionRecord($0) }
            } then: { (records) throws(Failure) in
                if json { return try Console.json(records) }
                for record in records {
                    try Console.result([String(record.version), record.label ?? "-", record.createdAt, record.keyID].joined(separator: "  "))
                }
            }
        }
    }
}

/// The options of `list` and `search`.
struct ListingOptions: ParsableArguments {
    @Option(help: "At most so many, in no particular order; without it all, by name.") var limit: Int?
    @Option(help: ArgumentHelp("Go on after a page that ended with this token.", valueName: "token")) var after: String?
    @Flag(help: "Show deleted ones too, which are not destroyed yet.") var deleted = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1.") }
    }

    func run(_ text: String, _ access: KeystoreAccess) throws(Failure) {
        try access.useSafe { (safe, _) throws(KeyError) in
            try safe.list(matching: text, withDeleted: deleted, after: after, limit: limit ?? .max)
        } then: { (page) throws(Failure) in
            let secrets = limit == nil && after == nil ? page.secrets.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) } : page.secrets
            if json { return try Console.json(PageRecord(secrets: secrets.map { SecretRecord($0) }, next: page.next)) }
            for secret in secrets {
                let deleted = secret.destroyedAt.map { "deleted, destroyed at \($0.asDate)" }
                let fields = [secret.name, secret.metadata.account, "version \(secret.currentVersion)", secret.changedAt.asDate, deleted ?? ""]
                try Console.result(fields.filter { !$0.isEmpty }.joined(separator: "  ").visible)
            }
            if let next = page.next { Console.note("there are more: --after \(next)") }
        }
    }
}

/// A page as JSON.
private struct PageRecord: Encodable {
    let secrets: [SecretRecord]
    let next: String?
}

/// A secret as JSON; never its value.
private struct SecretRecord: Encodable {
    let name: String
    let auditSubject: String
    let account: String
    let description: String
    let tags: [String: String]
    let createdAt: String
    let changedAt: String
    let destroyedAt: String?
    let currentVersion: UInt32
    let previousVersion: UInt32?

    init(_ secret: SecretDescription) {
        (name, auditSubject, account) = (secret.name, secret.auditSubject, secret.metadata.account)
        (description, tags) = (secret.metadata.description, secret.metadata.tags)
        (createdAt, changedAt, destroyedAt) = (secret.createdAt.asDate, secret.changedAt.asDate, secret.destroyedAt?.asDate)
        (currentVersion, previousVersion) = (secret.currentVersion, secret.previousVersion)
    }
}

/// A version as JSON.
private struct VersionRecord: Encodable {
    let version: UInt32
    let label: String?
    let createdAt: String
    let keyID: String

    init(_ version: SecretVersionDescription) {
        (self.version, label) = (version.version, version.label?.rawValue)
        (createdAt, keyID) = (version.createdAt.asDate, version.keyID.description)
    }
}
