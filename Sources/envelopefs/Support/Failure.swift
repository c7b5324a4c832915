// What a person is told when a command cannot do its work.

/// Ends a command: an exit code, what failed on what, and what to try.
struct Failure: Error, Equatable {
    let status: ExitReason
    /// One sentence without a full stop: what failed, on what.
    let what: String
    /// What to try next; empty where there is nothing to say.
    let hint: String

    init(_ status: ExitReason, _ what: String, hint: String = "") {
        self.status = status
        self.what = what
        self.hint = hint
    }

    /// As it is printed: `envelopefs: WHAT`, then the hint, indented.
    var message: String {
        var text = "envelopefs: \(what.visible)\n"
        for line in hint.split(separator: "\n") { text += "  \(String(line).visible)\n" }
        return text
    }
}

extension String {
    /// The text with control characters shown as `\xNN`: a name from a disk must not write to a terminal what it likes.
    var visible: String { shown(but: ["\n", "\t"]) }

    /// The same without characters that would end the line.
    var visibleLine: String { shown(but: []) }

    private func shown(but allowed: Set<Unicode.Scalar>) -> String {
        var text = ""
        for scalar in unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            if isControl && !allowed.contains(scalar) {
                text += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
