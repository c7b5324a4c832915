// A directory, a key and a log for tests of file contents.

import Bytes
import Cryptography
import Format
import Logging
import POSIX
import Synchronization
import Testing

@testable import Filesystem
@testable import KeyManagement

/// What a test logs, line by line.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func clear() { lines.withLock { $0.removeAll() } }
}

struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.add("\(event.level): \(event.message)") }
}

/// The same sequence for the same seed.
struct Dice: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// Bytes without a zero among them; they repeat after 509, so that no two blocks are alike.
    mutating func bytes(_ count: Int) -> [UInt8] {
        var period: [UInt8] = []
        while period.count < 512 {
            let word = next()
            for shift in 0..<8 { period.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift)) | 1) }
        }
        period.removeLast(3)
        var all: [UInt8] = []
        all.reserveCapacity(count + 509)
        while all.count < count { all.append(contentsOf: period) }
        all.removeLast(all.count - count)
        return all
    }
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

/// Counts calls on backing files and breaks them where it is told to.
final class Saboteur: Sendable {
    struct State {
        var counts: [String: Int] = [:]
        var writes: [(offset: UInt64, count: Int)] = []
        /// Calls of the kinds that change the file, until the fault; nil: no fault.
        var remaining: Int?
        /// Bytes that the failing write still takes: up to a page boundary of the file.
        var pagesTaken = 0
        /// Everything after the fault fails too, as if the process were gone.
        var isFatal = false
        var isDead = false
        var faults = 0
    }
    let state = Mutex(State())

    var probe: BackingProbe {
        BackingProbe { call, offset, count in self.judge(call, offset, count) }
    }

    private func judge(_ call: BackingProbe.Call, _ offset: UInt64, _ count: Int) -> BackingProbe.Verdict {
        state.withLock { state in
            state.counts["\(call)", default: 0] += 1
            if call == .write { state.writes.append((offset, count)) }
            if state.isDead { return .fail(.ioError) }
            guard call == .write || call == .truncate || call == .shape, let remaining = state.remaining else { return .proceed }
            if remaining > 0 {
                state.remaining = remaining - 1
                return .proceed
            }
            state.remaining = nil
            state.faults += 1
            state.isDead = state.isFatal
            guard call == .write, state.pagesTaken > 0 else { return .fail(.noSpace) }
            let end = ((offset >> 12) + UInt64(state.pagesTaken)) << 12
            return end - offset < UInt64(count) ? .short(Int(end - offset)) : .fail(.noSpace)
        }
    }

    func arm(after calls: Int, pagesTaken: Int, isFatal: Bool) {
        state.withLock { state in
            state.remaining = calls
            state.pagesTaken = pagesTaken
            state.isFatal = isFatal
        }
    }
    func disarm() { state.withLock { ($0.remaining, $0.isFatal, $0.isDead) = (nil, false, false) } }
    var faults: Int { state.withLock { $0.faults } }
    func reset() { state.withLock { $0 = State() } }
    func count(_ call: String) -> Int { state.withLock { $0.counts[call] ?? 0 } }
    var writes: [(offset: UInt64, count: Int)] { state.withLock { $0.writes } }
}

/// One backing file in a directory of its own.
final class Workplace: Sendable {
    let directory: String
    let lines = LogLines()
    let saboteur = Saboteur()
    let keyID: KeyID
    let keyring: Keyring
    let vaultID: VaultID

    init() throws {
        let parent = try SharedDescriptor.open("/tmp", [.readOnly, .directory])
        let name = "efs-content-\(try FileID.random())"
        try parent.makeDirectoryAt(FileName(name), mode: 0o700)
        directory = "/tmp/\(name)"
        keyID = try KeyID.random()
        vaultID = try VaultID.random()
        keyring = try Workplace.keyring([keyID: .enabled])
    }

    deinit {
        do {
            let parent = try SharedDescriptor.open("/tmp", [.readOnly, .directory])
            let own = try SharedDescriptor.open(directory, [.readOnly, .directory])
            for name in ["file", "other"] { try? own.unlinkAt(FileName(name), directory: false) }
            try parent.unlinkAt(FileName(String(directory.dropFirst(5))), directory: true)
        } catch { print("left behind: \(directory): \(error)") }
    }

    static func keyring(_ states: [KeyID: KeyState], material: SecretBytes? = nil) throws -> Keyring {
        let secret = try material ?? SecretBytes.random(count: 32)
        let keys = states.mapValues { state in
            KeyringKey(state: state, currentVersion: 1, versions: state.allowsOpening ? [1: secret] : [:])
        }
        var id = Dice(1)
        return Keyring(
            keystoreID: KeystoreID(id.bytes(16).span)!, contents: KeyringContents(generation: 1, keys: keys), source: nil)
    }

    func context(isReadOnly: Bool = false, wasClean: Bool = true, keyring: Keyring? = nil) -> VaultContext {
        let lines = lines
        return VaultContext(
            vaultID: vaultID, keyring: keyring ?? self.keyring, defaultKey: keyID, isReadOnly: isReadOnly, wasClean: wasClean,
            log: VaultLog(Logger(label: "test") { _ in LineHandler(lines: lines) })) { () throws(Errno) in }
    }

    func descriptor(_ name: String = "file", writable: Bool = true) throws(Errno) -> SharedDescriptor {
        try SharedDescriptor.open("\(directory)/\(name)", writable ? [.readWrite, .create] : .readOnly, mode: 0o600)
    }

    func content(_ name: String = "file", writable: Bool = true, context: VaultContext? = nil) throws(Errno) -> FileContent {
        try FileContent(
            BackingFile(descriptor(name, writable: writable), probe: saboteur.probe), isWritable: writable,
            context: context ?? self.context(), policyKey: keyID, label: FileLabel(inode: 7, backingName: nil))
    }

    /// The bytes of the backing file.
    func stored(_ name: String = "file") throws -> [UInt8] {
        let file = try descriptor(name)
        var bytes = [UInt8](repeating: 0, count: Int(try file.status().size))
        var span = bytes.mutableSpan
        _ = try file.read(into: &span, at: 0)
        return bytes
    }

    func store(_ bytes: [UInt8], _ name: String = "file") throws {
        let file = try descriptor(name)
        try file.truncate(to: 0)
        try file.writeAll(bytes.span, at: 0)
    }

    func change(_ name: String = "file", _ body: (inout [UInt8]) -> Void) throws {
        var bytes = try stored(name)
        body(&bytes)
        try store(bytes, name)
    }
}

extension FileContent {
    func bytes(_ offset: Int = 0, _ count: Int? = nil) throws -> [UInt8] {
        var all = [UInt8](repeating: 0xEE, count: count ?? max(0, Int(size) - offset))
        var span = all.mutableSpan
        let got = try read(into: &span, at: UInt64(offset))
        return Array(all[..<got])
    }
    func put(_ bytes: [UInt8], at offset: Int = 0, isWriteBack: Bool = false) throws(Errno) {
        try write(bytes.span, at: UInt64(offset), isWriteBack: isWriteBack)
    }
}

/// Sizes around every edge of the format.
let edgeSizes: [Int] = {
    let block = 4096
    let centres = [0, 1, 3040, block, 2 * block, 48 * block, 49 * block, 112 * block, 176 * block, 1 << 20]
    return centres.flatMap { [$0 - 1, $0, $0 + 1, $0 + 100] }.filter { $0 >= 0 }
}()
