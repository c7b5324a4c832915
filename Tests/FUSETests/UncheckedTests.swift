// A mount that root alone may enter, in which the kernel checks no permissions.

import Testing

@testable import FUSE

@Suite(.serialized) struct UncheckedTests {
    private func mounted(checks: Bool = false) throws -> MountedVault {
        var options = MountOptions()
        options.checksPermissions = checks
        return try MountedVault(options)
    }

    @Test func rootFindsWhatRootFindsAnywhere() throws {
        let mounted = try mounted()
        let result = try mounted.shell(
            """
            mkdir closed && echo text > closed/file && chmod 000 closed closed/file && cat closed/file
            [ -r closed/file ] && [ -w closed/file ] && [ -x closed ] && cd closed && echo in
            [ -x file ] && echo wrong
            ./file 2>/dev/null; echo $?
            printf '#!/bin/sh\necho ran\n' > script && chmod 010 script && [ -x script ] && ./script
            """)
        #expect(result.text == "text\nin\n126\nran\n")
        try mounted.end()
    }

    @Test func nobodyElseGetsIn() throws {
        let mounted = try mounted()
        try mounted.shell("echo text > file && chmod 777 . file")
        let other = "setpriv --reuid 12345 --regid 12345 --clear-groups"
        #expect(try mounted.shell("\(other) cat \(mounted.mountPoint)/file").text.contains("Permission denied"))
        #expect(try mounted.shell("\(other) ls \(mounted.mountPoint)").status != 0)
        try mounted.end()
    }

    @Test func modesAndListsAreKeptAndSeenAtOnce() throws {
        let mounted = try mounted()
        let result = try mounted.shell(
            """
            umask 027; echo > a; mkdir d; stat -c %a a d
            setfacl -m u:12345:rwx a; stat -c %a a; getfacl -cp a | grep -c 12345
            setfacl -b a; stat -c %a a
            setfacl -d -m u:12345:rwx,o::r d; echo > d/b; stat -c %a d/b
            chmod 4711 a; stat -c %a a; chown 12345:12345 a; stat -c '%a %u' a
            """)
        #expect(result.text == "640\n750\n670\n1\n640\n664\n4711\n711 12345\n")
        try mounted.end()
    }

    @Test func theParentIsNotAskedForAfterEachChange() throws {
        func asked(checks: Bool) throws -> Int64 {
            let mounted = try mounted(checks: checks)
            try mounted.shell("mkdir d")
            let before = try mounted.counters()["requests.getattr"] ?? 0
            try mounted.shell("cd d; for i in $(seq 50); do echo > f$i; done; for i in $(seq 50); do rm f$i; done")
            let after = try mounted.counters()["requests.getattr"] ?? 0
            try mounted.end()
            return Int64(after) - Int64(before)
        }
        #expect(try asked(checks: true) - asked(checks: false) > 80)
    }
}
