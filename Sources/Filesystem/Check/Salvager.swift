// `check --salvage`: writes out whatever authenticates, and says which bytes are lost.

import Bytes
import Format
import FoundationEssentials
import KeyManagement
import POSIX
import Synchronization

/// Saves the plain content of a vault, or of parts of it, into a directory outside.
package final class Salvager: Sendable {
    /// What is below the target: the saved tree, and one line of JSON for each object of which something is lost.
    private static let treeName = FileName(fixed: "files")
    private static let mapName = FileName(fixed: "lost.jsonl")

    let vault: Vault
    package let progress = CheckProgress()
    private let isShared: @Sendable () -> Bool
    private let report: @Sendable (CheckFinding) -> Void
    private let summary = Mutex(CheckSummary())
    private let tree: SharedDescriptor
    private let map: SharedDescriptor
    private let mapping = Mutex<Errno?>(nil)

    /// - Parameters:
    ///   - target: an empty directory.
    ///   - report: called for each object of which something is lost, by one thread at a time.
    package init(
        _ vault: Vault, into target: SharedDescriptor, isShared: @escaping @Sendable () -> Bool, report: @escaping @Sendable (CheckFinding) -> Void
    ) throws(Errno) {
        self.vault = vault
        self.isShared = isShared
        self.report = report
        try target.makeDirectoryAt(Self.treeName, mode: 0o700)
        tree = try target.openAt(Self.treeName, [.pathOnly, .directory])
        map = try target.openAt(Self.mapName, [.writeOnly, .create, .exclusive], mode: 0o600)
    }

    /// Saves everything below `paths` (plain, from the vault's root; none: the whole vault).
    /// - Throws: errors of starting, and of writing the map of what is lost.
    package func run(paths: [[UInt8]], threads: Int) throws(Errno) -> CheckSummary {
        let starts = try VaultWalk.starts(at: paths, in: vault, output: tree)
        try VaultWalk(vault, self, isShared: isShared).run(from: starts, threads: threads)
        try map.synchronize()
        if let failure = mapping.withLock({ $0 }) { throw failure }
        return summary.withLock { $0 }
    }

    /// One line of the map.
    private struct MapLine: Encodable {
        let finding: String
        let path: String
        let backing: String
        let detail: String
        /// First byte, and the one after the last.
        let lost: [[UInt64]]
    }

    func tell(_ finding: CheckFinding) {
        summary.withLock { summary in
            summary.add(finding)
            report(finding)
        }
        guard finding.kind.weight == .damage || finding.kind.isUnfinished else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let line = MapLine(
            finding: finding.kind.rawValue, path: finding.path, backing: finding.backing, detail: finding.detail,
            lost: finding.lost.map { [$0.lowerBound, $0.upperBound] })
        guard let data = try? encoder.encode(line) else { return }
        mapping.withLock { failure in
            do throws(Errno) { try map.writeSequence((Array(data) + [UInt8(ascii: "\n")]).span) } catch { failure = error }
        }
    }

    func count(_ change: (inout CheckSummary) -> Void) { summary.withLock { change(&$0) } }
}

extension Salvager: VaultVisitor {
    func enter(_ node: WalkNode, _ directory: SharedDescriptor, _ worker: WalkWorker) -> WalkNode? {
        count { $0.directories += 1 }
        progress.add(objects: 1)
        // The root of the vault is the root of what is saved.
        guard let name = node.name, let parent = node.parent?.output ?? node.output else { return node }
        do throws(Errno) {
            let made = try Self.underFreeName(node.plain ?? name.bytes) { (name) throws(Errno) in try parent.makeDirectoryAt(name, mode: 0o700) }
            let output = try parent.openAt(made, [.pathOnly, .directory])
            return WalkNode(parent: node.parent, name: name, plain: node.plain, id: node.id, output: output)
        } catch {
            cannotWrite(node.paths(), error)
            return nil
        }
    }

    func visit(_ entry: WalkEntry, _ worker: WalkWorker) {
        progress.add(objects: 1)
        guard let output = entry.node.output else { return }
        do throws(Errno) {
            let status = try entry.directory.statusAt(entry.name)
            switch status.kind {
            case .regular:
                count { $0.files += 1 }
                try saveFile(entry, status, output, worker)
            case .symbolicLink:
                count { $0.links += 1 }
                try saveLink(entry, output)
            default:
                count { $0.special += 1 }
                // What a device or fifo is stands in its status alone.
                _ = try Self.underFreeName(entry.plain ?? entry.name.bytes) { (name) throws(Errno) in
                    try output.makeNodeAt(name, mode: status.mode, device: status.specialDevice)
                }
            }
        } catch {
            if error == .noEntry { return }
            cannotWrite(entry.paths, error)
        }
    }

    func remark(_ remark: NameRemark, in node: WalkNode, _ directory: SharedDescriptor) {
        let paths = node.paths(of: remark.name, plain: remark.plain)
        switch remark.kind {
        // What these are about is saved, under the name that there is.
        case .damagedName, .nameWithoutSideFile, .doubledName, .wrongType:
            tell(CheckFinding(kind: remark.kind, path: paths.plain, backing: paths.backing, detail: remark.detail))
        default: return
        }
    }

    func failed(_ node: WalkNode, _ error: Errno) { cannotWrite(node.paths(), error) }

    func cannotWrite(_ paths: (plain: String, backing: String), _ error: Errno) {
        tell(CheckFinding(kind: .unreadable, path: paths.plain, backing: paths.backing, detail: "could not be read, or not be written to the target: \(error)"))
    }

    private func saveLink(_ entry: WalkEntry, _ output: SharedDescriptor) throws(Errno) {
        let stored = try entry.directory.readLinkAt(entry.name)
        let plain: [UInt8]
        do throws(FormatError) {
            plain = try vault.names.openLinkTarget(stored.span)
        } catch {
            let paths = entry.paths
            return tell(CheckFinding(kind: .damagedLink, path: paths.plain, backing: paths.backing, detail: "its target does not open: \(error)"))
        }
        let target = plain
        _ = try Self.underFreeName(entry.plain ?? entry.name.bytes) { (name) throws(Errno) in
            let bytes = target
            try output.makeSymbolicLinkAt(name, target: bytes.span)
        }
    }

    /// Makes something under `wanted`, or where that is taken (doubled names) under the name with a number behind.
    /// - Returns: the name.
    static func underFreeName(_ wanted: [UInt8], _ make: (FileName) throws(Errno) -> Void) throws(Errno) -> FileName {
        var number = 1
        while true {
            let suffix = number == 1 ? [] : Array(".salvaged-\(number)".utf8)
            let name = try FileName(wanted.prefix(255 - suffix.count) + suffix)
            do throws(Errno) {
                try make(name)
                return name
            } catch {
                guard error == .exists, number < 10_000 else { throw error }
            }
            number += 1
        }
    }
}
