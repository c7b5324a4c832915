// Getting values out, and listing and searching without opening any.

import Cryptography
import GRDB

/// Secrets in the order in which they are stored, which says nothing of their names.
package struct SecretPage: Sendable {
    package let secrets: [SecretDescription]
    /// Give it to `list` for what follows; nil at the end.
    package let next: String?
}

extension PasswordSafe {
    /// The value of a secret, and what is known of it, for a reason that the audit log keeps with the use or the refusal.
    /// Throws `secretNotFound`, also for a version; `secretDeleted`; what a key that cannot open gives: `disabled`, `invalidState`, `keyUnavailable`.
    package func value(
        of name: String, _ choice: SecretVersionChoice = .label(.current), with keyring: Keyring, reason: String
    ) throws(KeyError) -> (description: SecretDescription, version: UInt32, value: SecretBytes) {
        do throws(KeyError) {
            let found = try value(of: name, choice, with: keyring)
            record(.get, of: found.row.id, version: found.row.version, key: found.row.keyID, reason: reason)
            return (found.description, found.row.version, found.value)
        } catch {
            record(.get, of: id(of: name), refused: error, reason: reason)
            throw error
        }
    }

    /// The same without a trace in the log: for `value`, and for measuring.
    func value(
        of name: String, _ choice: SecretVersionChoice = .label(.current), with keyring: Keyring
    ) throws(KeyError) -> (description: SecretDescription, row: SecretVersionRow, value: SecretBytes) {
        try keyring.refresh()
        let found = try read { safe in
            let row = try safe.requireUsable(name)
            let number = try Self.number(choice, of: row, name)
            let versions = try safe.versions(of: row)
            guard versions.contains(number), let version = try SecretVersionRow.find(row.id, number, safe.keys, in: safe.database) else {
                throw KeyError.secretNotFound("\(name), version \(number)")
            }
            return (try SecretDescription(row, safe.keys), version)
        }
        guard let (description, version) = found else { throw .secretNotFound(name) }
        let context = try SecretValue.context(name: name, version: version.version)
        let dataKey = try keyring.decrypt(version.wrappedKey.span, context: context, expecting: version.keyID)
        do throws(CryptographyError) {
            return (description, version, try SecretValue.open(version.sealedValue, with: dataKey, of: version.id, version: version.version))
        } catch { throw error == .authenticationFailed ? .invalidCiphertext : .cryptography(error) }
    }

    private static func number(_ choice: SecretVersionChoice, of row: SecretRow, _ name: String) throws(KeyError) -> UInt32 {
        switch choice {
        case .version(let number): return number
        case .label(.current): return row.currentVersion
        case .label(.previous):
            guard let number = row.previousVersion else { throw .secretNotFound("\(name), version previous") }
            return number
        }
    }

    /// Also of a secret that is to be destroyed. Throws `secretNotFound`.
    package func describe(_ name: String) throws(KeyError) -> SecretDescription {
        guard let found = try read({ safe in try SecretDescription(try safe.require(name), safe.keys) }) else { throw .secretNotFound(name) }
        return found
    }

    /// All versions, in rising order. Throws `secretNotFound`.
    package func versions(of name: String) throws(KeyError) -> [SecretVersionDescription] {
        let found = try read { safe in
            let row = try safe.require(name)
            return try safe.versions(of: row).map { number in
                guard let version = try SecretVersionRow.find(row.id, number, safe.keys, in: safe.database) else {
                    throw KeystoreError.rowRefused(name: row.name, .missing)
                }
                let label: SecretLabel? = number == row.currentVersion ? .current : number == row.previousVersion ? .previous : nil
                return SecretVersionDescription(version: number, createdAt: version.createdAt, keyID: version.keyID, label: label)
            }
        }
        guard let found else { throw .secretNotFound(name) }
        return found
    }

    /// Up to `limit` secrets behind `token`. Throws `validation` for a token that `list` did not give.
    /// - Parameters:
    ///   - text: only those whose name, account, description or tags hold it, in upper or lower case.
    ///   - withDeleted: those too that are to be destroyed.
    package func list(
        matching text: String = "", withDeleted: Bool = false, after token: String? = nil, limit: Int = .max
    ) throws(KeyError) -> SecretPage {
        let text = text.lowercased()
        guard limit > 0 else { throw .validation("a page has at least one secret") }
        let last = token.flatMap { Hexadecimal.decode(Array($0.utf8)) }.flatMap { SecretID($0) }
        guard token == nil || last != nil else { throw .validation("this is no token of a list") }
        let found = try read { safe in
            var secrets: [SecretDescription] = []
            var end: SecretID?
            for bucket in (last?.bucket ?? 0)..<SafeTree.bucketCount {
                for row in try safe.secrets(of: bucket) {
                    if let last, !last.bytes.lexicographicallyPrecedes(row.id.bytes) { continue }
                    let description = try SecretDescription(row, safe.keys)
                    guard withDeleted || row.deletesAt == nil, text.isEmpty || description.metadata.contains(text) else { continue }
                    // Only with one more at hand it is known that there is another page.
                    if secrets.count == limit { return SecretPage(secrets: secrets, next: end?.hex) }
                    secrets.append(description)
                    end = row.id
                }
            }
            return SecretPage(secrets: secrets, next: nil)
        }
        record(.list)
        return found ?? SecretPage(secrets: [], next: nil)
    }

    /// Reads every row of the safe, and checks each. How many secrets and versions there are. Throws `storage` that names what was changed outside.
    package func verify() throws(KeyError) -> (secrets: Int, versions: Int) {
        let found = try read { safe in
            var counts = (secrets: 0, versions: 0)
            for bucket in 0..<SafeTree.bucketCount {
                for row in try safe.secrets(of: bucket) {
                    counts.secrets += 1
                    _ = try row.metadata(safe.keys)
                    for number in try safe.versions(of: row) {
                        _ = try SecretVersionRow.find(row.id, number, safe.keys, in: safe.database)
                        counts.versions += 1
                    }
                }
            }
            let (found, expected) = try safe.counts()
            let versions = try Int.fetchOne(safe.database, sql: "SELECT count(*) FROM secret_version") ?? 0
            guard found == expected, counts.secrets == expected, versions == counts.versions else {
                throw KeystoreError.rowsOfDifferentTimes(expectedCount: expected + counts.versions, foundCount: found + versions)
            }
            return counts
        }
        return found ?? (0, 0)
    }
}
