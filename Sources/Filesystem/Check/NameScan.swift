// The names of one backing directory: what opens, what does not, what is doubled or alone.

import Bytes
import Format
import POSIX

/// Something that the names of a directory show.
struct NameRemark: Hashable, Sendable {
    let kind: CheckFinding.Kind
    let name: FileName
    /// The plain name where it is known.
    let plain: [UInt8]?
    let detail: String
    /// What it is about may belong to something in the directory that was renamed outside, and is not removed.
    var mayBeNeeded = false
}

/// One look at a directory's names, by the rules of the mount.
struct NameScan {
    enum Found {
        /// A directory; its content can be walked even where its name does not open, since that carries its id.
        case directory(WalkNode)
        case entry(WalkEntry)
    }

    private let node: WalkNode
    private let descriptor: SharedDescriptor
    private let vault: Vault
    private let directory: Directory
    private(set) var remarks: [NameRemark] = []
    private var sides: Set<LongNameHash> = []
    private var longNames: Set<LongNameHash> = []
    private var subdirectories: [[UInt8]: FileName] = [:]

    init(_ node: WalkNode, _ descriptor: SharedDescriptor, in vault: Vault) {
        self.node = node
        self.descriptor = descriptor
        self.vault = vault
        directory = Directory(root: descriptor, id: node.id, pool: vault.directories, access: vault.access)
    }

    /// Reads the directory; hands each entry that can be looked into to `emit`.
    mutating func run(_ emit: (Found) -> Void) throws(Errno) {
        let stream = DirectoryStream(try vault.access.open(descriptor, [.readOnly, .directory]))
        while let entry = try stream.next() {
            if entry.name.isCurrentOrParent { continue }
            let form = entry.name.withSpan { BackingNameForm($0) }
            if let hash = form.longNameHash { longNames.insert(hash) }
            switch form {
            case .side(let hash): sides.insert(hash)
            case .reserved where node.parent == nil: continue
            case .reserved, .foreign: lookAtForeign(entry)
            case .directory(let id), .longDirectory(_, let id): try lookAtDirectory(entry, form, id, emit)
            case .file, .longFile: try lookAtFile(entry, form, emit)
            }
        }
        let isDoubtful = remarks.contains { [.damagedName, .nameWithoutSideFile, .foreign].contains($0.kind) }
        for hash in sides.subtracting(longNames) {
            guard let name = try? FileName(hash.sideName) else { continue }
            let detail = "the side file of a long name that is not there" + (isDoubtful ? ", or that was renamed outside" : "")
            remarks.append(NameRemark(kind: .orphanedSideFile, name: name, plain: nil, detail: detail, mayBeNeeded: isDoubtful))
        }
    }

    private mutating func add(_ kind: CheckFinding.Kind, _ name: FileName, _ plain: [UInt8]?, _ detail: String) {
        remarks.append(NameRemark(kind: kind, name: name, plain: plain, detail: detail))
    }

    /// Some file systems do not say in the listing what an entry is. Nil if it is gone.
    private func kind(of entry: DirectoryEntry) throws(Errno) -> FileKind? {
        if entry.kind != .unknown { return entry.kind }
        return try vault.statusIfThere(entry.name, descriptor)?.kind
    }

    /// The plain name; remarks if there is none.
    private mutating func open(_ entry: DirectoryEntry, _ form: BackingNameForm) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            if let opened = try vault.openName(entry.name, form, in: directory, descriptor) { return opened.plain }
        } catch {
            add(.unreadable, entry.name, nil, "the side file with its name cannot be read: \(error)")
            return nil
        }
        if let hash = form.longNameHash, try vault.statusIfThere(FileName(hash.sideName), descriptor) == nil {
            add(.nameWithoutSideFile, entry.name, nil, "the side file with its name is missing")
        } else {
            add(.damagedName, entry.name, nil, "the name does not open in this directory: it was changed, or moved here outside a mount")
        }
        return nil
    }

    private mutating func lookAtFile(_ entry: DirectoryEntry, _ form: BackingNameForm, _ emit: (Found) -> Void) throws(Errno) {
        guard let kind = try kind(of: entry) else { return }
        let plain = try open(entry, form)
        if kind == .directory { return add(.wrongType, entry.name, plain, "a directory with the name of a file") }
        emit(.entry(WalkEntry(node: node, directory: descriptor, name: entry.name, plain: plain)))
    }

    private mutating func lookAtDirectory(
        _ entry: DirectoryEntry, _ form: BackingNameForm, _ id: DirectoryID, _ emit: (Found) -> Void
    ) throws(Errno) {
        guard let kind = try kind(of: entry) else { return }
        let plain = try open(entry, form)
        guard kind == .directory else {
            add(.wrongType, entry.name, plain, "has the name of a directory, and is none")
            return emit(.entry(WalkEntry(node: node, directory: descriptor, name: entry.name, plain: plain)))
        }
        emit(.directory(WalkNode(parent: node, name: entry.name, plain: plain, id: id)))
        guard let plain else { return }
        if let file = try vault.findFile(plain.span, in: directory, descriptor) {
            add(.doubledName, entry.name, plain, "a directory with the name of a file, \(file.name), which hides it")
        }
        guard let other = subdirectories.updateValue(entry.name, forKey: plain) else { return }
        if let hidden = try vault.hidden(entry.name, other, descriptor) {
            let shown = hidden == other ? entry.name : other
            subdirectories[plain] = shown
            add(.doubledEmptyDirectory, hidden, plain, "an empty directory beside another of its name, \(shown)")
        } else {
            add(.doubledName, entry.name, plain, "two directories of one name, both with content: \(other) is the other")
        }
    }

    /// Not made by a writer, unless what is in it says that only its name was changed.
    private mutating func lookAtForeign(_ entry: DirectoryEntry) {
        if isOurs(entry) {
            add(.damagedName, entry.name, nil, "the name is in no form of a vault's, but what it names is a vault's")
        } else {
            add(.foreign, entry.name, nil, "not made by this program; not shown in a mount")
        }
    }

    private func isOurs(_ entry: DirectoryEntry) -> Bool {
        do throws(Errno) {
            switch try kind(of: entry) {
            case .regular:
                return try startsAsOurs(entry.name, in: descriptor)
            case .symbolicLink:
                let target = try descriptor.readLinkAt(entry.name)
                return (try? vault.names.openLinkTarget(target.span)) != nil
            case .directory:
                return try holdsOurs(descriptor.openAt(entry.name, [.pathOnly, .directory, .noFollow]))
            default:
                return false
            }
        } catch {
            return false
        }
    }

    private func startsAsOurs(_ name: FileName, in directory: SharedDescriptor) throws(Errno) -> Bool {
        let file = try directory.openAt(name, [.readOnly, .noFollow, .nonBlocking])
        var bytes = InlineArray<8, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        guard try file.read(into: &span, at: 0) == bytes.count else { return false }
        return bytes.span.isEqual(to: FileHeader.magic.span)
    }

    /// Whether one of the first entries is a file or directory of a vault.
    private func holdsOurs(_ directory: SharedDescriptor) throws(Errno) -> Bool {
        let stream = try DirectoryStream(opening: directory)
        var count = 0
        while count < 256, let entry = try stream.next() {
            count += 1
            switch entry.name.withSpan({ BackingNameForm($0) }) {
            case .directory, .longDirectory: if entry.kind == .directory { return true }
            case .file, .longFile: if entry.kind == .regular, (try? startsAsOurs(entry.name, in: directory)) == true { return true }
            default: continue
            }
        }
        return false
    }
}
