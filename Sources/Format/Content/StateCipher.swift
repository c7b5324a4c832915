// Seals and opens the state record of one file: all that the sealer has to keep of a closed file's keys.
import Bytes
import Cryptography

/// The state record of one file, 512 bytes: nonce 12 | sealed 32 | tag 16 | zero. Thread-safe.
package final class StateCipher: Sendable {
    package let fileID: FileID
    private let key: AEADKey
    private let choices: SealingChoices

    private static let sealedRange = 12..<44
    private static let recordSize = 60

    init(key: AEADKey, fileID: FileID, choices: SealingChoices) {
        self.key = key
        self.fileID = fileID
        self.choices = choices
    }

    /// Writes all 512 bytes of the record at the start of `sector`. Traps when they do not fit.
    package func seal(_ state: FileState, isInline: Bool, into sector: inout MutableByteSpan) throws(FormatError) {
        let associated = associatedData(isInline: isInline)
        var nonce = InlineArray<12, UInt8>(repeating: 0)
        var nonceSpan = nonce.mutableSpan
        try choices.fill(&nonceSpan)
        var plain = InlineArray<32, UInt8>(repeating: 0)
        var plainSpan = plain.mutableSpan
        state.write(into: &plainSpan)
        var tag = InlineArray<16, UInt8>(repeating: 0)
        var tagSpan = tag.mutableSpan
        do { try key.sealInPlace(&plainSpan, nonce: nonce.span, authenticating: associated.span, tag: &tagSpan) } catch { throw FormatError(using: error) }
        sector.zero(0..<BlockLayout.sectorSize)
        sector.copy(nonce.span)
        sector.copy(plain.span, to: 12)
        sector.copy(tag.span, to: 44)
    }

    /// Reads a record of 512 bytes that stands beside a header with this `isInline`.
    package func open(_ sector: ByteSpan, isInline: Bool) throws(FormatError) -> FileState {
        guard sector.count == BlockLayout.sectorSize else { throw .damaged }
        guard sector.slice(Self.recordSize..<sector.count).isAllZero else { throw .reservedBytes }
        let associated = associatedData(isInline: isInline)
        var plain = InlineArray<32, UInt8>(repeating: 0)
        var plainSpan = plain.mutableSpan
        do {
            try key.open(
                sector.slice(Self.sealedRange), nonce: sector.slice(0, 12), authenticating: associated.span, tag: sector.slice(44, 16), into: &plainSpan)
        } catch { throw FormatError(using: error) }
        return try FileState(parsing: plain.span)
    }

    /// Zeroes the key now.
    package func wipe() { key.wipe() }

    private func associatedData(isInline: Bool) -> InlineArray<28, UInt8> {
        var bytes = InlineArray<28, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        FileHeader.writeIdentity(fileID, isInline: isInline, into: &span)
        return bytes
    }
}
