// The rules of Docs/ARCHITECTURE.md, compared with every source file.

import Foundation
import Testing

/// The checkout that these tests were built from.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// One row of the import table.
struct ModuleRule {
    let name: String
    let kind: String
    let imports: Set<String>
}

/// The cells of the rows of the Markdown table that begins with `header`.
func table(in document: String, beginningWith header: String) throws -> [[String]] {
    let text = try String(contentsOf: repository.appending(path: document), encoding: .utf8)
    let lines = text.components(separatedBy: "\n")
    let start = try #require(lines.firstIndex { $0.hasPrefix(header) }, "\(document) has no table '\(header)'")
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
        line.dropFirst().dropLast().components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
    }
}

/// A Swift file under Sources.
struct SourceFile {
    let module: String
    let path: String
    let text: String

    /// Without what follows `//` on each line; string literals with `//` in them lose their tail, which harms no check here.
    var code: String {
        text.components(separatedBy: "\n").map { $0.components(separatedBy: "//")[0] }.joined(separator: "\n")
    }
    var imports: [String] {
        code.matches(of: /(?m)^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)/)
            .map { String($0.1) }
    }
}

@Suite("Architecture") struct ArchitectureTests {
    let rules: [ModuleRule]
    let files: [SourceFile]

    init() throws {
        rules = try table(in: "Docs/ARCHITECTURE.md", beginningWith: "| module | kind |").map { cells in
            let lists = [cells[2], cells[3]].filter { $0 != "-" }.joined(separator: ", ")
            return ModuleRule(name: cells[0], kind: cells[1], imports: Set(lists.components(separatedBy: ", ").filter { !$0.isEmpty }))
        }
        let sources = repository.appending(path: "Sources")
        let paths = try #require(FileManager.default.enumerator(atPath: sources.path)).compactMap { $0 as? String }
        files = try paths.filter { $0.hasSuffix(".swift") }.map { path in
            SourceFile(module: String(path.prefix { $0 != "/" }), path: path, text: try String(contentsOf: sources.appending(path: path), encoding: .utf8))
        }
    }

    @Test func everyModuleStandsInTheTable() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: repository.appending(path: "Sources").path)
        #expect(Set(folders) == Set(rules.map(\.name)))
        #expect(rules.count == 11)
        #expect(files.count > 30)
    }

    @Test func everyImportStandsInTheTable() throws {
        let allowed = Dictionary(uniqueKeysWithValues: rules.map { ($0.name, $0.imports) })
        var seen = 0
        for file in files {
            let row = try #require(allowed[file.module])
            for imported in file.imports {
                seen += 1
                #expect(row.contains(imported), "\(file.path) imports \(imported), which its row does not allow")
            }
        }
        #expect(seen > 50)
    }

    @Test func eachCModuleHasOneDoor() {
        let doors = Dictionary(grouping: rules.filter { $0.kind != "c" }.flatMap { rule in rule.imports.map { ($0, rule) } }, by: \.0)
        for module in rules where module.kind == "c" {
            let importers = (doors[module.name] ?? []).map(\.1)
            #expect(importers.count == 1 && importers.first?.kind == "door", "\(module.name) is imported by \(importers.map(\.name))")
        }
    }

    @Test func roomsAndTheHallAreSafe() {
        let safe = Set(rules.filter { $0.kind == "room" || $0.kind == "hall" }.map(\.name))
        #expect(safe.count == 4)
        for file in files where safe.contains(file.module) {
            // The keyword and the standard library's names; `unsafeRead` of GRDB is about transactions, not memory.
            let found = file.code.firstMatch(of: /\bunsafe\b|\bUnsafe\w+|\bunsafe(BitCast|Downcast|Address\w*)|\bwithUnsafe\w+|\bUnmanaged\b/)
            #expect(found == nil, "\(file.path) says \(found?.0 ?? "")")
        }
    }

    @Test func nothingAbortsOnPurpose() {
        for file in files {
            for word in ["try!", "fatalError", "-Ounchecked"] {
                #expect(!file.code.contains(word), "\(file.path) contains \(word)")
            }
        }
    }

    @Test func nothingIsPublic() {
        for file in files {
            let found = file.code.firstMatch(of: /(?m)^\s*(?:@\w+\s+)*(?:public|open)\s+(?:static |final |mutating )?(?:func|var|let|struct|class|enum|protocol|init|extension|actor)/)
            #expect(found == nil, "\(file.path) declares something public")
        }
    }

    @Test func everyFileOpensWithItsPurpose() {
        for file in files {
            #expect(file.text.hasPrefix("//"), "\(file.path) does not open with a line of purpose")
        }
    }
}
