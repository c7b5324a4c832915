// Random bytes that are not secret, drawn many at a time: a draw of libcrypto's costs 1180 ns, bytes from here 5.

import Bytes
import CLibCrypto
import Synchronization

/// Gives each caller bytes that nobody else got. Any number of threads; they are spread over shards.
final class RandomPool: Sendable {
    /// What one draw brings. A multiple of the size of a nonce.
    static let drawn = 6144
    /// The most that is taken from here at a time.
    static let most = drawn / 4

    /// INVARIANT: `bytes[..<used]` were given out.
    private struct Shard {
        var bytes = [UInt8](repeating: 0, count: RandomPool.drawn)
        var used = RandomPool.drawn
    }
    private let shards = InlineArray<4, Mutex<Shard>> { _ in Mutex(Shard()) }

    /// Overwrites all of `target`, at most `most` bytes.
    func fill(_ target: inout MutableByteSpan) throws(CryptographyError) {
        let wanted = target.count
        guard wanted <= Self.most else { throw .invalidParameter }
        try shards[Int(clibcrypto_thread_number() % 4)].withLock { shard throws(CryptographyError) in
            if Self.drawn - shard.used < wanted {
                // Marked used up first: a failed draw gives nothing out.
                shard.used = Self.drawn
                var bytes = shard.bytes.mutableSpan
                try Random.draw(&bytes)
                shard.used = 0
            }
            target.copy(shard.bytes.span.slice(shard.used, wanted))
            shard.used += wanted
        }
    }
}
