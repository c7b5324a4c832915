// Import files: what is in them, and what is skipped and why.

import Bytes
import Cryptography

/// One secret to be.
package struct ImportEntry: Sendable {
    /// The line (CSV), or the number of the entry (JSON), from 1.
    package let position: Int
    package let metadata: SecretMetadata
    package let value: SecretBytes

    package init(position: Int, metadata: SecretMetadata, value: SecretBytes) {
        self.position = position
        self.metadata = metadata
        self.value = value
    }
}

/// What an import file holds. No message in it has anything of a value, nor of a name: in a file that is not what it seems, a name may be a value.
package struct SecretImport: Sendable {
    package enum Format: String, CaseIterable, Sendable { case csv, json }

    /// An entry that is left out.
    package struct Skipped: Sendable, Equatable {
        package let position: Int
        package let reason: String

        package init(position: Int, reason: String) {
            self.position = position
            self.reason = reason
        }
    }

    /// Longest file, in bytes.
    package static let maximumSize = 64 << 20

    package private(set) var entries: [ImportEntry] = []
    package private(set) var skipped: [Skipped] = []
    /// Names of the columns (CSV) and keys (JSON) that hold something in any entry, and that nothing was taken from: each once, in order.
    package private(set) var unusedColumns: [String] = []
    /// The same, as a set: a file may have very many.
    private var unusedNames: Set<String> = []
    private var positions: [String: Int] = [:]
    private let withAccountInName: Bool

    /// Reads `file`, which the caller wipes. Values go to `SecretBytes`. JSON passes through memory that cannot be wiped; see Docs/KEYS.md.
    /// - Parameter withAccountInName: whether a secret is called NAME/ACCOUNT.
    /// - Throws: `validation` when the file as a whole is not what it should be; nothing of it is taken then.
    package init(_ file: SecretBytes, _ format: Format, withAccountInName: Bool = false) throws(KeyError) {
        guard file.count <= Self.maximumSize else { throw .validation("an import file has at most \(Self.maximumSize >> 20) MiB") }
        self.withAccountInName = withAccountInName
        switch format {
        case .csv: try readCSV(file)
        case .json: try readJSON(file)
        }
    }

    mutating func skip(_ position: Int, _ reason: String) { skipped.append(Skipped(position: position, reason: reason)) }

    mutating func addUnused(_ names: [String]) {
        for name in names where unusedNames.insert(name).inserted { unusedColumns.append(name) }
    }

    /// Takes an entry, or skips it with the reason.
    mutating func add(_ position: Int, _ texts: ImportTexts, _ value: SecretBytes?, word: String) throws(KeyError) {
        guard let value, value.count > 0 else { return skip(position, "it has no value") }
        guard value.count <= PasswordSafe.maximumValueSize else { return skip(position, "its value has more than \(PasswordSafe.maximumValueSize) bytes") }
        let metadata: SecretMetadata
        do throws(KeyError) {
            metadata = try texts.metadata(withAccountInName: withAccountInName)
        } catch {
            return skip(position, error.description)
        }
        if let first = positions[metadata.name] { return skip(position, "it has the same name as \(word) \(first)") }
        positions[metadata.name] = position
        entries.append(ImportEntry(position: position, metadata: metadata, value: value))
    }

    // MARK: CSV

    private mutating func readCSV(_ file: SecretBytes) throws(KeyError) {
        var reader = CSVReader()
        guard let header = try file.withBytes({ bytes throws(KeyError) in try reader.next(bytes) }) else { throw .validation("the file is empty") }
        let titles = header.fields.map { Self.text(of: $0, in: file) ?? "" }
        let columns = try ImportField.columns(of: titles)
        let others = titles.indices.filter { !columns.values.contains($0) }
        // Exports have columns for all that the program knows: one that is empty in every line is no loss.
        var filled: Set<Int> = []
        while let record = try file.withBytes({ bytes throws(KeyError) in try reader.next(bytes) }) {
            guard record.fields.count == header.fields.count else {
                skip(record.line, "it has \(record.fields.count) fields, and the first line has \(header.fields.count)")
                continue
            }
            for column in others where !record.fields[column].range.isEmpty { filled.insert(column) }
            try addRecord(record, columns, file)
        }
        addUnused(others.filter { filled.contains($0) }.map { titles[$0].isEmpty ? "column \($0 + 1)" : titles[$0] })
    }

    private mutating func addRecord(_ record: CSVRecord, _ columns: [ImportField: Int], _ file: SecretBytes) throws(KeyError) {
        var texts = ImportTexts()
        var value: SecretBytes?
        for (field, column) in columns {
            if field == .value {
                // A value that is too long is measured, not copied.
                value = try Self.secret(of: record.fields[column], in: file)
            } else if let text = Self.text(of: record.fields[column], in: file) {
                texts.texts[field] = text
            } else {
                return skip(record.line, "a field is too long, or not UTF-8")
            }
        }
        try add(record.line, texts, value, word: "line")
    }

    private static func secret(of field: CSVField, in file: SecretBytes) throws(KeyError) -> SecretBytes {
        do throws(CryptographyError) {
            let room = try SecretBytes(count: field.range.count)
            let count = file.withBytes { bytes in room.withMutableBytes { field.copy(from: bytes, to: &$0) } }
            if count == room.count { return room }
            return try room.withBytes { bytes throws(CryptographyError) in try SecretBytes(copying: bytes.slice(0, count)) }
        } catch { throw .cryptography(error) }
    }

    private static func text(of field: CSVField, in file: SecretBytes) -> String? {
        guard field.range.count <= 32768 else { return nil }
        var room = [UInt8](repeating: 0, count: field.range.count)
        var span = room.mutableSpan
        let count = file.withBytes { field.copy(from: $0, to: &span) }
        return String(validating: room.prefix(count), as: UTF8.self)
    }
}
