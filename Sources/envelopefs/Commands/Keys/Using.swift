// Encrypting and decrypting with keys, in pipes.

import ArgumentParser
import Bytes
import Cryptography
import KeyManagement

/// The encryption context.
struct ContextOptions: ParsableArguments {
    @Option(name: .customLong("context"), help: ArgumentHelp("A pair of the encryption context; may be repeated.", valueName: "k=v")) var pairs: [String] = []

    func context() throws(Failure) -> EncryptionContext { try ContextOptions.context(pairs, option: "--context") }

    static func context(_ pairs: [String], option: String) throws(Failure) -> EncryptionContext {
        let pairs = try Pairs.parse(pairs, "pair of an encryption context", option: option)
        do throws(KeyError) { return try EncryptionContext(pairs.map { ($0.name, $0.value) }) } catch { throw Failure(error) }
    }
}

/// Where bytes come from and go to.
struct PipeOptions: ParsableArguments {
    @Option(name: .customLong("in"), help: ArgumentHelp("Read a file instead of standard input.", valueName: "file")) var input: String?
    @Option(name: .customLong("out"), help: ArgumentHelp("Write a file (mode 0600) instead of standard output.", valueName: "file")) var output: String?
    @Flag(help: "Ciphertext is base64.") var base64 = false
}

/// How long a data key is.
struct DataKeyOptions: ParsableArguments {
    @Option(name: .customLong("key"), help: "An id, alias/NAME or full name.") var key: String
    @Option(help: "AES_256 or AES_128.") var spec: String?
    @Option(help: ArgumentHelp("1 to 1024, instead of --spec.", valueName: "n")) var bytes: Int?
    @OptionGroup var context: ContextOptions
    @Flag(help: "Ciphertext is base64.") var base64 = false
    @OptionGroup var dry: DryRunOption
    @OptionGroup var access: KeystoreAccess

    func count() throws(Failure) -> Int {
        switch (spec, bytes) {
        case (nil, nil), ("AES_256", nil): return 32
        case ("AES_128", nil): return 16
        case (nil, .some(let count)): return count
        default: throw Failure(.usage, "a data key is --spec AES_256, --spec AES_128, or --bytes 1 to 1024, and one of them")
        }
    }
}

