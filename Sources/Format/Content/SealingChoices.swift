// Where the nonces and salts of new seals come from: the system's random source, but for tests that need known bytes.
import Bytes
import Cryptography

/// What a writing cipher chooses itself.
struct SealingChoices: Sendable {
    /// Random nonces and salts, a new salt after 2^32 seals.
    static let random = SealingChoices()

    /// Given only in tests: the nonce of every seal.
    var fixedNonce: InlineArray<12, UInt8>?
    /// Given only in tests: the first salt.
    var fixedSalt: UInt16?
    /// Seals under one key before another salt is taken: with random nonces of 96 bits two of 2^32 are alike with probability 2^-33.
    var sealsPerSalt: UInt64 = 1 << 32

    private static let source = NonceSource()

    /// Fills the 12 bytes of `nonce`.
    func fill(_ nonce: inout MutableByteSpan) throws(FormatError) {
        if let fixedNonce {
            nonce.copy(fixedNonce.span)
            return
        }
        do { try Self.source.next(into: &nonce) } catch { throw .cryptography(error) }
    }

    /// A salt other than `old`.
    func salt(after old: UInt16?) throws(FormatError) -> UInt16 {
        if old == nil, let fixedSalt { return fixedSalt }
        while true {
            var bytes = InlineArray<2, UInt8>(repeating: 0)
            var span = bytes.mutableSpan
            do { try Random.fill(&span) } catch { throw .cryptography(error) }
            let salt = bytes.span.littleEndian(UInt16.self, at: 0)
            if salt != old { return salt }
        }
    }
}
