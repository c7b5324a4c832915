// How people and scripts name a key.

/// A key by its id, its alias, or its full name `efs:kms:KEYSTOREID:key/ID` (or `…:alias/NAME`).
package struct KeyReference: Hashable, Sendable, CustomStringConvertible {
    enum Target: Hashable, Sendable {
        case key(KeyID)
        /// With the `alias/` in front.
        case alias(String)
    }

    /// Which keystore, when the full name says so.
    let keystoreID: KeystoreID?
    let target: Target

    package init(_ keyID: KeyID) {
        keystoreID = nil
        target = .key(keyID)
    }

    /// Throws `validation` for text of none of the three forms.
    package init(_ text: String) throws(KeyError) {
        let malformed = KeyError.validation("\(text) is no key: give an id, alias/NAME, or a full name efs:kms:KEYSTORE:key/ID")
        var local = text
        if text.hasPrefix("efs:kms:") {
            let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, let keystoreID = KeystoreID(text: String(parts[2])) else { throw malformed }
            self.keystoreID = keystoreID
            local = String(parts[3])
            guard local.hasPrefix("alias/") || local.hasPrefix("key/") else { throw malformed }
            if local.hasPrefix("key/") { local.removeFirst(4) }
        } else {
            keystoreID = nil
        }
        if local.hasPrefix("alias/") {
            target = .alias(try Self.checkedAlias(local))
        } else if let keyID = KeyID(text: local) {
            target = .key(keyID)
        } else {
            throw malformed
        }
    }

    /// `alias/` and 1 to 250 letters, digits, `/`, `_`, `-` (AWS KMS's rule). Throws `validation`.
    static func checkedAlias(_ name: String) throws(KeyError) -> String {
        let rest = name.utf8.dropFirst(6)
        let isAllowed = rest.allSatisfy { character in
            switch character {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
        guard name.hasPrefix("alias/"), (1...250).contains(rest.count), isAllowed else {
            throw .validation("\(name) is no alias: alias/ and 1 to 250 letters, digits, '/', '_' or '-'")
        }
        return name
    }

    package var description: String {
        let local: String
        switch target {
        case .alias(let name): local = name
        case .key(let keyID): local = keystoreID == nil ? "\(keyID)" : "key/\(keyID)"
        }
        return keystoreID.map { "efs:kms:\($0):\(local)" } ?? local
    }
}
