// What `info` tells of a file or directory of a vault.

import Bytes
import Cryptography
import Format
import KeyManagement
import POSIX

/// The header of a sealed file, and what its length says.
struct FileInfo: Encodable {
    /// The sealed file.
    let path: String
    let vault: String
    let vaultID: String
    /// "file", "directory", "link" or "special".
    let kind: String
    /// "empty", "header", "inline", "blocks", "unfinished" or "damaged"; null for what has no content.
    let form: String?
    /// Plain bytes as the length of the sealed file gives them.
    let size: UInt64?
    let backingSize: Int64
    let fileID: String?
    let keyID: String?
    let keyVersion: UInt32?
    let state: State?

    /// The state record, opened with the file's key.
    struct State: Encodable {
        let isSealed: Bool
        let isSparse: Bool
        let needsRecovery: Bool
        /// When it was recovered, something in it did not open.
        let isUnfinished: Bool
        let generation: UInt64
        /// Exact where the file is sealed.
        let contentSize: UInt64
    }

    init(at path: String, _ keys: SealChecking?) throws(Failure) {
        let files = try VaultFiles(holding: path)
        let vaultID = files.configuration.claimed.vaultID
        let status: FileStatus
        do throws(Errno) { status = try Paths.status(path, followsLink: false) } catch { throw Failure("\(path) cannot be looked at", error) }
        self.path = path
        vault = files.path
        self.vaultID = vaultID.description
        backingSize = status.size
        kind = status.isRegular ? "file" : status.isDirectory ? "directory" : status.isSymbolicLink ? "link" : "special"
        let header = status.isRegular && status.size > 0 ? try Self.header(of: path) : nil
        let extent = status.isRegular ? Self.extent(UInt64(max(status.size, 0)), header) : nil
        form = extent.map { Self.word($0.form) }
        size = extent?.size
        fileID = header?.fileID.description
        let wrapped = header.flatMap { try? Keyring.describe($0.wrappedKey.span) }
        keyID = wrapped?.keyID.description
        keyVersion = wrapped?.version
        if let keys, let header { state = try Self.state(of: path, header, vaultID, keys) } else { state = nil }
    }

    private static func header(of path: String) throws(Failure) -> FileHeader {
        let bytes = try sector(of: path, at: 0)
        do throws(FormatError) {
            return try FileHeader(parsing: bytes.span)
        } catch {
            throw Failure(.fileDamaged, "\(path) has no header of a vault's file: \(error)", hint: "It was cut, changed, or put there by something else. Other files are not concerned.")
        }
    }

    private static func sector(of path: String, at offset: UInt64) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: BlockLayout.headerSize)
        let count: Int
        do throws(Errno) {
            let file = try SharedDescriptor.open(path, [.readOnly, .noFollow])
            var span = bytes.mutableSpan
            count = try file.read(into: &span, at: offset)
        } catch {
            throw Failure("\(path) cannot be read", error)
        }
        guard count == bytes.count else { throw Failure(.fileDamaged, "\(path) is too short to be a vault's file") }
        return bytes
    }

    private static func extent(_ length: UInt64, _ header: FileHeader?) -> Extent {
        guard let header, !header.isInline else { return BlockLayout.contentSize(ofBacking: length) }
        return BlockLayout.blockedContentSize(ofBacking: length)
    }

    private static func word(_ form: Extent.Form) -> String {
        switch form {
        case .empty: "empty"
        case .headerOnly: "header"
        case .inline: "inline"
        case .blocks: "blocks"
        case .slotPage: "unfinished"
        case .damaged: "damaged"
        }
    }

    private static func state(of path: String, _ header: FileHeader, _ vault: VaultID, _ keys: SealChecking) throws(Failure) -> State {
        let dataKey: SecretBytes
        do throws(KeyError) {
            dataKey = try keys.open(header.wrappedKey.span, FileContexts.file(header.fileID, in: vault), of: vault)
        } catch {
            if error == .invalidCiphertext { throw Failure(.fileDamaged, "\(path): the wrapped key in its header does not open", hint: "The header was changed, or belongs to a file of another vault.") }
            throw Failure(error)
        }
        defer { dataKey.wipe() }
        let bytes = try sector(of: path, at: BlockLayout.stateOffset)
        do throws(FormatError) {
            let cipher = try FileCipher(dataKey: dataKey, fileID: header.fileID)
            defer { cipher.wipe() }
            let state = try cipher.openState(bytes.span, isInline: header.isInline)
            return State(
                isSealed: !state.isOpen, isSparse: state.isSparse, needsRecovery: state.needsRecovery, isUnfinished: state.isUnfinished, generation: state.generation, contentSize: state.contentSize)
        } catch {
            throw Failure(.fileDamaged, "\(path): its state record does not open: \(error)", hint: "The file was cut or changed outside the mount.")
        }
    }

    var rows: [(String, String)] {
        var rows = [("sealed file", path), ("vault", vault), ("kind", kind)]
        if let form { rows.append(("form", form)) }
        if let size { rows.append(("size", "\(size) (on disk \(backingSize))")) }
        if let fileID { rows.append(("file id", fileID)) }
        if let keyID, let keyVersion { rows.append(("key", "\(keyID), version \(keyVersion)")) }
        if let state {
            let words = [state.isSealed ? "sealed" : "open", state.isSparse ? "sparse" : nil, state.needsRecovery ? "to be recovered" : nil, state.isUnfinished ? "unfinished" : nil].compactMap { $0 }
            rows.append(("state", "\(words.joined(separator: ", ")), generation \(state.generation)"))
            if state.isSealed { rows.append(("sealed size", String(state.contentSize))) }
        } else if fileID != nil {
            rows.append(("state", "not opened (--unlock)"))
        }
        return rows
    }
}
