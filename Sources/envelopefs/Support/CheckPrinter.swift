// How `check` tells what it found: lines for people, or one JSON document, as it goes.

import Filesystem
import FoundationEssentials
import POSIX
import Synchronization

/// Prints findings as they come, so that any number of them needs no memory.
final class CheckPrinter: Sendable {
    private let json: Bool
    private let notes: Bool
    private struct State {
        var isFirst = true
        var failure: Failure?
        var willPrint: @Sendable () -> Void = {}
    }
    private let state = Mutex(State())

    init(json: Bool, notes: Bool) {
        self.json = json
        self.notes = notes
    }

    /// Called before each line.
    var willPrint: @Sendable () -> Void {
        get { state.withLock { $0.willPrint } }
        set { state.withLock { $0.willPrint = newValue } }
    }

    private struct Line: Encodable {
        let finding: String
        let weight: String
        let path: String
        let backing: String
        let detail: String
        let lost: [[UInt64]]?
        let repair: String?

        init(_ finding: CheckFinding) {
            self.finding = finding.kind.rawValue
            weight = finding.kind.weight.rawValue
            path = finding.path
            backing = finding.backing
            detail = finding.detail
            lost = finding.lost.isEmpty ? nil : finding.lost.map { [$0.lowerBound, $0.upperBound] }
            repair = finding.repair
        }
    }

    func print(_ finding: CheckFinding) {
        if finding.kind.weight == .note && !notes && !json { return }
        state.withLock { state in
            state.willPrint()
            do throws(Failure) {
                if json {
                    try SharedDescriptor.output((state.isFirst ? "{\"findings\":[\n" : ",\n") + Self.encode(Line(finding)))
                } else {
                    try Console.result(Self.text(finding))
                }
            } catch {
                // Nobody reads any more; the work may still be a repair, and goes on.
                state.failure = error
            }
            state.isFirst = false
        }
    }

    private static func text(_ finding: CheckFinding) -> String {
        let place = finding.path.isEmpty ? finding.backing : finding.path
        var line = "\(finding.kind.rawValue): \(place.visibleLine): \(finding.detail.visibleLine)"
        if !finding.lost.isEmpty {
            let ranges = finding.lost.prefix(8).map { "\($0.lowerBound)-\($0.upperBound - 1)" }.joined(separator: ", ")
            line += "; bytes \(ranges)\(finding.lost.count > 8 ? ", and \(finding.lost.count - 8) more ranges" : "")"
        }
        if finding.path != finding.backing && !finding.path.isEmpty { line += " [\(finding.backing)]" }
        if let repair = finding.repair { line += " -> \(repair)" }
        return line
    }

    private static func encode(_ value: some Encodable) throws(Failure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { throw Failure(.failure, "the answer cannot be written as JSON") }
        return String(decoding: data, as: UTF8.self)
    }

    // MARK: the end

    private struct Totals: Encodable {
        let summary: CheckSummary
        let complete: Bool
        let exitCode: Int32
    }

    /// Prints what was looked at; the document ends.
    func end(_ summary: CheckSummary) throws(Failure) {
        let (isFirst, failure) = state.withLock { ($0.isFirst, $0.failure) }
        if let failure { throw failure }
        if json {
            let totals = Totals(summary: summary, complete: summary.isComplete, exitCode: Self.status(of: summary).rawValue)
            return try Console.result((isFirst ? "{\"findings\":[" : "\n") + "],\"totals\":\(try Self.encode(totals))}")
        }
        for line in Self.lines(summary, hidesNotes: !notes) { Console.note(line) }
    }

    private static func counted(_ count: Int, _ one: String, _ many: String? = nil) -> String { "\(count) \(count == 1 ? one : many ?? one + "s")" }

    private static func lines(_ summary: CheckSummary, hidesNotes: Bool) -> [String] {
        var lines = [
            "looked at \(counted(summary.files, "file")), \(counted(summary.directories, "directory", "directories")), \(counted(summary.links, "link")), \(counted(summary.special, "special file")); \(ByteCount.text(summary.bytes)) opened"
        ]
        if summary.inUse > 0 { lines.append("\(counted(summary.inUse, "file is", "files are")) being written through a mount") }
        for (key, count) in summary.notChecked.sorted(by: { $0.key < $1.key }) { lines.append("\(counted(count, "file was", "files were")) not checked: key \(key) is not in the keystore, or may not be used") }
        if summary.repaired > 0 { lines.append("\(counted(summary.repaired, "finding was", "findings were")) put right") }
        if hidesNotes && summary.notes > 0 { lines.append("\(counted(summary.notes, "note")); --notes shows \(summary.notes == 1 ? "it" : "them")") }
        switch status(of: summary) {
        case .success: lines.append("nothing is wrong")
        case .checkDamage: lines.append("\(counted(summary.damage, "finding is", "findings are")) damage; Docs/BROKEN.md says what to do")
        case .checkLeftovers where summary.unfinished > 0:
            lines.append("\(counted(summary.leftovers, "remainder", "remains")) of a crash; in \(summary.unfinished) of them bytes cannot be read that were not synced then, Docs/BROKEN.md says what to do")
        case .checkLeftovers: lines.append("nothing is damaged; \(counted(summary.leftovers, "remainder", "remains")) of a crash, which a mount or --repair puts right")
        default: lines.append("nothing wrong was found, but not everything could be looked into")
        }
        return lines
    }

    /// The exit code that a check ends with.
    static func status(of summary: CheckSummary) -> ExitReason {
        if summary.damage > 0 { return .checkDamage }
        if summary.leftovers > 0 { return .checkLeftovers }
        return summary.isComplete ? .success : .checkIncomplete
    }
}

extension SharedDescriptor {
    fileprivate static func output(_ text: String) throws(Failure) {
        do throws(Errno) { try standardOutput.writeSequence(text) } catch { throw Failure("standard output cannot be written", error) }
    }
}

/// Bytes for people.
enum ByteCount {
    static func text(_ count: UInt64) -> String {
        var value = Double(count)
        var unit = 0
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
        while value >= 1024 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        if unit == 0 { return "\(count) bytes" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
