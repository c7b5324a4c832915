// How the mount of a vault is told from others in the list of mounts, and what that list says of it.

import POSIX

extension MountedFilesystem {
    /// Whether it shows a vault.
    package var isVault: Bool { type == "fuse.envelopefs" }
    /// Its options, and then those of the file system: "rw", "user_id=1000".
    package var optionWords: [Substring] { options.split(separator: ",") + superOptions.split(separator: ",") }
    /// The user who mounted it; nil where the list does not tell.
    package var userID: UInt32? { optionWords.first { $0.hasPrefix("user_id=") }.flatMap { UInt32($0.dropFirst(8)) } }
}
