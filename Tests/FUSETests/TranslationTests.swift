// The kernel's values and the vault's words mean the same.

import Bytes
import CFUSE
import Filesystem
import Glibc
import POSIX
import Testing

@testable import FUSE

@Suite struct TranslationTests {
    private var status: FileStatus {
        var status = FileStatus()
        status.device = 9
        status.inode = 1234567890123
        status.mode = 0o100644
        status.linkCount = 3
        status.userID = 1000
        status.groupID = 1001
        status.specialDevice = 0x0801
        status.size = 5 << 40
        status.blockSize = 4096
        status.blocks = 77
        status.accessTime = Timestamp(seconds: -1, nanoseconds: 999_999_999)
        status.modificationTime = Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)
        status.changeTime = Timestamp(seconds: 1_700_000_001, nanoseconds: 1)
        return status
    }

    @Test func statusKeepsEveryField() {
        let form = status.kernelForm
        #expect(form.st_ino == 1234567890123)
        #expect(form.st_mode == 0o100644)
        #expect(form.st_nlink == 3)
        #expect(form.st_uid == 1000)
        #expect(form.st_gid == 1001)
        #expect(form.st_rdev == 0x0801)
        #expect(form.st_size == 5 << 40)
        #expect(form.st_blksize == 4096)
        #expect(form.st_blocks == 77)
        #expect(form.st_atim.tv_sec == -1 && form.st_atim.tv_nsec == 999_999_999)
        #expect(form.st_mtim.tv_sec == 1_700_000_000 && form.st_mtim.tv_nsec == 123_456_789)
        #expect(form.st_ctim.tv_sec == 1_700_000_001 && form.st_ctim.tv_nsec == 1)
    }

    @Test func changeTakesWhatTheMaskNames() {
        let values = status.kernelForm
        let none = StatusChange(values, mask: 0)
        #expect(none.mode == nil && none.userID == nil && none.groupID == nil && none.size == nil)
        #expect(none.access == .omit && none.modification == .omit)

        let all = StatusChange(
            values,
            mask: FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)
        #expect(all.mode == 0o644)
        #expect(all.userID == 1000 && all.groupID == 1001)
        #expect(all.size == 5 << 40)
        #expect(all.access == .set(Timestamp(seconds: -1, nanoseconds: 999_999_999)))
        #expect(all.modification == .set(Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789)))
    }

    @Test func nowWinsOverATimeAndChangeTimeIsLeftAlone() {
        let change = StatusChange(
            status.kernelForm, mask: FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)
        #expect(change.access == .now)
        #expect(change.modification == .now)
        #expect(StatusChange(status.kernelForm, mask: FUSE_SET_ATTR_CTIME).modification == .omit)
    }

    @Test func statisticsKeepEveryField() {
        var numbers = FilesystemStatistics()
        numbers.blockSize = 4096
        numbers.fragmentSize = 1024
        numbers.blocks = 10
        numbers.freeBlocks = 9
        numbers.availableBlocks = 8
        numbers.files = 7
        numbers.freeFiles = 6
        numbers.availableFiles = 5
        numbers.longestName = 255
        let form = numbers.kernelForm
        #expect(form.f_bsize == 4096 && form.f_frsize == 1024)
        #expect(form.f_blocks == 10 && form.f_bfree == 9 && form.f_bavail == 8)
        #expect(form.f_files == 7 && form.f_ffree == 6 && form.f_favail == 5)
        #expect(form.f_namemax == 255)
    }

    @Test func renameFlags() throws {
        #expect(try RenameMode(0) == .replace)
        #expect(try RenameMode(1) == .keep)
        #expect(try RenameMode(2) == .exchange)
        for flags: UInt32 in [3, 4, 5, 8] { #expect(throws: Errno.invalidArgument) { try RenameMode(flags) } }
    }

    @Test func textEndsAtItsNUL() {
        let empty = FUSE.bytes(of: nil).count
        #expect(empty == 0)
        "näme".withCString { text in
            let copy = FUSE.bytes(of: text).array
            #expect(copy == Array("näme".utf8))
        }
    }

    @Test(
        arguments: [
            (0o104755, 0o100755), (0o102755, 0o100755), (0o102745, 0o102745), (0o106777, 0o100777), (0o100600, 0o100600), (0o106700, 0o102700),
        ] as [(UInt32, UInt32)])
    func writingTakesSetIDBits(before: UInt32, after: UInt32) {
        #expect(Service.withoutPrivileges(before) == after)
    }
}
