// What goes to the terminal: results to standard output, everything for people to standard error.

import FoundationEssentials
import POSIX

enum Console {
    /// A line for a script: on standard output, alone.
    static func result(_ line: String) throws(Failure) {
        do throws(Errno) { try SharedDescriptor.standardOutput.writeSequence(line + "\n") } catch { throw Failure("standard output cannot be written", error) }
    }

    /// A line for people. There is nobody to tell if it cannot be written.
    static func note(_ line: String) { try? SharedDescriptor.standardError.writeSequence("envelopefs: \(line.visible)\n") }

    /// A text for people, as it is.
    static func text(_ text: String) { try? SharedDescriptor.standardError.writeSequence(text) }

    /// JSON with sorted keys, on standard output.
    static func json(_ value: some Encodable) throws(Failure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { throw Failure(.failure, "the answer cannot be written as JSON") }
        try result(String(decoding: data, as: UTF8.self))
    }

    /// Two columns, the first padded.
    static func table(_ rows: [(String, String)]) throws(Failure) {
        let width = rows.map(\.0.count).max() ?? 0
        for (name, value) in rows { try result(name + String(repeating: " ", count: width - name.count + 2) + value.visible) }
    }
}
