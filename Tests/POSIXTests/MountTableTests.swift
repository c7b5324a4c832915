// Tests of reading mountinfo.
import Testing

@testable import POSIX

@Suite struct MountTableTests {
    @Test func readsTheFieldsOfEveryShape() throws {
        let text = """
            36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
            40 36 0:45 / /home/a\\040b\\134c\\012d rw,nosuid,nodev - fuse.envelopefs /va\\011ult rw,user_id=0
            41 36 0:46 / /x rw shared:1 master:2 propagate_from:3 - tmpfs  rw
            broken line
            42 36 0:47 / /y rw - -

            """
        let mounts = MountTable.parse(Array(text.utf8))
        try #require(mounts.count == 3)
        #expect(mounts[0].id == 36 && mounts[0].parentID == 35)
        #expect(mounts[0].device == DeviceNumber(major: 98, minor: 0))
        #expect(mounts[0].root == Array("/mnt1".utf8) && mounts[0].options == "rw,noatime")
        #expect(mounts[0].superOptions == "rw,errors=continue")
        #expect(mounts[1].mountPoint == Array("/home/a b\\c\nd".utf8))
        #expect(mounts[1].type == "fuse.envelopefs" && mounts[1].source == Array("/va\tult".utf8))
        #expect(mounts[2].type == "tmpfs" && mounts[2].source == [])
    }

    @Test func leavesOtherBackslashesAlone() {
        #expect(MountTable.unescape(Array("a\\04".utf8)[...]) == Array("a\\04".utf8))
        #expect(MountTable.unescape(Array("\\999".utf8)[...]) == Array("\\999".utf8))
        #expect(MountTable.unescape(Array("\\777".utf8)[...]) == Array("\\777".utf8))
        #expect(MountTable.unescape(Array("x\\040".utf8)[...]) == Array("x ".utf8))
        #expect(MountTable.unescape([0xFF, 0x5C, 0x33, 0x37, 0x37][...]) == [0xFF, 0xFF])
    }

    @Test func findsThisSystemsMounts() throws {
        let proc = try #require(try MountTable.mount(at: Array("/proc".utf8)))
        #expect(proc.type == "proc")
        #expect(proc.device.combined == (try Paths.status("/proc").device))
        #expect(try MountTable.mount(at: Array("/no such mount".utf8)) == nil)
    }
}
