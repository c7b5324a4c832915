// The one place where a passphrase, recovery code or key file enters the program.

import Bytes
import Cryptography
import KeyManagement
import POSIX

/// Obtains secrets from where the user keeps them, straight into `SecretBytes`. Docs/COMMANDS.md, "Secrets", is the order of the sources.
enum SecretEntry {
    /// Longest secret, in bytes.
    static let limit = 65535

    /// What the secret is for.
    enum Purpose: Equatable {
        /// Opens a keystore that is there.
        case open(keystore: String)
        /// Becomes the passphrase of a new keystore: a terminal is asked twice.
        case choose(keystore: String)
    }

    /// - Parameters:
    ///   - file: a passphrase file named elsewhere than on the command line (`-o passphrase-file=`).
    ///   - keyFile: a key file named elsewhere (`-o key-file=`).
    /// - Throws: `Failure` (noSecret, inputOutput) that names the source.
    static func unlockSecret(_ options: SecretOptions, file: String? = nil, keyFile: String? = nil, for purpose: Purpose) throws(Failure) -> UnlockSecret {
        let wantsOther = options.passphraseFile != nil || options.passphraseCommand != nil || options.recoveryCodeFile != nil
        if let path = options.keyFile ?? (wantsOther ? nil : keyFile) { return .keyFile(try Self.keyFile(path)) }
        if let path = options.recoveryCodeFile {
            let source = path == "-" ? "standard input" : "recovery code file \(path)"
            return .recoveryCode(try required(read(source, from: path), source))
        }
        if !wantsOther, !options.recoveryCode, file == nil, Surroundings.value("ENVELOPEFS_PASSPHRASE_FILE") ?? "" == "" {
            if let path = Surroundings.value("ENVELOPEFS_KEY_FILE"), !path.isEmpty { return .keyFile(try Self.keyFile(path)) }
            if let path = credentialPath("envelopefs.key") { return .credential(try whole("systemd credential \(path)", path)) }
        }
        let secret = try secret(options, file: file, for: purpose)
        return options.recoveryCode ? .recoveryCode(secret) : .passphrase(secret)
    }

    /// Whether the secret may come from standard input.
    static func mayReadInput(_ options: SecretOptions) -> Bool {
        let files = [options.passphraseFile, options.keyFile, options.recoveryCodeFile] + ["ENVELOPEFS_PASSPHRASE_FILE", "ENVELOPEFS_KEY_FILE"].map { Surroundings.value($0) }
        return files.contains("-")
    }

    /// A passphrase or recovery code from a file.
    static func line(_ path: String) throws(Failure) -> SecretBytes {
        let source = path == "-" ? "standard input" : "file \(path)"
        return try required(read(source, from: path), source)
    }

    /// A new passphrase, asked for twice at the terminal.
    static func chosen(for keystore: String) throws(Failure) -> SecretBytes {
        try required(ask("Passphrase", for: .choose(keystore: keystore)), "what was typed")
    }

    /// All bytes of a key file.
    static func keyFile(_ path: String) throws(Failure) -> SecretBytes { try whole(path == "-" ? "standard input" : "key file \(path)", path) }

    /// The passphrase or recovery code itself, never empty.
    static func secret(_ options: SecretOptions, file: String? = nil, for purpose: Purpose) throws(Failure) -> SecretBytes {
        let source: String
        let secret: SecretBytes
        if let path = options.passphraseFile ?? file {
            source = path == "-" ? "standard input" : "passphrase file \(path)"
            secret = try read(source, from: path)
        } else if let command = options.passphraseCommand {
            source = "passphrase command"
            secret = try read(source, fromCommand: command)
        } else if let path = Surroundings.value("ENVELOPEFS_PASSPHRASE_FILE"), !path.isEmpty {
            source = "passphrase file \(path) (ENVELOPEFS_PASSPHRASE_FILE)"
            secret = try read(source, from: path)
        } else if let path = credentialPath("envelopefs.passphrase") {
            source = "systemd credential \(path)"
            secret = try read(source, from: path)
        } else {
            source = "what was typed"
            secret = try ask(options.recoveryCode ? "Recovery code" : "Passphrase", for: purpose)
        }
        return try required(secret, source)
    }

    private static func required(_ secret: SecretBytes, _ source: String) throws(Failure) -> SecretBytes {
        guard secret.count > 0 else { throw Failure(.noSecret, "\(source) is empty", hint: "A keystore cannot be opened with an empty secret.") }
        return secret
    }

    /// A credential that a systemd unit was given, if there is one of that name.
    private static func credentialPath(_ name: String) -> String? {
        guard let directory = Surroundings.value("CREDENTIALS_DIRECTORY"), directory.hasPrefix("/") else { return nil }
        let path = directory + "/" + name
        return (try? Paths.exists(path)) == true ? path : nil
    }

    // MARK: files and commands

