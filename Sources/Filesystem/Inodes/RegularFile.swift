// What a regular file of a mounted vault knows of itself: its content while somebody uses it.

import Format
import POSIX
import Synchronization

/// The use of a regular file. The content lives from the first open to the moment when nobody has it open and it is sealed.
/// INVARIANT: there is never a second content of one file: a content that waits for the sealer holds a look-up of its inode,
/// so that whoever comes meanwhile finds this object.
final class RegularFile: Sendable {
    private struct Use {
        var content: FileContent?
        /// Open handles, of these the writable ones, and uses for the moment of one operation.
        var handles = 0
        var writers = 0
        /// The last name is gone: nothing is sealed any more.
        var isRemoved = false
        /// The sealer has it.
        var isQueued = false
        /// A writer has left while the sealer had it.
        var isDue = false
        /// The kernel was told another size than the content has.
        var isMistold = false
        /// Another inode stands for the file.
        var isGivenUp = false
    }
    private let use = Mutex(Use())
    /// Its length does not tell its size: somebody made it longer outside.
    let asksForSize: Bool

    init(asksForSize: Bool) { self.asksForSize = asksForSize }

    /// The content, if it is in use.
    var content: FileContent? { use.withLock { $0.content } }

    /// Whether somebody may be writing.
    var hasWriter: Bool { use.withLock { $0.writers > 0 } }

    // MARK: taking into use

    /// Takes the content into use; `open` opens the backing file, read-write if asked so.
    func acquire(
        writable: Bool, of inode: Inode, label: @autoclosure () -> FileLabel, in vault: Vault,
        open: (_ writable: Bool) throws(Errno) -> SharedDescriptor
    ) throws(Errno) -> FileContent {
        try use.withLock { (use: inout Use) throws(Errno) -> FileContent in
            if use.isGivenUp { throw .stale }
            let content: FileContent
            if let known = use.content {
                if writable && !known.isWritable { try known.adoptWritable(vault.access.open(known.descriptor, .readWrite)) }
                try known.wakeIfResting()
                content = known
            } else {
                content = try FileContent(
                    open(writable), isWritable: writable, context: vault.context, policyKey: vault.context.defaultKey,
                    label: label())
                use.content = content
                if content.wasLonger && vault.context.lengthsTell && !asksForSize { use.isMistold = true }
            }
            Self.count(&use, writable)
            return content
        }
    }

    /// Takes the content into use if it is there; also of a file that has no name any more.
    /// - Throws: `EKEYREVOKED` and others when its keys were forgotten and cannot be had again, errors of opening it for writing.
    func acquireKnown(writable: Bool, in vault: Vault) throws(Errno) -> FileContent? {
        try use.withLock { (use: inout Use) throws(Errno) -> FileContent? in
            guard let content = use.content else { return nil }
            if writable && !content.isWritable { try content.adoptWritable(vault.access.open(content.descriptor, .readWrite)) }
            try content.wakeIfResting()
            Self.count(&use, writable)
            return content
        }
    }

    /// The content of a file that was made a moment ago, in use by its first handle; somebody else may have found it already.
    func acquireNew(
        _ descriptor: SharedDescriptor, writable: Bool, label: FileLabel, in vault: Vault
    ) throws(Errno) -> FileContent {
        try use.withLock { (use: inout Use) throws(Errno) -> FileContent in
            let content: FileContent
            if let known = use.content {
                if !known.isWritable { known.adoptWritable(descriptor) }
                content = known
            } else {
                content = FileContent(new: descriptor, context: vault.context, policyKey: vault.context.defaultKey, label: label)
                use.content = content
            }
            Self.count(&use, writable)
            return content
        }
    }

    private static func count(_ use: inout Use, _ writable: Bool) {
        use.handles += 1
        if writable { use.writers += 1 }
    }

    // MARK: giving back

    /// Ends one use. A changed file goes to the sealer when its last writer leaves, and stays open until it is sealed.
    func release(writable: Bool, of inode: Inode, in vault: Vault) {
        let toSeal = use.withLock { (use: inout Use) -> FileContent? in
            use.handles -= 1
            if writable { use.writers -= 1 }
            guard let content = use.content else { return nil }
            if use.handles == 0 {
                Self.restoreTimes(content, vault)
                // Readers are gone, too: the next one unwraps the data key again.
                if !use.isRemoved { content.rest() }
            }
            guard Self.isToSeal(use, content) else {
                if use.handles == 0 && !use.isQueued { use.content = nil }
                return nil
            }
            guard use.writers == 0, writable || use.handles == 0 else { return nil }
            if use.isQueued {
                use.isDue = true
                return nil
            }
            use.isQueued = true
            return content
        }
        if let toSeal { handOver(toSeal, inode, vault) }
    }

    /// At the end of the mount: nobody comes any more to give back what he has taken into use.
    func handOver(of inode: Inode, in vault: Vault) {
        let toSeal = use.withLock { (use: inout Use) -> FileContent? in
            (use.handles, use.writers) = (0, 0)
            guard let content = use.content, !use.isQueued, Self.isToSeal(use, content) else { return nil }
            use.isQueued = true
            return content
        }
        if let toSeal { handOver(toSeal, inode, vault) }
    }

    /// Not what is removed, is sealed, or was only read.
    private static func isToSeal(_ use: Use, _ content: FileContent) -> Bool {
        !use.isRemoved && !content.isSealed && content.isWritable
    }

    private static func restoreTimes(_ content: FileContent, _ vault: Vault) {
        do throws(Errno) {
            try content.restoreTimes()
        } catch {
            vault.context.log.failed("put back the modification time of \(content.label)", error)
        }
    }

    private func handOver(_ content: FileContent, _ inode: Inode, _ vault: Vault) {
        vault.table.retain(inode)
        vault.sealer.enqueue(content, unless: { [self] in hasWriter }) { [self, weak vault] in
            guard let vault else { return }
            takeBack(content, inode, vault)
            vault.forget(inode, 1)
        }
    }

    /// The sealer is done with the content, whatever came of it.
    private func takeBack(_ content: FileContent, _ inode: Inode, _ vault: Vault) {
        let again = use.withLock { (use: inout Use) -> Bool in
            use.isQueued = false
            let isDue = use.isDue
            use.isDue = false
            if isDue && use.writers == 0 && Self.isToSeal(use, content) {
                use.isQueued = true
                return true
            }
            if use.handles == 0 {
                Self.restoreTimes(content, vault)
                // One without a name is opened by nobody: its room is given back now.
                if !use.isRemoved, let protection = content.protection { vault.context.journal?.keep(protection) }
                use.content = nil
            }
            return false
        }
        if again { handOver(content, inode, vault) }
    }

    /// Whether the kernel was told another size than the content has.
    var isMistold: Bool { use.withLock { $0.isMistold } }

    /// Nobody comes to the content through this any more. False while somebody uses it.
    func giveUp() -> Bool {
        use.withLock { use in
            if use.handles > 0 || use.isQueued { return false }
            use.isGivenUp = true
            use.content = nil
            return true
        }
    }

    /// The last name is gone.
    /// - Returns: the content if it waits to be sealed, which nobody needs any more.
    func markRemoved() -> FileContent? {
        use.withLock { use in
            use.isRemoved = true
            if use.isQueued { return use.content }
            if use.handles == 0 { use.content = nil }
            return nil
        }
    }
}

extension Inode {
    var regularFile: RegularFile? { if case .regular(let file) = role { file } else { nil } }
}
