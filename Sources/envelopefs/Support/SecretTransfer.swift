// How values of secrets come in and go out: never by the command line, and through no memory but SecretBytes.

import ArgumentParser
import Bytes
import Cryptography
import KeyManagement
import POSIX

/// Where a value comes from.
struct SecretInput: ParsableArguments {
    @Option(name: .customLong("in"), help: ArgumentHelp("Read the value from a file; else from standard input, or typed on the terminal.", valueName: "file"))
    var file: String?
    @Flag(help: "Take one end of line off the value's end.") var line = false

    /// The value, byte for byte. Throws `Failure` (noSecret, usage, inputOutput).
    func value(of name: String, access: KeystoreAccess) throws(Failure) -> SecretBytes {
        if file == nil {
            guard access.secretOptions.passphraseFile != "-" else {
                throw Failure(.usage, "standard input cannot be both the passphrase and the value", hint: "Give the value with --in FILE, or the passphrase otherwise.")
            }
            if Terminal.isTerminal(.standardInput) { return try typed(name) }
        }
        let source = file.map { "file \($0)" } ?? "standard input"
        let bytes = try SecretInput.read(source, file, limit: PasswordSafe.maximumValueSize + 2)
        var count = bytes.count
        bytes.withBytes { bytes in
            guard line, count > 0, bytes[count - 1] == UInt8(ascii: "\n") else { return }
            count -= 1
            if count > 0, bytes[count - 1] == UInt8(ascii: "\r") { count -= 1 }
        }
        guard count > 0 else { throw Failure(.noSecret, "\(source) holds no value") }
        guard count <= PasswordSafe.maximumValueSize else { throw Failure(.usage, "\(source) holds more than \(PasswordSafe.maximumValueSize) bytes") }
        return try SecretInput.part(bytes, count)
    }

    private func typed(_ name: String) throws(Failure) -> SecretBytes {
        let first = try SecretEntry.typed("Value of \(name.visible): ")
        guard first.count > 0 else { throw Failure(.noSecret, "no value was given") }
        guard try SecretEntry.typed("The same again: ").isEqual(to: first) else { throw Failure(.noSecret, "the two values differ", hint: "Nothing was changed; try again.") }
        return first
    }

    /// A whole file, or standard input when `file` is nil or `-`. Throws `Failure` when it has more than `limit` bytes.
    static func read(_ source: String, _ file: String?, limit: Int) throws(Failure) -> SecretBytes {
        var room = try held(min(limit, 65536) + 1)
        var count = 0
        do throws(Errno) {
            let descriptor = if let file, file != "-" { try SharedDescriptor.open(file, [.readOnly, .noControllingTerminal]) } else { SharedDescriptor.standardInput }
            while true {
                count += try room.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in
                    var rest = bytes.slice(count, bytes.count - count)
                    return try descriptor.readSequence(into: &rest)
                }
                guard count == room.count, count <= limit, let larger = try? copy(room, count, size: min(limit, room.count * 4) + 1) else { break }
                room = larger
            }
        } catch { throw Failure("\(source) cannot be read", error) }
        guard count <= limit else { throw Failure(.usage, "\(source) holds more than \(limit) bytes") }
        guard count < room.count else { throw Failure(.failure, "no memory for \(source)") }
        return try part(room, count)
    }

    private static func held(_ count: Int) throws(Failure) -> SecretBytes {
        do throws(CryptographyError) { return try SecretBytes(count: count) } catch { throw Failure(.failure, "no memory for \(count) bytes of secrets") }
    }

    private static func copy(_ bytes: SecretBytes, _ count: Int, size: Int) throws(Failure) -> SecretBytes {
        let larger = try held(size)
        bytes.withBytes { from in larger.withMutableBytes { $0.copy(from.slice(0, count)) } }
        return larger
    }

    private static func part(_ bytes: SecretBytes, _ count: Int) throws(Failure) -> SecretBytes {
        count == bytes.count ? bytes : try copy(bytes, count, size: count)
    }
}

/// Where a value goes.
struct SecretOutput: ParsableArguments {
    @Option(help: ArgumentHelp("Write the value to a new file that only this user may read; else to standard output.", valueName: "file"))
    var out: String?
    @Option(help: ArgumentHelp("Write the value to an open descriptor of this number.", valueName: "number"))
    var outFd: Int32?

    func validate() throws {
        if out != nil && outFd != nil { throw ValidationError("--out and --out-fd exclude each other.") }
        if let outFd, outFd < 0 { throw ValidationError("--out-fd is a number from 0 on.") }
    }

    /// Before anything is opened, which could get the same number: whether the descriptor is there to be written.
    func check() throws(Failure) {
        guard let outFd else { return }
        let flags: OpenFlags
        do throws(Errno) { flags = try SharedDescriptor.borrowing(outFd).statusFlags() } catch {
            throw Failure(.usage, "descriptor \(outFd) is not open", hint: "In a shell: envelopefs safe get NAME --reason TEXT --out-fd 3 3>FILE")
        }
        guard flags.allowsWriting else { throw Failure(.usage, "descriptor \(outFd) is not open for writing") }
    }

    func write(_ value: SecretBytes) throws(Failure) {
        guard let out else {
            let descriptor = outFd.map { SharedDescriptor.borrowing($0) } ?? .standardOutput
            do throws(Errno) {
                try value.withBytes { bytes throws(Errno) in try descriptor.writeSequence(bytes) }
                // For the eye; a pipe or file gets the value alone.
                if Terminal.isTerminal(descriptor) { try descriptor.writeSequence("\n") }
            } catch { throw Failure("the value cannot be written", error) }
            return
        }
        do throws(Errno) {
            try value.withBytes { bytes throws(Errno) in try PrivateFile.make(out, bytes) }
        } catch {
            if error == .exists { throw Failure(.alreadyExists, "\(out) exists and is not overwritten") }
            throw Failure("\(out) cannot be written", error)
        }
    }
}
