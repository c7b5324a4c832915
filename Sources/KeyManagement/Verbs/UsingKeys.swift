// The verbs that use keys: by name, checked and reported. What is done to bytes stands in Keyring.

import Bytes
import Cryptography
import GRDB

/// What was wrapped, and which key and version had wrapped it.
package struct OpenedKey: Sendable {
    package let plaintext: SecretBytes
    package let keyID: KeyID
    package let version: UInt32
}

extension Keystore {
    /// Bytes that one call draws or makes at most.
    package static let greatestRandomSize = 1024

    /// `plaintext`, 1 to 4096 bytes, under the current version of a key. Throws as `Keyring.encrypt`, and `dryRun`.
    package func encrypt(_ plaintext: SecretBytes, under reference: KeyReference, context: EncryptionContext, dryRun: Bool = false) throws(KeyError) -> [UInt8] {
        try observe(.encrypt, dryRun: dryRun) { (event: inout KeyEvent) throws(KeyError) in
            let ciphertext = try seal(plaintext, reference, context, &event)
            if dryRun { throw .dryRun }
            return ciphertext
        }
    }

    /// What `ciphertext` wraps. It names its key itself; a key that is given must be that one. Throws as `Keyring.decrypt`, and `dryRun`.
    package func decrypt(
        _ ciphertext: ByteSpan, context: EncryptionContext, expecting reference: KeyReference? = nil, dryRun: Bool = false
    ) throws(KeyError) -> OpenedKey {
        // Spans do not enter closures that may outlive them.
        let bytes = ciphertext.array
        return try observe(.decrypt, dryRun: dryRun) { (event: inout KeyEvent) throws(KeyError) in
            let opened = try open(bytes, context, reference, &event)
            if dryRun { throw .dryRun }
            return opened
        }
    }

    /// Opens and wraps again, under another key, context or just the current version; what is inside leaves nothing but locked memory.
    package func reEncrypt(
        _ ciphertext: ByteSpan, context: EncryptionContext, expecting source: KeyReference? = nil, to destination: KeyReference, context newContext: EncryptionContext,
        dryRun: Bool = false
    ) throws(KeyError) -> [UInt8] {
        let bytes = ciphertext.array
        let opened = try observe(.reEncryptFrom, dryRun: dryRun) { (event: inout KeyEvent) throws(KeyError) in try open(bytes, context, source, &event) }
        return try observe(.reEncryptTo, dryRun: dryRun) { (event: inout KeyEvent) throws(KeyError) in
            let ciphertext = try seal(opened.plaintext, destination, newContext, &event)
            if dryRun { throw .dryRun }
            return ciphertext
        }
    }

    /// A data key of `count` bytes (1 to 1024; 32 is AES_256, 16 is AES_128), and its wrapped form. Throws as `Keyring.generateDataKey`, `validation`, `dryRun`.
    package func generateDataKey(
        under reference: KeyReference, count: Int = 32, context: EncryptionContext, dryRun: Bool = false
    ) throws(KeyError) -> GeneratedDataKey {
        try generate(.generateDataKey, reference, count, context, dryRun)
    }

    /// The same, without the data key itself.
    package func generateDataKeyWithoutPlaintext(
        under reference: KeyReference, count: Int = 32, context: EncryptionContext, dryRun: Bool = false
    ) throws(KeyError) -> [UInt8] {
        try generate(.generateDataKeyWithoutPlaintext, reference, count, context, dryRun).ciphertext
    }

    /// 1 to 1024 random bytes. Throws `validation`, `cryptography`.
    package func generateRandom(count: Int) throws(KeyError) -> SecretBytes {
        try observe(.generateRandom) { (_: inout KeyEvent) throws(KeyError) in try Self.random(count) }
    }

    private func generate(
        _ operation: KeyOperation, _ reference: KeyReference, _ count: Int, _ context: EncryptionContext, _ dryRun: Bool
    ) throws(KeyError) -> GeneratedDataKey {
        try observe(operation, dryRun: dryRun) { (event: inout KeyEvent) throws(KeyError) in
            let plaintext = try Self.random(count)
            let ciphertext = try seal(plaintext, reference, context, &event)
            if dryRun { throw .dryRun }
            return GeneratedDataKey(plaintext: plaintext, ciphertext: ciphertext)
        }
    }

    /// The same without a keystore.
    package static func random(_ count: Int) throws(KeyError) -> SecretBytes {
        guard (1...greatestRandomSize).contains(count) else { throw .validation("1 to \(greatestRandomSize) bytes can be had at once, not \(count)") }
        do throws(CryptographyError) { return try SecretBytes.random(count: count) } catch { throw .cryptography(error) }
    }

    private func seal(_ plaintext: SecretBytes, _ reference: KeyReference, _ context: EncryptionContext, _ event: inout KeyEvent) throws(KeyError) -> [UInt8] {
        let keyring = try ownKeyring()
        let keyID = try resolve(reference)
        event.keyID = keyID
        let ciphertext = try keyring.encrypt(plaintext, under: keyID, context: context)
        event.version = try Keyring.describe(ciphertext.span).version
        return ciphertext
    }

    private func open(_ ciphertext: [UInt8], _ context: EncryptionContext, _ reference: KeyReference?, _ event: inout KeyEvent) throws(KeyError) -> OpenedKey {
        let keyring = try ownKeyring()
        var expected: KeyID?
        // A key that is not there is that, and not another than the right one.
        if let reference { expected = try reading { database in try find(reference, database).keyID } }
        let made = try Keyring.describe(ciphertext.span)
        (event.keyID, event.version) = (made.keyID, made.version)
        let plaintext: SecretBytes
        do throws(KeyError) {
            plaintext = try keyring.decrypt(ciphertext.span, context: context, expecting: expected)
        } catch {
            throw try isForeign(made.keyID, error, keyring) ? .invalidCiphertext : error
        }
        return OpenedKey(plaintext: plaintext, keyID: made.keyID, version: made.version)
    }

    /// Whether ciphertext was refused for a key or version that this keystore does not have: it was changed, or is another keystore's, and is told no more than that.
    private func isForeign(_ keyID: KeyID, _ error: KeyError, _ keyring: Keyring) throws(KeyError) -> Bool {
        switch error {
        case .notFound: true
        case .keyUnavailable: !keyring.isLocked
        case .incorrectKey: try reading { database in try KeyRow.find(keyID, in: database) } == nil
        default: false
        }
    }

    /// The id that a reference means. Throws `notFound`.
    private func resolve(_ reference: KeyReference) throws(KeyError) -> KeyID {
        if reference.keystoreID == nil || reference.keystoreID == id, case .key(let keyID) = reference.target { return keyID }
        return try reading { database in try find(reference, database).keyID }
    }
}
