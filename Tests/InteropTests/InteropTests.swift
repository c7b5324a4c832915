// The second decryptor, in Python and written from the specification alone, against the built binary and the committed vectors.

import Foundation
import Testing

@Suite(.serialized) struct InteropTests {
    @Test("Every vector comes out the same in Python")
    func vectors() throws {
        let run = try PythonRun("test_vectors.py")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("refused: 76 agree"), "it did not say what it compared")
    }

    @Test("Python reads what the binary wrote", arguments: ["everything", "killed", "refuses", "golden", "damaged", "safe"])
    func reading(what: String) throws {
        let run = try PythonRun("run.py", what)
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("\(what): ok"), "it did not say what it did")
    }
}

/// The outcome of a script of `Tests/Interop`, run by the system's Python; its output goes to a file, so that a daemon that
/// keeps the descriptor open cannot hold this up.
private struct PythonRun {
    let status: Int32
    let output: String
    var tail: String { String(output.suffix(6000)) }

    init(_ arguments: String...) throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let log = FileManager.default.temporaryDirectory.appending(path: "envelopefs-interop-\(UUID().uuidString).log")
        FileManager.default.createFile(atPath: log.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: log) }
        let sink = try FileHandle(forWritingTo: log)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [tests.appending(path: "Interop").appending(path: arguments[0]).path] + arguments.dropFirst()
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["ENVELOPEFS_BINARY": Self.binary(tests), "PYTHONDONTWRITEBYTECODE": "1"], uniquingKeysWith: { given, _ in given })
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = sink
        process.standardError = sink
        try process.run()
        process.waitUntilExit()
        status = process.terminationStatus
        output = String(decoding: try Data(contentsOf: log), as: UTF8.self)
        print("\(arguments.joined(separator: " ")): exit \(status)\n\(output.suffix(1500))")
    }

    /// The binary that was built beside the tests, for `swift test` without `Tests/run.sh`.
    private static func binary(_ tests: URL) -> String {
        let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        for folder in [bundle, bundle.deletingLastPathComponent()] {
            let candidate = folder.appending(path: "envelopefs").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return tests.deletingLastPathComponent().appending(path: ".build/debug/envelopefs").path
    }
}
