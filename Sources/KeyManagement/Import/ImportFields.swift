// Which column or key of an export means what.

/// What a column of an import file gives.
enum ImportField: CaseIterable {
    case name, account, value, description, url, tags, group

    /// How password managers call it, the likeliest first, in the form of `normalized`.
    var titles: [String] {
        switch self {
        case .name: ["name", "title"]
        case .account: ["account", "username", "loginusername", "user", "login", "email"]
        case .value: ["value", "password", "loginpassword", "secret"]
        case .description: ["description", "notes", "note", "extra", "comment", "comments"]
        case .url: ["url", "loginuri", "uri", "website"]
        case .tags: ["tags", "labels"]
        case .group: ["group", "folder", "grouping", "category"]
        }
    }

    /// In lower case, without spaces, underscores and hyphens.
    static func normalized(_ title: String) -> String { title.lowercased().filter { ![" ", "_", "-"].contains($0) } }

    /// The column of each field that `titles` has. Throws `validation` when one is not clear, or a name or value cannot be had.
    static func columns(of titles: [String]) throws(KeyError) -> [ImportField: Int] {
        let titles = titles.map(normalized)
        var columns: [ImportField: Int] = [:]
        for field in allCases {
            guard let title = field.titles.first(where: { titles.contains($0) }) else { continue }
            guard titles.filter({ $0 == title }).count == 1 else { throw .validation("two columns of the file are called \(title)") }
            columns[field] = titles.firstIndex(of: title)
        }
        // The first line is not shown: without a header it is an entry.
        guard columns[.value] != nil else {
            throw .validation("no column of the file is called value or password; the first line must name the columns")
        }
        guard columns[.name] != nil || columns[.url] != nil else {
            throw .validation("no column of the file is called name, title or url; the first line must name the columns")
        }
        return columns
    }
}

/// The text fields of one entry, as found in a file.
struct ImportTexts {
    var texts: [ImportField: String] = [:]

    /// Name and metadata of the secret. An entry without a name gets the host of its address.
    /// Throws `validation` with the reason why the entry is skipped.
    func metadata(withAccountInName: Bool) throws(KeyError) -> SecretMetadata {
        var name = trimmed(.name)
        if name.isEmpty { name = host }
        guard !name.isEmpty else { throw .validation("it has no name") }
        let account = trimmed(.account)
        if withAccountInName, !account.isEmpty { name += "/" + account }
        var tags: [String: String] = [:]
        if !trimmed(.url).isEmpty { tags["url"] = trimmed(.url) }
        if !trimmed(.group).isEmpty { tags["group"] = trimmed(.group) }
        for tag in trimmed(.tags).split(whereSeparator: { $0 == "," || $0 == ";" }) {
            let tag = tag.trimmingSpaces
            if !tag.isEmpty, tags[tag] == nil { tags[tag] = "" }
        }
        return try SecretMetadata(name: name, account: account, description: texts[.description] ?? "", tags: tags)
    }

    private func trimmed(_ field: ImportField) -> String { texts[field]?[...].trimmingSpaces ?? "" }

    /// `example.org` of `https://user@example.org:8443/path`.
    private var host: String {
        var rest = trimmed(.url)[...]
        if let scheme = rest.range(of: "://") { rest = rest[scheme.upperBound...] }
        rest = rest.prefix { !["/", "?", "#"].contains($0) }
        if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        return String(rest.hasPrefix("[") ? rest : rest.prefix { $0 != ":" })
    }
}

extension Substring {
    var trimmingSpaces: String {
        let start = drop { $0 == " " || $0 == "\t" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" }
        return end.map { String(start[...$0]) } ?? ""
    }
}
