// envelopefs: the command line, where doors and rooms are wired together.

import ArgumentParser
import POSIX

@main
struct Envelopefs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "envelopefs", abstract: "A transparent encrypted file system with its own key management.",
        discussion: "Docs/COMMANDS.md has every option and the exit codes.", version: "0.1.0",
        subcommands: [
            InitCommand.self, MountCommand.self, UnmountCommand.self, RunCommand.self, StatusCommand.self, InfoCommand.self, CheckCommand.self, KeyCommand.self,
            KeystoreCommand.self, AuditCommand.self, SafeCommand.self,
        ])

    /// Runs the command, and is the only place where a failure becomes words and a number.
    static func main() {
        do {
            try harden()
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            Console.text(failure.message)
            exit(withError: ExitCode(failure.status.rawValue))
        } catch {
            exit(withError: error)
        }
    }

    /// No core dump of this process, and no reading of its memory by the same user's other programs.
    private static func harden() throws(Failure) {
        do throws(Errno) {
            try CurrentProcess.setDumpable(false)
            // Swift's runtime would write registers, and the memory that they point to, into the log.
            for signal in Signal.crashes { try signal.restoreDefault() }
            // Ignored by whoever started this, it would have the kernel take the status of each program that is started here.
            try Signal.child.restoreDefault()
        } catch {
            throw Failure("the process cannot be protected from dumps", error)
        }
    }
}
