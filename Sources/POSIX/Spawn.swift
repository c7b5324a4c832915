// Spawn: starting another program with chosen descriptors, and waiting for it.
import CLinux

/// How a program ended.
package enum ExitStatus: Hashable, Sendable {
    case exited(Int32)
    case signaled(Int32)
    /// Whether it exited with 0.
    package var isSuccess: Bool { self == .exited(0) }
    /// As a shell has it: 128 + signal for a killed one.
    package var shellCode: Int32 {
        switch self {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal
        }
    }
}

/// A program to start. Only 0, 1, 2 and the mapped descriptors are open in it; no signal is blocked, and of the signals that this process ignores,
/// `restoredSignals` are not ignored in it.
package struct Spawn: Sendable {
    /// A path, or a name searched in PATH. Any bytes.
    package var program: [UInt8]
    /// With the program's own name first.
    package var arguments: [[UInt8]]
    /// "NAME=value" each; nil = as this process has them.
    package var environment: [[UInt8]]?
    /// The program's descriptor number, and what it is to be.
    package var descriptors: [(number: Int32, descriptor: SharedDescriptor)] = []
    /// Where it starts; nil = here.
    package var directory: [UInt8]?
    /// Whether it leaves this terminal and process group (`setsid`).
    package var startsSession = false
    /// The signals that it does not ignore even if this process does. A job of a person keeps what `nohup` or a script set: give it those alone that
    /// this program itself ignores.
    package var restoredSignals = SignalSet.all

    /// `arguments` are those after the program's name.
    package init(_ program: String, _ arguments: [String] = []) {
        self.program = Array(program.utf8)
        self.arguments = [self.program] + arguments.map { Array($0.utf8) }
    }
    /// The same with bytes that need not be UTF-8.
    package init(program: [UInt8], arguments: [[UInt8]]) {
        self.program = program
        self.arguments = [program] + arguments
    }

    /// Starts it. ENOENT, EACCES and the like when it cannot be executed.
    package func start() throws(Errno) -> ChildProcess {
        let path = try terminatedPath(program.span)
        let directory = self.directory.map { $0 + [0] }
        let sources = descriptors.map(\.descriptor.raw)
        let targets = descriptors.map(\.number)
        var process: Int32 = 0
        let result = unsafe withVector(arguments) { arguments in
            unsafe withEnvironment { environment in
                unsafe withOptionalBytes(directory) { directory in
                    unsafe linux_spawn(
                        path, path.contains(UInt8(ascii: "/")) ? 0 : 1, arguments, environment,
                        sources, targets, Int32(sources.count), directory, startsSession ? 1 : 0,
                        restoredSignals.bits, &process)
                }
            }
        }
        withExtendedLifetime(descriptors) {}
        try succeed(result)
        return ChildProcess(id: process)
    }
    /// Starts it and waits for its end.
    package func run() throws(Errno) -> ExitStatus { try start().wait() }

    private func withEnvironment(_ body: (UnsafePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) -> Int32 {
        guard let environment else { return unsafe body(linux_environment()) }
        return unsafe withVector(environment, body)
    }
}

/// A started program. `wait` must be called once, or it stays as a zombie until this process ends.
package struct ChildProcess: Sendable {
    /// Its process id.
    package let id: Int32
    /// Waits for its end. ECHILD when somebody has waited already.
    package func wait() throws(Errno) -> ExitStatus {
        Self.status(try checked(linux_wait(id, 1)))
    }
    /// Its end, or nil while it runs.
    package func statusIfEnded() throws(Errno) -> ExitStatus? {
        let result = try checked(linux_wait(id, 0))
        return result == 0 ? nil : Self.status(result)
    }
    /// Sends a signal. ESRCH when it has been waited for.
    package func send(_ signal: Signal) throws(Errno) { try signal.send(to: id) }
    private static func status(_ packed: Int32) -> ExitStatus {
        packed & 0x100 != 0 ? .exited(packed & 0xFF) : .signaled(packed & 0xFF)
    }
}

/// `strings` as a NULL-terminated vector of C strings. Bytes after a NUL are lost, as C has it.
private func withVector(
    _ strings: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) -> Int32 {
    var storage: [UInt8] = []
    var starts: [Int] = []
    for string in strings {
        starts.append(storage.count)
        storage += string
        storage.append(0)
    }
    return unsafe storage.withUnsafeMutableBufferPointer { storage in
        var vector: [UnsafeMutablePointer<UInt8>?] = unsafe []
        for start in starts { unsafe vector.append(storage.baseAddress.map { unsafe $0 + start }) }
        unsafe vector.append(nil)
        return unsafe vector.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }
}
private func withOptionalBytes(_ bytes: [UInt8]?, _ body: (UnsafePointer<UInt8>?) -> Int32) -> Int32 {
    guard let bytes else { return body(nil) }
    return unsafe bytes.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
