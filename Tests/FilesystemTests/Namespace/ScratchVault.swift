// A vault in a temporary directory, opened without a mount.

import Bytes
import Cryptography
import Foundation
import Format
import KeyManagement
import Logging
import POSIX

@testable import Filesystem

/// Makes a keystore and a vault, and takes both away at the end.
final class ScratchVault {
    let base: String
    let keyring: Keyring
    let key: KeyID
    private(set) var vault: Vault
    let caller = Caller(userID: CurrentProcess.effectiveUserID, groupID: CurrentProcess.effectiveGroupID, umask: 0o022)

    var backing: String { base + "/vault" }

    init() throws {
        base = NSTemporaryDirectory() + "/efs-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: base + "/vault", withIntermediateDirectories: true)
        let passphrase = try SecretBytes(copying: Array("correct horse".utf8).span)
        let keystore = try Keystore.create(
            at: base + "/keystore.db", passphrase: passphrase, scrypt: ScryptParameters(logN: 14, r: 8, p: 1)) { _ in }
        key = try keystore.createKey(alias: "alias/test")
        keyring = try keystore.keyring()
        try Vault.create(at: base + "/vault", keyring: keyring, key: key, keystoreHint: nil)
        vault = try Self.open(base, keyring)
    }

    private static func open(_ base: String, _ keyring: Keyring, readOnly: Bool = false) throws -> Vault {
        try Vault(
            opening: base + "/vault", keyring: keyring, mountPoint: "(test)", isReadOnly: readOnly,
            log: VaultLog(Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
    }

    /// Closes and opens again.
    func remount() throws { try whileClosed {} }

    /// Runs `body` while nobody has the vault.
    func whileClosed<R>(_ body: () throws -> R) throws -> R {
        try vault.close()
        let outcome = Result { try body() }
        vault = try Self.open(base, keyring)
        return try outcome.get()
    }

    deinit {
        _ = try? vault.close()
        try? FileManager.default.removeItem(atPath: base)
    }

    // MARK: short forms

    func makeFile(_ name: String, in parent: Inode? = nil, content: String = "") throws -> Inode {
        let (entry, file) = try vault.create(
            Array(name.utf8).span, in: parent ?? vault.root, mode: 0o644, isExclusive: true, writable: true, caller: caller)
        if !content.isEmpty { try file.write(Array(content.utf8).span, at: 0, isWriteBack: false) }
        file.release()
        return entry.inode
    }

    func makeDirectory(_ name: String, in parent: Inode? = nil) throws -> Inode {
        try vault.makeDirectory(Array(name.utf8).span, in: parent ?? vault.root, mode: 0o755, caller: caller).inode
    }

    func find(_ name: String, in parent: Inode? = nil) throws -> FoundEntry {
        try vault.lookup(Array(name.utf8).span, in: parent ?? vault.root)
    }

    func errno(_ body: () throws -> Void) -> Errno? {
        do {
            try body()
            return nil
        } catch {
            return error as? Errno
        }
    }

    func rename(_ name: String, in parent: Inode? = nil, to newName: String, in newParent: Inode? = nil, _ mode: RenameMode = .replace) throws {
        try vault.rename(
            Array(name.utf8).span, in: parent ?? vault.root, to: Array(newName.utf8).span, in: newParent ?? vault.root, mode)
    }

    func unlink(_ name: String, in parent: Inode? = nil) throws { try vault.unlink(Array(name.utf8).span, in: parent ?? vault.root) }
    func removeDirectory(_ name: String, in parent: Inode? = nil) throws {
        try vault.removeDirectory(Array(name.utf8).span, in: parent ?? vault.root)
    }

    func read(_ inode: Inode) throws -> String {
        let file = try vault.open(inode, writable: false)
        defer { file.release() }
        var bytes = [UInt8](repeating: 0, count: 4096)
        var span = bytes.mutableSpan
        let count = try file.read(into: &span, at: 0)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// The names in a directory, read in steps of `step` entries.
    func list(_ inode: Inode? = nil, step: Int = 3) throws -> [String] {
        let directory = try vault.openDirectory(inode ?? vault.root)
        var names: [String] = []
        var offset: Int64 = 0
        while true {
            var taken = 0
            try directory.list(from: offset, withStatus: false) { name, _, _, next in
                if taken == step { return false }
                taken += 1
                names.append(String(decoding: name.array, as: UTF8.self))
                offset = next
                return true
            }
            if taken == 0 { return names.filter { $0 != "." && $0 != ".." }.sorted() }
        }
    }

    /// The names in a backing directory.
    func backingNames(_ path: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: backing + path).filter { $0 != ".envelopefs" }
    }
}
