// Where secrets live: small places in locked, undumpable pages, reused for ever.

import CLibCrypto
import Synchronization

/// Hands out zeroed places of 32, 64 … 4096 bytes from slabs; larger ones get pages of their own.
/// A slab is never given back: the next secrets of its size live there. 100,000 secrets of 32 bytes need 3.2 MB.
enum SecretMemory {
    private static let slabSize = 65_536
    private static let pageSize = 4096
    private static let smallest = 32

    /// Free places by size class (32 << index).
    @safe private struct FreePlaces: @unchecked Sendable {
        var lists: [[UnsafeMutableRawPointer]] = unsafe Array(repeating: [], count: 8)
    }
    private static let free = Mutex(FreePlaces())
    private static let isEverythingLocked = Atomic(true)

    /// False as soon as the system refused to lock pages into memory (RLIMIT_MEMLOCK).
    static var isLocked: Bool { isEverythingLocked.load(ordering: .relaxed) }

    /// The place size for `count` bytes: a power of two from 32 to 4096, or whole pages.
    private static func placeSize(_ count: Int) -> Int {
        if count <= smallest { return smallest }
        if count > pageSize { return (count + pageSize - 1) / pageSize * pageSize }
        return 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    private static func classIndex(_ size: Int) -> Int { size.trailingZeroBitCount - smallest.trailingZeroBitCount }

    private static func map(_ size: Int) throws(CryptographyError) -> UnsafeMutableRawPointer {
        var isLocked: Int32 = 0
        guard let pages = unsafe clibcrypto_map_secret_pages(size, &isLocked) else { throw .outOfMemory }
        if isLocked == 0 { isEverythingLocked.store(false, ordering: .relaxed) }
        return unsafe pages
    }

    /// A zeroed place of at least `count` bytes.
    static func allocate(_ count: Int) throws(CryptographyError) -> UnsafeMutableRawPointer {
        guard count >= 0, count <= 1 << 30 else { throw .invalidParameter }
        let size = placeSize(count)
        if size > pageSize { return unsafe try map(size) }
        return unsafe try free.withLock { places throws(CryptographyError) in
            let index = classIndex(size)
            if let place = unsafe places.lists[index].popLast() { return unsafe place }
            let slab = unsafe try map(slabSize)
            for offset in stride(from: slabSize - size, to: 0, by: -size) { unsafe places.lists[index].append(slab + offset) }
            return unsafe slab
        }
    }

    /// Wipes the place of `count` bytes and takes it back.
    static func release(_ place: UnsafeMutableRawPointer, _ count: Int) {
        let size = placeSize(count)
        unsafe OPENSSL_cleanse(place, count)
        if size > pageSize {
            // Fails only for an address that was never mapped: a broken invariant, not a condition.
            let result = unsafe clibcrypto_unmap_secret_pages(place, size)
            assert(result == 0)
        } else {
            free.withLock { unsafe $0.lists[classIndex(size)].append(place) }
        }
    }
}
