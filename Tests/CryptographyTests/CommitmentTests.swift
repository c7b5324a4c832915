// The AWS Encryption SDK's published vectors of key commitment: HKDF-SHA512 gives key and commitment, AES-256-GCM seals header and frames.

import Bytes
import Cryptography
import Foundation
import Testing

struct CommitmentTests {
    struct Vectors: Decodable { let tests: [Case] }
    /// Base64, with padding missing at times.
    struct Base64: Decodable {
        let bytes: [UInt8]

        init(from decoder: any Decoder) throws {
            let text = try decoder.singleValueContainer().decode(String.self).filter { !$0.isWhitespace && $0 != "=" }
            let padded = text + String(repeating: "=", count: (4 - text.count % 4) % 4)
            bytes = Array(try #require(Data(base64Encoded: padded)))
        }
    }
    struct Case: Decodable {
        let comment: String
        /// Whether the message is to be accepted.
        let status: Bool
        let header, messageID, dataKey, commitment: Base64
        let contentKey: Base64?
        let frames: [Base64]?
        let plainFrames: [String]?

        enum CodingKeys: String, CodingKey {
            case comment, status, header, frames, commitment
            case messageID = "message-id"
            case dataKey = "decrypted-dek"
            case contentKey = "content-encryption-key"
            case plainFrames = "plaintext-frames"
        }
    }

    private func derive(_ key: SecretBytes, _ salt: [UInt8], _ info: [UInt8]) throws -> SecretBytes {
        try HKDF.derive(.sha512, from: key, salt: salt.span, info: info.span, count: 32)
    }

    private func secret(_ bytes: [UInt8]) throws -> SecretBytes {
        try SecretBytes(copying: bytes.span)
    }

    /// Nil when it does not open.
    private func open(_ sealed: ArraySlice<UInt8>, _ nonce: [UInt8], _ aad: [UInt8], under key: SecretBytes) throws -> [UInt8]? {
        let (body, tag) = (Array(sealed.dropLast(16)), Array(sealed.suffix(16)))
        var plain = [UInt8](repeating: 0, count: body.count)
        do throws(CryptographyError) {
            let aead = try AEADKey(key)
            var span = plain.mutableSpan
            try aead.open(body.span, nonce: nonce.span, authenticating: aad.span, tag: tag.span, into: &span)
        } catch {
            guard error == .authenticationFailed else { throw error }
            return nil
        }
        return plain
    }

    @Test func theVectorsOfTheAWSEncryptionSDKAgree() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Vectors/aws-commitment.json")
        let cases = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file)).tests
        var (accepted, refused, frames) = (0, 0, 0)
        for test in cases {
            let (header, messageID) = (test.header.bytes, test.messageID.bytes)
            let dataKey = try secret(test.dataKey.bytes)
            let contentKey = try derive(dataKey, messageID, header[1..<3] + Array("DERIVEKEY".utf8))
            let commitment = try derive(dataKey, messageID, Array("COMMITKEY".utf8))
            // The header ends in the commitment and the tag over all before it.
            let stored = try secret(Array(header.suffix(48).prefix(32)))
            #expect(commitment.isEqual(to: stored) == test.status, "\(test.comment)")
            if !test.status {
                refused += 1
                continue
            }
            accepted += 1
            #expect(commitment.isEqual(to: try secret(test.commitment.bytes)), "\(test.comment)")
            if let expected = test.contentKey { #expect(contentKey.isEqual(to: try secret(expected.bytes)), "\(test.comment)") }
            let zero = [UInt8](repeating: 0, count: 12)
            #expect(try open(header.suffix(16), zero, header.dropLast(16), under: contentKey) == [], "\(test.comment)")
            var changed = header
            changed[header.count - 20] ^= 1
            #expect(try open(changed.suffix(16), zero, changed.dropLast(16), under: contentKey) == nil)
            for (frame, plain) in zip(test.frames ?? [], test.plainFrames ?? []) {
                // The final frame: ffffffff | number | nonce 12 | length u32 | sealed and tag.
                let frame = frame.bytes
                let aad = messageID + Array("AWSKMSEncryptionClient Final Frame".utf8) + frame[4..<8] + [0, 0, 0, 0] + frame[20..<24]
                #expect(try open(frame[24...], Array(frame[8..<20]), aad, under: contentKey) == Array(plain.utf8), "\(test.comment)")
                #expect(try open(frame[24...], Array(frame[8..<20]), aad, under: commitment) == nil)
                frames += 1
            }
        }
        #expect(accepted == 41 && refused == 5 && frames == 16)
    }
}
