// What was done to the safe's rows from outside, and when that is noticed: the table of Docs/decisions/0042.

import Cryptography
import Foundation
import GRDB
import Testing

@testable import KeyManagement

struct SafeTamperingTests {
    /// A safe with 40 secrets of three versions, closed; and the path of an older copy, in which each has one.
    private func prepare() throws -> (SafePlace, older: String) {
        let it = try SafePlace()
        func put(_ word: String) throws {
            let entries = try (0..<40).map { ImportEntry(position: $0, metadata: try SecretMetadata(name: "s\($0)"), value: try secret("\(word) \($0)")) }
            _ = try it.safe.importEntries(entries, updates: true)
        }
        try put("old")
        let older = it.place.directory + "/older.db"
        try it.place.tamper("VACUUM INTO '\(older)'")
        for word in ["newer", "new"] { try put(word) }
        try it.keystore.close()
        return (it, older)
    }

    private func refusal(_ body: () throws -> Void) -> String? {
        guard case .storage(let why) = failure(body) as? KeyError else { return nil }
        return why.description
    }

    private static let row = "(SELECT secret_id FROM secret LIMIT 1 OFFSET 7)"

    /// Noticed as soon as the secret, or one of its bucket, is touched.
    @Test(arguments: [
        "UPDATE secret SET changed_at = changed_at + 1 WHERE secret_id = \(row)", "UPDATE secret SET current_version = 1 WHERE secret_id = \(row)",
        "UPDATE secret SET mac = zeroblob(32) WHERE secret_id = \(row)", "UPDATE secret SET sealed_metadata = x'00' WHERE secret_id = \(row)",
        "UPDATE secret SET deletes_at = 1 WHERE secret_id = \(row)", "DELETE FROM secret WHERE secret_id = \(row)",
        "DELETE FROM secret_version WHERE secret_id = \(row) AND version = 1",
        "UPDATE secret_version SET sealed_value = zeroblob(80) WHERE secret_id = \(row) AND version = 1",
        "UPDATE secret_version SET version = version + 5 WHERE secret_id = \(row) AND version IN (1, 2)",
        "UPDATE OR REPLACE secret_version SET version = 1 WHERE secret_id = \(row) AND version = 2",
        "DELETE FROM safe_node", "UPDATE safe_node SET digests = zeroblob(2048)",
        "UPDATE secret SET secret_id = CAST(substr(secret_id, 1, 15) || CASE substr(secret_id, 16) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE secret_id = \(row)",
        "UPDATE secret SET secret_id = x'000102030405060708090a0b0c0d0e0f' WHERE secret_id = \(row)",
        "ATTACH 'OLDER' AS o; INSERT OR REPLACE INTO secret SELECT * FROM o.secret; DELETE FROM secret_version; INSERT INTO secret_version SELECT * FROM o.secret_version",
        "ATTACH 'OLDER' AS o; INSERT OR REPLACE INTO safe_node SELECT * FROM o.safe_node; INSERT OR REPLACE INTO secret SELECT * FROM o.secret",
    ])
    func changesAreNoticedWhereTheyAre(statement: String) throws {
        let (it, older) = try prepare()
        let path = it.place.path
        // The name of the secret that is touched, while it can still be read.
        let ids = try DatabaseQueue(path: path).read { try Data.fetchAll($0, sql: "SELECT secret_id FROM secret") }
        let before = try it.again()
        let names = try before.safe.list().secrets.map(\.name)
        let touched = try #require(before.safe.read { safe in try names.first { Data(try safe.keys.id(of: $0).bytes) == ids[7] } } ?? nil)
        try before.keystore.close()
        try it.place.tamper(statement.replacingOccurrences(of: "OLDER", with: older))
        let after = try it.again()
        #expect(refusal { _ = try after.get(touched, .version(1)) } != nil, "reading \(touched)")
        // A value that is not read is not missed by a new one; its row is refused after that as before.
        let isValue = statement.contains("SET sealed_value")
        #expect((refusal { _ = try after.safe.put(touched, value: secret("x")) } == nil) == isValue, "writing \(touched)")
        #expect(refusal { _ = try after.get(touched, .version(1)) } != nil, "reading \(touched) again")
        let why = try #require(refusal { _ = try after.safe.verify() }, "verify")
        #expect(why.contains("secret") || why.contains("safe_node"), "\(why)")
        try after.keystore.close()
    }

