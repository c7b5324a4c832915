// run --secret: secrets of the password safe, in the environment of a job.

import ArgumentParser
import Cryptography
import KeyManagement
import POSIX

/// A secret, and the variable that gives it to a job.
struct JobSecret: ExpressibleByArgument {
    let name: String
    let variable: String

    /// NAME=VARIABLE; a name may hold `=` itself.
    init?(argument: String) {
        guard let place = argument.lastIndex(of: "=") else { return nil }
        (name, variable) = (String(argument[..<place]), String(argument[argument.index(after: place)...]))
        let isWord = variable.utf8.allSatisfy { $0 == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || ($0 | 32 >= UInt8(ascii: "a") && $0 | 32 <= UInt8(ascii: "z")) }
        guard !name.isEmpty, isWord, let first = variable.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first), !variable.hasPrefix("ENVELOPEFS_") else { return nil }
    }

    /// `VARIABLE=VALUE` of each, from the keystore at `path`. Each is a use in the audit log, for `command`.
    static func environment(of wanted: [JobSecret], keystore path: String, secret: UnlockSecret, command: String) throws(Failure) -> [[UInt8]] {
        try KeystoreDoor.protected { () throws(Failure) in
            let keystore = try KeystoreDoor.open(path, secret: secret, protects: false)
            defer { KeystoreDoor.close(keystore) }
            let keyring = try KeystoreDoor.keyring(of: keystore)
            defer { keyring.lock() }
            var variables: [[UInt8]] = []
            for job in wanted {
                let value: SecretBytes
                do throws(KeyError) {
                    value = try PasswordSafe(keystore).value(of: job.name, with: keyring, reason: "run: \(command)").value
                } catch { throw Failure(error) }
                defer { value.wipe() }
                let bytes = value.withBytes { $0.array }
                guard !bytes.contains(0) else { throw Failure(.usage, "the value of \(job.name) holds a NUL, and no variable can", hint: "Use 'envelopefs safe get' in the job.") }
                variables.append(Array("\(job.variable)=".utf8) + bytes)
            }
            return variables
        }
    }
}
