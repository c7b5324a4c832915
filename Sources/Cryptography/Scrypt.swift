// scrypt (RFC 7914): keys from passphrases.

import Bytes
import CLibCrypto

/// Cost of scrypt: 2^`logN` rounds over blocks of 128·`r` bytes, `p` times.
package struct ScryptParameters: Equatable, Sendable {
    package var logN: Int
    package var r: Int
    package var p: Int

    package init(logN: Int, r: Int, p: Int) {
        self.logN = logN
        self.r = r
        self.p = p
    }

    /// 128 MiB, about half a second.
    package static let standard = ScryptParameters(logN: 17, r: 8, p: 1)

    /// Bytes of memory that a run needs; nil when a parameter is not positive or the number is absurd.
    var memory: Int? {
        guard (1...30).contains(logN), (1...(1 << 20)).contains(r), p >= 1 else { return nil }
        return (128 * r) << logN
    }

    /// Whether they may be run at all: memory of 16 MiB to 1 GiB, p at most 16, N·r·p at most 2^24.
    /// Parameters come from files that anyone may have written, so this is asked before running.
    package var isAllowed: Bool {
        guard let memory, p <= 16 else { return false }
        return memory >= 16 << 20 && memory <= 1 << 30 && (r * p) << logN <= 1 << 24
    }
}

/// The key derivation for passphrases: slow and memory-hungry on purpose.
package enum Scrypt {
    /// `count` bytes (1 to 1024) from `passphrase`. Parameters that are not allowed throw `invalidParameter` before anything runs.
    package static func derive(
        passphrase: SecretBytes, salt: ByteSpan, parameters: ScryptParameters, count: Int
    ) throws(CryptographyError) -> SecretBytes {
        guard parameters.isAllowed else { throw .invalidParameter }
        return try deriveUnbounded(passphrase: passphrase, salt: salt, parameters: parameters, count: count)
    }

    /// The same for any parameters: the published examples use less memory than we allow. For tests only.
    package static func deriveUnbounded(
        passphrase: SecretBytes, salt: ByteSpan, parameters: ScryptParameters, count: Int
    ) throws(CryptographyError) -> SecretBytes {
        guard (1...1024).contains(count), let memory = parameters.memory else { throw .invalidParameter }
        let derived = try SecretBytes(count: count)
        // libcrypto's own limit is 32 MiB; 128·r·(p + 2) more is what it keeps besides the big table.
        let limit = UInt64(memory + 128 * parameters.r * (parameters.p + 2) + 65_536)
        let result = unsafe passphrase.address.withMemoryRebound(to: CChar.self, capacity: max(passphrase.count, 1)) { text in
            unsafe EVP_PBE_scrypt(
                text, passphrase.count, salt.address, salt.count, 1 << UInt64(parameters.logN), UInt64(parameters.r),
                UInt64(parameters.p), limit, derived.address, count)
        }
        withExtendedLifetime(passphrase) {}
        try Library.check(result)
        return derived
    }
}
