// The tables whose rows are protected by MACs. Specified in Docs/FORMAT-KEYS.md; the statements that make them stand in Schema.swift.

/// One table whose rows are protected by MACs.
struct ProtectedTable: Sendable {
    let name: String
    /// In the order in which they are authenticated, those of the primary key first.
    let columns: [String]
    let keyColumnCount: Int

    static let unlockSlot = ProtectedTable(
        name: "unlock_slot",
        columns: [
            "slot", "kind", "created_at", "scrypt_log_n", "scrypt_r", "scrypt_p", "salt", "commitment", "sealed_root_key",
        ], keyColumnCount: 1)
    static let cmk = ProtectedTable(
        name: "cmk", columns: ["key_id", "state", "description", "created_at", "state_changed_at", "current_version"], keyColumnCount: 1)
    static let cmkVersion = ProtectedTable(
        name: "cmk_version", columns: ["key_id", "version", "created_at", "nonce", "sealed_material"], keyColumnCount: 2)
    static let alias = ProtectedTable(name: "alias", columns: ["name", "key_id", "created_at"], keyColumnCount: 1)
    static let tag = ProtectedTable(name: "tag", columns: ["key_id", "name", "value"], keyColumnCount: 2)
    /// What was set for a key beyond its state; a key without a row has the defaults.
    static let cmkSettings = ProtectedTable(
        name: "cmk_settings",
        columns: [
            "key_id", "origin", "rotation_days", "rotate_at", "minimum_version", "is_protected", "delete_at", "material_expires_at", "material_check",
        ], keyColumnCount: 1)
    /// How each version after the first came to be; none for versions made before this table was.
    static let cmkRotation = ProtectedTable(name: "cmk_rotation", columns: ["key_id", "version", "kind"], keyColumnCount: 2)
    /// The private half of the key pair with which material for this key may be sent. `sealed_private_key` is under the root key's sealing child.
    static let importParameters = ProtectedTable(
        name: "import_parameters", columns: ["key_id", "token", "created_at", "expires_at", "nonce", "sealed_private_key"], keyColumnCount: 1)
    /// One row: the highest time seen.
    static let clock = ProtectedTable(name: "clock", columns: ["id", "seen_at"], keyColumnCount: 1)
    /// One row each: how the audit log began, and how far it had come at the last change of keys. The log itself is not protected by this.
    static let auditStart = ProtectedTable(name: "audit_start", columns: ["id", "nonce", "sealed_key"], keyColumnCount: 1)
    static let auditMark = ProtectedTable(name: "audit_mark", columns: ["id", "count", "mac"], keyColumnCount: 1)

    /// One row: the key of the password safe, sealed under the root key's sealing child, and the digests that vouch for its secrets.
    static let safe = ProtectedTable(
        name: "safe", columns: ["id", "key_nonce", "sealed_key", "secret_count", "digests"], keyColumnCount: 1)

    /// All whose rows are listed in `row_mac`, of the newest version. Those of one version: `Schema.tables(ofVersion:)`.
    static let all = [unlockSlot, cmk, cmkVersion, alias, tag, cmkSettings, cmkRotation, importParameters, clock, auditStart, auditMark, safe]
    /// The one row that authenticates the whole; its MAC stands in the row itself.
    static let keystore = ProtectedTable(
        name: "keystore", columns: ["id", "schema_version", "keystore_id", "created_at", "generation", "row_count", "digest"], keyColumnCount: 1)
}
