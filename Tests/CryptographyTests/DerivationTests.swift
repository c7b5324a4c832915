// HKDF, HMAC, SHA-256, scrypt.

import Bytes
import Cryptography
import Synchronization
import Testing

@Suite struct DerivationTests {
    @Test(arguments: ["hkdf-sha256.txt", "hkdf-sha512.txt"])
    func hkdfAsPublished(file: String) throws {
        for vector in try Vector.all(in: file) {
            let function: HashFunction = vector.fields["Hash"] == "SHA-512" ? .sha512 : .sha256
            let key = try vector.secret("IKM"), count = vector.number("L")
            let derived = try HKDF.derive(function, from: key, salt: vector["salt"].span, info: vector["info"].span, count: count)
            #expect(derived.exposed == vector["OKM"])
            let extracted = try HKDF.extract(function, from: key, salt: vector["salt"].span)
            #expect(extracted.exposed == vector["PRK"])
            let expanded = try HKDF.expand(function, from: extracted, info: vector["info"].span, count: count)
            #expect(expanded.exposed == vector["OKM"])
        }
    }

    /// 64 bytes with SHA-512 go another way through libcrypto than all other counts; 65 bytes begin with the same 64.
    @Test func hkdfOfOneBlockIsTheBeginningOfMore() throws {
        for keyCount in [0, 1, 32, 127, 128, 129, 300] {
            for saltCount in [0, 1, 32, 127, 128, 129, 300] {
                for infoCount in [0, 1, 44, 500] {
                    let (key, salt, info) = (pattern(keyCount, seed: 2), pattern(saltCount, seed: 3), pattern(infoCount, seed: 4))
                    let secret = try SecretBytes(copying: key.span)
                    let block = try HKDF.derive(.sha512, from: secret, salt: salt.span, info: info.span, count: 64).exposed
                    let more = try HKDF.derive(.sha512, from: secret, salt: salt.span, info: info.span, count: 65).exposed
                    #expect(block == Array(more.prefix(64)), "\(keyCount), \(saltCount), \(infoCount)")
                }
            }
        }
    }

