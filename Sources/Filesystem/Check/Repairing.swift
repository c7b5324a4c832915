// `check --repair`: what is certain, and costs no byte that might be data.

import Format
import POSIX

extension Checker {
    /// What a directory's names show and can be put right.
    /// - Returns: what was done; nil if nothing.
    func repair(_ remark: NameRemark, in directory: SharedDescriptor) -> String? {
        do throws(Errno) {
            switch remark.kind {
            case .orphanedSideFile where !remark.mayBeNeeded:
                try vault.context.requireWritable()
                try directory.unlinkAt(remark.name)
                return "removed"
            case .doubledEmptyDirectory:
                try vault.context.requireWritable()
                try vault.removeEmpty(remark.name, directory)
                return "removed; the other directory of that name stays"
            default:
                return nil
            }
        } catch {
            vault.context.log.failed("repair \(remark.name)", error)
            return nil
        }
    }

    /// Marks a file that a power cut tore, as a mount does: in a vault that is called clean nothing else tells it from a changed one. Attributes that came to
    /// disk without their header are removed.
    func markUnfinished(_ entry: WalkEntry, _ look: inout FileLook) {
        let kinds: [CheckFinding.Kind] = [.unfinishedFile, .unfinishedAttributes]
        guard vault.context.mayBeTorn, look.findings.contains(where: { kinds.contains($0.kind) }) else { return }
        do throws(Errno) {
            let file = try vault.access.openCertainlyRegular(entry.name, in: entry.directory, [.readWrite, .noFollow])
            let label = FileLabel(inode: look.inode, backingName: entry.name)
            // One that does not open at all is marked at the attempt.
            let content = try FileContent(file, isWritable: true, context: vault.context, policyKey: vault.context.defaultKey, label: label)
            try content.markIfTorn()
            guard try content.removeAttributesWithoutHeader() > 0 else { return }
            for index in look.findings.indices where look.findings[index].kind == .unfinishedAttributes { look.findings[index].repair = "removed" }
        } catch {
            if error != .ioError { vault.context.log.failed("mark \(entry.name) as unfinished", error) }
        }
    }

    /// Seals a file that was left open, once everything in it was read: what a mount does with such a file.
    func repairUnsealed(_ entry: WalkEntry, _ look: inout FileLook) {
        do throws(Errno) {
            let file = try vault.access.openCertainlyRegular(entry.name, in: entry.directory, [.readWrite, .noFollow])
            let label = FileLabel(inode: look.inode, backingName: entry.name)
            let content = try FileContent(file, isWritable: true, context: vault.context, policyKey: vault.context.defaultKey, label: label)
            try content.recover()
            try content.seal()
            try content.restoreTimes()
            guard content.isSealed else { return }
        } catch {
            vault.context.log.failed("seal \(entry.name)", error)
            return
        }
        for index in look.findings.indices {
            let kind = look.findings[index].kind
            if kind == .leftOpen || kind == .leftRecovering { look.findings[index].repair = "sealed" }
        }
        count { $0.repairedFiles += 1 }
    }
}
