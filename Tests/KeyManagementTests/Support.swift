// What the tests of this module share.

import Bytes
import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

/// The cheapest that is allowed: 16 MiB.
let cheapScrypt = ScryptParameters(logN: 14, r: 8, p: 1)

func secret(_ text: String) throws -> SecretBytes {
    let bytes = Array(text.utf8)
    return try SecretBytes(copying: bytes.span)
}

func secret(hex: String) throws -> SecretBytes {
    let bytes = bytes(hex)
    return try SecretBytes(copying: bytes.span)
}

func bytes(_ hex: String) -> [UInt8] { Hexadecimal.decode(Array(hex.utf8)) ?? [] }

func array(_ secret: SecretBytes) -> [UInt8] { secret.withBytes { $0.array } }

func vector<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
    let path = (#filePath as NSString).deletingLastPathComponent + "/Vectors/" + name
    return try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path)))
}

/// A directory of its own with at most one keystore, removed at the end.
final class Place {
    let directory: String
    var path: String { directory + "/keystore.db" }

    init() throws {
        directory = NSTemporaryDirectory() + "efs-keys-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func create() throws -> (Keystore, recoveryCode: SecretBytes) {
        var code: SecretBytes?
        let keystore = try Keystore.create(at: path, passphrase: secret("open sesame"), scrypt: cheapScrypt) { code = $0 }
        return (keystore, try #require(code))
    }

    /// Changes the closed keystore with another program's hands.
    func tamper(_ statement: String, at other: String? = nil) throws {
        let queue = try DatabaseQueue(path: other ?? path)
        try queue.writeWithoutTransaction { try $0.execute(sql: statement) }
        try queue.close()
    }

    /// The bytes of every file of the directory.
    func contents() throws -> [UInt8] {
        try FileManager.default.contentsOfDirectory(atPath: directory).flatMap {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory + "/" + $0)))
        }
    }
}

func contains(_ haystack: [UInt8], _ needle: [UInt8]) -> Bool { Data(haystack).range(of: Data(needle)) != nil }

/// The error of `body`, or nil.
func failure<R>(_ body: () throws -> R) -> (any Error)? {
    do {
        _ = try body()
        return nil
    } catch { return error }
}
