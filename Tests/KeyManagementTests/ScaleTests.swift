// Many keys and many secrets in one keystore. ENVELOPEFS_SCALE=10000,100000 is the full size, with times printed; see Docs/TESTING.md.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct ScaleTests {
    private let keyCount: Int
    private let secretCount: Int
    private let isMeasured: Bool

    init() {
        let given = ProcessInfo.processInfo.environment["ENVELOPEFS_SCALE"]?.split(separator: ",").compactMap { Int($0) } ?? []
        isMeasured = given.count == 2
        (keyCount, secretCount) = isMeasured ? (given[0], given[1]) : (40, 400)
    }

    private func measured<R>(_ what: String, divideBy count: Int = 1, _ body: () throws -> R) rethrows -> R {
        let start = ContinuousClock.now
        let result = try body()
        let each = (ContinuousClock.now - start) / count
        if isMeasured { print("scale: \(what): \(each)") }
        return result
    }

    private func name(_ number: Int) -> String { "service \(number)/account" }

    @Test func aFullKeystoreIsOpenedAndReadAsASmallOne() throws {
        let it = try SafePlace()
        // As createKey does, but in one transaction: it checks all rows before each key.
        try it.keystore.change { database, authentication in
            for number in 0..<keyCount {
                let row = KeyRow(keyID: try KeyID.random(), description: "key \(number)", createdAt: 1)
                try authentication.put(.cmk, row.values, database)
                try authentication.put(.cmkVersion, KeyVersionRow(newFor: row.keyID, version: 1, createdAt: 1, keys: authentication.keys).values, database)
                try authentication.put(.alias, ["alias/k\(number)".databaseValue, Data(row.keyID.bytes).databaseValue, 1.databaseValue], database)
            }
        }
        let batch = 1000
        try measured("import, each secret", divideBy: secretCount) {
            for start in stride(from: 0, to: secretCount, by: batch) {
                let entries = try (start..<min(start + batch, secretCount)).map {
                    ImportEntry(
                        position: $0, metadata: try SecretMetadata(name: name($0), account: "me", tags: ["url": "https://host-\($0).example.org/login"]),
                        value: try secret("value \($0)"))
                }
                let outcomes = try it.safe.importEntries(entries, key: KeyReference("alias/k\(start / batch % keyCount)"))
                #expect(outcomes.allSatisfy { $0 == .created })
            }
        }
        try it.keystore.close()
        let salt = [UInt8](repeating: 1, count: 32)
        _ = try measured("scrypt alone") { try Scrypt.derive(passphrase: secret("open sesame"), salt: salt.span, parameters: cheapScrypt, count: 32) }
        let opened = try measured("open, scrypt included") { try it.again() }
        let ring = try measured("keyring") { try opened.keystore.keyring() }
        func get(_ number: Int) throws -> [UInt8] { array(try opened.safe.value(of: name(number), with: ring).value) }
        let first = try measured("get, the first") { try get(7) }
        #expect(first == Array("value 7".utf8))
        let gets = min(1000, secretCount)
        try measured("get, each of \(gets)", divideBy: gets) {
            for index in 0..<gets {
                let number = index * 7919 % secretCount
                let value = try get(number)
                if value != Array("value \(number)".utf8) { Issue.record("secret \(number) is wrong") }
            }
        }
        let logged = min(100, secretCount)
        try measured("get with its entry in the audit log, each of \(logged)", divideBy: logged) {
            for number in 0..<logged { _ = try opened.safe.value(of: name(number), with: ring, reason: "scale") }
        }
        #expect(failure { try opened.safe.describe("nobody") } as? KeyError == .secretNotFound("nobody"))
        let page = try measured("list, a page of 100") { try opened.safe.list(limit: 100) }
        let second = try measured("list, the next page") { try opened.safe.list(after: page.next, limit: 100) }
        #expect(page.secrets.count == 100 && second.secrets.count == 100 && Set(page.secrets.map(\.name)).isDisjoint(with: second.secrets.map(\.name)))
        let all = try measured("list, all") { try opened.safe.list() }
        #expect(Set(all.secrets.map(\.name)).count == secretCount)
        let found = try measured("search") { try opened.safe.list(matching: "host-123.") }
        #expect(found.secrets.map(\.name) == [name(123)])
        _ = try measured("put") { try opened.safe.put(name(5), value: secret("new")) }
        let counts = try measured("verify") { try opened.safe.verify() }
        #expect(counts == (secretCount, secretCount + 1))
        if isMeasured { print("scale: file: \(try FileManager.default.attributesOfItem(atPath: opened.place.path)[.size] ?? 0) bytes") }
        try opened.keystore.close()
    }
}
