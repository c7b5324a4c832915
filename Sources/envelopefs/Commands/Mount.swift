// envelopefs mount: the wiring diagram of the program.

import ArgumentParser
import Cryptography
import Filesystem
import FUSE
import KeyManagement
import Logging
import POSIX

/// Shows a vault's plain files in a directory.
struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Show the plain files of a vault at a directory.",
        discussion: "Returns when the kernel has the mount. The log goes to $XDG_STATE_HOME/envelopefs/VAULTID.log unless --log-file names another.")

    @Argument(help: "The vault.") var vault: String
    @Argument(help: "An empty directory.") var directory: String
    @Flag(name: .shortAndLong, help: "Stay in the foreground and log to standard error.") var foreground = false
    @Flag(help: "Change nothing in the vault.") var readOnly = false
    @Flag(help: "Let other users in; permissions are checked.") var allowOther = false
    @Option(name: .customShort("o"), help: ArgumentHelp("Options as in fstab, separated by commas.", valueName: "options")) var words: [String] = []
    @Option(help: ArgumentHelp("Write the log to a file.", valueName: "file")) var logFile: String?
    @Option(help: ArgumentHelp("error, warning, notice, info, debug or trace.", valueName: "level")) var logLevel = "notice"
    @Flag(help: "Mount although the keystore is older than the one last used, after a restore.") var acceptOlderKeystore = false
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions
    @Option(help: .private) var readyDescriptor: Int32?
    @Option(help: .private) var secretDescriptor: Int32?

    func run() throws {
        if let readyDescriptor, let secretDescriptor {
            try serveInBackground(ready: readyDescriptor, secret: secretDescriptor)
            return
        }
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw Failure(.usage, "unknown log level '\(logLevel)'", hint: "One of error, warning, notice, info, debug, trace.")
        }
        var options = MountWords()
        for list in words { try options.add(list) }
        let found = try VaultFiles(at: vault)
        let plan = try plan(options, for: found)
        if let owner = VaultFiles.owner(of: plan.vault) { throw Failure.inUse(owner.process, owner.mountPoint) }
        try KeystoreDoor.requireReadable(plan.keystore, hint: found.configuration.claimed.keystoreHint)
        let secret = try SecretEntry.unlockSecret(secretOptions, file: options.passphraseFile, keyFile: options.keyFile, for: .open(keystore: plan.keystore))
        if foreground {
            let log = try plan.logFile.map { (path) throws(Failure) in try LogFile.open(path) } ?? .standardError
            try Daemon.serve(plan, secret: secret, logger: DaemonLog.logger(log, level: level)) { true }
        } else {
            let log = try plan.logFile ?? DaemonLog.defaultPath(vaultID: found.configuration.claimed.vaultID.description)
            try Background.start(plan, secret: secret, log: log)
            secret.wipe()
        }
    }

    private func plan(_ options: MountWords, for vault: VaultFiles) throws(Failure) -> MountPlan {
        let mountPoint = try MountPoint.prepare(directory, vault: vault.path)
        let log = (logFile ?? options.logFile)?.absolutePath
        if let log, log.isInside(mountPoint) { throw Failure(.usage, "the log \(log) would be inside the mount, and keep it busy", hint: "Choose another place.") }
        return MountPlan(
            vault: vault.path, mountPoint: mountPoint, keystore: try keystoreOptions.path(orOption: options.keystore),
            isReadOnly: readOnly || options.isReadOnly, allowOther: allowOther || options.allowOther,
            acceptsOlderKeystore: acceptOlderKeystore, kernelWords: options.kernelWords, logFile: log, logLevel: logLevel)
    }

    /// In the process that `Background.start` has made: every path is absolute and was checked.
    private func serveInBackground(ready: Int32, secret: Int32) throws {
        let pipe = ReadyPipe(number: ready)
        do throws(Failure) {
            let plan = MountPlan(
                vault: vault, mountPoint: directory, keystore: try keystoreOptions.path(), isReadOnly: readOnly, allowOther: allowOther,
                acceptsOlderKeystore: acceptOlderKeystore, kernelWords: words, logFile: nil, logLevel: logLevel)
            let logger = DaemonLog.logger(.inherited(), level: Logger.Level(rawValue: logLevel) ?? .notice)
            let secret = try Background.receiveSecret(from: secret)
            try Daemon.serve(plan, secret: secret, logger: logger) { pipe.tell(.ready) }
        } catch {
            // Standard error is the log: what the command tells its user need not stand there too.
            if pipe.isOpen && pipe.tell(.failed(error)) { throw ExitCode(error.status.rawValue) }
            throw error
        }
    }
}