    @Test func hkdfCountsAreBounded() throws {
        let key = try SecretBytes.random(count: 32)
        for (function, most) in [(HashFunction.sha256, 255 * 32), (.sha512, 255 * 64)] {
            for count in [-1, 0, most + 1] {
                #expect(throws: CryptographyError.invalidParameter) {
                    try HKDF.derive(function, from: key, salt: [UInt8]().span, info: [UInt8]().span, count: count)
                }
            }
            #expect(try HKDF.derive(function, from: key, salt: [UInt8]().span, info: [UInt8]().span, count: most).count == most)
        }
    }

    @Test func hmacAsPublished() throws {
        for vector in try Vector.all(in: "hmac-sha256.txt") {
            let key = try HMACKey(vector.secret("Key"))
            for _ in 0..<2 { #expect(try key.authenticate(vector["Msg"].span) == vector["MD"]) }
            let message = vector["Msg"]
            let stream = try key.begin()
            for i in message.indices { try stream.update(message.span.slice(i, 1)) }
            #expect(try stream.finish() == vector["MD"])
            #expect(throws: CryptographyError.invalidParameter) { try stream.finish() }
            let code = vector["MD"]
            var forged = code
            forged[31] ^= 1
            let isValid = try key.isValid(code.span, for: message.span)
            let isCutValid = try key.isValid(code.span.slice(0, 31), for: message.span)
            let isForgedValid = try key.isValid(forged.span, for: message.span)
            #expect(isValid)
            #expect(!isCutValid)
            #expect(!isForgedValid)
        }
    }

    @Test func anAbandonedStreamDoesNotSpoilTheNext() throws {
        let key = try HMACKey(SecretBytes(copying: pattern(32).span))
        let expected = try key.authenticate(pattern(100).span)
        do {
            let stream = try key.begin()
            try stream.update(pattern(77).span)
        }
        #expect(try key.authenticate(pattern(100).span) == expected)
    }

    /// HKDF's extract is HMAC(salt, key), which makes RFC 4231's SHA-512 codes usable.
    @Test func hmacSHA512AsPublished() throws {
        for vector in try Vector.all(in: "hmac-sha512.txt") {
            #expect(try HKDF.extract(.sha512, from: vector.secret("Msg"), salt: vector["Key"].span).exposed == vector["MD"])
        }
    }

    /// FIPS 180-2, appendix B.
    @Test func sha256AsPublished() throws {
        func hash(_ text: String) throws -> String {
            try SHA256.hash(Array(text.utf8).span).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        #expect(try hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(try hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(try hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test func scryptAsPublished() throws {
        // The last example needs a GiB and seconds; the others cover the same code.
        for vector in try Vector.all(in: "scrypt.txt").prefix(3) {
            let parameters = ScryptParameters(logN: vector.number("N").trailingZeroBitCount, r: vector.number("r"), p: vector.number("p"))
            let passphrase = try SecretBytes(copying: Array(vector.fields["PASSWORD"]!.utf8).span)
            let salt = Array(vector.fields["SALT"]!.utf8)
            let derived = try Scrypt.deriveUnbounded(
                passphrase: passphrase, salt: salt.span, parameters: parameters, count: vector.number("LENGTH"))
            #expect(derived.exposed == vector["DERIVED_KEY"])
            if parameters.isAllowed {
                let same = try Scrypt.derive(passphrase: passphrase, salt: salt.span, parameters: parameters, count: 64)
                #expect(same.isEqual(to: derived))
            }
        }
    }

    @Test(arguments: [
        (13, 8, 1), (17, 8, 17), (23, 1, 4), (24, 1, 1), (20, 8, 3), (21, 8, 1), (0, 8, 1), (-1, 8, 1), (17, 0, 1), (17, 8, 0), (17, -8, 1),
        (17, 8, -1), (63, 8, 1), (Int.max, 1, 1), (17, Int.max, 1), (17, 8, Int.max), (30, 1 << 20, 16),
    ])
    func scryptRefusesParametersOutsideTheBounds(logN: Int, r: Int, p: Int) throws {
        let parameters = ScryptParameters(logN: logN, r: r, p: p)
        // 2^23·1·4 is 2^25, 2^20·8·3 is over 2^24; (24, 1, 1) needs 2 GiB.
        #expect(!parameters.isAllowed)
        #expect(throws: CryptographyError.invalidParameter) {
            try Scrypt.derive(passphrase: SecretBytes(count: 3), salt: [1].span, parameters: parameters, count: 32)
        }
    }

    @Test func scryptBoundsAreInclusive() {
        #expect(ScryptParameters(logN: 14, r: 8, p: 1).isAllowed)
        #expect(ScryptParameters(logN: 20, r: 8, p: 2).isAllowed)
        #expect(ScryptParameters(logN: 14, r: 8, p: 16).isAllowed)
        #expect(ScryptParameters.standard.isAllowed)
    }

    @Test func derivingOnManyThreads() async throws {
        let keys = try (0..<20).map { try SecretBytes(copying: pattern(32, seed: UInt64($0 + 1)).span) }
        let expected = try keys.map { try HKDF.derive(.sha512, from: $0, salt: pattern(32).span, info: pattern(20).span, count: 64).exposed }
        let wrong = Atomic(0)
        await onThreads(12) { thread in
            for i in 0..<1000 {
                let n = (i + thread) % 20
                let derived = try? HKDF.derive(.sha512, from: keys[n], salt: pattern(32).span, info: pattern(20).span, count: 64)
                if derived?.exposed != expected[n] { wrong.add(1, ordering: .relaxed) }
            }
        }
        #expect(wrong.load(ordering: .relaxed) == 0)
    }
}
