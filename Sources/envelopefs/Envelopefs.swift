// envelopefs: the command line, where doors and rooms are wired together.

import ArgumentParser

@main
struct Envelopefs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "envelopefs", abstract: "A transparent encrypted file system with an embedded KMS core.")
}
