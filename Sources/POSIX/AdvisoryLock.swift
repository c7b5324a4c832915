// Advisory locks of whole files (flock) and of ranges (open file description locks), and who holds them.
import CLinux

/// Who else may hold the same lock.
package enum LockKind: Int32, Sendable {
    case shared = 0
    case exclusive = 1
}

extension SharedDescriptor {
    /// Locks the whole file (`flock`): EAGAIN when another holds it. Gone when the last duplicate closes.
    package func lock(_ kind: LockKind) throws(Errno) {
        try succeed(linux_flock(raw, (kind == .exclusive ? LINUX_LOCK_EX : LINUX_LOCK_SH) | LINUX_LOCK_NB))
    }
    /// Gives the whole-file lock back.
    package func unlock() throws(Errno) { try succeed(linux_flock(raw, LINUX_LOCK_UN)) }

    /// Locks bytes of the file for this open file (OFD lock); `length` 0 = to the end. Works between hosts on NFS. EAGAIN as above.
    package func lockRange(_ kind: LockKind, start: UInt64 = 0, length: UInt64 = 0) throws(Errno) {
        try succeed(linux_ofd_lock(raw, kind.rawValue, start, length))
    }
    /// Gives locks of these bytes back; `length` 0 = to the end.
    package func unlockRange(start: UInt64 = 0, length: UInt64 = 0) throws(Errno) {
        try succeed(linux_ofd_lock(raw, 2, start, length))
    }

    /// Whether somebody holds a lock of bytes of this file (`lockRange`), in whatever process namespace. Takes no lock, and needs no right to write.
    package func isRangeLocked() throws(Errno) -> Bool { try checked(linux_lock_is_held(raw)) != 0 }

    /// The processes that hold a `flock` on this file, from /proc/locks.
    ///
    /// Empty where the kernel does not tell: other hosts, other process namespaces, file systems whose device number differs in /proc (btrfs).
    package func lockHolders() throws(Errno) -> [Int32] {
        let status = try status()
        let text = try SharedDescriptor.open("/proc/locks", .readOnly).readToEnd(limit: 1 << 24)
        return flockHolders(inListing: text, device: status.device, inode: status.inode)
    }
}

/// Process ids of the FLOCK lines of /proc/locks for one file: "1: FLOCK  ADVISORY  WRITE 708 00:13:1134 0 EOF".
func flockHolders(inListing text: [UInt8], device: UInt64, inode: UInt64) -> [Int32] {
    var holders: [Int32] = []
    for line in text.split(separator: UInt8(ascii: "\n")) {
        let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        // A waiting process has "->" as its second word.
        guard words.count >= 6, words[1] == "FLOCK", let process = Int32(words[4]), process > 0 else { continue }
        let place = words[5].split(separator: ":")
        guard place.count == 3, let major = UInt32(place[0], radix: 16), let minor = UInt32(place[1], radix: 16) else { continue }
        if UInt64(place[2]) == inode, DeviceNumber(major: major, minor: minor) == DeviceNumber(device) { holders.append(process) }
    }
    return holders
}

/// The two halves of a `dev_t`.
package struct DeviceNumber: Hashable, Sendable {
    /// The driver's or file system's half, at most 32 bits.
    package let major: UInt32
    /// The instance's half, at most 32 bits.
    package let minor: UInt32
    /// From the two numbers as listings show them.
    package init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }
    /// From `st_dev` or `st_rdev` (glibc's 64-bit layout).
    package init(_ device: UInt64) {
        major = UInt32(truncatingIfNeeded: (device >> 8 & 0xFFF) | (device >> 32 & 0xFFFF_F000))
        minor = UInt32(truncatingIfNeeded: (device & 0xFF) | (device >> 12 & 0xFFFF_FF00))
    }
    /// As `st_dev` has it.
    package var combined: UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (major & 0xFFF) << 8 | (major & 0xFFFF_F000) << 32 | (minor & 0xFF) | (minor & 0xFFFF_FF00) << 12
    }
}
