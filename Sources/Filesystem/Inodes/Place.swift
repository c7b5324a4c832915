// Where an object stands in the vault: the names under which it is known, or a descriptor where it has none.

import Format
import POSIX

/// One name of an object.
struct Place: Sendable {
    let parent: Inode
    /// The sealed name in the parent's backing directory.
    let name: FileName

    /// Of the parent.
    var directoryID: DirectoryID? { if case .directory(let directory) = parent.role { directory.id } else { nil } }

    func isSame(as other: Place) -> Bool { parent === other.parent && name == other.name }
}

/// All that is known of how to reach an object.
/// INVARIANT: of an object that is not the root and not removed, `first` is set or `anchor` is.
struct Whereabouts: Sendable {
    /// A name that leads to the object.
    private(set) var first: Place?
    /// More names of it (hard links), at most `maximumOthers`.
    private(set) var others: [Place] = []
    /// An `O_PATH` descriptor of an object whose known names are gone while it has others.
    var anchor: SharedDescriptor?
    /// The status when the last name went; nil while there is one.
    var removed: FileStatus?

    private static let maximumOthers = 8

    init(_ place: Place?) { first = place }
    /// Of an object that no name leads to any more.
    init(removed last: FileStatus) { removed = last }

    mutating func add(_ place: Place) {
        removed = nil
        guard let known = first else {
            first = place
            anchor = nil
            return
        }
        if known.isSame(as: place) || others.contains(where: { $0.isSame(as: place) }) { return }
        if others.count < Self.maximumOthers { others.append(place) }
    }

    mutating func remove(_ place: Place) {
        if let known = first, known.isSame(as: place) {
            first = others.popLast()
        } else {
            others.removeAll { $0.isSame(as: place) }
        }
    }

    /// Whether taking `place` away leaves no known name.
    func isOnly(_ place: Place) -> Bool {
        guard let known = first else { return true }
        return known.isSame(as: place) && others.isEmpty
    }
}
