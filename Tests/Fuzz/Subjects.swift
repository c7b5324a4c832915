// What libFuzzer drives: parsers of bytes that nothing vouches for yet. Each says what it did wrong, or nothing.

import Bytes
import Cryptography
import Foundation

@testable import Format
@testable import KeyManagement

/// The bytes of an input, as choices.
private struct InputChoices: Choices {
    var rest: ArraySlice<UInt8>

    mutating func below(_ limit: Int) -> Int {
        guard limit > 1 else { return 0 }
        return Int(rest.popFirst() ?? 0) % limit
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in rest.popFirst() ?? 0 } }
}

/// A parser, and what it may do with an input.
enum Subject: String, CaseIterable {
    case wrappedKeys = "wrapped-keys"
    case rows, csv, json, vault, metadata

    /// Made once; nil of its result for an input that was treated as it should be.
    func violations() throws -> ([UInt8]) -> String? {
        switch self {
        case .wrappedKeys: try wrappedKeys()
        case .rows: try rows()
        case .csv: { Self.importFile($0, .csv) }
        case .json: { Self.importFile($0, .json) }
        case .vault: try vault()
        case .metadata:
            { input in
                guard let read = SecretMetadata(encoded: input.span) else { return nil }
                return read.encoded == input ? nil : "metadata was taken that is not written so"
            }
        }
    }

    /// Inputs that are good, to begin with.
    func samples() throws -> [[UInt8]] {
        switch self {
        case .wrappedKeys: [try Self.wrapped()]
        case .rows: []
        case .csv: [Array("name,url,username,password,note,tags\r\nmail,https://mail.org/x,me,\"p\"\"1\",\"n\r\nm\",\"a,b\"\r\nx,,y,z,,\r\n".utf8)]
        case .json: [Array(#"{"items":[{"name":"a","notes":"n","tags":["x"],"login":{"username":"u","password":"pé\"","uris":[{"uri":"https://a.org"}]}},{"name":"b","value":"q"}]}"#.utf8)]
        case .vault: try Self.vaults().texts.map { Array($0.utf8) }
        case .metadata: [try SecretMetadata(name: "n", account: "a", description: "d\n", tags: ["a": "b", "c": ""]).encoded]
        }
    }

    // MARK: one by one

    private static let header = WrappedKeyHeader(keyID: KeyID([UInt8](repeating: 0x42, count: 16).span)!, version: 3)
    private static func material() throws -> SecretBytes { try SecretBytes(copying: [UInt8](repeating: 0x17, count: 32).span) }

    private static func wrapped() throws -> [UInt8] {
        let (plain, salt) = ([UInt8](repeating: 0x33, count: 32), [UInt8](repeating: 0x55, count: 32))
        return try WrappedKey.seal(plain.span, header: header, material: material(), context: .empty, salt: salt.span)
    }

    private func wrappedKeys() throws -> ([UInt8]) -> String? {
        let (material, good) = (try Self.material(), try Self.wrapped())
        return { input in
            do throws(KeyError) {
                let header = try WrappedKeyHeader(parsing: input.span)
                _ = try WrappedKey.open(input.span, header: header, material: material, context: .empty)
                return input == good ? nil : "a changed wrapped key opens"
            } catch { return error == .invalidCiphertext ? nil : "\(error)" }
        }
    }

    private func rows() throws -> ([UInt8]) -> String? {
        let directory = NSTemporaryDirectory() + "envelopefs-fuzz-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let rows = try StoredRows(in: directory)
        return { input in
            var choices = InputChoices(rest: input[...])
            return rows.violation(&choices)
        }
    }

    private static func importFile(_ input: [UInt8], _ format: SecretImport.Format) -> String? {
        guard let file = try? SecretBytes(copying: input.span) else { return nil }
        defer { file.wipe() }
        do throws(KeyError) {
            let found = try SecretImport(file, format)
            let total = found.entries.reduce(0) { $0 + $1.value.count + $1.metadata.encoded.count }
            return total <= 40 * input.count + 100 ? nil : "\(total) bytes came out of \(input.count)"
        } catch {
            if case .validation = error { return nil }
            return "\(error)"
        }
    }

    /// The vaults of the format's vectors.
    private static func vaults() throws -> (key: SecretBytes, texts: [String]) {
        struct Vectors: Decodable {
            struct Vault: Decodable { let text: String }
            let vaultKey: String
            let vaults: [Vault]
        }
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../FormatTests/Vectors/format-1.json")
        let vectors = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
        let key = KeyManagement.Hexadecimal.decode(Array(vectors.vaultKey.utf8)) ?? []
        return (try SecretBytes(copying: key.span), vectors.vaults.map(\.text))
    }

    private func vault() throws -> ([UInt8]) -> String? {
        let key = try Self.vaults().key
        return { input in
            guard let parsed = try? VaultConfiguration.parse(input.span) else { return nil }
            guard let whole = try? parsed.claimed.serialize(vaultKey: key) else { return "what was read cannot be written" }
            return (try? parsed.verified(vaultKey: key)) != nil && whole != input ? "a changed vault.json is believed" : nil
        }
    }
}
