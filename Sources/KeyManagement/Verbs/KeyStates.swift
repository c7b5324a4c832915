// Verbs that decide what a key may do: states, protection, the oldest version that opens.

import GRDB

extension Keystore {
    /// Makes a disabled or retired key usable for everything. Throws `notFound`, `invalidState`.
    package func enableKey(_ reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.enableKey, dryRun: dryRun) { try $0.setState(.enabled, of: $0.find(reference)) }
    }

    /// Stops all use of a key, until it is enabled. Throws `notFound`, `invalidState`.
    package func disableKey(_ reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.disableKey, dryRun: dryRun) { try $0.setState(.disabled, of: $0.find(reference)) }
    }

    /// Leaves a key able to open, and not to seal. Throws `notFound`, `invalidState`.
    package func retireKey(_ reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.retireKey, dryRun: dryRun) { try $0.setState(.decryptOnly, of: $0.find(reference)) }
    }

    /// With protection, neither the key nor its imported material is deleted by a verb, until it is taken away again. Throws `notFound`, `invalidState`.
    package func protectKey(_ reference: KeyReference, _ isProtected: Bool, dryRun: Bool = false) throws(KeyError) {
        try perform(isProtected ? .protectKey : .unprotectKey, dryRun: dryRun) { change in
            var settings = try change.settings(of: change.find(reference))
            settings.isProtected = isProtected
            try change.put(settings)
        }
    }

    /// Versions before `version` open nothing from now on; their material stays, and a lower number lets them open again.
    /// Throws `notFound`, `invalidState`, `validation` for a version that there is not.
    package func setMinimumVersion(_ version: UInt32, of reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.setMinimumVersion, dryRun: dryRun) { change in
            let row = try change.find(reference)
            guard version >= 1, version <= row.currentVersion else {
                throw KeyError.validation("key \(row.keyID) has versions 1 to \(row.currentVersion), not \(version)")
            }
            var settings = try change.settings(of: row)
            settings.minimumVersion = version
            change.version = version
            try change.put(settings)
        }
    }
}