/// From a secret to a served mount, and back to a sealed vault.
enum Daemon {
    /// Serves until the mount is taken away or a signal ends it; the vault is sealed and its keys are wiped on return.
    /// - Parameter ready: called once, when the kernel has the mount; false ends it again.
    static func serve(_ plan: MountPlan, secret: UnlockSecret, logger: Logger, ready: () -> Bool) throws(Failure) {
        try prepareProcess()
        let keystore = try KeystoreDoor.open(plan.keystore, secret: secret)
        secret.wipe()
        let keyring = try KeystoreDoor.keyring(of: keystore)
        if !SecretBytes.isMemoryLocked {
            logger.warning(
                "keys could not be locked into memory and may be written to swap: raise the limit ('ulimit -l', LimitMEMLOCK= in a systemd unit) to 8 MiB, or encrypt swap")
        }
        let journal = MountJournal(keystore)
        let housekeeping: Housekeeping
        do throws(Errno) {
            housekeeping = try Housekeeping.start(keystore, keyring, journal, logger: logger)
        } catch {
            keyring.lock()
            KeystoreDoor.close(keystore)
            throw Failure("no thread can be started", error)
        }
        // Once: before the vault's lock goes, so that who waits for that finds the keystore at rest, and all in the audit log.
        func letGo() {
            housekeeping.end()
            journal.end()
            keyring.lock()
            KeystoreDoor.close(keystore)
        }
        defer { housekeeping.join() }
        let vault: Vault
        do throws(VaultError) {
            vault = try Vault(
                opening: plan.vault, keyring: keyring, mountPoint: plan.mountPoint, isReadOnly: plan.isReadOnly,
                acceptsOlderKeystore: plan.acceptsOlderKeystore, uses: journal.uses, log: VaultLog(logger))
        } catch {
            journal.refused(error)
            letGo()
            throw Failure(error, keystore: plan.keystore)
        }
        let served = Result { () throws(Failure) in
            try serve(vault, plan, logger: logger) {
                journal.begin(vault, acceptsOlderKeystore: plan.acceptsOlderKeystore)
                return ready()
            }
        }
        do throws(VaultError) {
            if try !vault.close(last: letGo) { logger.warning("the vault could not be left clean; unsealed files are read by what fits at the next mount") }
        } catch {
            throw Failure(error, keystore: plan.keystore)
        }
        try served.get()
        logger.notice("\(plan.mountPoint): unmounted, sealed")
    }

    private static func serve(_ vault: Vault, _ plan: MountPlan, logger: Logger, ready: () -> Bool) throws(Failure) {
        do throws(MountError) {
            let session = try Session.mount(vault: vault, at: plan.mountPoint, options: plan.options, logger: logger)
            try session.run {
                logger.notice("\(plan.mountPoint): mounted \(plan.vault)")
                guard !ready() else { return }
                logger.warning("the command that asked for this mount is gone; unmounting")
                try? Signal.terminate.send(to: CurrentProcess.id)
            }
        } catch {
            throw Failure(error, mountPoint: plan.mountPoint)
        }
    }

    /// Largest table of descriptors that is made at once: 2 MiB of the kernel's memory.
    private static let descriptorTable: UInt64 = 1 << 18

    /// Before there is any thread. Signals wait until the session takes them: a thread of the database's must not be ended by one.
    private static func prepareProcess() throws(Failure) {
        do throws(Errno) {
            try SignalSet([.hangUp, .interrupt, .terminate]).block()
            try Signal.pipe.ignore()
            // A limit that was meant for other programs: the write that meets it gets EFBIG.
            try Signal.fileSize.ignore()
            try ResourceLimits.growDescriptorTable(to: min(ResourceLimits.raiseOpenFiles(), descriptorTable))
            ResourceLimits.setMemoryPools(max(1, Thread.cpuCount / 2))
        } catch {
            throw Failure("the process cannot be prepared for serving", error)
        }
    }
}
