// envelopefs audit: what was done with keys, and by whom.

import ArgumentParser
import FoundationEssentials
import KeyManagement

/// Verbs of the audit log.
struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "List, check and export the audit log.", subcommands: [List.self, Verify.self, Export.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List entries, oldest first.")
        @OptionGroup var choice: AuditChoice
        @Option(help: ArgumentHelp("At most so many, the newest.", valueName: "n")) var last: Int?
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func validate() throws { if let last, last < 1 { throw ValidationError("--last is at least 1.") } }

        func run() throws {
            var records: [AuditRecord] = []
            try access.administer { (keystore, _) throws(Failure) in
                try choice.each(of: keystore, last: last) { records.append(AuditRecord($0)) }
            }
            if json { return try Console.json(records) }
            for record in records { try Console.result(record.line.visibleLine) }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check that every entry is there, in order, as it was written; prints COUNT:MAC.")
        @Option(help: ArgumentHelp("What 'verify' printed earlier: that entry must still be there.", valueName: "count:mac")) var expect: String?
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let expected = try expect.map { (text) throws(Failure) in try Self.pin(text) }
            let report = try access.administer { (keystore, _) throws(KeystoreError) in try keystore.verifyAudit(expecting: expected) }
            if json {
                try Console.json(AuditReportRecord(isWhole: report.fault == nil, count: report.count, mac: report.mac, fault: report.fault))
            } else if report.fault == nil {
                try Console.result("\(report.count):\(report.mac)")
            }
            if let fault = report.fault {
                throw Failure(.auditBroken, "the audit log is not what was written: \(fault)", hint: "\(report.count) entries before that are as they were. Compare with a backup of the keystore.")
            }
        }

        private static func pin(_ text: String) throws(Failure) -> (count: Int64, mac: String) {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = Int64(parts[0]), count >= 0, parts[1].utf8.count == 64, parts[1].allSatisfy(\.isHexDigit) else {
                throw Failure(.usage, "'\(text)' is not COUNT:MAC as 'audit verify' prints it")
            }
            return (count, parts[1].lowercased())
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print entries as lines of JSON, oldest first.")
        @OptionGroup var choice: AuditChoice
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            try access.administer { (keystore, _) throws(Failure) in
                try choice.each(of: keystore, last: nil) { entry in
                    try Console.result(String(decoding: try encoder.encode(AuditRecord(entry)), as: UTF8.self))
                }
            }
        }
    }
}

/// Which entries.
struct AuditChoice: ParsableArguments {
    @Option(help: ArgumentHelp("An id, alias/NAME or full name.", valueName: "key")) var key: String?
    @Option(help: ArgumentHelp("A user's number.", valueName: "uid")) var user: UInt32?
    @Option(help: ArgumentHelp("As 'list' prints it: Decrypt, DisableKey …", valueName: "name")) var operation: String?
    @Option(help: ArgumentHelp("What the entry is about, in full, as 'list' prints it: secret/ID, vault/ID …", valueName: "text")) var subject: String?
    @Option(help: ArgumentHelp("Not older than this: 2026-11-23T20:00:00Z, or 30m, 12h.", valueName: "time")) var since: String?
    @Option(help: ArgumentHelp("Not newer than this.", valueName: "time")) var until: String?

    /// Hands on the entries of `keystore` one after the other.
    func each(of keystore: Keystore, last: Int?, _ body: (AuditEntry) throws -> Void) throws(Failure) {
        var filter = AuditFilter()
        do throws(KeyError) { if let key { filter.keyID = try keystore.describe(KeyReference(key)).keyID } } catch { throw Failure(error) }
        filter.userID = user
        filter.operation = operation
        filter.subject = subject
        filter.since = try Self.time(since)
        filter.until = try Self.time(until)
        var stopped: Failure?
        do throws(KeystoreError) {
            try keystore.auditEntries(filter, last: last) { entry in
                do { try body(entry) } catch let failure as Failure {
                    stopped = failure
                    throw failure
                }
            }
        } catch { throw stopped ?? Failure(error) }
    }

    private static func time(_ text: String?) throws(Failure) -> Int64? {
        guard let text else { return nil }
        if let ago = TimeSpan(argument: text) { return Int64(Date().timeIntervalSince1970) - ago.milliseconds / 1000 }
        guard let date = try? Date(text, strategy: .iso8601) else {
            throw Failure(.usage, "'\(text)' is no time", hint: "Write 2026-11-23T20:00:00Z, or a time ago such as 30m or 12h.")
        }
        return Int64(date.timeIntervalSince1970)
    }
}

/// An entry as commands print it.
struct AuditRecord: Encodable {
    let number: Int64
    let time: String
    let operation: String
    let keyID: String?
    let version: UInt32?
    let subject: String?
    let result: String
    let count: Int64
    let userID: UInt32
    let processID: Int32
    let program: String
    let reason: String?
    let mac: String

    init(_ entry: AuditEntry) {
        number = entry.number
        time = entry.time.asDate
        operation = entry.operation
        keyID = entry.keyID?.description
        version = entry.version
        subject = entry.subject
        result = entry.result
        count = entry.count
        userID = entry.userID
        processID = entry.processID
        program = entry.program
        reason = entry.reason
        mac = entry.mac.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    var line: String {
        var words = ["\(number)", time, operation + (count == 1 ? "" : " x\(count)"), result]
        if let keyID { words.append(keyID + (version.map { " v\($0)" } ?? "")) }
        if let subject { words.append(subject) }
        words.append("uid \(userID) pid \(processID) \(program)")
        if let reason { words.append("reason: \(reason)") }
        return words.joined(separator: "  ")
    }
}

/// What `audit verify --json` prints.
struct AuditReportRecord: Encodable {
    let isWhole: Bool
    let count: Int64
    let mac: String
    let fault: String?
}
