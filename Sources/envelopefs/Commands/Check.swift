// envelopefs check: looks at everything in a vault, and says what is not as it should be.

import ArgumentParser
import Filesystem
import KeyManagement
import Logging
import POSIX

/// Checks a vault, repairs what is certain, or saves what still opens.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look at everything in a vault, and say what is damaged.",
        discussion: "Changes nothing without --repair; the vault may be mounted meanwhile. Docs/BROKEN.md says what each finding means and what to do.")

    @Argument(help: "The vault.") var vault: String
    @Argument(help: "Plain paths inside the vault; else all of it.") var paths: [String] = []
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Put right what is certain: seal files that were left open, remove side files without names and doubled empty directories.") var repair = false
    @Option(help: ArgumentHelp("Write out whatever still opens into a new or empty directory.", valueName: "dir")) var salvage: String?
    @Flag(help: "Tell notes too, of which nothing is wrong.") var notes = false
    @Option(help: ArgumentHelp("How many threads; else one for each processor, at most 16.", valueName: "n")) var jobs: Int?
    @Flag(help: "Check although the keystore is older than the one last used, after a restore.") var acceptOlderKeystore = false
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions

    func validate() throws {
        if repair && salvage != nil { throw ValidationError("--repair and --salvage exclude each other.") }
        if let jobs, !(1...256).contains(jobs) { throw ValidationError("--jobs is a number from 1 to 256.") }
    }

    func run() throws {
        // Whoever reads the findings may go; the work goes on.
        do throws(Errno) { try Signal.pipe.ignore() } catch { throw Failure("signals cannot be set", error) }
        let found = try VaultFiles(at: vault)
        let keystorePath = try keystoreOptions.path()
        try KeystoreDoor.requireReadable(keystorePath, hint: found.configuration.claimed.keystoreHint)
        if salvage?.isEmpty == true { throw Failure(.usage, "the name of the directory to save to is empty") }
        if repair, let owner = VaultFiles.owner(of: found.path) { throw Failure.inUse(owner.process, owner.mountPoint) }
        let target = try salvage.map { (directory) throws(Failure) in try SalvagePlace.prepare(directory.absolutePath, vault: found.path) }
        let secret = try SecretEntry.unlockSecret(secretOptions, for: .open(keystore: keystorePath))
        // One descriptor for each directory that is waited for.
        _ = try? ResourceLimits.raiseOpenFiles()
        let keystore = try KeystoreDoor.open(keystorePath, secret: secret)
        secret.wipe()
        let keyring = try KeystoreDoor.keyring(of: keystore)
        defer {
            keyring.lock()
            KeystoreDoor.close(keystore)
        }
        let status = try work(on: found.path, keyring, keystore, target)
        if status != .success { throw ExitCode(status.rawValue) }
    }

    private func work(on path: String, _ keyring: Keyring, _ keystore: Keystore, _ target: SharedDescriptor?) throws(Failure) -> ExitReason {
        let vault: Vault
        let uses = KeyUses.ofThisProgram()
        do throws(VaultError) {
            vault = try Vault(
                opening: path, keyring: keyring, mountPoint: "(check --repair)", isReadOnly: !repair, acceptsOlderKeystore: acceptOlderKeystore,
                use: repair ? .repairing : .looking, isShared: !repair && VaultFiles.owner(of: path) != nil, uses: uses,
                log: VaultLog(DaemonLog.logger(.standardError, level: .error)))
        } catch {
            throw Failure(error, keystore: keystore.path)
        }
        let subject = vault.context.vaultID.auditSubject
        keystore.record(AuditEvent(target != nil ? "SalvageVault" : repair ? "RepairVault" : "CheckVault", keyID: vault.context.defaultKey, subject: subject))
        let printer = CheckPrinter(json: json, notes: notes)
        // A repair holds the lock itself; whoever else looks asks at each finding who has it.
        let isRepair = repair
        let isShared: @Sendable () -> Bool = { !isRepair && VaultFiles.owner(of: path) != nil }
        let outcome = Result { () throws(Failure) in
            if let target { return try save(vault, to: target, printer, isShared) }
            return try check(vault, printer, isShared)
        }
        do throws(VaultError) { try vault.close { uses.end(in: keystore, subject: subject) } } catch { throw Failure(error, keystore: keystore.path) }
        let summary = try outcome.get()
        try printer.end(summary)
        return CheckPrinter.status(of: summary)
    }

    private var threads: Int { jobs ?? min(max(Thread.allowedCPUs.count, 1), 16) }

    private func check(_ vault: Vault, _ printer: CheckPrinter, _ isShared: @escaping @Sendable () -> Bool) throws(Failure) -> CheckSummary {
        let checker = Checker(vault, isRepairing: repair, isShared: isShared) { printer.print($0) }
        let hasTerminal = Terminal.isTerminal(.standardError)
        let display = ProgressDisplay(checker.progress, isShown: hasTerminal)
        defer { display.end() }
        printer.willPrint = display.clear
        do throws(Errno) {
            return try checker.run(paths: paths.map { Array($0.utf8) }, threads: threads, countsAhead: hasTerminal && paths.isEmpty)
        } catch {
            throw Self.failure(error, paths)
        }
    }

    private func save(
        _ vault: Vault, to target: SharedDescriptor, _ printer: CheckPrinter, _ isShared: @escaping @Sendable () -> Bool
    ) throws(Failure) -> CheckSummary {
        do throws(Errno) {
            let salvager = try Salvager(vault, into: target, isShared: isShared) { printer.print($0) }
            let display = ProgressDisplay(salvager.progress, isShown: Terminal.isTerminal(.standardError))
            defer { display.end() }
            printer.willPrint = display.clear
            return try salvager.run(paths: paths.map { Array($0.utf8) }, threads: threads)
        } catch {
            throw Self.failure(error, paths)
        }
    }

    private static func failure(_ error: Errno, _ paths: [String]) -> Failure {
        if error == .noEntry || error == .notDirectory {
            return Failure(.usage, "the vault has no \(paths.joined(separator: ", or no "))", hint: "Give plain paths from the vault's root, without the mount point.")
        }
        return Failure("the vault cannot be walked", error)
    }
}
