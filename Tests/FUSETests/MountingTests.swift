// Options as libfuse takes them, and obstacles by name.

import CFUSE
import Glibc
import Testing

@testable import FUSE

@Suite struct MountingTests {
    @Test func aPathWithCommasIsOneOption() {
        #expect(MountOptions.escaped("/a,b\\c") == "/a\\,b\\\\c")
        var options = MountOptions()
        options.fsname = "/v,x"
        options.allowOther = true
        options.readOnly = true
        let words = options.words
        #expect(words.count == 3)
        #expect(words[2].contains("fsname=/v\\,x,"))
        #expect(words[2].split(separator: ",").contains("allow_other"))
        #expect(words[2].split(separator: ",").contains("ro"))
        #expect(words[2].contains("default_permissions"))
        options.checksPermissions = false
        #expect(!options.words[2].contains("default_permissions"))
    }

    @Test func libfuseAcceptsOurWordsAndRefusesUnknownOnes() {
        func accepts(_ options: MountOptions) -> Bool {
            var table = operationsTable()
            var arguments = fuse_args()
            defer { fuse_opt_free_args(&arguments) }
            for word in options.words { fuse_opt_add_arg(&arguments, word) }
            guard let session = fuse_session_new(&arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, nil) else { return false }
            fuse_session_destroy(session)
            return true
        }
        var options = MountOptions()
        options.fsname = "/path with blanks, and commas\\"
        options.extra = ["noexec", "noatime"]
        #expect(accepts(options))
        options.extra = ["no_such_option"]
        #expect(!accepts(options))
    }

    @Test func userAllowOtherIsAWordOnALine() {
        #expect(MountChecks.allowsOthers(configuration: "# a\nuser_allow_other\n"))
        #expect(MountChecks.allowsOthers(configuration: "  user_allow_other  # yes"))
        #expect(!MountChecks.allowsOthers(configuration: "#user_allow_other\n"))
        #expect(!MountChecks.allowsOthers(configuration: "user_allow_others\nmount_max = 5"))
        #expect(!MountChecks.allowsOthers(configuration: ""))
    }

    @Test func obstaclesHaveNames() {
        #expect(throws: MountError.missingMountPoint("/no/such/place")) {
            try MountChecks.run(mountPoint: "/no/such/place", options: MountOptions())
        }
        #expect(throws: MountError.notADirectory("/etc/passwd")) { try MountChecks.run(mountPoint: "/etc/passwd", options: MountOptions()) }
    }

    @Test func resolvesTheMountPoint() throws {
        #expect(try MountChecks.run(mountPoint: "/usr/../etc/.", options: MountOptions()) == "/etc")
    }

    @Test func belowMeansAWholePathComponent() {
        #expect(Holder.isBelow("/mnt/v", "/mnt/v"))
        #expect(Holder.isBelow("/mnt/v/a", "/mnt/v"))
        #expect(!Holder.isBelow("/mnt/vault", "/mnt/v"))
        #expect(Holder.isBelow("/a", "/"))
    }
}