    private static func read(_ source: String, from path: String) throws(Failure) -> SecretBytes {
        try filled(source) { (bytes: inout MutableByteSpan) throws(Errno) in
            if path == "-" { return try SecretSource.read(from: .standardInput, into: &bytes) }
            return try SecretSource.read(fromFile: path, into: &bytes)
        }
    }

    /// Every byte of a file, which is no text.
    private static func whole(_ source: String, _ path: String) throws(Failure) -> SecretBytes {
        let secret = try filled(source) { (bytes: inout MutableByteSpan) throws(Errno) in
            let file = try path == "-" ? .standardInput : SharedDescriptor.open(path, [.readOnly, .noControllingTerminal])
            return try SecretSource.readWhole(from: file, into: &bytes)
        }
        return try required(secret, source)
    }

    private static func read(_ source: String, fromCommand command: String) throws(Failure) -> SecretBytes {
        let child: ChildProcess
        let output: SharedDescriptor
        do throws(Errno) {
            (child, output) = try start(command)
        } catch {
            throw Failure(.noSecret, "the passphrase command could not be started: \(error)")
        }
        let secret: SecretBytes
        do throws(Failure) {
            secret = try filled(source) { (bytes: inout MutableByteSpan) throws(Errno) in try SecretSource.read(from: output, into: &bytes) }
        } catch {
            // It may go on printing for ever: nobody reads that, and nobody waits for it.
            try? child.send(.kill)
            _ = try? child.wait()
            throw error
        }
        let status: POSIX.ExitStatus
        do throws(Errno) {
            status = try child.wait()
        } catch {
            throw Failure(.noSecret, "the passphrase command cannot be waited for: \(error)")
        }
        guard status.isSuccess else {
            throw Failure(.noSecret, "the passphrase command failed with status \(status.shellCode)", hint: "It is run by /bin/sh -c; try it by hand.")
        }
        return secret
    }

    /// The command, and what it prints. Only the command holds the writing end afterwards.
    private static func start(_ command: String) throws(Errno) -> (ChildProcess, SharedDescriptor) {
        let pipe = try Pipe()
        var spawn = Spawn("/bin/sh", ["-c", command])
        spawn.descriptors = [(number: 1, descriptor: pipe.writeEnd)]
        return (try spawn.start(), pipe.readEnd)
    }

    /// A secret of exactly the bytes that `fill` gives; the memory that they were read into is wiped.
    private static func filled(_ source: String, _ fill: (inout MutableByteSpan) throws(Errno) -> Int) throws(Failure) -> SecretBytes {
        // The line end that is taken off must fit too.
        let room = try held { () throws(CryptographyError) in try SecretBytes(count: limit + 2) }
        defer { room.wipe() }
        let count: Int
        do throws(Errno) {
            count = try room.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in try fill(&bytes) }
        } catch {
            throw refusal(of: source, error)
        }
        guard count <= limit else { throw refusal(of: source, .tooBig) }
        return try held { () throws(CryptographyError) in
            try room.withBytes { (bytes: ByteSpan) throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, count)) }
        }
    }

    private static func held(_ make: () throws(CryptographyError) -> SecretBytes) throws(Failure) -> SecretBytes {
        do throws(CryptographyError) {
            return try make()
        } catch {
            throw Failure(.failure, "no memory for the passphrase", hint: "Memory that can be locked may be exhausted: see 'ulimit -l'.")
        }
    }

    private static func refusal(of source: String, _ error: Errno) -> Failure {
        switch error {
        case .tooBig: Failure(.noSecret, "\(source) holds more than \(limit) bytes")
        case .interrupted: Failure(.noSecret, "no passphrase was given")
        case .noDeviceOrAddress, .noData, .notTerminal:
            Failure(
                .noSecret, "no passphrase was given, and there is no terminal to ask on",
                hint: "Give --passphrase-file FILE or --passphrase-command COMMAND, or set ENVELOPEFS_PASSPHRASE_FILE.")
        default: Failure(.noSecret, "\(source) cannot be read: \(error)")
        }
    }

    // MARK: the terminal

    private static func ask(_ word: String, for purpose: Purpose) throws(Failure) -> SecretBytes {
        switch purpose {
        case .open(let keystore):
            return try typed("\(word) for \(keystore): ")
        case .choose(let keystore):
            let first = try typed("New passphrase for \(keystore): ")
            guard first.count > 0 else { return first }
            guard try typed("The same again: ").isEqual(to: first) else { throw Failure(.noSecret, "the two passphrases differ", hint: "Nothing was changed; try again.") }
            return first
        }
    }

    static func typed(_ prompt: String) throws(Failure) -> SecretBytes {
        try filled("the terminal") { (bytes: inout MutableByteSpan) throws(Errno) in try Terminal.readSecret(prompt: prompt, into: &bytes) }
    }
}
