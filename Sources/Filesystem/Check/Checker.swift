// `check`: looks at everything in a vault, tells what is not as a writer leaves it, and repairs what is certain.

import Format
import KeyManagement
import POSIX
import Synchronization

/// One check of a vault or of parts of it.
package final class Checker: Sendable {
    let vault: Vault
    let isRepairing: Bool
    let isShared: @Sendable () -> Bool
    package let progress = CheckProgress()
    private let report: @Sendable (CheckFinding) -> Void
    private let summary = Mutex(CheckSummary())
    /// Objects with several names that were looked at by one of them.
    private let linked = Mutex<Set<InodeKey>>([])
    let fileIDs = FileIDSet()

    /// - Parameters:
    ///   - vault: opened for `looking`, or for `repairing` if something is to be repaired.
    ///   - isShared: whether another process has the vault at this moment.
    ///   - report: called for each finding, by one thread at a time.
    package init(
        _ vault: Vault, isRepairing: Bool, isShared: @escaping @Sendable () -> Bool, report: @escaping @Sendable (CheckFinding) -> Void
    ) {
        self.vault = vault
        self.isRepairing = isRepairing
        self.isShared = isShared
        self.report = report
    }

    /// Looks at everything below `paths` (plain, from the vault's root; none: the whole vault).
    /// - Throws: `ENOENT` and others for a path that leads nowhere; errors of starting.
    package func run(paths: [[UInt8]], threads: Int, countsAhead: Bool) throws(Errno) -> CheckSummary {
        let starts = try VaultWalk.starts(at: paths, in: vault)
        let counting = countsAhead ? try startCounting() : nil
        let walk = VaultWalk(vault, self, isShared: isShared)
        try walk.run(from: starts, threads: threads)
        progress.stop()
        try counting?.join()
        try tellDoubledFileIDs(starts, threads: threads)
        if paths.isEmpty { tellState() }
        return summary.withLock { $0 }
    }

    private func startCounting() throws(Errno) -> Thread? {
        let directory = try vault.root.directory.descriptor(of: vault.root)
        return try? Thread.start(name: "efs-count") { [progress] in progress.count(below: directory) }
    }

    func tell(_ finding: CheckFinding) {
        summary.withLock { summary in
            summary.add(finding)
            report(finding)
        }
    }

    func count(_ change: (inout CheckSummary) -> Void) { summary.withLock { change(&$0) } }

    /// What is said of the vault as a whole.
    private func tellState() {
        if vault.context.wasClean || isShared() { return }
        let (open, notChecked) = summary.withLock { summary in
            let kinds = [CheckFinding.Kind.leftOpen, .leftRecovering, .changing, .unreadable]
            let open = kinds.reduce(0) { $0 + (summary.findings[$1.rawValue] ?? 0) } - summary.repairedFiles
            return (open, summary.notChecked.count)
        }
        var finding = CheckFinding(
            kind: .vaultNotClean, path: "", backing: ".envelopefs/vault.json",
            detail: "the last mount did not end in order; the next one looks at every file")
        if isRepairing && open == 0 && notChecked == 0 {
            vault.noteRecovered()
            if (try? vault.context.willChange()) != nil { finding.repair = "marked clean: no file is left open" }
        }
        tell(finding)
    }
}

extension Checker: VaultVisitor {
    func enter(_ node: WalkNode, _ directory: SharedDescriptor, _ worker: WalkWorker) -> WalkNode? {
        count { $0.directories += 1 }
        progress.add(objects: 1)
        lookAgain(worker, node.paths()) { (examination: inout ObjectExamination) throws(Errno) in
            let readable = try vault.access.open(directory, [.readOnly, .directory])
            examination.look.changeTime = try readable.status().changeTime
            examination.look.kind = .directory
            try examination.lookAtDirectory(readable, node.id)
        }
        return node
    }

    func visit(_ entry: WalkEntry, _ worker: WalkWorker) {
        progress.add(objects: 1)
        var isOurs = false
        let look = lookAgain(worker, entry.paths) { (examination: inout ObjectExamination) throws(Errno) in
            let status = try entry.directory.statusAt(entry.name)
            examination.look.kind = status.kind
            examination.look.inode = status.inode
            examination.look.size = status.size
            examination.look.changeTime = status.changeTime
            switch status.kind {
            case .symbolicLink: try examination.lookAtLink(entry.name, in: entry.directory)
            case .regular:
                if status.linkCount > 1 && !isOurs {
                    isOurs = linked.withLock { $0.insert(InodeKey(status)).inserted }
                    if !isOurs { return }
                }
                let file = try vault.access.openCertainlyRegular(entry.name, in: entry.directory, [.readOnly, .noFollow])
                try examination.lookAtFile(file, defaultKey: vault.context.defaultKey)
            default: break
            }
        } finish: { (look: inout FileLook) in
            guard isRepairing else { return }
            markUnfinished(entry, &look)
            if look.isUnsealed && !look.mustStayUnsealed { repairUnsealed(entry, &look) }
        }
        guard let look else { return }
        count { summary in
            switch look.kind {
            case .regular: summary.files += 1
            case .symbolicLink: summary.links += 1
            default: summary.special += 1
            }
        }
        if let id = look.fileID { fileIDs.add(id) }
    }

    /// Looks at an object until two looks agree, where somebody else may be changing it, and tells what there is to tell.
    /// - Returns: nil for an object that is gone or could not be looked at.
    @discardableResult
    private func lookAgain(
        _ worker: WalkWorker, _ paths: (plain: String, backing: String),
        _ body: (inout ObjectExamination) throws(Errno) -> Void, finish: (inout FileLook) -> Void = { _ in }
    ) -> FileLook? {
        var last: FileLook?
        for _ in 0..<6 {
            var examination = ObjectExamination(vault, worker, progress, paths: paths)
            do throws(Errno) {
                try body(&examination)
            } catch {
                // Gone; or what it was is something else by now.
                if error == .noEntry { return nil }
                examination.add(.unreadable, "cannot be read: \(error)")
            }
            let look = examination.look
            if look.isSound || look == last || !isShared() {
                conclude(look, finish)
                return look
            }
            last = look
            SystemClock.sleep(nanoseconds: 20_000_000)
        }
        tell(CheckFinding(kind: .changing, path: paths.plain, backing: paths.backing, detail: "changed at each of six looks; check it when it is quiet"))
        return nil
    }

    private func conclude(_ found: FileLook, _ finish: (inout FileLook) -> Void) {
        var look = found
        if look.isUnsealed && isShared() {
            // That is what a file looks like that is being written.
            look.findings.removeAll { $0.kind == .leftOpen || $0.kind == .leftRecovering }
            count { $0.inUse += 1 }
        }
        finish(&look)
        count { summary in
            summary.bytes += look.bytes
            if let key = look.missingKey { summary.notChecked[key, default: 0] += 1 }
        }
        for finding in look.findings { tell(finding) }
    }

    func remark(_ remark: NameRemark, in node: WalkNode, _ directory: SharedDescriptor) {
        let paths = node.paths(of: remark.name, plain: remark.plain)
        var finding = CheckFinding(kind: remark.kind, path: paths.plain, backing: paths.backing, detail: remark.detail)
        if isRepairing { finding.repair = repair(remark, in: directory) }
        tell(finding)
    }

    func failed(_ node: WalkNode, _ error: Errno) {
        let paths = node.paths()
        tell(CheckFinding(kind: .unreadable, path: paths.plain, backing: paths.backing, detail: "the directory cannot be read: \(error)"))
    }
}
