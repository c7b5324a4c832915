// The options that several commands share: where the keystore is, and where the secret comes from.

import ArgumentParser

/// Which keystore.
struct KeystoreOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The keystore (or ENVELOPEFS_KEYSTORE; else $XDG_DATA_HOME/envelopefs/keystore.db).", valueName: "file"))
    var keystore: String?

    /// - Throws: `Failure` (usage) where nothing says which, not even a home directory.
    func path(orOption other: String? = nil) throws(Failure) -> String {
        if let given = keystore ?? other ?? Surroundings.value("ENVELOPEFS_KEYSTORE"), !given.isEmpty { return given.absolutePath }
        guard let data = Surroundings.directory("XDG_DATA_HOME", orBelowHome: ".local/share") else {
            throw Failure(.usage, "no keystore is named, and there is no home directory to look in", hint: "Give --keystore FILE, or set ENVELOPEFS_KEYSTORE or HOME.")
        }
        return data + "/envelopefs/keystore.db"
    }
}

/// Where the passphrase or recovery code comes from.
struct SecretOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read the passphrase from a file; '-' is standard input.", valueName: "file"))
    var passphraseFile: String?

    @Option(help: ArgumentHelp("Run a command with /bin/sh; what it prints is the passphrase.", valueName: "command"))
    var passphraseCommand: String?

    @Flag(help: "The secret is the recovery code that 'init' printed.")
    var recoveryCode = false

    func validate() throws {
        if passphraseFile != nil && passphraseCommand != nil {
            throw ValidationError("--passphrase-file and --passphrase-command exclude each other.")
        }
    }
}