extension KeyCommand {
    struct Encrypt: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Encrypt 1 to 4096 bytes of standard input.")
        @Option(help: "An id, alias/NAME or full name.") var key: String
        @OptionGroup var context: ContextOptions
        @OptionGroup var pipe: PipeOptions
        @OptionGroup var dry: DryRunOption
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let context = try context.context()
            let plaintext = try KeyBytes.readPlaintext(pipe.input, access: access)
            defer { plaintext.wipe() }
            try access.use { keystore throws(KeyError) in
                try keystore.encrypt(plaintext, under: KeyReference(key), context: context, dryRun: dry.dryRun)
            } then: { (ciphertext) throws(Failure) in
                try KeyBytes.writeCiphertext(ciphertext, to: pipe.output, base64: pipe.base64)
            }
        }
    }

    struct Decrypt: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Decrypt what a key of this keystore encrypted.")
        @Option(help: "The key that it must have been; needed for nothing else.") var key: String?
        @OptionGroup var context: ContextOptions
        @OptionGroup var pipe: PipeOptions
        @OptionGroup var dry: DryRunOption
        @OptionGroup var access: KeystoreAccess

        func run() throws {
            let context = try context.context()
            let ciphertext = try KeyBytes.readCiphertext(pipe.input, base64: pipe.base64, access: access)
            try access.use { keystore throws(KeyError) in
                var expected: KeyReference?
                if let key { expected = try KeyReference(key) }
                return try keystore.decrypt(ciphertext.span, context: context, expecting: expected, dryRun: dry.dryRun).plaintext
            } then: { (plaintext) throws(Failure) in
                defer { plaintext.wipe() }
                try KeyBytes.write(plaintext, to: pipe.output)
            }
        }
    }

    struct ReEncrypt: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Decrypt, and encrypt under another key or context, without showing what is inside.")
        @Option(help: "The key that seals it anew.") var to: String
        @Option(help: "The key that it must have been.") var key: String?
        @OptionGroup var context: ContextOptions
        @Option(help: ArgumentHelp("A pair of the new encryption context; may be repeated. None: the old one stays.", valueName: "k=v")) var toContext: [String] = []
        @Flag(help: "The new encryption context is empty.") var toEmptyContext = false
        @OptionGroup var pipe: PipeOptions
        @OptionGroup var dry: DryRunOption
        @OptionGroup var access: KeystoreAccess

        func validate() throws { if toEmptyContext && !toContext.isEmpty { throw ValidationError("--to-context and --to-empty-context exclude each other.") } }

        func run() throws {
            let context = try context.context()
            var next = context
            if toEmptyContext || !toContext.isEmpty { next = try ContextOptions.context(toContext, option: "--to-context") }
            let newContext = next
            let ciphertext = try KeyBytes.readCiphertext(pipe.input, base64: pipe.base64, access: access)
            try access.use { keystore throws(KeyError) in
                var expected: KeyReference?
                if let key { expected = try KeyReference(key) }
                return try keystore.reEncrypt(
                    ciphertext.span, context: context, expecting: expected, to: KeyReference(to), context: newContext, dryRun: dry.dryRun)
            } then: { (ciphertext) throws(Failure) in
                try KeyBytes.writeCiphertext(ciphertext, to: pipe.output, base64: pipe.base64)
            }
        }
    }

    struct GenerateDataKey: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a data key, in the clear and wrapped, in two files.")
        @OptionGroup var options: DataKeyOptions
        @Option(help: ArgumentHelp("Where the data key goes, mode 0600.", valueName: "file")) var plaintextOut: String
        @Option(help: ArgumentHelp("Where the wrapped data key goes.", valueName: "file")) var ciphertextOut: String

        func validate() throws {
            if plaintextOut.absolutePath == ciphertextOut.absolutePath { throw ValidationError("--plaintext-out and --ciphertext-out are one file.") }
        }

        func run() throws {
            let (context, count) = (try options.context.context(), try options.count())
            try options.access.use { keystore throws(KeyError) in
                try keystore.generateDataKey(under: KeyReference(options.key), count: count, context: context, dryRun: options.dry.dryRun)
            } then: { (key) throws(Failure) in
                defer { key.plaintext.wipe() }
                try KeyBytes.writeCiphertext(key.ciphertext, to: ciphertextOut, base64: options.base64)
                try KeyBytes.write(key.plaintext, to: plaintextOut)
            }
        }
    }

    struct GenerateDataKeyWithoutPlaintext: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a data key, wrapped only.")
        @OptionGroup var options: DataKeyOptions
        @Option(name: .customLong("out"), help: ArgumentHelp("Write a file instead of standard output.", valueName: "file")) var output: String?

        func run() throws {
            let (context, count) = (try options.context.context(), try options.count())
            try options.access.use { keystore throws(KeyError) in
                try keystore.generateDataKeyWithoutPlaintext(under: KeyReference(options.key), count: count, context: context, dryRun: options.dry.dryRun)
            } then: { (ciphertext) throws(Failure) in
                try KeyBytes.writeCiphertext(ciphertext, to: output, base64: options.base64)
            }
        }
    }

    struct RandomBytes: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "random", abstract: "Write random bytes.", discussion: "Needs no keystore.")
        @Option(help: ArgumentHelp("1 to 1024.", valueName: "n")) var bytes = 32
        @Option(name: .customLong("out"), help: ArgumentHelp("Write a file (mode 0600) instead of standard output.", valueName: "file")) var output: String?

        func run() throws {
            let random: SecretBytes
            do throws(KeyError) { random = try Keystore.random(bytes) } catch { throw Failure(error) }
            defer { random.wipe() }
            try KeyBytes.write(random, to: output)
        }
    }
}
