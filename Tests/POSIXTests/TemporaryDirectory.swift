// TemporaryDirectory: a real directory for one test, removed with all that is in it.
import Synchronization
import Testing

@testable import POSIX

final class TemporaryDirectory {
    let path: String
    let descriptor: SharedDescriptor

    init() throws {
        path = "/tmp/efs-posix-\(CurrentProcess.id)-\(UInt64.random(in: 0 ... .max))"
        try Paths.makeDirectories(path, mode: 0o700)
        descriptor = try SharedDescriptor.open(path, [.readOnly, .directory])
    }
    deinit {
        try? Self.empty(descriptor)
        try? Paths.remove(path, directory: true)
    }
    private static func empty(_ directory: SharedDescriptor) throws {
        var names: [FileName] = []
        let stream = try DirectoryStream(opening: directory)
        while let entry = try stream.next() { if !entry.name.isCurrentOrParent { names.append(entry.name) } }
        for name in names {
            if try directory.statusAt(name).isDirectory {
                try empty(try directory.openAt(name, [.readOnly, .directory]))
                try directory.unlinkAt(name, directory: true)
            } else {
                try directory.unlinkAt(name)
            }
        }
    }
    /// A new empty file open for reading and writing.
    func file(_ name: String, mode: UInt32 = 0o644) throws -> SharedDescriptor {
        try descriptor.openAt(FileName(name), [.readWrite, .create, .exclusive], mode: mode)
    }
}

/// A value that threads of a test share under a lock.
final class Shared<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>
    init(_ value: Value) { storage = Mutex(value) }
    var value: Value { storage.withLock { $0 } }
    func change(_ body: (inout Value) -> Void) { storage.withLock { body(&$0) } }
}
