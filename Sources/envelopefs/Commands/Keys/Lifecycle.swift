// States, rotation and deletion of keys.

import ArgumentParser
import KeyManagement

extension KeyCommand {
    struct Enable: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a disabled or retired key usable.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.enableKey(key, dryRun: dry.dryRun) } }
    }

    struct Disable: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop all use of a key until it is enabled.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.disableKey(key, dryRun: dry.dryRun) } }
    }

    struct Retire: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a key open what it sealed, and seal nothing new.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.retireKey(key, dryRun: dry.dryRun) } }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a version, which seals from now on; prints its number.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws {
            try target.use { keystore, key throws(KeyError) in
                try keystore.rotateKey(key, dryRun: dry.dryRun)
            } then: { (version) throws(Failure) in
                try Console.result(String(version))
            }
        }
    }

    struct RotationPeriod: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Rotate a key every so many days, or not by itself.")
        @OptionGroup var target: KeyArgument
        @Argument(help: "90 to 2560, or 'none'.") var days: String
        @OptionGroup var dry: DryRunOption
        func run() throws {
            let number = Int(days)
            guard number != nil || days == "none" else { throw Failure(.usage, "'\(days)' is no rotation period", hint: "Give 90 to 2560 days, or 'none'.") }
            try target.use { keystore, key throws(KeyError) in
                try keystore.setRotationPeriod(number, of: key, dryRun: dry.dryRun)
            } then: { (date) in
                if let date { Console.note("the next rotation is due \(date.asDate)") }
            }
        }
    }

    struct Rotations: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the rotations of a key, oldest first.")
        struct Record: Encodable {
            let version: UInt32
            let kind, createdAt: String
        }
        @Flag(help: "Print JSON.") var json = false
        @OptionGroup var page: PageOptions
        @OptionGroup var target: KeyArgument

        func run() throws {
            try target.use { keystore, key throws(KeyError) in
                var marker = page.marker
                var records: [Record] = []
                repeat {
                    let found = try keystore.rotations(of: key, limit: page.limit ?? 1000, marker: marker)
                    records += found.items.map { Record(version: $0.version, kind: $0.kind.rawValue, createdAt: $0.createdAt.asDate) }
                    marker = found.nextMarker
                } while marker != nil && page.limit == nil
                return (records, marker)
            } then: { (records: [Record], marker: String?) throws(Failure) in
                if json { try Console.json(records) } else { for record in records { try Console.result("\(record.version)  \(record.kind)  \(record.createdAt)") } }
                PageOptions.tell(marker)
            }
        }
    }

    struct MinimumVersion: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "min-version", abstract: "Let versions before this one open nothing.")
        @OptionGroup var target: KeyArgument
        @Argument(help: "The oldest version that opens.") var version: UInt32
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.setMinimumVersion(version, of: key, dryRun: dry.dryRun) } }
    }

    struct Protect: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuse to delete a key until it is unprotected.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.protectKey(key, true, dryRun: dry.dryRun) } }
    }

    struct Unprotect: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take the protection from deletion away.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.protectKey(key, false, dryRun: dry.dryRun) } }
    }

    struct ScheduleDeletion: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a key at once, and destroy it after some days; prints the date.", discussion: "What only this key opens is lost then.")
        @OptionGroup var target: KeyArgument
        @Option(help: ArgumentHelp("7 to 30.", valueName: "n")) var days = 30
        @OptionGroup var dry: DryRunOption
        func run() throws {
            try target.use { keystore, key throws(KeyError) in
                let secrets = try PasswordSafe(keystore).count(under: keystore.describe(key).keyID)
                if secrets > 0 { Console.note("secrets of the password safe that are lost with this key: \(secrets)") }
                return try keystore.scheduleDeletion(of: key, days: days, dryRun: dry.dryRun)
            } then: { (date) throws(Failure) in
                try Console.result(date.asDate)
                Console.note("'envelopefs key cancel-deletion \(target.key)' takes it back until then")
            }
        }
    }

    struct CancelDeletion: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a scheduled deletion back; the key is Disabled then.")
        @OptionGroup var target: KeyArgument
        @OptionGroup var dry: DryRunOption
        func run() throws { try target.use { keystore, key throws(KeyError) in try keystore.cancelDeletion(of: key, dryRun: dry.dryRun) } }
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
