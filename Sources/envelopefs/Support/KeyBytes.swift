// Bytes of the commands that use keys: from files and pipes, and to them.

import Bytes
import Cryptography
import FoundationEssentials
import KeyManagement
import POSIX

enum KeyBytes {
    /// Longest ciphertext, in bytes: base64 of the longest takes less.
    private static let greatestCiphertext = 65_536

    /// What is to be encrypted, straight into locked memory. One byte more than may be encrypted is read, so that too much is refused and not cut.
    static func readPlaintext(_ path: String?, access: KeystoreAccess) throws(Failure) -> SecretBytes {
        try check(path, access)
        let name = path ?? "standard input"
        do {
            let room = try SecretBytes(count: 4097)
            defer { room.wipe() }
            let source = try open(path)
            let count = try room.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in try source.readSequence(into: &bytes) }
            guard count <= 4096 else { throw Failure(.usage, "\(name) holds more than the 4096 bytes that can be encrypted", hint: "Encrypt it with a data key: 'envelopefs key generate-data-key'.") }
            guard count > 0 else { throw Failure(.usage, "\(name) is empty: there is nothing to encrypt") }
            return try room.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, count)) }
        } catch let error as Errno {
            throw Failure("\(name) cannot be read", error)
        } catch let error as Failure {
            throw error
        } catch {
            throw Failure(.failure, "no memory for what is to be encrypted", hint: "Memory that can be locked may be exhausted: see 'ulimit -l'.")
        }
    }

    static func readCiphertext(_ path: String?, base64: Bool, access: KeystoreAccess) throws(Failure) -> [UInt8] {
        try check(path, access)
        let name = path ?? "standard input"
        let bytes: [UInt8]
        do throws(Errno) { bytes = try open(path).readToEnd(limit: greatestCiphertext) } catch { throw Failure("\(name) cannot be read", error) }
        guard base64 else { return bytes }
        let text = bytes.filter { ![9, 10, 13, 32].contains($0) }
        guard let data = Data(base64Encoded: Data(text)) else { throw Failure(.ciphertextRefused, "\(name) is not base64") }
        return Array(data)
    }

    /// Bytes of a file that are not secret.
    static func read(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        do throws(Errno) { return try Paths.read(path, limit: limit) } catch { throw Failure("\(path) cannot be read", error) }
    }

    static func writeCiphertext(_ ciphertext: [UInt8], to path: String?, base64: Bool) throws(Failure) {
        guard base64 else { return try write(ciphertext.span, to: path) }
        let text = Array((Data(ciphertext).base64EncodedString() + "\n").utf8)
        try write(text.span, to: path)
    }

    static func write(_ secret: SecretBytes, to path: String?) throws(Failure) {
        try secret.withBytes { bytes throws(Failure) in try write(bytes, to: path) }
    }

    /// Standard output, or a file that only its owner may read. What was there is replaced by a new file: it may be another's, or be open in another program.
    static func write(_ bytes: ByteSpan, to path: String?) throws(Failure) {
        do throws(Errno) {
            guard let path, path != "-" else { return try SharedDescriptor.standardOutput.writeSequence(bytes) }
            let there = try Paths.exists(path) ? try Paths.status(path, followsLink: false) : nil
            // A pipe, a device, or a link to what somebody has opened for this, as /dev/stdout is.
            if let there, !there.isRegular { return try overwrite(path, bytes) }
            do throws(Errno) { try PrivateFile.replace(path, bytes) } catch {
                let isFixed = [.accessDenied, .notPermitted, .readOnlyFilesystem, .busy, .nameTooLong].contains(error)
                // In a directory where nothing can be made: a file of one's own that has no other name.
                guard isFixed, let there, there.userID == CurrentProcess.effectiveUserID, there.linkCount == 1 else { throw error }
                try overwrite(path, bytes)
            }
        } catch {
            throw Failure("\(path ?? "standard output") cannot be written", error)
        }
    }

    private static func overwrite(_ path: String, _ bytes: ByteSpan) throws(Errno) {
        let file = try SharedDescriptor.open(path, [.writeOnly])
        if try file.status().isRegular {
            try file.changeMode(0o600)
            try file.truncate(to: 0)
        }
        try file.writeSequence(bytes)
    }

    private static func open(_ path: String?) throws(Errno) -> SharedDescriptor {
        guard let path, path != "-" else { return .standardInput }
        return try SharedDescriptor.open(path, [.readOnly])
    }

    /// Standard input gives the passphrase, or the data; not both.
    private static func check(_ path: String?, _ access: KeystoreAccess) throws(Failure) {
        let secret = access.secretOptions
        let takesInput = [secret.passphraseFile, secret.keyFile, secret.recoveryCodeFile].contains("-")
        if takesInput && (path == nil || path == "-") {
            throw Failure(.usage, "standard input cannot give both the passphrase and the data", hint: "Give one of them as a file: --in FILE, or --passphrase-file FILE.")
        }
    }
}
