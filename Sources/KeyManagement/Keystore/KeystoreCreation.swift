// Making a keystore: complete under another name first, then at its place in one step, never over another.

import Cryptography
import FoundationEssentials
import GRDB

/// A directory that only we may enter, beside the keystore to be, in which it is made.
/// Killed at any time, this leaves at most that directory, whose name ends in `.init-` and 16 digits; nothing opens it.
struct KeystoreCreation {
    let path: String
    private let directory: String
    private var temporaryPath: String { directory + "/keystore.db" }

    /// Throws `alreadyExists` when there is a keystore, or the log of one: SQLite would play that into the new one.
    init(path: String) throws(KeystoreError) {
        self.path = path
        let random: [UInt8]
        do throws(CryptographyError) { random = try Random.bytes(8) } catch { throw .cryptography(error) }
        directory = path + ".init-" + Hexadecimal.encode(random)
        for name in ["", "-wal", "-shm", "-journal"] where FileManager.default.fileExists(atPath: path + name) {
            throw .alreadyExists(path: path + name)
        }
    }

    /// Fills a new keystore with `fill`, in one transaction, and puts it at its place, mode 0600. On failure nothing of it is left.
    /// - Parameters:
    ///   - showing: called when all is durable, just before the keystore gets its name; if it throws, nothing is made.
    ///   - link: gives the file at the first path the second as another name.
    func run(
        showing: () throws -> Void = {},
        link: (String, String) throws -> Void = { try FileManager.default.linkItem(atPath: $0, toPath: $1) },
        _ fill: (Database) throws -> Void
    ) throws(KeystoreError) {
        do {
            let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
            if !parent.isEmpty {
                try FileManager.default.createDirectory(
                    atPath: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        } catch { throw translate(error) }
        // What cannot be removed is sealed and in a closed directory; the keystore itself is not worse for it.
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let database = try KeystoreDatabase.create(temporaryPath)
        do throws(KeystoreFailure) { try database.write(fill) } catch {
            throw error.asKeystoreError(path)
        }
        try database.close()
        do {
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: temporaryPath)
        } catch { throw translate(error) }
        do { try showing() } catch { throw .recoveryCodeNotShown(path: path, "\(error)") }
        do {
            // A second name, unlike renaming, never takes the place of a file that appeared meanwhile.
            try link(temporaryPath, path)
        } catch {
            // A directory was just made beside it: what is refused now is the second name.
            let refused = translate(error)
            throw refused == .permissionDenied(path: path) ? .noHardLinks(path: path) : refused
        }
    }

    private func translate(_ error: any Error) -> KeystoreError {
        guard let error = error as? CocoaError else { return .storage(path: path, "\(error)") }
        switch error.code {
        case .fileWriteFileExists: return .alreadyExists(path: path)
        case .fileWriteNoPermission, .fileReadNoPermission: return .permissionDenied(path: path)
        case .fileWriteVolumeReadOnly: return .readOnlyDisk(path: path)
        case .fileWriteOutOfSpace: return .diskFull(path: path)
        default: return .storage(path: path, "\(error)")
        }
    }
}
