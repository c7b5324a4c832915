// The redo journal's records: the known answers of Vectors/journal-1.json, written by Vectors/generate_journal.py.
import Cryptography
import Foundation
import Testing

@testable import Format

private struct JournalVectors: Decodable {
    struct Key: Decodable { let epoch: UInt64, key: String }
    struct Piece: Decodable { let kind: String, place: UInt64, count: UInt64, bytes: String? }
    struct Record: Decodable {
        let what: String, sequence: UInt64, seconds: Int64, nanoseconds: UInt32, fileID: String, directory: String, name: String, pieces: [Piece], record: String
    }
    struct Refused: Decodable { let what: String, record: String }
    struct Large: Decodable { let what: String, isWhole: Bool, begin: String, byte: UInt8, count: Int, end: String }
    struct File: Decodable { let what: String, file: String, sequences: [UInt64] }
    struct Pair: Decodable { let what: String, zero: String, one: String, sequences: [UInt64] }
    let vaultKey: String, keys: [Key], records: [Record], refused: [Refused], large: [Large], files: [File], pairs: [Pair]

    static func load() throws -> JournalVectors {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors/journal-1.json")
        return try JSONDecoder().decode(JournalVectors.self, from: Data(contentsOf: file))
    }
    func cipher() throws -> JournalCipher { try JournalCipher(vaultKey: secret(vaultKey), epoch: keys[0].epoch) }
}

extension JournalVectors.Record {
    var value: JournalRecord {
        JournalRecord(
            sequence: sequence, seconds: seconds, nanoseconds: nanoseconds, fileID: Format.FileID([UInt8](hex: fileID).span),
            directoryID: DirectoryID([UInt8](hex: directory).span), name: Array(name.utf8),
            pieces: pieces.map { piece in
                switch piece.kind {
                case "write": .write(offset: piece.place, bytes: [UInt8](hex: piece.bytes ?? ""))
                case "length": .length(piece.place)
                default: .zero(offset: piece.place, count: piece.count)
                }
            })
    }
}

struct JournalTests {
    @Test func recordsAreWrittenAndReadAsKnown() throws {
        let vectors = try JournalVectors.load(), cipher = try vectors.cipher()
        #expect(vectors.records.count >= 4)
        for known in vectors.records {
            let bytes = [UInt8](hex: known.record)
            #expect(cipher.open(bytes.span)?.record == known.value, "\(known.what)")
            var written = [UInt8](repeating: 0xaa, count: known.value.size)
            var span = written.mutableSpan
            try cipher.seal(known.value, into: &span)
            #expect(written == bytes, "\(known.what)")
        }
    }

    @Test func whatIsNotWholeIsNoRecord() throws {
        let vectors = try JournalVectors.load(), cipher = try vectors.cipher()
        #expect(vectors.refused.count > 30)
        for refused in vectors.refused { #expect(cipher.records(in: [UInt8](hex: refused.record).span).isEmpty, "\(refused.what)") }
        for large in vectors.large {
            let bytes = [UInt8](hex: large.begin) + [UInt8](repeating: large.byte, count: large.count) + [UInt8](hex: large.end)
            #expect(cipher.records(in: bytes.span).count == (large.isWhole ? 1 : 0), "\(large.what)")
        }
    }

    @Test func readingEndsWhereTheNextRecordIsNotTheNext() throws {
        let vectors = try JournalVectors.load(), cipher = try vectors.cipher()
        for file in vectors.files { #expect(cipher.records(in: [UInt8](hex: file.file).span).map(\.sequence) == file.sequences, "\(file.what)") }
        for pair in vectors.pairs {
            let zero = [UInt8](hex: pair.zero), one = [UInt8](hex: pair.one)
            #expect(cipher.records(in: zero.span, one.span).map(\.sequence) == pair.sequences, "\(pair.what)")
        }
    }
}
