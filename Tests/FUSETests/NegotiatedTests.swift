// What was agreed on with the kernel shows in what it asks.

import Filesystem
import Foundation
import POSIX
import Testing

@testable import FUSE

@Suite(.serialized)
struct NegotiatedTests {
    /// Requests that a command costs.
    private func requests(_ mounted: MountedVault, _ command: String) throws -> Int {
        let before = mounted.session.requestsServed
        let result = try mounted.shell(command)
        #expect(result.status == 0, "\(result.text)")
        return Int(mounted.session.requestsServed - before)
    }

    private let twoHundredWrites = "dd if=/dev/zero of=file bs=10 count=200 conv=notrunc status=none"

    @Test func writingAsksForNoCapabilitiesWhenTheDaemonClearsSetIDBits() throws {
        var options = MountOptions()
        options.isWriteBack = false
        let clearing = try MountedVault(options)
        try clearing.shell("echo > file")
        let with = try requests(clearing, twoHundredWrites)
        #expect((200..<230).contains(with))
        try clearing.end()

        options.capabilities.remove(.clearingPrivileges)
        let asked = try MountedVault(options)
        try asked.shell("echo > file")
        let without = try requests(asked, twoHundredWrites)
        #expect(without >= 400)
        try asked.end()
    }

    @Test func writeBackCollectsSmallWrites() throws {
        let mounted = try MountedVault()
        try mounted.shell("echo > file")
        let sent = try requests(mounted, twoHundredWrites)
        #expect(sent < 30)
        try mounted.end()
    }

    @Test func aFileReadAgainComesFromTheKernelsCache() throws {
        let mounted = try MountedVault()
        try mounted.shell("head -c 3000000 /dev/urandom > file; sync -f .; cat file > /dev/null")
        // OPEN, FLUSH, RELEASE and what the shell's entering costs, but no READ.
        #expect(try requests(mounted, "cat file > /dev/null") < 12)
        try mounted.end()
    }

    @Test func aListingReadAgainComesFromTheKernelsCache() throws {
        let mounted = try MountedVault()
        try mounted.shell("mkdir d; cd d; for i in $(seq 2000); do mkdir $i; done; ls | wc -l")
        #expect(try requests(mounted, "cd d; ls -U | wc -l") < 14)
        try mounted.shell("rmdir d/7")
        #expect(try mounted.shell("ls d | wc -l").text == "1999\n")
        try mounted.end()
    }

    @Test(.enabled(if: geteuid() == 0, "acts as another user")) func aWriteByAnotherUserTakesSetIDBits() throws {
        var options = MountOptions()
        options.allowOther = true
        for isWriteBack in [true, false] {
            options.isWriteBack = isWriteBack
            let mounted = try MountedVault(options)
            chmod(mounted.directory, 0o755)
            let result = try mounted.shell(
                """
                chmod 777 .; for f in written cut emptied kept; do echo text > $f; chmod 6777 $f; done
                setpriv --reuid 1000 --regid 1000 --clear-groups bash -c 'echo more >> written; truncate -s 2 cut; : > emptied'
                echo by root >> kept
                stat -c '%n %a' written cut emptied kept
                """)
            #expect(result.text == "written 777\ncut 777\nemptied 777\nkept 6777\n")
            try mounted.end()
        }
    }

    @Test func aCutConnectionEndsTheLoopAndClearsTheMount() throws {
        let mounted = try MountedVault()
        try mounted.shell("mkdir a")
        let mount = try #require(try MountTable.mount(at: Array(mounted.mountPoint.utf8)))
        let control = "/sys/fs/fuse/connections/\(mount.device.minor)/abort"
        guard FileManager.default.isWritableFile(atPath: control) else { return try mounted.end() }
        try SharedDescriptor.open(control, .writeOnly).writeAll(Array("1".utf8).span, at: 0)
        try mounted.wait()
        #expect(try MountTable.mount(at: Array(mounted.mountPoint.utf8)) == nil)
        try mounted.close()
    }

    @Test func largeTransfersArriveWhole() throws {
        let mounted = try MountedVault()
        let result = try mounted.shell(
            """
            set -e
            head -c 9999999 /dev/urandom > ../source
            cp ../source a && dd if=a of=b bs=1M oflag=direct status=none 2>/dev/null || cp a b
            sync -f .; echo 3 > /proc/sys/vm/drop_caches 2>/dev/null || true
            cmp ../source a && cmp ../source b && dd if=a bs=777777 iflag=direct status=none 2>/dev/null | cmp - ../source || true
            cp --reflink=auto a c && cmp a c && rm ../source && echo whole
            """)
        #expect(result.text == "whole\n")
        try mounted.end()
    }
}
