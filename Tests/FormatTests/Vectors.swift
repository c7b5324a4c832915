// The known answers of Vectors/format-1.json, written by Vectors/generate.py.
import Bytes
import Cryptography
import Foundation

@testable import Format

struct Vectors: Decodable {
    struct Key: Decodable { let master: String, label: String, salt: UInt16?, key: String }
    struct BlockPlace: Decodable { let block: UInt64, slot: UInt64, offset: UInt64 }
    struct Length: Decodable { let size: UInt64, backing: UInt64 }
    struct Header: Decodable { let isInline: Bool, wrappedKey: String, sector: String }
    struct State: Decodable { let isInline: Bool, contentSize: UInt64, flags: UInt32, generation: UInt64, nonce: String, sector: String }
    struct Sealed: Decodable { let index: UInt64?, salt: UInt16, nonce: String, plain: String, entry: String, sealed: String }
    struct File: Decodable { let what: String, plain: String, backing: String }
    struct Name: Decodable { let plain: String, parent: String, directoryID: String?, backing: String, sideName: String?, sideContent: String? }
    struct Link: Decodable { let plain: String, text: String }
    struct Attribute: Decodable { let name: String, sealedName: String, object: String, objectID: String, value: String, sealedValue: String }
    struct Vault: Decodable { let hint: String?, policies: [String: String], clean: Bool, epoch: UInt64, generation: UInt64, text: String }
    struct Refused: Decodable, CustomStringConvertible {
        let kind: String, what: String, error: String
        let bytes: String?, index: UInt64?, entry: String?, backing: String?, sideContent: String?, parent: String?, text: String?
        var description: String { "\(kind): \(what)" }
    }
    let dataKey: String, vaultKey: String, fileID: String, vaultID: String, rootDirectory: String
    let wrappedVaultKey: String, keystoreID: String, defaultKey: String
    let keys: [Key], blockPlaces: [BlockPlace], lengths: [Length], headers: [Header], states: [State], blocks: [Sealed], inlines: [Sealed]
    let files: [File], names: [Name], links: [Link], attributes: [Attribute], vaults: [Vault], refused: [Refused]

    static let all: Vectors = {
        do {
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors/format-1.json")
            return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
        } catch { fatalError("vectors: \(error)") }
    }()
}

extension [UInt8] {
    init(hex: String) {
        let digits = Array<UInt8>(hex.utf8)
        self = Swift.stride(from: 0, to: digits.count, by: 2).map { UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)! }
    }
    init(text: String) { self = Array<UInt8>(text.utf8) }
    var hex: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
    var text: String { String(decoding: self, as: UTF8.self) }
}

func secret(_ hex: String) throws -> SecretBytes { try SecretBytes(copying: [UInt8](hex: hex).span) }
func fileID(_ hex: String = Vectors.all.fileID) -> FileID { FileID([UInt8](hex: hex).span) }
func directory(_ hex: String) -> DirectoryID { DirectoryID([UInt8](hex: hex).span) }
func dataKey() throws -> SecretBytes { try secret(Vectors.all.dataKey) }
func vaultKey() throws -> SecretBytes { try secret(Vectors.all.vaultKey) }

/// A cipher with a nonce and a salt that are not random.
func fixedCipher(nonce: String, salt: UInt16? = nil) throws -> FileCipher {
    var choices = SealingChoices.random
    var bytes = InlineArray<12, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    let given = [UInt8](hex: nonce)
    span.copy(given.span)
    choices.fixedNonce = bytes
    choices.fixedSalt = salt
    return try FileCipher(dataKey: dataKey(), fileID: fileID(), choices: choices)
}

/// What `body` throws, nil if nothing.
func refusal(_ body: () throws -> Void) -> FormatError? {
    do { try body() } catch { return error as? FormatError }
    return nil
}

/// The case's name, without its payload.
func label(_ error: FormatError?) -> String {
    switch error {
    case nil: "nothing thrown"
    case .unwritten: "unwritten"
    case .badMagic: "badMagic"
    case .unsupportedVersion: "unsupportedVersion"
    case .reservedBytes: "reservedBytes"
    case .damaged: "damaged"
    case .authenticationFailed: "authenticationFailed"
    case .outOfRange: "outOfRange"
    case .keysWiped: "keysWiped"
    case .invalidName: "invalidName"
    case .nameTooLong: "nameTooLong"
    case .foreignName: "foreignName"
    case .sideFileMissing: "sideFileMissing"
    case .cryptography: "cryptography"
    case .vaultFileDamaged: "vaultFileDamaged"
    case .vaultUnsupported: "vaultUnsupported"
    }
}

extension FileCipher {
    func opened(block index: UInt64, _ entry: Entry, _ sealed: [UInt8], count: Int? = nil) throws(FormatError) -> [UInt8] {
        var plain = [UInt8](repeating: 0xaa, count: count ?? entry.length)
        var span = plain.mutableSpan
        try openBlock(index, entry, sealed.span, into: &span)
        return plain
    }
    func sealed(block index: UInt64, _ plain: [UInt8]) throws(FormatError) -> (entry: Entry, bytes: [UInt8]) {
        var sealed = [UInt8](repeating: 0, count: plain.count)
        var span = sealed.mutableSpan
        let entry = try sealBlock(index, plain.span, into: &span)
        return (entry, sealed)
    }
    func sealed(inline plain: [UInt8]) throws(FormatError) -> (entry: Entry, bytes: [UInt8]) {
        var sealed = [UInt8](repeating: 0, count: plain.count)
        var span = sealed.mutableSpan
        let entry = try sealInline(plain.span, into: &span)
        return (entry, sealed)
    }
    func opened(inline entry: Entry, _ sealed: [UInt8]) throws(FormatError) -> [UInt8] {
        var plain = [UInt8](repeating: 0xaa, count: entry.length)
        var span = plain.mutableSpan
        try openInline(entry, sealed.span, into: &span)
        return plain
    }
    func sealed(state: FileState, isInline: Bool) throws(FormatError) -> [UInt8] {
        var sector = [UInt8](repeating: 0xaa, count: 512)
        var span = sector.mutableSpan
        try sealState(state, isInline: isInline, into: &span)
        return sector
    }
}

extension Entry {
    var array: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 32)
        var span = bytes.mutableSpan
        store(into: &span)
        return bytes
    }
}
