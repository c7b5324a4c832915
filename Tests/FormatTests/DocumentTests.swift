// Docs/FORMAT.md: every example in it is a known answer (which the other tests recompute), and its numbers are the code's.
import Foundation
import Testing

@testable import Format

struct DocumentTests {
    private func document() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("Docs/FORMAT.md"), encoding: .utf8)
    }

    /// `<!-- vector a.0.b -->` and a fence: the fenced text, line ends taken out, is the text at that path of the vectors.
    @Test func examplesAreKnownAnswers() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors/format-1.json")
        let vectors = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var examples = 0
        for piece in try document().components(separatedBy: "<!-- vector ").dropFirst() {
            let path = try #require(piece.components(separatedBy: " -->").first)
            let parts = piece.components(separatedBy: "```\n")
            let shown = try #require(parts.count > 1 ? parts[1] : nil)
            let known = try #require(value(path, in: vectors))
            if path.hasPrefix("vaults") {
                #expect(shown == known, "\(path)")
            } else if path.hasSuffix("sector") {
                // The zeros at its end are not shown.
                let hex = shown.replacingOccurrences(of: "\n", with: "")
                #expect(hex.count >= 120 && known.hasPrefix(hex) && known.dropFirst(hex.count).allSatisfy { $0 == "0" }, "\(path)")
            } else {
                #expect(shown.replacingOccurrences(of: "\n", with: "") == known, "\(path)")
            }
            examples += 1
        }
        #expect(examples == 19)
    }

    private func value(_ path: String, in vectors: Any) -> String? {
        var at: Any? = vectors
        for step in path.components(separatedBy: ".") {
            if let list = at as? [Any], let n = Int(step), list.indices.contains(n) { at = list[n] } else { at = (at as? [String: Any])?[step] }
        }
        return at as? String
    }

    @Test func placesOfTheTableAreTheCodes() throws {
        let text = try document()
        let table = try #require(text.components(separatedBy: "| block | slot at | block at |\n|---|---|---|\n").last?.components(separatedBy: "\n\n").first)
        let rows = table.split(separator: "\n").map { $0.split(separator: "|").compactMap { UInt64($0.trimmingCharacters(in: .whitespaces)) } }
        #expect(rows.count == Vectors.all.blockPlaces.count)
        for row in rows {
            try #require(row.count == 3)
            #expect(BlockLayout.slotOffset(of: row[0]) == row[1] && BlockLayout.blockOffset(of: row[0]) == row[2])
        }
    }

    @Test func labelsAndLimitsAreTheCodes() throws {
        let text = try document()
        for label in [
            FileKeyLabel.state, FileKeyLabel.block, FileKeyLabel.inline, VaultKeyLabel.names, VaultKeyLabel.links, VaultKeyLabel.attributeNames,
            VaultKeyLabel.attributeValues, VaultKeyLabel.vaultTag, VaultKeyLabel.journal,
        ] { #expect(text.contains("| `\(String(decoding: label.bytes, as: UTF8.self))`")) }
        #expect(text.contains("at most \(VaultConfiguration.maximumSize) bytes"))
        #expect(text.contains("1 to \(NameCipher.maximumLinkSize). Must refuse"))
        #expect(text.contains("*rest* is 1 to \(NameCipher.maximumAttributeNameSize - 5) bytes"))
        #expect(text.contains("256 to \(NameCipher.maximumTextSize) characters"))
    }
}
