// Starting the process that serves a mount, and hearing whether it is ready.

import Bytes
import Cryptography
import KeyManagement
import POSIX

/// The program executes itself again: nothing is inherited but the descriptors named here, no thread, no open database.
enum Background {
    /// Descriptors of the new process: standard input and output lead nowhere, standard error is the log.
    private static let readyDescriptor: Int32 = 3
    private static let secretDescriptor: Int32 = 4

    /// Starts a process for `plan` and returns when the kernel has the mount.
    /// - Throws: `Failure`, as the new process has told it, or `daemonDied`.
    static func start(_ plan: MountPlan, secret: UnlockSecret, log: String) throws(Failure) {
        let (child, answers) = try begin(plan, secret, log: log)
        let message: ReadyMessage?
        do throws(Errno) { message = ReadyMessage(try answers.readToEnd(limit: 65536)) } catch { throw Failure("the background process cannot be heard", error) }
        switch message {
        case .ready: return
        case .failed(let failure):
            _ = try? child.wait()
            guard failure.status == .mountRefused else { throw failure }
            throw Failure(failure.status, failure.what, hint: (failure.hint.isEmpty ? "" : failure.hint + "\n") + "What fusermount3 said is in the log, \(log).")
        case nil:
            let ended = (try? child.wait()).map { "status \($0.shellCode)" } ?? "unknown status"
            throw Failure(.daemonDied, "the background process ended (\(ended)) before the mount was ready", hint: "Its log is \(log).")
        }
    }

    /// The process with its secret, and what it answers through. It reads the secret to the end of the pipe, which comes when this returns.
    private static func begin(_ plan: MountPlan, _ secret: UnlockSecret, log: String) throws(Failure) -> (ChildProcess, SharedDescriptor) {
        let (child, answers, secrets) = try spawn(plan, log: log)
        do throws(Errno) {
            try Signal.pipe.ignore()
            try send(secret, through: secrets)
        } catch {
            // A broken pipe: it has ended already, and what it said says more.
            if error != .brokenPipe { throw Failure("the passphrase cannot be handed over", error) }
        }
        return (child, answers)
    }

    /// The process, what it answers through, and where it takes the secret from. The ends that are its own are closed here on return.
    private static func spawn(_ plan: MountPlan, log: String) throws(Failure) -> (ChildProcess, SharedDescriptor, SharedDescriptor) {
        let logFile = try LogFile.open(log).descriptor
        do throws(Errno) {
            let answers = try Pipe()
            let secrets = try Pipe()
            let nothing = try SharedDescriptor.open("/dev/null", .readWrite)
            let program = try CurrentProcess.executablePath()
            let words = plan.arguments(readyDescriptor: readyDescriptor, secretDescriptor: secretDescriptor)
            var spawn = Spawn(program: program, arguments: words.map { Array($0.utf8) })
            spawn.arguments[0] = Array("envelopefs".utf8)
            spawn.descriptors = [
                (number: 0, descriptor: nothing), (number: 1, descriptor: nothing), (number: 2, descriptor: logFile),
                (number: readyDescriptor, descriptor: answers.writeEnd), (number: secretDescriptor, descriptor: secrets.readEnd),
            ]
            spawn.directory = Array("/".utf8)
            spawn.startsSession = true
            return (try spawn.start(), answers.readEnd, secrets.writeEnd)
        } catch {
            throw Failure("the background process cannot be started", error)
        }
    }

    // MARK: the secret

    private static func mark(of kind: SlotKind) -> UInt8 {
        switch kind {
        case .passphrase: UInt8(ascii: "P")
        case .recovery: UInt8(ascii: "R")
        case .keyFile: UInt8(ascii: "K")
        case .credential: UInt8(ascii: "C")
        }
    }

    private static func send(_ secret: UnlockSecret, through descriptor: SharedDescriptor) throws(Errno) {
        let mark = mark(of: secret.kind)
        let bytes = secret.bytes
        try descriptor.writeSequence([mark].span)
        try bytes.withBytes { (bytes: ByteSpan) throws(Errno) in try descriptor.writeSequence(bytes) }
    }

    /// In the new process: the secret that `start` sends.
    static func receiveSecret(from number: Int32) throws(Failure) -> UnlockSecret {
        do {
            let room = try SecretBytes(count: 1 + SecretEntry.limit)
            defer { room.wipe() }
            let pipe = SharedDescriptor(adopting: number)
            let count = try room.withMutableBytes { (bytes: inout MutableByteSpan) throws(Errno) in try pipe.readSequence(into: &bytes) }
            guard count > 1 else { throw Failure(.noSecret, "no passphrase was handed over") }
            return try room.withBytes { (bytes: ByteSpan) throws -> UnlockSecret in
                let secret = try SecretBytes(copying: bytes.slice(1, count - 1))
                switch SlotKind.allCases.first(where: { mark(of: $0) == bytes[0] }) {
                case .passphrase: return .passphrase(secret)
                case .recovery: return .recoveryCode(secret)
                case .keyFile: return .keyFile(secret)
                case .credential: return .credential(secret)
                case nil: throw Failure(.failure, "what was handed over is no secret")
                }
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.failure, "the passphrase was not handed over: \(error)")
        }
    }
}

/// The end of the pipe through which a background process says, once, how starting went.
final class ReadyPipe {
    private var descriptor: SharedDescriptor?
    /// Whether nothing was told yet: what fails now is told to the command, what fails later stands in the log.
    var isOpen: Bool { descriptor != nil }

    init(number: Int32) { descriptor = SharedDescriptor(adopting: number) }

    /// - Returns: false when nobody listens any more: the command was interrupted, and nobody knows of this mount.
    func tell(_ message: ReadyMessage) -> Bool {
        guard let open = descriptor else { return true }
        descriptor = nil
        do throws(Errno) {
            try open.writeSequence(message.bytes.span)
            return true
        } catch {
            return false
        }
    }
}
