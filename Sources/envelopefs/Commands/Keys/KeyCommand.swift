// envelopefs key: customer master keys. The verbs themselves are Keystore's.

import ArgumentParser
import KeyManagement

/// Verbs of customer master keys.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Create, use, rotate and delete keys.",
        discussion: "KEY is an id, alias/NAME, or the full name efs:kms:KEYSTORE:key/ID. Docs/KEYS.md has an example of each.",
        subcommands: [
            Create.self, List.self, Describe.self, Aliases.self, Alias.self, Describing.self, Tag.self, Untag.self, Enable.self, Disable.self, Retire.self,
            Rotate.self, RotationPeriod.self, Rotations.self, MinimumVersion.self, Protect.self, Unprotect.self, ScheduleDeletion.self,
            CancelDeletion.self, AcceptTime.self, ParametersForImport.self, Import.self, DeleteMaterial.self, Encrypt.self, Decrypt.self,
            ReEncrypt.self, GenerateDataKey.self, GenerateDataKeyWithoutPlaintext.self, RandomBytes.self,
        ])
}

/// A key, and the way to it.
struct KeyArgument: ParsableArguments {
    @Argument(help: "An id, alias/NAME or full name.") var key: String
    @OptionGroup var access: KeystoreAccess

    /// Does something with the key.
    func use<Answer>(
        _ ask: (Keystore, KeyReference) throws(KeyError) -> Answer, then answer: (Answer) throws(Failure) -> Void = { _ in }
    ) throws(Failure) {
        try access.use({ keystore throws(KeyError) in try ask(keystore, KeyReference(key)) }, then: answer)
    }
}

/// The arguments of a verb that changes one key.
struct KeyChangeArguments: ParsableArguments {
    @OptionGroup var target: KeyArgument
    @OptionGroup var dry: DryRunOption
}

/// A verb that changes one key, and prints what that gave.
protocol KeyChangeCommand: ParsableCommand {
    associatedtype Answer = Void
    var arguments: KeyChangeArguments { get }
    /// Before the keystore is opened: whether the other arguments can be right.
    func check() throws(Failure)
    func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) -> Answer
    func tell(_ answer: Answer) throws(Failure)
}

extension KeyChangeCommand {
    func check() throws(Failure) {}

    func run() throws {
        try check()
        try arguments.target.use { keystore, key throws(KeyError) in
            try change(key, in: keystore, dryRun: arguments.dry.dryRun)
        } then: { (answer) throws(Failure) in
            try tell(answer)
        }
    }
}

extension KeyChangeCommand where Answer == Void {
    func tell(_ answer: Void) throws(Failure) {}
}

/// The option of every verb that changes something or uses a key.
struct DryRunOption: ParsableArguments {
    @Flag(help: "Only say whether it would be done; change nothing.") var dryRun = false
}
