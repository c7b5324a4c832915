// Running the built binary, and a place of its own for each test.

import Foundation
import Testing

/// What a program printed, and how it ended.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String
}

/// A temporary directory with a keystore and, where asked for, a vault. Removed with what is mounted in it.
final class Place {
    let path: String
    var vault: String { path + "/vault" }
    var mount: String { path + "/mount" }
    var keystore: String { path + "/keystore.db" }
    var passphraseFile: String { path + "/passphrase" }

    static let binary: String = {
        if let given = ProcessInfo.processInfo.environment["ENVELOPEFS_BINARY"] { return given }
        return repository.appending(path: ".build/debug/envelopefs").path
    }()

    init(vault hasVault: Bool = true) throws {
        let template = NSTemporaryDirectory() + "envelopefs-command-\(UInt64.random(in: 0...(.max)))"
        try FileManager.default.createDirectory(atPath: template, withIntermediateDirectories: true)
        // Without links, as mount tables name it.
        path = URL(fileURLWithPath: template).resolvingSymlinksInPath().path
        try FileManager.default.createDirectory(atPath: path + "/mount", withIntermediateDirectories: false)
        try Data("correct horse\n".utf8).write(to: URL(fileURLWithPath: passphraseFile))
        if hasVault {
            let made = try run("init", vault)
            try #require(made.status == 0, "\(made.errors)")
        }
    }

    deinit {
        for table in (try? shell("grep -F ' \(path)' /proc/self/mountinfo | cut -d' ' -f5 | sort -r"))?.output.split(separator: "\n") ?? [] {
            _ = try? shell("umount -l '\(table)'")
        }
        try? FileManager.default.removeItem(atPath: path)
    }

    var environment: [String: String] {
        [
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": path, "ENVELOPEFS_KEYSTORE": keystore, "ENVELOPEFS_PASSPHRASE_FILE": passphraseFile,
            "XDG_STATE_HOME": path + "/state", "LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "", "BINARY": Self.binary,
        ]
    }

    /// Runs the binary; `changes` of the environment, nil takes a variable out.
    func run(_ arguments: String..., changes: [String: String?] = [:]) throws -> Outcome {
        try execute([Self.binary] + arguments, changes)
    }

    /// Runs a script of the shell, in which `$BINARY` is the binary.
    func shell(_ script: String, changes: [String: String?] = [:]) throws -> Outcome {
        try execute(["/bin/sh", "-c", script], changes)
    }

    /// Runs a script of the shell where its mounts are nobody else's, and ends it after so many seconds, if any are given.
    func shellWithOwnMounts(_ script: String, within seconds: Int? = nil) throws -> Outcome {
        // The copies of others' mounts would keep those alive here after they were unmounted there. By their names alone: their daemons need not answer.
        let clearing = "for m in $(awk '$3 ~ /^fuse[.]/ {print $2}' /proc/self/mounts); do umount -l -c \"$(printf %b \"$m\")\" 2> /dev/null; done\n"
        let limit = seconds.map { ["timeout", String($0)] } ?? []
        return try execute(limit + ["unshare", "-m", "/bin/sh", "-c", clearing + script], [:])
    }

    private func execute(_ words: [String], _ changes: [String: String?]) throws -> Outcome {
        var environment = environment
        for (name, value) in changes { environment[name] = value }
        // Through files: a pipe would stay open as long as what was started in the background.
        let names = ["out", "err"].map { path + "/." + $0 + String(UInt64.random(in: 0...(.max))) }
        for name in names { _ = FileManager.default.createFile(atPath: name, contents: nil) }
        defer { for name in names { try? FileManager.default.removeItem(atPath: name) } }
        let process = Process()
        // A new session: no terminal to ask on. Foundation waits until its own descriptor is closed in everything that was started: so close it.
        let closing = "for f in /proc/$$/fd/*; do n=${f##*/}; [ $n -le 2 ] || [ $n -eq 255 ] || eval \"exec $n>&-\"; done; exec setsid --wait \"$@\""
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", closing, "bash"] + words
        process.environment = environment
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle(forWritingAtPath: names[0])
        process.standardError = FileHandle(forWritingAtPath: names[1])
        try process.run()
        process.waitUntilExit()
        let texts = try names.map { String(decoding: try Data(contentsOf: URL(fileURLWithPath: $0)), as: UTF8.self) }
        return Outcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
    }

    /// Every name below the vault and the keystore, with what it holds; the lock, whose content says who came last, is left out.
    func snapshot() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for root in [vault, keystore] where FileManager.default.fileExists(atPath: root) {
            let below = (FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []).map { root + "/" + $0 }
            for name in [root] + below where !name.hasSuffix("/.envelopefs/lock") {
                contents[name] = (try? Data(contentsOf: URL(fileURLWithPath: name))) ?? Data()
            }
        }
        return contents
    }

    /// The sealed regular files of the vault.
    func sealedFiles() throws -> [String] {
        let names = FileManager.default.enumerator(atPath: vault)?.compactMap { $0 as? String } ?? []
        return names.filter { !$0.hasPrefix(".envelopefs") }.map { vault + "/" + $0 }.filter { name in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: name, isDirectory: &isDirectory) && !isDirectory.boolValue
        }
    }
}

/// The number of an exit code by its name, from the document that scripts rely on.
func code(_ name: String) throws -> Int32 {
    let row = try table(in: "Docs/COMMANDS.md", beginningWith: "| code | name |").first { $0[1] == name }
    return try #require(row.flatMap { Int32($0[0]) }, "no exit code \(name)")
}

/// The command fails with the named code, says `words`, prints nothing on standard output, and changes neither vault nor keystore.
func expectRefusal(
    _ place: Place, _ name: String, saying words: [String], sourceLocation: SourceLocation = #_sourceLocation, _ command: () throws -> Outcome
) throws {
    let before = try place.snapshot()
    let outcome = try command()
    #expect(outcome.status == (try code(name)), "\(outcome.errors)", sourceLocation: sourceLocation)
    for word in words { #expect(outcome.errors.contains(word), "'\(word)' is not in: \(outcome.errors)", sourceLocation: sourceLocation) }
    #expect(outcome.errors.hasPrefix("envelopefs: "), "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    #expect(try place.snapshot() == before, "the vault or the keystore was changed", sourceLocation: sourceLocation)
}
