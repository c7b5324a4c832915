// Import from JSON: an array of objects, or an object whose `items` is one (Bitwarden).

import Bytes
import Cryptography
import FoundationEssentials

/// One object of the array. Keys are taken as CSV's columns are; those of an object `login` too.
private struct JSONEntry: Decodable {
    private(set) var texts = ImportTexts()
    private(set) var value: String?
    /// Why it is skipped, when it is not even an object, or a text is none.
    private(set) var fault: String?
    /// Keys that hold something, and that nothing was taken from; those of `login` as `login.totp`.
    private(set) var unused: [String] = []
    /// What it is called stands in the file's list `folders`.
    private var folderID: String?

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
    private struct Address: Decodable { let uri: String? }

    /// A key, and the object that it is in.
    private struct Place {
        let container: KeyedDecodingContainer<Key>
        let key: Key
        let isOfLogin: Bool

        var path: String { (isOfLogin ? "login." : "") + key.stringValue }

        /// Bitwarden's own bookkeeping, which says nothing that a person entered: it is not named. Docs/KEYS.md has the list too.
        private static let structural: Set = [
            "id", "organizationId", "collectionIds", "object", "type", "secureNote", "revisionDate", "creationDate", "login.passwordRevisionDate",
        ]
        /// These say something only when they are set.
        private static let flags: Set = ["favorite", "reprompt"]

        /// Whether something would be lost with it.
        var holdsData: Bool {
            guard !Self.structural.contains(path), (try? container.decodeNil(forKey: key)) == false else { return false }
            if let text = try? container.decode(String.self, forKey: key) { return !text.isEmpty }
            if let list = try? container.nestedUnkeyedContainer(forKey: key) { return !list.isAtEnd }
            if let object = try? container.nestedContainer(keyedBy: Key.self, forKey: key) { return !object.allKeys.isEmpty }
            return !(Self.flags.contains(path) && isUnset)
        }

        private var isUnset: Bool { (try? container.decode(Bool.self, forKey: key)) == false || (try? container.decode(Int.self, forKey: key)) == 0 }
    }

    init(from decoder: any Decoder) throws {
        guard let object = try? decoder.container(keyedBy: Key.self) else {
            fault = "it is not an object"
            return
        }
        let places = Self.places(in: object)
        var taken = takeTexts(from: places)
        if let index = places.firstIndex(where: { $0.path == "login.uris" && $0.isOfLogin }), takeAddress(from: places[index]) { taken.insert(index) }
        if let place = places.first(where: { $0.path == "folderId" }) { folderID = try? place.container.decode(String.self, forKey: place.key) }
        // Else the object is not what it seems, and what stands as its keys may be secret.
        guard value != nil || texts.texts[.name] != nil || texts.texts[.url] != nil else { return }
        unused = places.indices.filter { !taken.contains($0) && places[$0].holdsData }.map { places[$0].path }.sorted()
    }

    /// All keys, those of `login` first.
    private static func places(in object: KeyedDecodingContainer<Key>) -> [Place] {
        func places(_ container: KeyedDecodingContainer<Key>, isOfLogin: Bool) -> [Place] {
            let keys = container.allKeys.sorted { $0.stringValue < $1.stringValue }
            return keys.map { Place(container: container, key: $0, isOfLogin: isOfLogin) }
        }
        let own = places(object, isOfLogin: false)
        guard let login = try? object.nestedContainer(keyedBy: Key.self, forKey: Key(stringValue: "login")) else { return own }
        // Not the object: `login` is a name of the account too.
        return places(login, isOfLogin: true) + own.filter { $0.path != "login" }
    }

    /// Takes what every field has a key for. Which of `places` those are.
    private mutating func takeTexts(from places: [Place]) -> Set<Int> {
        var found: [String: Int] = [:]
        for (index, place) in places.enumerated() { found[ImportField.normalized(place.key.stringValue)] = index }
        var taken: Set<Int> = []
        for field in ImportField.allCases {
            guard let index = field.titles.compactMap({ found[$0] }).first else { continue }
            taken.insert(index)
            do { try take(field, from: places[index]) } catch { fault = "the \(field) is not a text" }
        }
        return taken
    }

    private mutating func take(_ field: ImportField, from place: Place) throws {
        let (container, key) = (place.container, place.key)
        if try container.decodeNil(forKey: key) { return }
        if field == .tags, let list = try? container.decode([String].self, forKey: key) {
            texts.texts[.tags] = list.joined(separator: ",")
        } else if field == .value {
            value = try container.decode(String.self, forKey: key)
        } else {
            texts.texts[field] = try container.decode(String.self, forKey: key)
        }
    }

    /// Takes Bitwarden's first address, when the entry has no other. Whether that is all there is.
    private mutating func takeAddress(from place: Place) -> Bool {
        guard (texts.texts[.url] ?? "").isEmpty, let list = try? place.container.decode([Address].self, forKey: place.key) else { return false }
        let addresses = list.compactMap(\.uri).filter { !$0.isEmpty }
        if let first = addresses.first { texts.texts[.url] = first }
        return addresses.count <= 1
    }

    /// Takes the folder's name as that of CSV's column `folder` is taken.
    mutating func takeFolder(from names: [String: String]) {
        guard (texts.texts[.group] ?? "").isEmpty, let folderID, let name = names[folderID] else { return }
        texts.texts[.group] = name
        unused.removeAll { $0 == "folderId" }
    }
}

private struct JSONFile: Decodable {
    let entries: [JSONEntry]

    private enum Key: String, CodingKey { case items, secrets, folders }
    private struct Folder: Decodable { let id, name: String? }

    init(from decoder: any Decoder) throws {
        guard let object = try? decoder.container(keyedBy: Key.self) else {
            entries = try [JSONEntry](from: decoder)
            return
        }
        let names = Self.names(of: (try? object.decode([Folder].self, forKey: .folders)) ?? [])
        var items = try object.decode([JSONEntry].self, forKey: object.contains(.items) ? .items : .secrets)
        for index in items.indices { items[index].takeFolder(from: names) }
        entries = items
    }

    /// By id.
    private static func names(of folders: [Folder]) -> [String: String] {
        var names: [String: String] = [:]
        for folder in folders {
            guard let id = folder.id, let name = folder.name, !name.isEmpty else { continue }
            names[id] = name
        }
        return names
    }
}

extension SecretImport {
    /// The library takes `Data` and gives `String`: the former is wiped here, the latter cannot be.
    mutating func readJSON(_ file: SecretBytes) throws(KeyError) {
        var data = Data(file.withBytes { $0.array })
        defer { data.resetBytes(in: data.indices) }
        let entries: [JSONEntry]
        // Its description may quote the file.
        do { entries = try JSONDecoder().decode(JSONFile.self, from: data).entries } catch {
            throw .validation("the file is not JSON of the form [{\"name\": …, \"value\": …}, …]")
        }
        for (index, entry) in entries.enumerated() {
            addUnused(entry.unused)
            if let fault = entry.fault {
                skip(index + 1, fault)
                continue
            }
            let value: SecretBytes?
            do throws(CryptographyError) {
                value = try entry.value.map { text throws(CryptographyError) in
                    let bytes = Array(text.utf8)
                    return try SecretBytes(copying: bytes.span)
                }
            } catch { throw .cryptography(error) }
            try add(index + 1, entry.texts, value, word: "entry")
        }
    }
}
