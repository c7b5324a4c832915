// What a keyring holds in memory, and where it comes from.

import Cryptography

/// One key as a keyring sees it.
struct KeyringKey: Sendable {
    let state: KeyState
    /// The version that seals.
    let currentVersion: UInt32
    /// INVARIANT: empty when the state allows no opening, so that the material of a disabled key is not in memory.
    let versions: [UInt32: SecretBytes]
    /// Older versions open nothing.
    var minimumVersion: UInt32 = 1
    /// Of imported material; nil when it does not expire.
    var expiry: Expiry?

    struct Expiry: Sendable {
        let date: Int64
        let clock: @Sendable () -> Int64
    }

    /// Material whose time is over is no longer used, also where nobody could remove it yet.
    var effectiveState: KeyState {
        guard let expiry, state.allowsOpening, expiry.clock() >= expiry.date else { return state }
        return .pendingImport
    }
}

/// All keys at one generation of the keystore; never changed. The material is wiped when the last user lets it go.
final class KeyringContents: Sendable {
    let generation: UInt64
    let keys: [KeyID: KeyringKey]

    init(generation: UInt64, keys: [KeyID: KeyringKey]) {
        self.generation = generation
        self.keys = keys
    }
}

/// Where a keyring gets newer contents from.
protocol KeyringSource: Sendable {
    /// The contents if the keystore changed since `generation`, else nil; cheap when it did not.
    func contents(newerThan generation: UInt64) throws(KeyError) -> KeyringContents?
}