    /// The row above all is one of the keystore's own: refused at the door.
    @Test(arguments: [
        "UPDATE safe SET digests = zeroblob(2048)", "DELETE FROM safe", "UPDATE safe SET secret_count = 1", "UPDATE safe SET sealed_key = zeroblob(48)",
        "DELETE FROM safe; DELETE FROM row_mac WHERE name = 'safe/1'",
        """
        ATTACH 'OLDER' AS o; INSERT OR REPLACE INTO safe SELECT * FROM o.safe; INSERT OR REPLACE INTO row_mac SELECT * FROM o.row_mac; \
        DELETE FROM safe_node; INSERT INTO safe_node SELECT * FROM o.safe_node; DELETE FROM secret; INSERT INTO secret SELECT * FROM o.secret; \
        DELETE FROM secret_version; INSERT INTO secret_version SELECT * FROM o.secret_version
        """,
    ])
    func theTopIsCheckedAtOpening(statement: String) throws {
        let (it, older) = try prepare()
        try it.place.tamper(statement.replacingOccurrences(of: "OLDER", with: older))
        #expect(failure { try it.again() } is KeystoreError)
    }

    /// A row outside of every bucket is never shown; only reading all finds it.
    @Test func aRowThatNobodyAsksForIsFoundByVerify() throws {
        let (it, _) = try prepare()
        try it.place.tamper("INSERT INTO secret SELECT x'', mac, created_at, changed_at, deletes_at, current_version, previous_version, last_version, versions_digest, metadata_nonce, sealed_metadata FROM secret LIMIT 1")
        try it.place.tamper("INSERT INTO secret_version SELECT x'00', version, mac, created_at, key_id, wrapped_key, sealed_value FROM secret_version LIMIT 1")
        let after = try it.again()
        #expect(try after.safe.list().secrets.count == 40)
        #expect(refusal { _ = try after.safe.verify() } != nil)
        try after.keystore.close()
    }

    /// While a process has it open.
    @Test func changesUnderAnOpenSafeAreNoticed() throws {
        let it = try SafePlace()
        try it.add("a", "1")
        #expect(try it.get("a") == "1")
        try it.place.tamper("DELETE FROM secret")
        #expect(refusal { _ = try it.get("a") } != nil)
    }

    /// One value under the other's row, sealed and wrapped by the same key.
    @Test func valuesDoNotMoveBetweenSecretsAndVersions() throws {
        let it = try SafePlace()
        try it.add("a", "value of a")
        try it.add("b", "value of b")
        let ring = try it.keystore.keyring()
        let found = try it.safe.read { safe in
            try ["a", "b"].compactMap { name in try SecretVersionRow.find(safe.require(name).id, 1, safe.keys, in: safe.database) }
        }
        let rows = try #require(found)
        let blob = rows[0].wrappedKey
        for (name, version) in [("b", UInt32(1)), ("a", 2)] {
            let context = try SecretValue.context(name: name, version: version)
            let refused = failure { try ring.decrypt(blob.span, context: context) } as? KeyError
            #expect(refused == .invalidCiphertext)
        }
        let dataKey = try ring.decrypt(blob.span, context: SecretValue.context(name: "a", version: 1))
        #expect(array(try SecretValue.open(rows[0].sealedValue, with: dataKey, of: rows[0].id, version: 1)) == Array("value of a".utf8))
        #expect(failure { try SecretValue.open(rows[0].sealedValue, with: dataKey, of: rows[1].id, version: 1) } is CryptographyError)
        #expect(failure { try SecretValue.open(rows[0].sealedValue, with: dataKey, of: rows[0].id, version: 2) } is CryptographyError)
        for index in rows[0].sealedValue.indices {
            var changed = rows[0].sealedValue
            changed[index] ^= 1
            #expect(failure { try SecretValue.open(changed, with: dataKey, of: rows[0].id, version: 1) } is CryptographyError)
        }
    }
}
