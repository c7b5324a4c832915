// envelopefs run: a vault mounted for one job.

import ArgumentParser
import Cryptography
import FoundationEssentials
import POSIX

/// Mounts, runs a command, unmounts, and ends with the command's status.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Mount a vault for one command.",
        usage: "envelopefs run VAULT [--at DIR] [--secret NAME=VARIABLE ...] [options] -- COMMAND [ARGUMENT ...]",
        discussion: "Without --at the vault is mounted at a private temporary directory, where the command starts. ENVELOPEFS_MOUNT names the mount.")

    @Argument(help: "The vault.") var vault: String
    @Option(help: ArgumentHelp("Mount here; the command starts where 'run' was called.", valueName: "directory")) var at: String?
    @Flag(help: "Change nothing in the vault.") var readOnly = false
    @Flag(help: "Let other users in; permissions are checked.") var allowOther = false
    @Option(help: ArgumentHelp("How long what the command left running may hold the mount.", valueName: "time")) var wait = TimeSpan(seconds: 30)
    @Option(help: ArgumentHelp("Write the log to a file.", valueName: "file")) var logFile: String?
    @Option(name: .customLong("secret"), help: ArgumentHelp("Give a secret of the password safe to the command as a variable; may be repeated.", valueName: "name=variable"))
    var secrets: [JobSecret] = []
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions
    @Argument(parsing: .postTerminator, help: "The command and its arguments, after '--'.") var command: [String]

    func validate() throws {
        if command.isEmpty { throw ValidationError("Name a command after '--'.") }
        if Set(secrets.map(\.variable)).count < secrets.count { throw ValidationError("Two secrets for one variable.") }
    }

    func run() throws {
        let found = try VaultFiles(at: vault)
        if let owner = VaultFiles.owner(of: found.path) { throw Failure.inUse(owner.process, owner.mountPoint) }
        let keystore = try keystoreOptions.path()
        try KeystoreDoor.requireReadable(keystore, hint: found.configuration.claimed.keystoreHint)
        let log = try logFile?.absolutePath ?? DaemonLog.defaultPath(vaultID: found.configuration.claimed.vaultID.description)
        let secret = try SecretEntry.unlockSecret(secretOptions, for: .open(keystore: keystore))
        let given = secrets.isEmpty ? [] : try JobSecret.environment(of: secrets, keystore: keystore, secret: secret, command: command[0])
        let place = try at.map { (given) throws(Failure) in TemporaryPlace(path: try MountPoint.prepare(given, vault: found.path), isOurs: false) } ?? TemporaryPlace.make()
        defer { place.remove() }
        let plan = MountPlan(vault: found.path, mountPoint: place.path, keystore: keystore, isReadOnly: readOnly, allowOther: allowOther)
        // From here on a signal must not leave a mount behind.
        let signals = SignalSet([.hangUp, .interrupt, .quit, .terminate, .child])
        do throws(Errno) { try signals.block() } catch { throw Failure("signals cannot be held back", error) }
        try Background.start(plan, secret: secret, log: log)
        secret.wipe()
        let server = try? MountServer(of: MountEnd.find(place.path))
        // Whoever ended this while it was mounting wants no job any more. One that is ignored waits all the same, as it is blocked.
        if let signal = try? SignalSet([.hangUp, .interrupt, .quit, .terminate].filter { !$0.isIgnored }).wait(timeout: 0) {
            try end(place, server)
            throw ExitCode(128 + signal.rawValue)
        }
        let status = Result { () throws(Failure) in try Job(commandBytes, in: place, adding: given, startsInside: at == nil, keepsInput: !SecretEntry.mayReadInput(secretOptions)).run(signals) }
        try end(place, server)
        switch try status.get() {
        case .exited(0): return
        case .exited(let code): throw ExitCode(code)
        case .signaled(let signal): throw ExitCode(128 + signal)
        }
    }

    /// The command as the kernel has it: its arguments are any bytes, which the parser of arguments makes UTF-8.
    private var commandBytes: [[UInt8]] {
        let given = command.map { Array($0.utf8) }
        guard let all = try? CurrentProcess.arguments(), let mark = all.firstIndex(of: Array("--".utf8)) else { return given }
        let words = Array(all[(mark + 1)...])
        return words.map { String(decoding: $0, as: UTF8.self) } == command ? words : given
    }

    /// Takes the mount away; from programs that still hold it too, when their time is up.
    private func end(_ place: TemporaryPlace, _ server: MountServer?) throws(Failure) {
        let mount: MountedFilesystem
        do throws(Failure) {
            mount = try MountEnd.find(place.path)
        } catch {
            Console.note("\(place.path) was unmounted meanwhile")
            guard let server, !server.hasLetGo(within: UInt64(wait.milliseconds) * 1_000_000) else { return }
            throw Failure(.mountBusy, "process \(server.process) still serves programs that hold the mount", hint: "It seals the vault when they end.")
        }
        do throws(Failure) {
            try MountEnd.unmount(mount, patience: wait, force: false)
        } catch {
            guard error.status == .mountBusy else { throw error }
            Console.text(error.message)
            Console.note("the mount is taken away from them")
            try MountEnd.unmount(mount, patience: wait, force: true)
        }
    }
}

