// What people write on the command line, taken apart.

import POSIX
import Testing

@testable import envelopefs

@Suite("Words") struct WordsTests {
    @Test(arguments: [("30s", 30_000), ("5", 5_000), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000), ("8760h", 31_536_000_000), ("0", 0)] as [(String, Int64)])
    func timeSpans(text: String, milliseconds: Int64) {
        #expect(TimeSpan(argument: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: ["", "s", "-5", "5x", "5 s", "1.5s", "99999999999999999999", "31536001h", "31536000h", "8761h", "525601m", "31536001", "31536000001ms", "9223372036854775807", "٣s"])
    func notTimeSpans(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }

    @Test func mountWords() throws {
        var words = MountWords()
        try words.add("ro,noatime,x-systemd.automount,nofail")
        try words.add("allow_other,keystore=/k=b,log-file=l,key-file=f")
        #expect(words.isReadOnly && words.allowOther)
        #expect(words.kernelWords == ["noatime"])
        #expect(words.keystore == "/k=b" && words.logFile == "l" && words.keyFile == "f")
        try words.add("rw,noawake")
        #expect(!words.isReadOnly)
        #expect(words.kernelWords == ["noatime", "noawake"])
        let plan = MountPlan(vault: "v", mountPoint: "m", keystore: "k", kernelWords: words.kernelWords)
        #expect(plan.options.latencyDevice == nil && plan.options.extra == ["noatime"])
    }

    @Test func permissionsAreLeftUncheckedForRootAloneOnly() throws {
        var plan = MountPlan(vault: "v", mountPoint: "m", keystore: "k")
        #expect(plan.options.checksPermissions == !CurrentProcess.overridesPermissions)
        var words = MountWords()
        try words.add("default_permissions")
        plan.kernelWords = words.kernelWords
        #expect(plan.options.checksPermissions && plan.options.extra == [])
        plan.kernelWords = []
        plan.allowOther = true
        #expect(plan.options.checksPermissions)
    }

    @Test(arguments: ["bogus", "ro,bogus", "keystore", "keystore=", "passphrase=geheim", "allow_root", "rox", "fsname=x", "strictatime"])
    func unknownMountWords(list: String) {
        #expect(throws: Failure.self) {
            var words = MountWords()
            try words.add(list)
        }
    }

    @Test func readyMessages() {
        let failure = Failure(.vaultInUse, "the vault is mounted", hint: "one\ntwo")
        #expect(ReadyMessage(ReadyMessage.ready.bytes) == .ready)
        #expect(ReadyMessage(ReadyMessage.failed(failure).bytes) == .failed(failure))
        #expect(ReadyMessage(ReadyMessage.failed(Failure(.failure, "x")).bytes) == .failed(Failure(.failure, "x")))
        for cut in ReadyMessage.failed(failure).bytes.indices {
            #expect(ReadyMessage(Array(ReadyMessage.failed(failure).bytes.prefix(cut))) == nil)
        }
        #expect(ReadyMessage(Array("failed\u{0}9999\u{0}a\u{0}b\u{0}".utf8)) == nil)
    }

    @Test func messagesCannotSteerATerminal() {
        #expect(Failure(.failure, "bad \u{1B}[31m name", hint: "try\nagain").message == "envelopefs: bad \\x1b[31m name\n  try\n  again\n")
    }
}
