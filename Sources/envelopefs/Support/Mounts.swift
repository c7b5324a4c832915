// What is mounted, for commands: the list, or the words for its not being read.

import POSIX

enum Mounts {
    /// All mounts, in the order they were made.
    static func all() throws(Failure) -> [MountedFilesystem] {
        do throws(Errno) { return try MountTable.current() } catch { throw Failure("the list of mounts cannot be read", error) }
    }
}