/// Where a vault is mounted for a job.
struct TemporaryPlace {
    let path: String
    /// Whether it was made for this, and is removed afterwards.
    let isOurs: Bool

    init(path: String, isOurs: Bool) {
        self.path = path
        self.isOurs = isOurs
    }

    /// A new directory that only this user may enter.
    static func make() throws(Failure) -> TemporaryPlace {
        let parent = Surroundings.temporaryDirectory
        do {
            let parent = String(decoding: try Paths.resolve(parent), as: UTF8.self)
            let name = "envelopefs-" + (try Random.bytes(8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            let directory = try SharedDescriptor.open(parent, [.pathOnly, .directory])
            try directory.makeDirectoryAt(FileName(name), mode: 0o700)
            return TemporaryPlace(path: (parent == "/" ? "" : parent) + "/" + name, isOurs: true)
        } catch {
            throw Failure(.failure, "no temporary directory can be made in \(parent): \(error)", hint: "Name a mount point with --at.")
        }
    }

    /// Only ever an empty directory: what is still mounted stays.
    func remove() {
        guard isOurs else { return }
        do throws(Errno) { try Paths.remove(path, directory: true) } catch { Console.note("\(path) cannot be removed: \(error)") }
    }
}

/// The command that a vault is mounted for.
struct Job {
    private let spawn: Spawn

    /// The job is not told where the passphrase or key file is. `CREDENTIALS_DIRECTORY` stays: it is the systemd unit's, whose other credentials are for the job.
    private static let withheld = ["ENVELOPEFS_MOUNT=", "ENVELOPEFS_PASSPHRASE", "ENVELOPEFS_KEY_FILE="].map { Array($0.utf8) }

    /// - Parameters:
    ///   - added: `NAME=value` of further variables, in the place of those of the same name.
    ///   - keepsInput: false where standard input was the passphrase: a file behind it could be read again.
    init(_ command: [[UInt8]], in place: TemporaryPlace, adding added: [[UInt8]], startsInside: Bool, keepsInput: Bool) throws(Failure) {
        var spawn = Spawn(program: command[0], arguments: Array(command.dropFirst()))
        let replaced = added.map { $0.prefix { $0 != UInt8(ascii: "=") } + [UInt8(ascii: "=")] }
        let kept = Environment.all().filter { variable in !Self.withheld.contains { variable.starts(with: $0) } && !replaced.contains { variable.starts(with: $0) } }
        spawn.environment = kept + added + [Array("ENVELOPEFS_MOUNT=\(place.path)".utf8)]
        if !keepsInput {
            do throws(Errno) {
                spawn.descriptors = [(number: 0, descriptor: try SharedDescriptor.open("/dev/null", .readOnly))]
            } catch {
                throw Failure("/dev/null cannot be opened", error)
            }
        }
        // What nohup or a script ignores for the job stays ignored; this program itself ignores SIGPIPE alone.
        spawn.restoredSignals = SignalSet([.pipe])
        if startsInside { spawn.directory = Array(place.path.utf8) }
        self.spawn = spawn
    }

    /// Starts it and waits for its end. SIGTERM and SIGHUP are passed on; SIGINT and SIGQUIT come to it from the terminal.
    /// - Parameter signals: held back; SIGCHLD is among them.
    func run(_ signals: SignalSet) throws(Failure) -> POSIX.ExitStatus {
        let name = String(decoding: spawn.program, as: UTF8.self)
        let child: ChildProcess
        do throws(Errno) {
            child = try spawn.start()
        } catch {
            let reason: ExitReason = error == .noEntry || error == .notDirectory ? .commandNotFound : .commandNotExecutable
            throw Failure(reason, "\(name) cannot be run: \(error)")
        }
        do throws(Errno) {
            while true {
                if let status = try child.statusIfEnded() { return status }
                guard let signal = try signals.wait(), signal == .terminate || signal == .hangUp else { continue }
                try? child.send(signal)
            }
        } catch {
            throw Failure("\(name) cannot be waited for", error)
        }
    }
}
