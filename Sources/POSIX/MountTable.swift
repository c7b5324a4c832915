// MountTable: what is mounted where, from /proc/self/mountinfo.
import Bytes
import CLinux

/// One mount as this process sees it. Paths are bytes, with the kernel's octal escapes undone.
package struct MountedFilesystem: Hashable, Sendable {
    /// The mount's number in this namespace.
    package let id: Int
    /// The number of the mount it stands on.
    package let parentID: Int
    /// The file system's device, as `st_dev` of its files (but for btrfs).
    package let device: DeviceNumber
    /// The part of the file system that is mounted, "/" mostly.
    package let root: [UInt8]
    /// Where it is, from this process's root.
    package let mountPoint: [UInt8]
    /// Per-mount options, "rw,nosuid".
    package let options: String
    /// "ext4", "fuse.envelopefs".
    package let type: String
    /// What was mounted; any text for file systems without a device.
    package let source: [UInt8]
    /// Options of the file system itself.
    package let superOptions: String
}

/// Reading of /proc/self/mountinfo.
package enum MountTable {
    /// All mounts, in the order they were made.
    package static func current() throws(Errno) -> [MountedFilesystem] {
        let text = try Paths.read("/proc/self/mountinfo", limit: 1 << 26)
        return parse(text)
    }
    /// The uppermost mount at exactly this absolute path, or nil.
    package static func mount(at path: [UInt8]) throws(Errno) -> MountedFilesystem? {
        try current().last { $0.mountPoint == path }
    }

    /// Lines of mountinfo; one that does not have the fields of proc(5) is left out.
    static func parse(_ text: [UInt8]) -> [MountedFilesystem] {
        text.split(separator: UInt8(ascii: "\n")).compactMap { parseLine($0) }
    }
    /// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    private static func parseLine(_ line: ArraySlice<UInt8>) -> MountedFilesystem? {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count >= 10, let separator = fields.dropFirst(6).firstIndex(of: [UInt8(ascii: "-")]),
            fields.count >= separator + 4
        else { return nil }
        let device = text(fields[2]).split(separator: ":").compactMap { UInt32($0) }
        guard let id = Int(text(fields[0])), let parentID = Int(text(fields[1])), device.count == 2 else { return nil }
        return MountedFilesystem(
            id: id, parentID: parentID, device: DeviceNumber(major: device[0], minor: device[1]),
            root: unescape(fields[3]), mountPoint: unescape(fields[4]), options: text(fields[5]),
            type: String(decoding: unescape(fields[separator + 1]), as: UTF8.self),
            source: unescape(fields[separator + 2]), superOptions: text(fields[separator + 3]))
    }
    private static func text(_ field: ArraySlice<UInt8>) -> String { String(decoding: field, as: UTF8.self) }

    /// Undoes "\040" for space, tab, newline, backslash and "#".
    static func unescape(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var i = field.startIndex
        while i < field.endIndex {
            if field[i] == UInt8(ascii: "\\"), i + 3 < field.endIndex, let value = octal(field[(i + 1)...(i + 3)]) {
                bytes.append(value)
                i += 4
            } else {
                bytes.append(field[i])
                i += 1
            }
        }
        return bytes
    }
    private static func octal(_ digits: ArraySlice<UInt8>) -> UInt8? {
        var value = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "7") else { return nil }
            value = value * 8 + Int(digit - UInt8(ascii: "0"))
        }
        return UInt8(exactly: value)
    }
}
