// Making a key file: random bytes in a file that only its user can read.

import Cryptography
import POSIX

/// A file of random bytes that opens a slot.
enum KeyFile {
    /// Bytes of a new one.
    static let count = 64

    /// Fresh random bytes.
    static func random() throws(Failure) -> SecretBytes {
        do throws(CryptographyError) { return try SecretBytes.random(count: count) } catch { throw Failure(.failure, "no random bytes for a key file: \(error)") }
    }

    /// The bytes of the key file at `path`, which is made where there is none; and whether it was.
    static func findOrMake(_ path: String) throws(Failure) -> (SecretBytes, isNew: Bool) {
        if path == "-" { return (try SecretEntry.keyFile(path), false) }
        let isThere: Bool
        do throws(Errno) { isThere = try Paths.exists(path) } catch { throw Failure("the key file \(path) cannot be looked at", error) }
        if isThere { return (try SecretEntry.keyFile(path), false) }
        let secret = try random()
        // Durable: the slot is made after it.
        do throws(Errno) {
            try secret.withBytes { bytes throws(Errno) in try PrivateFile.make(path, bytes, isDurable: true) }
        } catch { throw Failure("the key file \(path) cannot be made", error) }
        return (secret, true)
    }
}
