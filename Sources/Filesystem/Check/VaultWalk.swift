// Walking a vault from its backing directory, with several threads: what `check` and `--salvage` have in common.

import Format
import POSIX
import Synchronization

/// A directory on the way.
final class WalkNode: Sendable {
    let parent: WalkNode?
    /// Nil for the root.
    let name: FileName?
    /// Nil where the name does not open.
    let plain: [UInt8]?
    let id: DirectoryID
    /// Where its entries are written to, for salvage.
    let output: SharedDescriptor?

    init(parent: WalkNode?, name: FileName?, plain: [UInt8]?, id: DirectoryID, output: SharedDescriptor? = nil) {
        self.parent = parent
        self.name = name
        self.plain = plain
        self.id = id
        self.output = output
    }

    /// Plain and sealed path of an entry of this directory; of the directory itself without one.
    func paths(of name: FileName? = nil, plain: [UInt8]? = nil) -> (plain: String, backing: String) {
        var plainParts: [[UInt8]] = []
        var backingParts: [[UInt8]] = []
        if let name {
            backingParts.append(name.bytes)
            plainParts.append(plain ?? name.bytes)
        }
        var node: WalkNode? = self
        while let now = node {
            if let name = now.name {
                backingParts.append(name.bytes)
                plainParts.append(now.plain ?? name.bytes)
            }
            node = now.parent
        }
        return (Self.joined(plainParts), Self.joined(backingParts))
    }

    private static func joined(_ parts: [[UInt8]]) -> String { parts.reversed().map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/") }
}

/// An entry of a directory that is no directory with a directory's name.
struct WalkEntry: Sendable {
    let node: WalkNode
    /// The backing directory, `O_PATH`.
    let directory: SharedDescriptor
    let name: FileName
    /// Nil where the name does not open.
    let plain: [UInt8]?

    var paths: (plain: String, backing: String) { node.paths(of: name, plain: plain) }
}

/// What is done on the way. Called from several threads at once.
protocol VaultVisitor: AnyObject, Sendable {
    /// A directory, before its entries. Nil leaves it out; else what stands for it on the way.
    func enter(_ node: WalkNode, _ directory: SharedDescriptor, _ worker: WalkWorker) -> WalkNode?
    func visit(_ entry: WalkEntry, _ worker: WalkWorker)
    /// What the names of a directory show.
    func remark(_ remark: NameRemark, in node: WalkNode, _ directory: SharedDescriptor)
    /// A directory that cannot be read.
    func failed(_ node: WalkNode, _ error: Errno)
}

/// What one thread has for itself: a buffer, and a context whose log is the reasons for what was refused.
final class WalkWorker: Sendable {
    /// Content of one group of blocks.
    static let bufferSize = 64 * BlockLayout.blockSize
    let buffer: PageBuffer
    let context: VaultContext
    private let reasons: Reasons

    private final class Reasons: Sendable {
        let list = Mutex<[VaultLog.Refusal]>([])
    }

    init(_ vault: Vault) throws(Errno) {
        let reasons = Reasons()
        self.reasons = reasons
        buffer = try PageBuffer(count: Self.bufferSize)
        context = vault.context.lookingAgain(VaultLog(observer: { refusal in reasons.list.withLock { if $0.count < 16 { $0.append(refusal) } } }))
    }

    /// Why something was refused since the last call.
    func takeReasons() -> [VaultLog.Refusal] {
        reasons.list.withLock { list in
            defer { list.removeAll() }
            return list
        }
    }
}

/// One walk. Files of a directory are handed out in batches, so that a large directory keeps all threads at work.
final class VaultWalk: Sendable {
    /// Something to do: a directory with its parent's descriptor, or entries.
    enum Item: Sendable {
        case directory(WalkNode, in: SharedDescriptor?)
        case entries([WalkEntry])
    }
    private struct Queue {
        var items: [Item] = []
        var busy = 0
    }
    private static let batchSize = 32
    /// So many waiting batches are enough: more are worked off by whoever found them.
    private static let enough = 512

    private let vault: Vault
    private let visitor: any VaultVisitor
    private let isShared: @Sendable () -> Bool
    private let queue = Mutex(Queue())

    /// - Parameter isShared: whether somebody else may be changing the vault now.
    init(_ vault: Vault, _ visitor: any VaultVisitor, isShared: @escaping @Sendable () -> Bool) {
        self.vault = vault
        self.visitor = visitor
        self.isShared = isShared
    }

    // MARK: where it starts

