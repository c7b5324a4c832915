// Options that are pairs: --tag KEY=VALUE.

/// `k=v` pairs of an option that may be repeated.
enum Pairs {
    static func parse(_ texts: [String], _ what: String, option: String) throws(Failure) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !pairs.contains(where: { $0.name == parts[0] }) else {
                throw Failure(.usage, "'\(text)' is not a \(what), or is given twice", hint: "Write \(option) KEY=VALUE.")
            }
            pairs.append((name: parts[0], value: parts[1]))
        }
        return pairs
    }
}
