// Bring your own key: parameters for import, wrapped material, its expiry and its removal. The contract is AWS KMS's.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// What the owner of material needs to send it, for 24 hours.
package struct ImportParameters: Sendable {
    /// DER, SubjectPublicKeyInfo. Material is wrapped with RSA-OAEP, SHA-256 for both hashes.
    package let publicKey: [UInt8]
    /// To be given back with the material.
    package let token: [UInt8]
    /// Seconds since 1970.
    package let expiresAt: Int64
}

extension Keystore {
    /// Bits of the key pair.
    package static let wrappingKeySizes = [2048, 3072, 4096]
    static let importWindow = day
    /// Seconds within which material must expire, if it does: 365 days.
    static let greatestMaterialLife = 365 * day
    private static let checkLabel = Array("EnvelopeFS imported material 1".utf8)

    /// A fresh key pair for sending material to a key of external origin; earlier parameters of that key end. Throws `notFound`, `invalidState`, `unsupportedOperation`, `validation`.
    package func parametersForImport(of reference: KeyReference, keySize: Int = 4096, dryRun: Bool = false) throws(KeyError) -> ImportParameters {
        guard Self.wrappingKeySizes.contains(keySize) else { throw .validation("a wrapping key has 2048, 3072 or 4096 bits, not \(keySize)") }
        // Before the transaction: a key pair takes a second, and others would wait.
        let pair: RSAKeyPair
        let token: [UInt8]
        do throws(CryptographyError) { (pair, token) = (try RSAKeyPair.generate(bits: keySize), try Random.bytes(32)) } catch { throw .cryptography(error) }
        return try perform(.getParametersForImport, dryRun: dryRun) { change in
            let row = try change.find(reference)
            try requireExternal(try change.settings(of: row))
            let expiresAt = change.now + Self.importWindow
            let sealed = try change.authentication.keys.sealBytes(try pair.privateBytes(), authenticating: Self.importName(row.keyID))
            let values = [
                Data(row.keyID.bytes).databaseValue, Data(token).databaseValue, change.now.databaseValue, expiresAt.databaseValue,
                Data(sealed.nonce).databaseValue, Data(sealed.sealed).databaseValue,
            ]
            try change.authentication.put(.importParameters, values, change.database)
            return ImportParameters(publicKey: try pair.publicBytes(), token: token, expiresAt: expiresAt)
        }
    }

    /// Takes material of 32 bytes, wrapped for the parameters that belong to `token`, and makes the key Enabled if it waited for it. Material that was there before must come again.
    /// - Parameter expiresAt: seconds since 1970, at most 365 days away; nil when the material does not expire.
    /// Throws `notFound`, `invalidState`, `unsupportedOperation`, `validation`, `invalidImportToken`, `expiredImportToken`, `invalidMaterial`, `incorrectKeyMaterial`.
    package func importMaterial(
        _ wrapped: ByteSpan, token: [UInt8], into reference: KeyReference, expiresAt: Int64? = nil, dryRun: Bool = false
    ) throws(KeyError) {
        let wrapped = wrapped.array
        try perform(.importKeyMaterial, dryRun: dryRun) { change in
            let row = try change.find(reference)
            var settings = try change.settings(of: row)
            try requireExternal(settings)
            // By the time that the schedule will go by: a clock that was ahead once, and believed, counts there.
            let now = max(change.now, try Self.seenTime(change.database) ?? 0)
            if let expiresAt, expiresAt <= now || expiresAt > change.now + Self.greatestMaterialLife {
                throw KeyError.validation("material expires within 365 days from now, or never")
            }
            let material = try openMaterial(wrapped, token, row.keyID, change)
            let check = try Self.materialCheck(material, row.keyID)
            if let known = settings.materialCheck {
                guard constantTimeEqual(known.span, check.span) else { throw KeyError.incorrectKeyMaterial }
            }
            let version = try KeyVersionRow(for: row.keyID, version: row.currentVersion, createdAt: change.now, material: material, keys: change.authentication.keys)
            change.version = row.currentVersion
            try change.authentication.put(.cmkVersion, version.values, change.database)
            settings.materialCheck = check
            settings.materialExpiresAt = expiresAt
            try change.put(settings)
            if row.state == .pendingImport { try change.setState(.enabled, of: row) }
        }
    }

    /// Removes imported material; the key is PendingImport until it comes again, for which parameters that are still valid serve. Throws `notFound`, `invalidState`, `unsupportedOperation`, `protected`.
    package func deleteImportedMaterial(of reference: KeyReference, dryRun: Bool = false) throws(KeyError) {
        try perform(.deleteImportedKeyMaterial, dryRun: dryRun) { change in
            let row = try change.find(reference)
            let settings = try change.settings(of: row)
            try requireExternal(settings)
            guard !settings.isProtected else { throw KeyError.protected(row.keyID) }
            try removeImported(row, settings, change)
        }
        try forgetDestroyed()
    }

    func removeImported(_ row: KeyRow, _ settings: KeySettings, _ change: KeyChange) throws {
        try removeMaterial(of: row.keyID, change)
        var settings = settings
        settings.materialExpiresAt = nil
        try change.put(settings)
        // A key that waits for its deletion goes on waiting.
        if row.state != .pendingDeletion { try change.setState(.pendingImport, of: row) }
    }

    private func requireExternal(_ settings: KeySettings) throws(KeyError) {
        guard settings.origin == .external else { throw .unsupportedOperation("key \(settings.keyID) was not created for imported material (--origin external)") }
    }

    private func openMaterial(_ wrapped: [UInt8], _ token: [UInt8], _ keyID: KeyID, _ change: KeyChange) throws -> SecretBytes {
        let sql = "SELECT * FROM import_parameters WHERE key_id = ?"
        guard let row = try Row.fetchOne(change.database, sql: sql, arguments: [Data(keyID.bytes)]) else { throw KeyError.invalidImportToken }
        let known = Array(row["token"] as Data)
        guard constantTimeEqual(known.span, token.span) else { throw KeyError.invalidImportToken }
        guard change.now < row["expires_at"] as Int64, change.now >= row["created_at"] as Int64 - Self.importWindow else { throw KeyError.expiredImportToken }
        let bytes = try change.authentication.keys.openBytes(
            nonce: Array(row["nonce"] as Data), sealed: Array(row["sealed_private_key"] as Data), authenticating: Self.importName(keyID))
        let material: SecretBytes
        do throws(CryptographyError) {
            let pair = try RSAKeyPair(privateBytes: bytes)
            material = try pair.open(wrapped.span)
        } catch { throw KeyError.invalidMaterial }
        guard material.count == Self.materialSize else { throw KeyError.invalidMaterial }
        return material
    }

    private static func importName(_ keyID: KeyID) -> [UInt8] { Array("EnvelopeFS import parameters 1".utf8) + keyID.bytes }

    /// HMAC-SHA256 of the key's id under the material: the same again for the same material, and of no use for finding it.
    private static func materialCheck(_ material: SecretBytes, _ keyID: KeyID) throws(CryptographyError) -> [UInt8] {
        let message = checkLabel + keyID.bytes
        return try HMACKey(material).authenticate(message.span)
    }
}
