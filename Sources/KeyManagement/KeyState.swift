// What a key may be used for, by its state.

/// The state of a key (CMK). The raw value is what the keystore stores and what commands print.
package enum KeyState: String, Sendable, CaseIterable {
    case enabled = "Enabled"
    case disabled = "Disabled"
    /// Retired: still opens what it sealed, seals nothing new.
    case decryptOnly = "DecryptOnly"
    case pendingImport = "PendingImport"
    case pendingDeletion = "PendingDeletion"
    /// The material is gone, the record stays.
    case destroyed = "Destroyed"

    /// Whether it may seal: encrypt, generate a data key, be re-encrypted to.
    package var allowsSealing: Bool { self == .enabled }
    /// Whether it may open what it sealed.
    package var allowsOpening: Bool { self == .enabled || self == .decryptOnly }
}
