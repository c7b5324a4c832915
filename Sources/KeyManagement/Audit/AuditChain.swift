// The chain that holds the log together: each entry's MAC, and a key that only moves forward. Specified in Docs/FORMAT-KEYS.md.

import Bytes
import Cryptography
import FoundationEssentials
import GRDB

/// The key of the next entry, and the MAC of the last.
struct AuditChain {
    static let keySize = 32
    static let firstMAC = [UInt8](repeating: 0, count: HMACKey.codeSize)
    private static let entryLabel = Array("EnvelopeFS audit entry 1".utf8)
    private static let ratchetLabel = Array("EnvelopeFS audit ratchet 1".utf8)

    private(set) var count: Int64
    private(set) var mac: [UInt8]
    private(set) var key: SecretBytes

    init(count: Int64, mac: [UInt8], key: SecretBytes) {
        self.count = count
        self.mac = mac
        self.key = key
    }

    /// The MAC of the next entry; moves on, and wipes the key that made it.
    mutating func next(_ values: [DatabaseValue]) throws(CryptographyError) -> [UInt8] {
        let message = Self.entryLabel + mac + RowAuthentication.encoded(values)
        let code = try HMACKey(key).authenticate(message.span)
        let following = try key.child(Self.ratchetLabel)
        key.wipe()
        (count, mac, key) = (count + 1, code, following)
        return code
    }
}

/// A key of the chain, sealed: as the head of the log, or as its beginning.
struct SealedAuditKey {
    let nonce: [UInt8]
    let sealed: [UInt8]

    init(nonce: [UInt8], sealed: [UInt8]) {
        self.nonce = nonce
        self.sealed = sealed
    }

    init(sealing key: SecretBytes, under sealing: AEADKey, authenticating associated: [UInt8]) throws(CryptographyError) {
        let nonce = try Random.bytes(AEADKey.nonceSize)
        self.nonce = nonce
        sealed = try key.withBytes { plain throws(CryptographyError) in
            try sealing.sealed(plain, nonce: nonce.span, authenticating: associated.span)
        }
    }

    /// Throws `authenticationFailed` for any change.
    func open(under sealing: AEADKey, authenticating associated: [UInt8]) throws(CryptographyError) -> SecretBytes {
        guard nonce.count == AEADKey.nonceSize, sealed.count == AuditChain.keySize + AEADKey.tagSize else { throw .authenticationFailed }
        return try sealing.opened(sealed, nonce: nonce.span, authenticating: associated.span)
    }

    /// What a sealed head is bound to.
    static func headContext(count: Int64, mac: [UInt8]) -> [UInt8] {
        var bytes = Array("EnvelopeFS audit head 1".utf8)
        bytes.append(littleEndian: count)
        return bytes + mac
    }

    static let startContext = Array("EnvelopeFS audit start 1".utf8)

    /// The key that only the first key of the chain is sealed under. A process that holds a keystore open has let go of what it is derived from.
    static func verificationKey(of rootKey: SecretBytes) throws(CryptographyError) -> AEADKey {
        try AEADKey(try rootKey.child(Array("EnvelopeFS audit verification 1".utf8)))
    }
}
