// envelopefs safe import: one new secret, or many from a file.

import ArgumentParser
import Cryptography
import FoundationEssentials
import KeyManagement
import POSIX
import Synchronization

extension SafeCommand {
    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take in a new secret, or many from a CSV or JSON file.",
            usage: """
                envelopefs safe import NAME [--account A] [--description T] [--tag K=V] [--key KEY] [--in FILE] < value
                envelopefs safe import --from FILE [--format csv|json] [--dry-run] [--update] [--account-in-name] [--key KEY] [--json]
                """)
        @Argument(help: "The new secret.") var name: String?
        @Option(help: ArgumentHelp("An export of a password manager; '-' is standard input.", valueName: "file")) var from: String?
        @Option(help: "The file's format: csv or json; else as its name ends.") var format: SecretImport.Format?
        @Flag(help: "Say what would be taken in, and change nothing.") var dryRun = false
        @Flag(help: "Make entries whose name exists new versions where something differs, instead of skipping them.") var update = false
        @Flag(help: "Call each secret NAME/ACCOUNT, for files with several accounts of one name.") var accountInName = false
        @Flag(help: "Print the report as JSON.") var json = false
        @OptionGroup var input: SecretInput
        @OptionGroup var details: SecretDetails
        @OptionGroup var access: KeystoreAccess

        func validate() throws {
            if (name == nil) == (from == nil) { throw ValidationError("Give either a NAME or --from FILE.") }
            if from == nil {
                if dryRun || update || accountInName || json || format != nil {
                    throw ValidationError("--format, --dry-run, --update, --account-in-name and --json belong to --from.")
                }
            } else if input.file != nil || input.line || details.account != nil || details.description != nil || !details.tags.isEmpty {
                throw ValidationError("--in, --line, --account, --description and --tag belong to a NAME.")
            }
        }

        func run() throws {
            if let from { return try importFile(from) }
            guard let name else { return }
            let (metadata, key) = (try details.metadata(of: name), try details.keyReference())
            let value = try input.value(of: name, access: access)
            defer { value.wipe() }
            try access.useSafe { (safe, _) throws(KeyError) in try safe.create(metadata, value: value, key: key) } then: { () throws(Failure) in }
        }

        private func importFile(_ path: String) throws(Failure) {
            guard let format = format ?? SecretImport.Format.allCases.first(where: { path.lowercased().hasSuffix(".\($0.rawValue)") }) else {
                throw Failure(.usage, "the format of \(path) is not clear", hint: "Give --format csv or --format json.")
            }
            guard path != "-" || access.secretOptions.passphraseFile != "-" else {
                throw Failure(.usage, "standard input cannot be both the passphrase and the file", hint: "Give the passphrase otherwise.")
            }
            let key = try details.keyReference()
            let file = try SecretInput.read("import file \(path)", path, limit: SecretImport.maximumSize)
            let found: SecretImport
            do throws(KeyError) {
                defer { file.wipe() }
                found = try SecretImport(file, format, withAccountInName: accountInName)
            } catch {
                throw Failure(.usage, "import file \(path): \(error)", hint: "Nothing was imported.")
            }
            var report = ImportReport(found, unit: format == .csv ? "line" : "entry", isTrial: dryRun)
            try access.useSafe { (safe, _) throws(KeyError) in
                try take(found.entries, into: safe, key, &report)
            } then: { () throws(Failure) in }
            try finish(report, path)
        }

        /// Batch by batch, each one durable transaction: an import that is ended in the middle can be run again, and skips what is there.
        private func take(_ entries: [ImportEntry], into safe: PasswordSafe, _ key: KeyReference?, _ report: inout ImportReport) throws(KeyError) {
            let progress = ImportProgress(of: entries.count)
            defer { progress.end() }
            for start in stride(from: 0, to: entries.count, by: Self.batchSize) {
                let batch = Array(entries[start..<min(start + Self.batchSize, entries.count)])
                do throws(KeyError) {
                    report.add(try safe.importEntries(batch, key: key, updates: update, isTrial: dryRun), of: batch)
                } catch {
                    progress.end()
                    if report.count > 0 { Console.note("\(report.count) secrets were imported before it failed; run it again when that is mended") }
                    throw error
                }
                for entry in batch { entry.value.wipe() }
                progress.advance(by: batch.count)
            }
        }

        /// Few enough that half a second's work is lost at most.
        private static let batchSize = 1000

        private func finish(_ report: ImportReport, _ path: String) throws(Failure) {
            if json { try Console.json(report) } else { report.tell() }
            if report.count > 0, !dryRun, path != "-" { Console.note(report.remains(in: path)) }
            guard report.skipped.isEmpty else {
                throw Failure(.importIncomplete, "entries of \(path) that \(dryRun ? "would be" : "were") skipped: \(report.skipped.count)")
            }
        }
    }
}

