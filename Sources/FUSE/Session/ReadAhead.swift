// How much the kernel reads ahead.

import Bytes
import POSIX

enum ReadAhead {
    /// Sets it in the mount's "backing device information", which INIT can only make smaller. Only root may; nobody else needs to hear of it.
    /// The device is taken from the list of mounts: asking the mount itself would wait for its own daemon.
    static func set(_ count: Int, of mount: MountedFilesystem) throws(Errno) {
        let path = "/sys/class/bdi/\(mount.device.major):\(mount.device.minor)/read_ahead_kb"
        let file = try SharedDescriptor.open(path, .writeOnly)
        try file.writeAll(Array("\(count >> 10)\n".utf8).span, at: 0)
    }
}
