// Resource limits: how many descriptors, and that no core is ever written.
import CLinux

/// Limits of this process.
package enum ResourceLimits {
    /// The limit of open files now, and how far it may be raised. `UInt64.max` = none.
    package static func openFiles() throws(Errno) -> (soft: UInt64, hard: UInt64) { try limit(LINUX_RLIMIT_NOFILE) }
    /// Raises the limit of open files to the hard one and returns it.
    package static func raiseOpenFiles() throws(Errno) -> UInt64 {
        let hard = try openFiles().hard
        try succeed(linux_set_limit(LINUX_RLIMIT_NOFILE, hard, hard))
        return hard
    }
    /// Makes the kernel's descriptor table large enough for `count` numbers, at once: growing it later, with threads, waits for a grace
    /// period of the kernel each time. Before any thread exists. EINVAL above the limit. Costs 8 bytes each.
    package static func growDescriptorTable(to count: UInt64) throws(Errno) {
        guard count > 0, count <= UInt64(Int32.max) else { throw .invalidArgument }
        // Any descriptor will do. Takes the first free number from there on and gives it back: the table keeps its size.
        _ = try SharedDescriptor.open("/dev/null", .readOnly).duplicate(minimum: Int32(count - 1))
    }
    /// Bounds how many pools `malloc` divides among the threads (glibc: eight for each CPU), each with free memory of its own that no other pool uses.
    /// Pieces from 256 KiB on are given back to the kernel as soon as they are free. Before any thread exists. Without effect where `malloc` is another's.
    package static func setMemoryPools(_ count: Int) { linux_set_pools(Int32(clamping: count)) }
    /// Gives free pages of the pools back to the kernel. Takes milliseconds, during which other threads may wait for memory.
    package static func trimMemoryPools() { linux_trim_pools() }
    /// No core dump, and no other process of the same user may read the memory of this one.
    package static func forbidDumps() throws(Errno) {
        try succeed(linux_set_limit(LINUX_RLIMIT_CORE, 0, 0))
        try CurrentProcess.setDumpable(false)
    }
    /// The limit of core files, bytes.
    package static func coreSize() throws(Errno) -> (soft: UInt64, hard: UInt64) { try limit(LINUX_RLIMIT_CORE) }

    /// Sets the soft limit of core files, bytes; `UInt64.max` = none. EINVAL above the hard one.
    package static func setCoreSize(soft: UInt64) throws(Errno) { try succeed(linux_set_limit(LINUX_RLIMIT_CORE, soft, try coreSize().hard)) }

    private static func limit(_ resource: Int32) throws(Errno) -> (soft: UInt64, hard: UInt64) {
        var value: (soft: UInt64, hard: UInt64) = (0, 0)
        try unsafe succeed(linux_get_limit(resource, &value.soft, &value.hard))
        return value
    }
}
