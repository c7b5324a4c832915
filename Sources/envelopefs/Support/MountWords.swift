// The words after `-o`, as fstab and mount(8) write them.

/// What the words of `-o` ask for.
struct MountWords: Equatable {
    var isReadOnly = false
    var allowOther = false
    var keystore: String?
    var passphraseFile: String?
    var keyFile: String?
    var logFile: String?
    /// Words for the kernel, handed on as they are: nosuid, noatime …
    var kernelWords: [String] = []

    private static let forKernel: Set<String> = [
        "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "dirsync", "sync", "async",
        // For the front door, which takes them out.
        "awake", "noawake", "default_permissions",
    ]
    /// Words that fstab uses for itself, and what is so anyway.
    private static let ignored: Set<String> = [
        "defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "group", "nofail", "_netdev", "rw", "relatime",
    ]

    /// Takes the words of one `-o`, separated by commas. Later ones win.
    /// - Throws: `Failure` (usage) for a word that nobody knows: an option that is silently ignored is worse than none.
    mutating func add(_ list: String) throws(Failure) {
        for part in list.split(separator: ",") {
            let word = String(part)
            let name = String(part.prefix { $0 != "=" })
            let value = name.utf8.count < word.utf8.count ? String(part.dropFirst(name.count + 1)) : nil
            if try takeValue(of: name, value, in: word) { continue }
            if word.hasPrefix("x-") || name == "comment" { continue }
            if word == "ro" {
                isReadOnly = true
            } else if word == "rw" {
                isReadOnly = false
            } else if word == "allow_other" {
                allowOther = true
            } else if Self.forKernel.contains(word) {
                kernelWords.append(word)
            } else if !Self.ignored.contains(word) {
                throw Failure(.usage, "unknown mount option '\(word)'", hint: "Docs/MOUNTING.md lists the options; 'envelopefs help mount' the most used ones.")
            }
        }
    }

    private mutating func takeValue(of name: String, _ value: String?, in word: String) throws(Failure) -> Bool {
        guard ["keystore", "passphrase-file", "key-file", "log-file"].contains(name) else { return false }
        guard let value, !value.isEmpty else { throw Failure(.usage, "mount option '\(word)' needs a value", hint: "Write \(name)=VALUE.") }
        switch name {
        case "keystore": keystore = value
        case "passphrase-file": passphraseFile = value
        case "key-file": keyFile = value
        default: logFile = value
        }
        return true
    }
}
