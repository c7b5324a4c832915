// Reading the published vectors: lines "name = hex", a record ends where a name comes again.

import Bytes
import Cryptography
import Foundation

struct Vector {
    var fields: [String: String] = [:]

    subscript(_ name: String) -> [UInt8] {
        let text = Array((fields[name] ?? "").utf8)
        precondition(text.count % 2 == 0)
        return stride(from: 0, to: text.count, by: 2).map { UInt8(String(decoding: text[$0..<($0 + 2)], as: UTF8.self), radix: 16)! }
    }
    func number(_ name: String) -> Int { Int(fields[name]!)! }
    func secret(_ name: String) throws -> SecretBytes { try SecretBytes(copying: self[name].span) }
    var isFailure: Bool { fields["FAIL"] != nil }

    /// All records of a file in Vectors; stops the test run when there are none.
    static func all(in file: String) throws -> [Vector] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors")
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        var records: [Vector] = []
        var current = Vector()
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard let name = parts.first, !name.isEmpty else { continue }
            if current.fields[name] != nil {
                records.append(current)
                current = Vector()
            }
            current.fields[name] = parts.count > 1 ? parts[1] : ""
        }
        records.append(current)
        precondition(records.count > 2)
        return records
    }
}

extension SecretBytes {
    /// A copy in ordinary memory, for comparing in tests.
    var exposed: [UInt8] { withBytes { $0.array } }
}

/// Bytes that are different for each `seed`, and the same in every run.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}
