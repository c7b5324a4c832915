// `check` through the built binary: its exit codes, its report, and what it refuses.

import Foundation
import Testing

@Suite("check") struct CheckCommandTests {
    private struct Report: Decodable {
        struct Finding: Decodable {
            let finding: String
            let weight: String
            let path: String
            let backing: String
            let detail: String
            let lost: [[UInt64]]?
        }
        struct Totals: Decodable {
            struct Summary: Decodable {
                let files: Int
                let directories: Int
            }
            let summary: Summary
            let complete: Bool
            let exitCode: Int32
        }
        let findings: [Finding]
        let totals: Totals

        init(_ text: String) throws { self = try JSONDecoder().decode(Report.self, from: Data(text.utf8)) }
        private enum CodingKeys: CodingKey { case findings, totals }
    }

    /// A vault with a small file and one of several blocks, unmounted.
    private func filled() throws -> Place {
        let place = try Place()
        let made = try place.shell("\"$BINARY\" run \(place.vault) -- sh -c 'mkdir folder; echo words > folder/small; head -c 50000 /dev/zero | tr \"\\0\" x > large'")
        try #require(made.status == 0, "\(made.errors)")
        return place
    }

    private func change(_ path: String, at offset: UInt64) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)).first ?? 0
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data([byte ^ 1]))
        try file.close()
    }

    @Test func aSoundVaultEndsWithNothing() throws {
        let place = try filled()
        let before = try place.snapshot()
        let plain = try place.run("check", place.vault)
        #expect(plain.status == 0 && plain.output.isEmpty && plain.errors.contains("nothing is wrong"), "\(plain.errors)")
        let report = try Report(place.run("check", place.vault, "--json").output)
        #expect(report.findings.isEmpty && report.totals.complete && report.totals.exitCode == 0)
        #expect(report.totals.summary.files == 2 && report.totals.summary.directories == 2)
        var after = try place.snapshot()
        // The audit log says that it was done, and which keys it used.
        #expect(after[place.keystore] != before[place.keystore])
        after[place.keystore] = before[place.keystore]
        #expect(after == before, "a check changed something")
        let log = try place.run("audit", "list", "--json").output
        #expect(log.contains("CheckVault") && log.contains("\"Decrypt\""), "\(log)")
    }

    @Test func damageIsNamedByItsPlainPath() throws {
        let place = try filled()
        let large = try #require(try place.sealedFiles().first { (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) ?? 0 > 4096 })
        try change(large, at: 8192 + 5)
        let plain = try place.run("check", place.vault)
        #expect(plain.status == (try code("checkDamage")))
        #expect(plain.output.hasPrefix("damaged-blocks: large: 4096 bytes of 50000 do not open: block 1: not what was sealed there; bytes 4096-8191"), "\(plain.output)")
        let report = try Report(place.run("check", place.vault, "--json").output)
        let finding = try #require(report.findings.first)
        #expect(finding.path == "large" && large.hasSuffix("/" + finding.backing) && finding.lost == [[4096, 8192]] && finding.weight == "damage")
        #expect(try place.run("check", place.vault, "folder").status == 0, "what is below the path is sound")
        let saved = try place.run("check", place.vault, "--salvage", place.path + "/saved")
        #expect(saved.status == (try code("checkDamage")))
        let content = try Data(contentsOf: URL(fileURLWithPath: place.path + "/saved/files/large"))
        #expect(content == Data(repeating: 0x78, count: 4096) + Data(count: 4096) + Data(repeating: 0x78, count: 50000 - 8192))
        #expect(try String(contentsOfFile: place.path + "/saved/files/folder/small", encoding: .utf8) == "words\n")
        #expect(try String(contentsOfFile: place.path + "/saved/lost.jsonl", encoding: .utf8).contains("\"lost\":[[4096,8192]],\"path\":\"large\""))
    }

    @Test func whatWasNeverFinishedIsNoDamageAndNamed() throws {
        let place = try filled()
        let large = try #require(try place.sealedFiles().first { (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) ?? 0 > 4096 })
        // A state record that never reached the disk.
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: large))
        try file.seek(toOffset: 512)
        try file.write(contentsOf: Data(count: 512))
        try file.close()
        let plain = try place.run("check", place.vault)
        #expect(plain.status == (try code("checkLeftovers")), "\(plain.output)\(plain.errors)")
        #expect(plain.output.hasPrefix("unfinished-file: large: ") && plain.output.contains("; bytes 0-49999"), "\(plain.output)")
        #expect(plain.errors.contains("in 1 of them bytes cannot be read") && !plain.errors.contains("nothing is damaged"), "\(plain.errors)")
        let report = try Report(place.run("check", place.vault, "--json").output)
        #expect(report.findings.first?.weight == "leftover" && report.findings.first?.lost == [[0, 50000]])
        #expect(report.totals.exitCode == (try code("checkLeftovers")))
        let saved = try place.run("check", place.vault, "--salvage", place.path + "/saved")
        #expect(saved.status == (try code("checkLeftovers")), "\(saved.output)\(saved.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: place.path + "/saved/files/large")) == Data(repeating: 0x78, count: 50000))
        #expect(try String(contentsOfFile: place.path + "/saved/lost.jsonl", encoding: .utf8).contains("\"unfinished-file\""))
    }

    @Test func whatIsLeftOverIsRepairedWhenAsked() throws {
        let place = try filled()
        let orphan = place.vault + "/=" + String(repeating: "A", count: 43)
        try Data("x".utf8).write(to: URL(fileURLWithPath: orphan))
        #expect(try place.run("check", place.vault).status == (try code("checkLeftovers")))
        #expect(FileManager.default.fileExists(atPath: orphan), "a check without --repair removed something")
        let repaired = try place.run("check", place.vault, "--repair")
        #expect(repaired.status == 0 && repaired.output.contains("-> removed"), "\(repaired.output)\(repaired.errors)")
        #expect(!FileManager.default.fileExists(atPath: orphan))
    }

    @Test func aKeyThatIsNotThereIsNoDamage() throws {
        let place = try filled()
        // A file of a key that is in no keystore: the key's id stands in the wrapped key.
        let small = try #require(try place.sealedFiles().first { (try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int) ?? 9999 < 4096 })
        try change(small, at: 30 + 4)
        let outcome = try place.run("check", place.vault)
        #expect(outcome.status == (try code("checkIncomplete")), "\(outcome.errors)")
        #expect(outcome.output.isEmpty && outcome.errors.contains("1 file was not checked: key "), "\(outcome.errors)")
    }

    @Test func whatCannotBeDoneIsRefused() throws {
        let place = try filled()
        let nothing = try place.run("check", place.vault, "nothing")
        #expect(nothing.status == (try code("usage")) && nothing.errors.contains("the vault has no nothing"), "\(nothing.errors)")
        try expectRefusal(place, "notAVault", saying: ["is not a vault"]) { try place.run("check", place.mount) }
        try expectRefusal(place, "usage", saying: ["inside the vault"]) { try place.run("check", place.vault, "--salvage", place.vault + "/out") }
        try expectRefusal(place, "directoryNotEmpty", saying: ["not empty"]) { try place.run("check", place.vault, "--salvage", place.path) }
        #expect(try place.run("check", place.vault, "--repair", "--salvage", place.path + "/out").status == 64)
        let json = place.vault + "/.envelopefs/vault.json"
        try change(json, at: 12)
        try expectRefusal(place, "vaultDamaged", saying: ["vault.json"]) { try place.run("check", place.vault) }
    }
}
