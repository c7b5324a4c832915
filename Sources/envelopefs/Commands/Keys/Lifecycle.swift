// States, rotation and deletion of keys.

import ArgumentParser
import KeyManagement

extension KeyCommand {
    struct Enable: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Make a disabled or retired key usable.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.enableKey(key, dryRun: dryRun) }
    }

    struct Disable: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Let a key open and seal nothing more until it is enabled; files that are open stay open.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.disableKey(key, dryRun: dryRun) }
    }

    struct Retire: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Let a key open what it sealed, and seal nothing new.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.retireKey(key, dryRun: dryRun) }
    }

    struct Rotate: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Add a version, which seals from now on; prints its number.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) -> UInt32 { try keystore.rotateKey(key, dryRun: dryRun) }
        func tell(_ version: UInt32) throws(Failure) { try Console.result(String(version)) }
    }

    struct RotationPeriod: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Rotate a key every so many days, or not by itself.")
        @OptionGroup var arguments: KeyChangeArguments
        @Argument(help: "90 to 2560, or 'none'.") var days: String
        func check() throws(Failure) {
            if Int(days) == nil && days != "none" { throw Failure(.usage, "'\(days)' is no rotation period", hint: "Give 90 to 2560 days, or 'none'.") }
        }
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) -> Int64? {
            try keystore.setRotationPeriod(Int(days), of: key, dryRun: dryRun)
        }
        func tell(_ date: Int64?) throws(Failure) { if let date { Console.note("the next rotation is due \(date.asDate)") } }
    }

    struct Rotations: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the rotations of a key, oldest first.")
        struct Record: Encodable {
            let version: UInt32
            let kind, createdAt: String
        }
        @OptionGroup var list: KeyListOptions
        @OptionGroup var target: KeyArgument

        func run() throws {
            try list.show(target.access, greatestPage: 1000) { keystore, limit, marker throws(KeyError) in
                try keystore.rotations(of: KeyReference(target.key), limit: limit, marker: marker)
            } record: {
                Record(version: $0.version, kind: $0.kind.rawValue, createdAt: $0.createdAt.asDate)
            } line: {
                "\($0.version)  \($0.kind)  \($0.createdAt)"
            }
        }
    }

    struct MinimumVersion: KeyChangeCommand {
        static let configuration = CommandConfiguration(commandName: "min-version", abstract: "Let versions before this one open nothing.")
        @OptionGroup var arguments: KeyChangeArguments
        @Argument(help: "The oldest version that opens.") var version: UInt32
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.setMinimumVersion(version, of: key, dryRun: dryRun) }
    }

    struct Protect: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse to delete a key until it is unprotected.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.protectKey(key, true, dryRun: dryRun) }
    }

    struct Unprotect: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Take the protection from deletion away.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.protectKey(key, false, dryRun: dryRun) }
    }

    struct ScheduleDeletion: KeyChangeCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a key at once, and destroy it after some days; prints the date.", discussion: "What only this key opens is lost then.")
        @OptionGroup var arguments: KeyChangeArguments
        @Option(help: ArgumentHelp("7 to 30.", valueName: "n")) var days = 30
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) -> Int64 {
            let secrets = try PasswordSafe(keystore).count(under: keystore.describe(key).keyID)
            if secrets > 0 { Console.note("secrets of the password safe that are lost with this key: \(secrets)") }
            return try keystore.scheduleDeletion(of: key, days: days, dryRun: dryRun)
        }
        func tell(_ date: Int64) throws(Failure) {
            try Console.result(date.asDate)
            Console.note("'envelopefs key cancel-deletion \(arguments.target.key)' takes it back until then")
        }
    }

    struct CancelDeletion: KeyChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Take a scheduled deletion back; the key is Disabled then.")
        @OptionGroup var arguments: KeyChangeArguments
        func change(_ key: KeyReference, in keystore: Keystore, dryRun: Bool) throws(KeyError) { try keystore.cancelDeletion(of: key, dryRun: dryRun) }
    }

    struct AcceptTime: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Believe the clock although it is far ahead of the keystore's last use.",
            discussion: "Deletions and expiries that wait for this happen then. Prints the ids of keys that were destroyed.")
        @OptionGroup var dry: DryRunOption
        @OptionGroup var access: KeystoreAccess
        func run() throws {
            try access.use { keystore throws(KeyError) in
                try keystore.acceptTime(dryRun: dry.dryRun)
            } then: { (report) throws(Failure) in
                for key in report.destroyed { try Console.result(key.description) }
                Console.note(report)
            }
        }
    }
}

extension Console {
    /// What happened by itself, or waits; nothing where there is nothing to say.
    static func note(_ report: ScheduleReport) {
        for key in report.rotated { note("key \(key) was rotated: its period is over") }
        for key in report.destroyed { note("key \(key) was destroyed: its deletion was scheduled for today or before") }
        for key in report.expired { note("the imported material of key \(key) has expired and was removed") }
        if report.destroyedSecrets > 0 { note("\(report.destroyedSecrets) deleted secrets were destroyed: their time was over") }
        switch report.waiting {
        case nil: break
        case .notWritten(let why): note("what is due in the keystore was not done: \(why)")
        case .timeNotAccepted(let seen, let now, let deletions, let expiries):
            note("the clock says \(now.asDate), more than 30 days after the keystore's last use (\(seen.asDate)): \((deletions + expiries).count) keys, or deleted secrets, are due and wait")
            for key in deletions { note("  key \(key) would be destroyed") }
            for key in expiries { note("  the material of key \(key) would be removed") }
            note("if the clock is right: 'envelopefs key accept-time'")
        }
    }
}
