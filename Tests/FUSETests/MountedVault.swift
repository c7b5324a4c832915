// A real vault, mounted by this process, for tests that go through the kernel.

import Cryptography
import Filesystem
import Foundation
import Logging
import POSIX
import Synchronization
import Testing

@testable import FUSE
@testable import KeyManagement

/// Lives in a temporary directory: `vault` below it is the backing, `mount` the mount point.
final class MountedVault: Sendable {
    let directory: String
    let session: Session
    let vault: Vault
    private let thread: POSIX.Thread

    var mountPoint: String { directory + "/mount" }
    var backing: String { directory + "/vault" }

    static func keyring() throws -> (Keyring, KeyID) {
        let key = try KeyID.random()
        let contents = KeyringContents(
            generation: 1, keys: [key: KeyringKey(state: .enabled, currentVersion: 1, versions: [1: try SecretBytes.random(count: 32)])])
        return (Keyring(keystoreID: try KeystoreID.random(), contents: contents, source: nil), key)
    }

    init(_ options: MountOptions = MountOptions(), logger: Logger = Logger(label: "test.fuse")) throws {
        directory = FileManager.default.temporaryDirectory.path + "/efs-fuse-\(UUID().uuidString.prefix(8))"
        for name in ["vault", "mount"] { try FileManager.default.createDirectory(atPath: directory + "/" + name, withIntermediateDirectories: true) }
        let (keyring, key) = try Self.keyring()
        try Vault.create(at: directory + "/vault", keyring: keyring, key: key, keystoreHint: nil)
        vault = try Vault(
            opening: directory + "/vault", keyring: keyring, mountPoint: directory + "/mount", isReadOnly: options.readOnly,
            log: VaultLog(Logger(label: "test.vault")))
        var options = options
        options.fsname = directory + "/vault"
        session = try Session.mount(vault: vault, at: directory + "/mount", options: options, logger: logger)
        let ready = Doorbell()
        let box = Mutex<Result<Void, MountError>?>(nil)
        let shared = Shared(box)
        thread = try POSIX.Thread.start(name: "mount") { [session] in
            do throws(MountError) {
                try session.run { ready.ring() }
                shared.set(.success(()))
            } catch {
                shared.set(.failure(error))
                ready.ring()
            }
        }
        self.shared = shared
        ready.wait()
    }

    private let shared: Shared
    /// How `run` ended.
    final class Shared: Sendable {
        private let box: Mutex<Result<Void, MountError>?>
        init(_ box: consuming Mutex<Result<Void, MountError>?>) { self.box = box }
        func set(_ value: Result<Void, MountError>) { box.withLock { $0 = value } }
        var value: Result<Void, MountError>? { box.withLock { $0 } }
    }

    /// Runs a shell command in the mount.
    /// - Returns: what it printed, and how it ended.
    @discardableResult
    func shell(_ command: String) throws -> (text: String, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "cd \(mountPoint) && { \(command)\n}"]
        let pipe = Foundation.Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: data, as: UTF8.self), process.terminationStatus)
    }

    /// What the daemon says that it has done since it was started.
    func counters() throws -> [String: UInt64] {
        let told = try shell("getfattr --only-values -n system.envelopefs.counters .").text
        var counters: [String: UInt64] = [:]
        for line in told.split(separator: "\n") {
            let words = line.split(separator: " ")
            counters[String(words[0])] = UInt64(words[1])
        }
        return counters
    }

    /// Unmounts, waits for the loop's end, closes the vault, removes everything.
    func end() throws {
        #expect(session.unmount(lazily: false) == .unmounted)
        try wait()
        try close()
    }

    /// Waits until `run` has returned, without an error.
    func wait() throws {
        try thread.join()
        #expect(throws: Never.self) { try shared.value?.get() }
        #expect(shared.value != nil)
    }

    func close() throws {
        try vault.close()
        try FileManager.default.removeItem(atPath: directory)
    }
}

/// The messages that were logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

struct LineHandler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.add("\(event.message)") }
}
