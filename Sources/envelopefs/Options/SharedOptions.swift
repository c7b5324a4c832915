// The options that several commands share: where the keystore is, and where the secret comes from.

import ArgumentParser

/// Which keystore.
struct KeystoreOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The keystore (or ENVELOPEFS_KEYSTORE; else $XDG_DATA_HOME/envelopefs/keystore.db).", valueName: "file"))
    var keystore: String?

    /// - Throws: `Failure` (usage) where nothing says which, not even a home directory.
    func path(orOption other: String? = nil) throws(Failure) -> String {
        if let given = keystore ?? other {
            // A variable of a script that is not set: the usual keystore is not what was meant.
            guard !given.isEmpty else { throw Failure(.usage, "the name of the keystore is empty", hint: "Give --keystore FILE, or leave it out.") }
            return given.absolutePath
        }
        if let given = Surroundings.value("ENVELOPEFS_KEYSTORE"), !given.isEmpty { return given.absolutePath }
        guard let data = Surroundings.directory("XDG_DATA_HOME", orBelowHome: ".local/share") else {
            throw Failure(.usage, "no keystore is named, and there is no home directory to look in", hint: "Give --keystore FILE, or set ENVELOPEFS_KEYSTORE or HOME.")
        }
        return data + "/envelopefs/keystore.db"
    }
}

/// What opens the keystore: a passphrase, a recovery code, a key file or a systemd credential; each opens the slots of its kind.
struct SecretOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read the passphrase from a file; '-' is standard input.", valueName: "file"))
    var passphraseFile: String?

    @Option(help: ArgumentHelp("Run a command with /bin/sh; what it prints is the passphrase.", valueName: "command"))
    var passphraseCommand: String?

    @Option(help: ArgumentHelp("Unlock with a key file; '-' is standard input.", valueName: "file"))
    var keyFile: String?

    @Flag(help: "The secret is a recovery code, not a passphrase.")
    var recoveryCode = false

    @Option(help: ArgumentHelp("Read a recovery code from a file; '-' is standard input.", valueName: "file"))
    var recoveryCodeFile: String?

    func validate() throws {
        let given = [
            passphraseFile.map { _ in "--passphrase-file" }, passphraseCommand.map { _ in "--passphrase-command" }, keyFile.map { _ in "--key-file" },
            recoveryCodeFile.map { _ in "--recovery-code-file" },
        ].compactMap { $0 }
        if given.count > 1 { throw ValidationError("\(given[0]) and \(given[1]) exclude each other.") }
        if recoveryCode && keyFile != nil { throw ValidationError("--recovery-code and --key-file exclude each other.") }
    }
}
