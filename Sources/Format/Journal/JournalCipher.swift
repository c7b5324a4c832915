// What authenticates the records of a journal, and reads a journal file up to its first record that is not whole.

import Bytes
import Cryptography

/// The key of one epoch: AES-256-GCM without a text, the record as associated data, its sequence as nonce. No two records of an epoch may have one sequence.
package final class JournalCipher: Sendable {
    static let tagSize = AEADKey.tagSize
    private let key: AEADKey

    /// - Parameter epoch: `journalEpoch` of `vault.json`.
    package init(vaultKey: SecretBytes, epoch: UInt64) throws(FormatError) {
        var label = VaultKeyLabel.journal
        for shift in 0..<8 { label.append(UInt8(truncatingIfNeeded: epoch >> UInt64(8 * shift))) }
        let secret = try VaultKeyTree.secret(vaultKey, label, count: 32)
        defer { secret.wipe() }
        do { key = try AEADKey(secret) } catch { throw .cryptography(error) }
    }

    /// Writes the whole record to the start of `target`, which is at least `record.size` bytes.
    package func seal(_ record: JournalRecord, into target: inout MutableByteSpan) throws(FormatError) {
        record.write(into: &target)
        let end = record.size - Self.tagSize
        var tag = InlineArray<16, UInt8>(repeating: 0)
        var tagSpan = tag.mutableSpan
        var nothing = MutableByteSpan()
        do {
            try key.seal(ByteSpan(), nonce: Self.nonce(record.sequence).span, authenticating: target.span.slice(0, end), into: &nothing, tag: &tagSpan)
        } catch {
            throw FormatError(using: error)
        }
        target.copy(tagSpan.span, to: end)
    }

    /// The record that stands at the start of `bytes`, and how long it is; nil when none stands there that this epoch wrote.
    package func open(_ bytes: ByteSpan) -> (record: JournalRecord, size: Int)? {
        guard let size = JournalRecord.claimedSize(bytes) else { return nil }
        let body = bytes.slice(0, size - Self.tagSize)
        var nothing = MutableByteSpan()
        do {
            try key.open(
                ByteSpan(), nonce: Self.nonce(body.littleEndian(UInt64.self, at: 8)).span, authenticating: body,
                tag: bytes.slice(size - Self.tagSize, Self.tagSize), into: &nothing)
        } catch {
            return nil
        }
        guard let record = JournalRecord(parsing: body) else { return nil }
        return (record, size)
    }

    /// The records from the start of a journal file, up to the first that is not whole or not the next.
    package func records(in file: ByteSpan) -> [JournalRecord] {
        var records: [JournalRecord] = []
        var place = 0
        while place < file.count, let (record, size) = open(file.slice(place, file.count - place)) {
            if let last = records.last, last.sequence == .max || record.sequence != last.sequence + 1 { break }
            records.append(record)
            place += size
        }
        return records
    }

    /// The records of both journal files of a vault, in the order in which they are to be applied.
    package func records(in first: ByteSpan, _ second: ByteSpan) -> [JournalRecord] {
        let a = records(in: first), b = records(in: second)
        guard let startA = a.first, let startB = b.first else { return a + b }
        let (early, late) = startB.sequence < startA.sequence ? (b, a) : (a, b)
        guard let last = early.last, let next = late.first, last.sequence != .max, next.sequence == last.sequence + 1 else { return early }
        return early + late
    }

    package func wipe() { key.wipe() }

    private static func nonce(_ sequence: UInt64) -> InlineArray<12, UInt8> {
        var nonce = InlineArray<12, UInt8>(repeating: 0)
        var span = nonce.mutableSpan
        span.storeLittleEndian(sequence, at: 0)
        return nonce
    }
}
