// Bring your own key.

import ArgumentParser
import Bytes
import FoundationEssentials
import KeyManagement

extension KeyCommand {
    struct ParametersForImport: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "import-parameters", abstract: "Get a public key and a token with which material can be sent for 24 hours.",
            discussion: "The public key is DER (SubjectPublicKeyInfo). Wrap 32 bytes with RSA-OAEP and SHA-256, for example:\n"
                + "openssl pkeyutl -encrypt -pubin -inkey public.der -keyform DER -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -in material -out wrapped")
        @OptionGroup var target: KeyArgument
        @Option(help: ArgumentHelp("Where the public key goes.", valueName: "file")) var publicKeyOut: String
        @Option(help: ArgumentHelp("Where the token goes.", valueName: "file")) var tokenOut: String
        @Option(help: "RSA_2048, RSA_3072 or RSA_4096.") var wrappingKeySpec = "RSA_4096"
        @OptionGroup var dry: DryRunOption

        func run() throws {
            guard wrappingKeySpec.hasPrefix("RSA_"), let bits = Int(wrappingKeySpec.dropFirst(4)) else {
                throw Failure(.usage, "'\(wrappingKeySpec)' is no wrapping key spec", hint: "RSA_2048, RSA_3072 or RSA_4096.")
            }
            try target.use { keystore, key throws(KeyError) in
                try keystore.parametersForImport(of: key, keySize: bits, dryRun: dry.dryRun)
            } then: { (parameters) throws(Failure) in
                try KeyBytes.write(parameters.publicKey.span, to: publicKeyOut)
                try KeyBytes.write(parameters.token.span, to: tokenOut)
                Console.note("valid until \(parameters.expiresAt.asDate)")
            }
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Import material that was wrapped with the parameters for import.")
        @OptionGroup var target: KeyArgument
        @Option(help: ArgumentHelp("The token that came with the public key.", valueName: "file")) var tokenFile: String
        @Option(name: .customLong("in"), help: ArgumentHelp("The wrapped material, instead of standard input.", valueName: "file")) var input: String?
        @Option(help: ArgumentHelp("When the material is to be removed, at most 365 days from now: 2027-01-31T12:00:00Z; never unless given.", valueName: "date")) var expires: String?
        @Flag(help: "The wrapped material is base64.") var base64 = false
        @OptionGroup var dry: DryRunOption

        func run() throws {
            var date: Int64?
            if let expires {
                guard let parsed = try? Date(expires, strategy: .iso8601) else {
                    throw Failure(.usage, "'\(expires)' is no date", hint: "Write it as 2027-01-31T12:00:00Z.")
                }
                date = Int64(parsed.timeIntervalSince1970)
            }
            let expiresAt = date
            let token = try KeyBytes.read(tokenFile, limit: 4096)
            let wrapped = try KeyBytes.readCiphertext(input, base64: base64, access: target.access)
            try target.use { keystore, key throws(KeyError) in
                try keystore.importMaterial(wrapped.span, token: token, into: key, expiresAt: expiresAt, dryRun: dry.dryRun)
            }
        }
    }

    struct DeleteMaterial: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Remove the imported material of a key at once; it may be imported again.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.deleteImportedMaterial(of: key, dryRun: dryRun) }
    }
}
