// Runs one of the Python scripts under Tests, and returns what it said and how it ended.

import Foundation

/// The outcome of a script: exit status and everything that it printed.
package struct ScriptRun {
    package let status: Int32
    package let output: String

    /// The end of the output, for a failed expectation.
    package var tail: String { String(output.suffix(6000)) }

    /// The number that stands before the first `text` in the output, for expectations of how much was looked at.
    package func number(before text: String) -> Int? {
        guard let range = output.range(of: text) else { return nil }
        return Int(String(output[..<range.lowerBound].reversed().prefix { $0.isNumber }.reversed()))
    }

    /// Runs `Tests/<path>` with the system's Python; blocks until it has ended. Its output goes to a file, so that a daemon
    /// that keeps the descriptor open cannot hold this up.
    package init(_ path: String, _ arguments: String...) throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let log = FileManager.default.temporaryDirectory.appending(path: "efs-tests-\(UUID().uuidString).log")
        FileManager.default.createFile(atPath: log.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: log) }
        let sink = try FileHandle(forWritingTo: log)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [tests.appending(path: path).path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["ENVELOPEFS_BINARY": Self.binary(tests), "PYTHONDONTWRITEBYTECODE": "1"], uniquingKeysWith: { given, _ in given })
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = sink
        process.standardError = sink
        try process.run()
        process.waitUntilExit()
        status = process.terminationStatus
        output = String(decoding: try Data(contentsOf: log), as: UTF8.self)
        print("\(path) \(arguments.joined(separator: " ")): exit \(status)\n\(output.suffix(1500))")
    }

    /// The binary that was built beside the tests, for `swift test` without `Tests/run.sh`.
    private static func binary(_ tests: URL) -> String {
        let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        for folder in [bundle, bundle.deletingLastPathComponent(), tests.deletingLastPathComponent().appending(path: ".build/debug")] {
            let candidate = folder.appending(path: "envelopefs").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
        }
        return tests.deletingLastPathComponent().appending(path: ".build/debug/envelopefs").path
    }
}
