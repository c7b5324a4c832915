// An ordinary user's daemon and objects that he has closed to himself. On threads that have given up root's rights.

import Foundation
import POSIX
import Synchronization
import Testing

@testable import Filesystem

@Suite(.enabled(if: CurrentProcess.effectiveUserID == 0, "only root can make threads of ordinary users"))
struct OwnerAccessTests {
    static let user: UInt32 = 65_534

    /// Runs `body` on a thread of an ordinary user's, with a directory of his.
    private func asUser(_ body: @escaping @Sendable (OwnerAccess, SharedDescriptor) throws -> Void) throws {
        let path = "/tmp/efs-tests-owner-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let directory = try SharedDescriptor.open(path, [.pathOnly, .directory])
        try directory.changeOwner(userID: Self.user, groupID: Self.user)
        let failure = Mutex<(any Error)?>(nil)
        let access = OwnerAccess(userID: Self.user, isReadOnly: false)
        let thread = try Thread.start(name: "user") {
            do {
                try ThreadIdentity.setFilesystemUser(Self.user, groupID: Self.user)
                try body(access, directory)
            } catch {
                failure.withLock { $0 = error }
            }
        }
        try thread.join()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private static func errno(_ body: () throws(Errno) -> Void) -> Errno? {
        do throws(Errno) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    private static func makeFile(_ name: String, mode: UInt32, in directory: SharedDescriptor) throws -> FileName {
        let name = try FileName(name)
        let file = try directory.openAt(name, [.readWrite, .create], mode: 0o600)
        let bytes: [UInt8] = [1, 2, 3]
        try file.writeAll(bytes.span, at: 0)
        try file.changeMode(mode)
        return name
    }

    @Test func goesThroughAClosedDirectory() throws {
        try asUser { access, directory in
            let name = try Self.makeFile("a", mode: 0, in: directory)
            for mode in [0, 0o400, 0o200, 0o044] as [UInt32] {
                try directory.changeMode(mode)
                #expect(Self.errno { () throws(Errno) in _ = try directory.statusAt(name) } == .accessDenied)
                let size = try access.through(directory) { () throws(Errno) in try directory.statusAt(name).size }
                #expect(size == 3)
                let file = try access.open(name, in: directory, [.readWrite, .noFollow])
                #expect(try file.status().mode & 0o7777 == 0, "the mode of the file is as before")
                #expect(try directory.status().mode & 0o7777 == mode)
                _ = try access.open(directory, [.readOnly, .directory])
                #expect(try directory.status().mode & 0o7777 == mode)
            }
            try directory.changeMode(0o700)
        }
    }

    @Test func nobodySeesAMomentNorLosesAChangeInOne() throws {
        try asUser { access, directory in
            let name = try Self.makeFile("a", mode: 0o600, in: directory)
            try directory.changeMode(0o400)
            let isDone = Atomic<Bool>(false)
            let wrong = Atomic<Int>(0)
            let thread = try Thread.start(name: "opener") {
                do {
                    try ThreadIdentity.setFilesystemUser(Self.user, groupID: Self.user)
                    for _ in 0..<20_000 { _ = try access.through(directory) { () throws(Errno) in try directory.statusAt(name) } }
                } catch {
                    wrong.add(1, ordering: .relaxed)
                }
                isDone.store(true, ordering: .releasing)
            }
            var mode: UInt32 = 0o400
            var count: UInt32 = 0
            while !isDone.load(ordering: .acquiring) {
                let seen = try access.steadily { () throws(Errno) in try directory.status().mode & 0o7777 }
                if seen != mode { wrong.add(1, ordering: .relaxed) }
                mode = count & 1 == 0 ? 0o444 : 0o400
                count += 1
                try access.alone { () throws(Errno) in try directory.changeMode(mode) }
            }
            try thread.join()
            #expect(wrong.load(ordering: .relaxed) == 0)
            #expect(count > 100)
            try directory.changeMode(0o700)
        }
    }

    @Test func setIDBitsOutlastTheDaemonsWrites() throws {
        try asUser { access, directory in
            let bytes: [UInt8] = [4]
            let name = try Self.makeFile("a", mode: 0o4755, in: directory)
            let file = try directory.openAt(name, [.readWrite])
            try file.writeAll(bytes.span, at: 0)
            #expect(try file.status().mode & 0o7777 == 0o755, "the kernel takes them")
            for mode in [0o4755, 0o2755, 0o6711] as [UInt32] {
                try file.changeMode(mode)
                try access.keepingSetID(of: file) { () throws(Errno) in try file.writeAll(bytes.span, at: 0) }
                #expect(try file.status().mode & 0o7777 == mode)
            }
        }
    }

    @Test func othersObjectsAndReadOnlyVaultsAreLeftAlone() throws {
        try asUser { _, directory in
            let name = try Self.makeFile("a", mode: 0o600, in: directory)
            try directory.changeMode(0o400)
            for access in [OwnerAccess(userID: Self.user, isReadOnly: true), OwnerAccess(userID: 1, isReadOnly: false)] {
                let refusal = Self.errno { () throws(Errno) in
                    _ = try access.through(directory) { () throws(Errno) in try directory.statusAt(name) }
                }
                #expect(refusal == .accessDenied)
            }
            try directory.changeMode(0o700)
        }
    }
}
