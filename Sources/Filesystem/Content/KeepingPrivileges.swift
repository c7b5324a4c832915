// What the kernel takes from a file at each write: set-id bits at that of an ordinary user's daemon, the capability of a program at any.

import POSIX

extension FileContent {
    static let capability = AttributeName(fixed: "security.capability")

    /// Runs `body`, which writes to the backing file, so that set-id bits and capability outlast it. A program's own write that is to take them has done so
    /// before (`clearPrivilegesBeforeWrite`; the kernel asks for the capability, and removes it); sealing and writing back are none.
    /// With the lock held for writing.
    func keepingPrivileges<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        guard !isKeepingCapability, mayHaveCapability.load(ordering: .acquiring) else { return try keepingSetID(body) }
        // First, so that one that is set after the look is not missed.
        mayHaveCapability.store(false, ordering: .sequentiallyConsistent)
        let found = KeptCapability(of: backing.descriptor)
        protection?.mayHaveCapability.store(found != nil, ordering: .releasing)
        guard let kept = found else { return try keepingSetID(body) }
        mayHaveCapability.store(true, ordering: .releasing)
        isKeepingCapability = true
        defer {
            isKeepingCapability = false
            do throws(Errno) { try kept.giveBack() } catch { context.log.failed("giving \(label) its capability back", error) }
        }
        return try keepingSetID(body)
    }

    /// Before a program's own change. With the lock held for writing.
    func takeCapability() {
        guard mayHaveCapability.load(ordering: .acquiring) else { return }
        mayHaveCapability.store(false, ordering: .sequentiallyConsistent)
        do throws(Errno) {
            try alone { (file) throws(Errno) in try file.removeAttribute(Self.capability) }
        } catch {
            // Most often there is none. An ordinary user may not remove one: then the kernel does, at the write itself.
        }
        protection?.mayHaveCapability.store(false, ordering: .releasing)
    }

    private func noteCapability() {
        mayHaveCapability.store(true, ordering: .sequentiallyConsistent)
        protection?.mayHaveCapability.store(true, ordering: .releasing)
    }

    /// Runs `body`, which sets or removes the capability, while nobody here writes to the file and would give the old one back.
    func changingCapability(_ body: (SharedDescriptor) throws(Errno) -> Void) throws(Errno) {
        try lock.withWriteLock { () throws(Errno) in
            noteCapability()
            try alone(body)
        }
    }

    /// While no change of the journal's is being made in the file.
    private func alone(_ body: (SharedDescriptor) throws(Errno) -> Void) throws(Errno) {
        guard let protection else { return try body(backing.descriptor) }
        try protection.untimed { () throws(Errno) in try body(backing.descriptor) }
    }

    /// Runs `body`, which reads the capability, while nobody here writes to the file: it is gone for a moment then.
    func readingCapability<R>(_ body: (SharedDescriptor) throws(Errno) -> R) throws(Errno) -> R {
        try lock.withReadLock { () throws(Errno) -> R in
            guard let protection else { return try body(backing.descriptor) }
            return try protection.overlayLock.withReadLock { () throws(Errno) -> R in try body(backing.descriptor) }
        }
    }

    private func keepingSetID<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        guard context.access.isNeeded, !isKeepingSetID, mayHaveSetID.load(ordering: .acquiring) else { return try body() }
        // First, so that a change of mode after the look is not missed.
        mayHaveSetID.store(false, ordering: .sequentiallyConsistent)
        guard try backing.status().mode & FileMode.setIDMask != 0 else { return try body() }
        mayHaveSetID.store(true, ordering: .releasing)
        isKeepingSetID = true
        defer { isKeepingSetID = false }
        return try context.access.keepingSetID(of: backing.descriptor, body)
    }

    /// Mode, owner or an attribute was changed: there may be set-id bits and a capability now, and a sync has to go to the file.
    func noteMode() {
        mayHaveSetID.store(true, ordering: .releasing)
        noteCapability()
        protection?.noteMetadata()
    }
}

/// The capability of a backing file before the daemon writes to it.
struct KeptCapability {
    private let descriptor: SharedDescriptor
    private let value: [UInt8]

    /// Nil where there is none.
    init?(of descriptor: SharedDescriptor) {
        guard let value = try? descriptor.attribute(FileContent.capability) else { return nil }
        (self.descriptor, self.value) = (descriptor, value)
    }

    /// - Throws: `EPERM` for an ordinary user, who can give no file a capability.
    func giveBack() throws(Errno) {
        do throws(Errno) { try descriptor.setAttribute(FileContent.capability, value.span, flags: .create) } catch {
            // Nothing was written.
            if error != .exists { throw error }
        }
    }
}
