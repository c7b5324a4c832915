// Plain names to sealed ones and back, with the side files of long names.

import Bytes
import Format
import POSIX

/// The sealed form of a plain name as it stands in the backing directory.
struct BackingName: Sendable {
    let name: FileName
    /// The side file that holds the sealed name, where that is too long for a name.
    let side: Side?

    struct Side: Sendable {
        let name: FileName
        let content: [UInt8]
    }

    init(_ sealed: SealedName) throws(Errno) {
        name = try FileName(sealed.backingName)
        guard let side = sealed.side else {
            self.side = nil
            return
        }
        self.side = Side(name: try FileName(side.name), content: side.content)
    }
}

extension Vault {
    /// The longest plain name, as on the backing file systems.
    static var maximumNameLength: Int { 255 }

    /// - Throws: `ENAMETOOLONG`.
    func sealed(_ plain: ByteSpan, _ kind: NameKind, in directory: Directory) throws(Errno) -> BackingName {
        guard plain.count <= Self.maximumNameLength else { throw .nameTooLong }
        guard !plain.isEmpty else { throw .noEntry }
        let sealedName: SealedName
        do throws(FormatError) {
            sealedName = try names.sealName(plain, kind: kind, in: directory.id)
        } catch {
            throw .ioError
        }
        return try BackingName(sealedName)
    }

    /// The plain name of a backing entry; nil when it does not open in this directory.
    /// - Throws: the error of a side file that cannot be read: nobody knows then what the name is.
    func openName(
        _ name: FileName, _ form: BackingNameForm, in directory: Directory, _ descriptor: SharedDescriptor
    ) throws(Errno) -> OpenedName? {
        var content: [UInt8]?
        switch form {
        case .file, .directory: break
        case .longFile(let hash), .longDirectory(let hash, _):
            content = try readSide(FileName(hash.sideName), descriptor)
            if content == nil { return nil }
        default: return nil
        }
        do throws(FormatError) {
            if let content { return try names.openName(name.bytes.span, longContent: content.span, in: directory.id) }
            return try names.openName(name.bytes.span, longContent: nil, in: directory.id)
        } catch {
            return nil
        }
    }

    /// What a side file holds; nil when it is not there or is none.
    private func readSide(_ name: FileName, _ directory: SharedDescriptor) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            // Not blocking: somebody may have put a fifo there, which waits for a writer.
            let file = try access.open(name, in: directory, [.readOnly, .noFollow, .nonBlocking])
            var bytes = [UInt8](repeating: 0, count: NameCipher.maximumTextSize + 1)
            var span = bytes.mutableSpan
            let count = try file.read(into: &span, at: 0)
            guard count <= NameCipher.maximumTextSize else { return nil }
            bytes.removeLast(bytes.count - count)
            return bytes
        } catch {
            // Nothing; a link, a socket, a fifo, a directory.
            let isNoFile = error == .tooManySymbolicLinks || error == .noDeviceOrAddress || error == .illegalSeek || error == .isDirectory
            if error == .noEntry || isNoFile { return nil }
            throw error
        }
    }

    /// Writes the side file of a long name, durably, before the entry appears. Nothing for a short name.
    func prepareSide(of backing: BackingName, in directory: SharedDescriptor) throws(Errno) {
        guard let side = backing.side else { return }
        // One that cannot be read stays: it may be the name of something.
        if try readSide(side.name, directory) == side.content { return }
        // Absent, or left empty by a crash.
        let file = try directory.openAt(side.name, [.writeOnly, .create, .noFollow, .nonBlocking], mode: 0o600)
        // A device that somebody has put there is not written to.
        guard try file.status().isRegular else { throw .exists }
        do throws(Errno) {
            try file.truncate(to: 0)
            try file.writeAll(side.content.span, at: 0)
            try file.synchronize()
        } catch {
            try? directory.unlinkAt(side.name)
            throw error
        }
    }

    /// Removes the side file of a name that is gone. A failure leaves an orphan, which `rmdir` clears away.
    func removeSide(of backing: BackingName, in directory: SharedDescriptor) {
        guard let side = backing.side else { return }
        do throws(Errno) {
            try directory.unlinkAt(side.name)
        } catch {
            if error != .noEntry { context.log.failed("remove side file of a long name", error) }
        }
    }
}
