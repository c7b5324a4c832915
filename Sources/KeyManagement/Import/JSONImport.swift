// Import from JSON: an array of objects, or an object whose `items` is one (Bitwarden).

import Bytes
import Cryptography
import FoundationEssentials

/// One object of the array. Keys are taken as CSV's columns are; those of an object `login` too.
private struct JSONEntry: Decodable {
    var texts = ImportTexts()
    var value: String?
    /// Why it is skipped, when it is not even an object, or a text is none.
    var fault: String?

    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
    private struct Address: Decodable { let uri: String? }

    init(from decoder: any Decoder) throws {
        guard let object = try? decoder.container(keyedBy: Key.self) else {
            fault = "it is not an object"
            return
        }
        var found: [String: (container: KeyedDecodingContainer<Key>, key: Key)] = [:]
        let login = try? object.nestedContainer(keyedBy: Key.self, forKey: Key(stringValue: "login"))
        for container in [login, object].compactMap({ $0 }) {
            for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
                // Not the object: `login` is a name of the account too.
                if login != nil, key.stringValue == "login" { continue }
                found[ImportField.normalized(key.stringValue)] = (container, key)
            }
        }
        for field in ImportField.allCases {
            guard let (container, key) = field.titles.lazy.compactMap({ found[$0] }).first else { continue }
            do {
                if try container.decodeNil(forKey: key) { continue }
                if field == .tags, let list = try? container.decode([String].self, forKey: key) {
                    texts.texts[.tags] = list.joined(separator: ",")
                } else if field == .value {
                    value = try container.decode(String.self, forKey: key)
                } else {
                    texts.texts[field] = try container.decode(String.self, forKey: key)
                }
            } catch {
                fault = "the \(field) is not a text"
            }
        }
        if texts.texts[.url] == nil, let login, let addresses = try? login.decode([Address].self, forKey: Key(stringValue: "uris")) {
            texts.texts[.url] = addresses.lazy.compactMap(\.uri).first
        }
    }
}

private struct JSONFile: Decodable {
    let entries: [JSONEntry]

    private enum Key: String, CodingKey { case items, secrets }

    init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: Key.self) {
            entries = try object.decode([JSONEntry].self, forKey: object.contains(.items) ? .items : .secrets)
        } else {
            entries = try [JSONEntry](from: decoder)
        }
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
