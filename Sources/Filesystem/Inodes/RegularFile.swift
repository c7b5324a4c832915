// What a regular file of a mounted vault knows of itself: its content while somebody uses it.

import Format
import POSIX
import Synchronization

/// The use of a regular file. The content lives from the first open to the moment when nobody has it open and it is sealed.
final class RegularFile: Sendable {
    private struct Use {
        var content: FileContent?
        /// Open handles, of these the writable ones, and uses for the moment of one operation.
        var handles = 0
        var writers = 0
        /// The last name is gone: nothing is sealed any more.
        var isRemoved = false
    }
    private let use = Mutex(Use())

    /// The content, if it is in use.
    var content: FileContent? { use.withLock { $0.content } }

    /// Whether somebody may be writing.
    var hasWriter: Bool { use.withLock { $0.writers > 0 } }

    /// Takes the content into use; `open` opens the backing file, read-write if asked so.
    func acquire(
        writable: Bool, of inode: Inode, label: @autoclosure () -> FileLabel, in vault: Vault,
        open: (_ writable: Bool) throws(Errno) -> SharedDescriptor
    ) throws(Errno) -> FileContent {
        try use.withLock { (use: inout Use) throws(Errno) -> FileContent in
            let content: FileContent
            if let known = use.content {
                if writable && !known.isWritable { try known.adoptWritable(open(true)) }
                content = known
            } else {
                content = try FileContent(
                    open(writable), isWritable: writable, context: vault.context, policyKey: vault.context.defaultKey,
                    label: label())
                use.content = content
            }
            use.handles += 1
            if writable { use.writers += 1 }
            return content
        }
    }

    /// Takes the content into use if that needs no opening.
    func acquireKnown(writable: Bool) -> FileContent? {
        use.withLock { (use: inout Use) -> FileContent? in
            guard let content = use.content, !writable || content.isWritable else { return nil }
            use.handles += 1
            if writable { use.writers += 1 }
            return content
        }
    }

    /// A new file's content, in use by its first handle.
    func adopt(_ content: FileContent, writable: Bool) {
        use.withLock { use in
            use.content = content
            use.handles = 1
            use.writers = writable ? 1 : 0
        }
    }

    /// Ends one use. A changed file goes to the sealer when its last writer leaves, and stays open until it is sealed.
    func release(writable: Bool, of inode: Inode, in vault: Vault) {
        let toSeal = use.withLock { (use: inout Use) -> FileContent? in
            use.handles -= 1
            if writable { use.writers -= 1 }
            guard let content = use.content else { return nil }
            // Nothing to seal: removed, sealed, or only read.
            if use.isRemoved || content.isSealed || !content.isWritable {
                if use.handles == 0 { use.content = nil }
                return nil
            }
            return use.writers == 0 && (writable || use.handles == 0) ? content : nil
        }
        if let toSeal { vault.sealer.enqueue(toSeal) { [weak inode] in inode?.regularFile?.sealed(toSeal) } }
    }

    /// The sealer is done with the content.
    private func sealed(_ content: FileContent) {
        use.withLock { use in
            if use.handles == 0 && use.content === content { use.content = nil }
        }
    }

    /// The last name is gone.
    func markRemoved() {
        use.withLock { use in
            use.isRemoved = true
            if use.handles == 0 { use.content = nil }
        }
    }
}

extension Inode {
    var regularFile: RegularFile? { if case .regular(let file) = role { file } else { nil } }
}
