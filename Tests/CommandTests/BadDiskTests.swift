// Verbs of keys, slots, the audit log and the safe where the keystore's disk is full or read-only: what is said, and that nothing is half done.

import Foundation
import Testing

@Suite("Bad disks under a keystore") struct BadDiskTests {
    private static let looking = [
        "key list", "key describe alias/a", "safe get s --reason r", "safe list", "safe versions s", "keystore slots", "keystore verify", "audit list", "audit verify",
    ]
    private static let changing = [
        "key create", "key rotate alias/a", "key disable alias/a", "key schedule-deletion alias/a", "key tag alias/a k=v", "safe import n --in value", "safe put s --in value",
        "safe import --from i.csv", "safe delete s", "safe generate --save s", "keystore add-slot key-file disk2/kf", "keystore add-slot recovery", "keystore remove-slot 2",
        "keystore rotate-root --drop 2", "keystore rotate-root",
    ]

    /// A keystore on a disk of its own with so many KiB left (nil: mounted read-only); each verb's exit code and messages.
    private func outcomes(_ verbs: [String], room: Int?) throws -> [(verb: String, status: Int32, errors: String)] {
        let place = try Place(vault: false)
        let made = try place.shell(
            """
            "$BINARY" keystore init 2> /dev/null && "$BINARY" key create --alias alias/a && printf v | "$BINARY" safe import s &&
            printf 'name,password\\nb,c\\n' > i.csv && printf w > value && mkdir disk disk2
            """)
        try #require(made.status == 0, "\(made.errors)")
        let limit = room.map { "dd if=/dev/zero of=disk/fill bs=4k 2> /dev/null; truncate -s -\($0 * 1024) disk/fill" } ?? "mount -o remount,ro disk"
        let runs = verbs.map {
            """
            \(limit)
            "$BINARY" \($0) > out 2> err < /dev/null; echo "status $?" >> log; cat err >> log
            mount -o remount,rw disk; rm -f disk/fill disk2/*
            """
        }
        let looks = "\"$BINARY\" keystore verify > /dev/null && \"$BINARY\" key list --json && \"$BINARY\" safe list --deleted --json && \"$BINARY\" keystore slots"
        try Data(
            """
            mount -t tmpfs -o size=2m none disk && cp keystore.db disk && export ENVELOPEFS_KEYSTORE=$PWD/disk/keystore.db || exit 1
            { \(looks); } > before || exit 2
            \(runs.joined(separator: "\n"))
            { \(looks); } > after || exit 3
            cmp before after && ls -A disk disk2
            """.utf8
        ).write(to: URL(fileURLWithPath: place.path + "/script"))
        let outcome = try place.shellWithOwnMounts("exec sh script")
        #expect(outcome.status == 0, "\(outcome.output) \(outcome.errors)")
        #expect(outcome.output == "disk:\nkeystore.db\n\ndisk2:\n", "\(outcome.output)")
        let log = try String(contentsOfFile: place.path + "/log", encoding: .utf8)
        let parts = log.split(separator: "status ")
        try #require(parts.count == verbs.count, "\(log)")
        return zip(verbs, parts).map { verb, part in
            let lines = part.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            return (verb, Int32(lines[0]) ?? -1, lines.count > 1 ? String(lines[1]) : "")
        }
    }

    @Test func nothingIsWrittenToAReadOnlyDisk() throws {
        for (verb, status, errors) in try outcomes(Self.looking + Self.changing, room: nil) {
            #expect(status == (try code("storageReadOnly")) && errors.contains("read-only"), "\(verb): \(status) \(errors)")
        }
    }

    /// SQLite needs a little room even for looking.
    @Test func aFullDiskIsSaid() throws {
        for (verb, status, errors) in try outcomes(Self.looking + Self.changing, room: 0) {
            #expect(status == (try code("storageFull")) && errors.contains("no space left"), "\(verb): \(status) \(errors)")
        }
    }

    /// Enough room for looking, and for the first pages of a change.
    @Test func aDiskThatFillsUpInAChangeLeavesWhatWas() throws {
        for (verb, status, errors) in try outcomes(Self.looking, room: 44) { #expect(status == 0, "\(verb): \(errors)") }
        for (verb, status, errors) in try outcomes(Self.changing, room: 44) {
            #expect(status == (try code("storageFull")) && errors.contains("no space left"), "\(verb): \(status) \(errors)")
            if verb.contains("recovery") || verb == "keystore rotate-root" { #expect(errors.contains("opens nothing"), "\(errors)") }
        }
    }

    @Test func whatCannotBeWrittenWholeIsNotThere() throws {
        let place = try Place(vault: false)
        let made = try place.shell("\"$BINARY\" keystore init 2> /dev/null && \"$BINARY\" key create --alias alias/a && printf v | \"$BINARY\" safe import s && mkdir disk")
        try #require(made.status == 0, "\(made.errors)")
        for verb in ["key encrypt --key alias/a --in passphrase --out disk/f", "safe get s --reason r --out disk/f", "keystore backup disk/f"] {
            let outcome = try place.shellWithOwnMounts("mount -t tmpfs -o size=8k none disk; dd if=/dev/zero of=disk/fill bs=4k 2> /dev/null; \"$BINARY\" \(verb); s=$?; ls -A disk; exit $s")
            #expect(outcome.status == (try code("storageFull")) && outcome.output == "fill\n", "\(verb): \(outcome)")
        }
    }
}
