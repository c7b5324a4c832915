// Where the keystore stands when nobody says otherwise.

extension Keystore {
    /// `$XDG_DATA_HOME/envelopefs/keystore.db`, else `$HOME/.local/share/envelopefs/keystore.db`, from the values of these two variables.
    /// A relative XDG_DATA_HOME is ignored, as the XDG specification says. Nil when neither gives an absolute path.
    package static func defaultPath(xdgDataHome: String?, home: String?) -> String? {
        if let xdgDataHome, xdgDataHome.hasPrefix("/") { return joined(xdgDataHome, "envelopefs/keystore.db") }
        if let home, home.hasPrefix("/") { return joined(home, ".local/share/envelopefs/keystore.db") }
        return nil
    }

    private static func joined(_ directory: String, _ rest: String) -> String {
        directory.hasSuffix("/") ? directory + rest : directory + "/" + rest
    }
}