extension SecretImport.Format: ExpressibleByArgument {}

/// How far a long import is: a line that moves on a terminal, and elsewhere a line now and then.
private final class ImportProgress {
    /// Seconds between lines that stay.
    private static let interval = 2.0

    private let all: Int
    private let isTerminal = Terminal.isTerminal(.standardError)
    private let done = Counter()
    private let began = Date()
    private var told = Date()
    private let display: ProgressDisplay

    private final class Counter: Sendable { let value = Atomic(0) }

    init(of all: Int) {
        self.all = all
        display = ProgressDisplay(isShown: isTerminal) { [done] seconds in
            ProgressDisplay.line(done.value.load(ordering: .relaxed), of: all, "secrets", after: seconds)
        }
    }

    func advance(by count: Int) {
        let now = done.value.add(count, ordering: .relaxed).newValue
        guard !isTerminal, now < all, Date().timeIntervalSince(told) >= Self.interval else { return }
        told = Date()
        Console.note(ProgressDisplay.line(now, of: all, "secrets", after: told.timeIntervalSince(began)))
    }

    func end() { display.end() }
}

/// What became of an import file: counts and positions; no name or value.
private struct ImportReport: Encodable {
    struct Skipped: Encodable {
        /// The line or entry, from 1.
        let position: Int
        let reason: String
    }

    let unit: String
    let isTrial: Bool
    let unusedColumns: [String]
    private(set) var created = 0
    private(set) var updated = 0
    private(set) var unchanged = 0
    private(set) var skipped: [Skipped]

    var count: Int { created + updated }

    init(_ found: SecretImport, unit: String, isTrial: Bool) {
        (self.unit, self.isTrial) = (unit, isTrial)
        unusedColumns = found.unusedColumns
        skipped = found.skipped.map { Skipped(position: $0.position, reason: $0.reason) }
    }

    mutating func add(_ outcomes: [ImportOutcome], of batch: [ImportEntry]) {
        for (entry, outcome) in zip(batch, outcomes) {
            switch outcome {
            case .created: created += 1
            case .updated: updated += 1
            case .unchanged: unchanged += 1
            case .skipped(let reason): skipped.append(Skipped(position: entry.position, reason: reason))
            }
        }
    }

    /// What is said of the file. It may be the only copy of what was not imported: then there is no advice to delete it.
    func remains(in path: String) -> String {
        var left = unusedColumns.isEmpty ? [] : [unusedNames]
        if !skipped.isEmpty { left.append("skipped entries (\(skipped.count))") }
        guard !left.isEmpty else { return "\(path) still holds the secrets in the clear: delete it, and its copies" }
        return "\(path) still holds the secrets in the clear, and what was not imported: \(left.joined(separator: ", "))"
    }

    /// On one line; a file with countless keys does not fill the terminal.
    private var unusedNames: String {
        let names = unusedColumns.prefix(50).map(\.visibleLine).joined(separator: ", ")
        return unusedColumns.count > 50 ? "\(names), and \(unusedColumns.count - 50) more; --json names all" : names
    }

    func tell() {
        for entry in skipped.sorted(by: { $0.position < $1.position }).prefix(100) {
            Console.note("\(unit) \(entry.position) \(isTrial ? "would be" : "is") skipped: \(entry.reason)")
        }
        if skipped.count > 100 { Console.note("and \(skipped.count - 100) more; --json names all") }
        if !unusedColumns.isEmpty { Console.note("nothing is taken from: \(unusedNames)") }
        let already = unchanged > 0 ? ", \(unchanged) are there already" : ""
        Console.note("\(isTrial ? "would import" : "imported") \(created) new and \(updated) updated, skipped \(skipped.count)\(already)")
    }
}
