// How far a walk is: counts that another thread may look at, and what there is in all.

import Format
import POSIX
import Synchronization

/// Counts of a walk over a vault. Anybody may read them at any time.
package final class CheckProgress: Sendable {
    private let countedObjects = Atomic<Int>(0)
    private let countedBytes = Atomic<UInt64>(0)
    private let allObjects = Atomic<Int>(0)
    private let allBytes = Atomic<UInt64>(0)
    private let isCounted = Atomic<Bool>(false)
    private let isStopped = Atomic<Bool>(false)

    package init() {}

    /// Objects that were looked at, and bytes that were read.
    package var done: (objects: Int, bytes: UInt64) { (countedObjects.load(ordering: .relaxed), countedBytes.load(ordering: .relaxed)) }
    /// Objects and stored bytes that there are; nil until they are counted.
    package var all: (objects: Int, bytes: UInt64)? {
        isCounted.load(ordering: .acquiring) ? (allObjects.load(ordering: .relaxed), allBytes.load(ordering: .relaxed)) : nil
    }

    func add(objects: Int = 0, bytes: UInt64 = 0) {
        if objects > 0 { countedObjects.add(objects, ordering: .relaxed) }
        if bytes > 0 { countedBytes.add(bytes, ordering: .relaxed) }
    }

    /// Ends counting early.
    package func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Counts what is below `directory`, without any key. Errors end it: then nobody says how much there is.
    func count(below directory: SharedDescriptor) {
        do throws(Errno) {
            // A directory is opened when its turn comes: names are cheaper than descriptors.
            var waiting: [(SharedDescriptor, FileName?)] = [(directory, nil)]
            while let (parent, name) = waiting.popLast() {
                let next: SharedDescriptor
                if let name { next = try parent.openAt(name, [.pathOnly, .directory, .noFollow]) } else { next = parent }
                try count(in: next, &waiting)
            }
            isCounted.store(true, ordering: .releasing)
        } catch {
            return
        }
    }

    private func count(in directory: SharedDescriptor, _ waiting: inout [(SharedDescriptor, FileName?)]) throws(Errno) {
        let stream = try DirectoryStream(opening: directory)
        while try stream.advance() {
            if isStopped.load(ordering: .relaxed) { throw .canceled }
            if stream.isCurrentOrParent { continue }
            let name = stream.name
            allObjects.add(1, ordering: .relaxed)
            guard let status = try? directory.statusAt(name) else { continue }
            if status.isRegular { allBytes.add(UInt64(max(0, min(status.size, status.blocks.multipliedReportingOverflow(by: 512).partialValue))), ordering: .relaxed) }
            if status.isDirectory { waiting.append((directory, name)) }
        }
    }
}
