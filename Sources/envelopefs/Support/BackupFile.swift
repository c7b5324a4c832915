// Writing a backup, and making a keystore of one: files and directories; what stands in them is KeyManagement's.

import Bytes
import Cryptography
import FoundationEssentials
import KeyManagement
import POSIX

/// A directory that only this user may enter, beside what is being made; removed with all that is in it.
struct WorkDirectory {
    let path: String

    init(beside target: String, _ word: String) throws(Failure) {
        let name: String
        do throws(CryptographyError) {
            name = target.split(separator: "/").last.map(String.init) ?? "keystore"
            path = target.parentPath + "/\(name).\(word)-" + (try Random.bytes(8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        } catch { throw Failure(.failure, "no random numbers: \(error)") }
        do throws(Errno) {
            // A new name at random: nothing is there.
            guard try !Paths.exists(path) else { throw .exists }
            try Paths.makeDirectories(path, mode: 0o700)
        } catch { throw Failure("\(path) cannot be made", error) }
    }

    /// Where a backup is made or opened for a moment: keys stay sealed in it.
    static func temporary(_ word: String) throws(Failure) -> WorkDirectory { try WorkDirectory(beside: Surroundings.temporaryDirectory + "/envelopefs", word) }

    /// What cannot be removed is sealed and in a closed directory.
    func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// A keystore that was made of a backup.
struct Restored {
    let header: BackupHeader
    /// What the keystore that stood there is called now.
    let kept: String?
    /// What is to be destroyed in it, and when.
    let deletions: (keys: [(keyID: KeyID, date: Int64)], secrets: Int)
}

enum BackupFile {
    /// Writes a backup of `keystore` to `path`, where nothing is yet, and opens it again with `secret` before it gets its name.
    static func write(_ keystore: Keystore, to path: String, secret: UnlockSecret) throws(Failure) -> BackupHeader {
        guard try !isThere(path) else { throw Failure(.alreadyExists, "\(path) already exists", hint: "A backup is never written over anything.") }
        // Only the sealed file comes near its place, which may be a stick, a share or a folder that is copied elsewhere; and the keystore's own disk may be full.
        let near = try WorkDirectory(beside: path, "backup")
        defer { near.remove() }
        let work = try WorkDirectory.temporary("backup")
        defer { work.remove() }
        let (copy, made, opened) = (work.path + "/copy.db", near.path + "/backup", work.path + "/opened.db")
        do throws(KeystoreError) { try keystore.copyDatabase(to: copy) } catch { throw Failure(error) }
        try seal(copy, of: keystore, to: made)
        let header = try open(made, named: path, to: opened, secret: secret)
        try prove(opened, named: path, secret: secret) { _ throws(Failure) in }
        do throws(Errno) {
            try Paths.moveToFreeName(made, to: path)
            try SharedDescriptor.open(path.parentPath, [.readOnly, .directory]).synchronize()
        } catch { throw Failure("\(path) cannot be written", error) }
        keystore.record(AuditEvent("BackupKeystore", subject: "generation \(header.generation)"))
        return header
    }

    /// Makes the keystore at `path` of a backup. What is there already is kept under another name, which is returned, if `replaces`.
    static func restore(_ backup: String, to path: String, secret: UnlockSecret, replaces: Bool) throws(Failure) -> Restored {
        var remains: [String] = []
        for end in ["", "-wal", "-shm", "-journal"] where try isThere(path + end) { remains.append(end) }
        if let first = remains.first, !replaces {
            throw Failure(.alreadyExists, "\(path + first) already exists", hint: "Nothing was changed. Choose another --keystore, or --replace it: it is kept under another name.")
        }
        do throws(Errno) { try Paths.makeDirectories(path.parentPath, mode: 0o700) } catch { throw Failure("the directory of \(path) cannot be made", error) }
        let work = try WorkDirectory(beside: path, "restore")
        defer { work.remove() }
        let made = work.path + "/keystore.db"
        let header = try open(backup, named: backup, to: made, secret: secret)
        let deletions = try prove(made, named: backup, secret: secret) { (keystore) throws(Failure) in
            keystore.record(AuditEvent("RestoreKeystore", subject: "generation \(header.generation)"))
            do throws(KeyError) { return try keystore.putOffDeletions() } catch { throw Failure(error) }
        }
        do throws(KeystoreError) { try Keystore.release(made) } catch { throw Failure(error) }
        let kept = remains.isEmpty ? nil : path + ".replaced-" + String(Int(Date().timeIntervalSince1970))
        do throws(Errno) {
            try SharedDescriptor.open(made, .readOnly).synchronize()
            let isFree = try kept.map { (kept) throws(Errno) in try setAside(path, remains, as: kept) } ?? true
            if isFree { try Paths.moveToFreeName(made, to: path) } else { try Paths.rename(made, to: path) }
            try SharedDescriptor.open(path.parentPath, [.readOnly, .directory]).synchronize()
        } catch {
            if error == .busy { throw Failure(.failure, "the keystore \(path) is in use", hint: "Nothing was changed. Unmount what uses it, then try again.") }
            let isAside = kept.map { (try? Paths.exists($0)) == true } ?? false
            throw Failure("the keystore \(path) cannot be put in its place", error, hint: isAside ? "The keystore that was there is \(kept ?? "")." : "")
        }
        return Restored(header: header, kept: kept, deletions: deletions)
    }

    /// Moves what belongs to the keystore, and gives the keystore a second name: there is one at its path at every moment. EBUSY when somebody has it
    /// open. One that cannot be read is kept as it is.
    /// - Returns: whether nothing is at its path now, as where there are no hard links.
    private static func setAside(_ path: String, _ remains: [String], as kept: String) throws(Errno) -> Bool {
        var remains = remains
        do throws(KeystoreError) {
            try Keystore.release(path)
            remains = [""]
        } catch {
            if case .busy = error { throw .busy }
        }
        var isFree = true
        for end in remains {
            if end.isEmpty, (try? Paths.link(path, to: kept)) != nil { isFree = false } else { try Paths.moveToFreeName(path + end, to: kept + end) }
        }
        return isFree
    }

    /// Opens the restored database as a keystore, by the slot of `secret` alone, and every key in it. What is due in it is not done.
    private static func prove<Answer>(
        _ path: String, named name: String, secret: UnlockSecret, then: (Keystore) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        let keystore = try KeystoreDoor.open(path, secret: secret, forSlots: true, appliesSchedule: false)
        defer { KeystoreDoor.close(keystore) }
        do throws(KeystoreError) {
            let proof = try keystore.proveKeys()
            guard proof.unopened.isEmpty else { throw .badBackup(path: name, "keys do not open: \(proof.unopened.joined(separator: ", "))") }
            if let fault = try keystore.verifyAudit().fault { Console.note("WARNING: the audit log in \(name) is not what was written: \(fault)") }
        } catch { throw Failure(error) }
        return try then(keystore)
    }

    private static func isThere(_ path: String) throws(Failure) -> Bool {
        do throws(Errno) { return try Paths.exists(path) } catch { throw Failure("\(path) cannot be looked at", error) }
    }

    // MARK: the file

    private static func seal(_ copy: String, of keystore: Keystore, to path: String) throws(Failure) {
        do {
            let source = try SharedDescriptor.open(copy, .readOnly)
            let size = UInt64(max(try source.status().size, 0))
            var (beginning, cipher) = try keystore.beginBackup(ofCopyAt: copy, size: size)
            let target = try SharedDescriptor.open(path, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
            try target.writeSequence(beginning.span)
            var chunk = [UInt8](repeating: 0, count: BackupCipher.chunkSize)
            var place: UInt64 = 0
            while place < size {
                var span = chunk.mutableSpan
                let count = try source.read(into: &span, at: place)
                guard count > 0 else { throw Errno.ioError }
                place += UInt64(count)
                let sealed = try cipher.seal(chunk.span.slice(0, count), isLast: place >= size)
                try target.writeSequence(sealed.span)
            }
            try target.synchronize()
        } catch let error as KeystoreError {
            throw Failure(error)
        } catch let error as Errno {
            throw Failure("the backup cannot be written", error)
        } catch {
            throw Failure(.failure, "the backup cannot be sealed: \(error)")
        }
    }

    /// Decrypts a backup into the new file `path`. Nothing is left of it on failure but in the caller's work directory.
    static func open(_ backup: String, named name: String, to path: String, secret: UnlockSecret) throws(Failure) -> BackupHeader {
        do {
            let source = try SharedDescriptor.open(backup, .readOnly)
            let header = try readHeader(source, named: name)
            var cipher = try Keystore.openBackup(header, at: name, unlockingWith: secret)
            let target = try SharedDescriptor.open(path, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
            var remaining = header.size
            while remaining > 0 {
                let count = Int(min(remaining, UInt64(BackupCipher.chunkSize)))
                remaining -= UInt64(count)
                var sealed = [UInt8](repeating: 0, count: count + 16)
                var span = sealed.mutableSpan
                guard try source.readSequence(into: &span) == sealed.count else { throw KeystoreError.badBackup(path: name, "it was cut") }
                let plain = try cipher.open(sealed.span, isLast: remaining == 0)
                try target.writeSequence(plain.span)
            }
            var end = [UInt8](repeating: 0, count: 1)
            var span = end.mutableSpan
            guard try source.readSequence(into: &span) == 0 else { throw KeystoreError.badBackup(path: name, "there is something behind it") }
            try target.synchronize()
            return header
        } catch let error as KeystoreError {
            throw Failure(error)
        } catch let error as Errno {
            throw Failure("the backup \(name) cannot be opened", error)
        } catch let error as CryptographyError {
            throw Failure(error == .authenticationFailed ? .badBackup(path: name, "it was changed") : .cryptography(error))
        } catch {
            throw Failure(.failure, "the backup \(name) cannot be opened: \(error)")
        }
    }

    private static func readHeader(_ source: SharedDescriptor, named name: String) throws -> BackupHeader {
        var prefix = [UInt8](repeating: 0, count: BackupHeader.prefixSize)
        var span = prefix.mutableSpan
        let count = try source.readSequence(into: &span)
        guard count == prefix.count, let size = BackupHeader.bodySize(prefix.span) else { throw KeystoreError.badBackup(path: name, "it is no backup of a keystore") }
        var body = [UInt8](repeating: 0, count: size)
        var rest = body.mutableSpan
        guard try source.readSequence(into: &rest) == size, let header = BackupHeader(body: body.span) else {
            throw KeystoreError.badBackup(path: name, "its beginning was changed or cut")
        }
        return header
    }
}