    /// The root where there are no paths, else what the plain paths lead to.
    /// - Parameter output: for the nodes that it starts from.
    static func starts(at paths: [[UInt8]], in vault: Vault, output: SharedDescriptor? = nil) throws(Errno) -> [Item] {
        let root = WalkNode(parent: nil, name: nil, plain: nil, id: try vault.root.directory.id, output: output)
        if paths.isEmpty { return [.directory(root, in: nil)] }
        var starts: [Item] = []
        for path in paths { starts.append(try start(at: path, from: root, in: vault)) }
        return starts
    }

    /// The way to a plain path, by the same look-ups as in a mount.
    private static func start(at path: [UInt8], from root: WalkNode, in vault: Vault) throws(Errno) -> Item {
        var inode = vault.root
        var node = root
        var item = Item.directory(node, in: nil)
        for part in path.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
            let plain = Array(part)
            let parent = try inode.directory.descriptor(of: inode)
            guard let finding = try vault.find(plain.span, in: inode) else { throw .noEntry }
            inode = try vault.lookup(plain.span, in: inode).inode
            if let id = finding.directoryID {
                node = WalkNode(parent: node, name: finding.name, plain: plain, id: id, output: root.output)
                item = .directory(node, in: parent)
            } else {
                item = .entries([WalkEntry(node: node, directory: parent, name: finding.name, plain: plain)])
            }
        }
        return item
    }

    // MARK: walking

    /// Walks from `starts` on; returns at the end of everything.
    func run(from starts: [Item], threads count: Int) throws(Errno) {
        queue.withLock { $0.items = starts }
        var workers: [WalkWorker] = []
        for _ in 0..<max(count, 1) { workers.append(try WalkWorker(vault)) }
        var threads: [Thread] = []
        for worker in workers.dropFirst() {
            // With fewer threads it only takes longer.
            if let thread = try? Thread.start(name: "efs-check", { [self] in work(worker) }) { threads.append(thread) }
        }
        if let first = workers.first { work(first) }
        for thread in threads { try thread.join() }
    }

    private enum Turn {
        case item(Item)
        case wait
        case end
    }

    private func work(_ worker: WalkWorker) {
        while true {
            let turn = queue.withLock { queue -> Turn in
                if let item = queue.items.popLast() {
                    queue.busy += 1
                    return .item(item)
                }
                return queue.busy > 0 ? .wait : .end
            }
            switch turn {
            case .end: return
            case .wait: SystemClock.sleep(nanoseconds: 500_000)
            case .item(let item):
                switch item {
                case .entries(let entries): for entry in entries { visitor.visit(entry, worker) }
                case .directory(let node, let parent): open(node, parent, worker)
                }
                queue.withLock { $0.busy -= 1 }
            }
        }
    }

    private func open(_ found: WalkNode, _ parent: SharedDescriptor?, _ worker: WalkWorker) {
        do throws(Errno) {
            let directory: SharedDescriptor
            if let name = found.name, let parent {
                directory = try vault.access.through(parent) { () throws(Errno) in try parent.openAt(name, [.pathOnly, .directory, .noFollow]) }
            } else {
                directory = try vault.root.directory.descriptor(of: vault.root)
            }
            guard let node = visitor.enter(found, directory, worker) else { return }
            try list(node, directory, worker)
        } catch {
            // Removed meanwhile.
            if error != .noEntry { visitor.failed(found, error) }
        }
    }

    private func list(_ node: WalkNode, _ directory: SharedDescriptor, _ worker: WalkWorker) throws(Errno) {
        var batch: [WalkEntry] = []
        var names = NameScan(node, directory, in: vault)
        var subdirectories: [Item] = []
        try names.run { found in
            switch found {
            case .directory(let child): subdirectories.append(.directory(child, in: directory))
            case .entry(let entry):
                batch.append(entry)
                guard batch.count == Self.batchSize else { return }
                handOut(batch, worker)
                batch = []
            }
        }
        if !batch.isEmpty { handOut(batch, worker) }
        var remarks = names.remarks
        if !remarks.isEmpty && isShared() {
            // Whoever has the vault may have been between two steps: what is still so a moment later counts.
            SystemClock.sleep(nanoseconds: 50_000_000)
            var again = NameScan(node, directory, in: vault)
            try again.run { _ in }
            let still = Set(again.remarks)
            // What it leaves for the time of a sync, which takes as long as the disk likes, is no finding.
            remarks.removeAll { !still.contains($0) || $0.kind.weight == .leftover }
        }
        for remark in remarks { visitor.remark(remark, in: node, directory) }
        queue.withLock { $0.items += subdirectories }
    }

    private func handOut(_ entries: [WalkEntry], _ worker: WalkWorker) {
        let isTaken = queue.withLock { queue in
            guard queue.items.count < Self.enough else { return false }
            queue.items.append(.entries(entries))
            return true
        }
        if !isTaken { for entry in entries { visitor.visit(entry, worker) } }
    }
}
