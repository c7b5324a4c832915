// What a mount's daemon says that it has done.

import FUSE
import POSIX
import Synchronization

/// The daemon's counters since it mounted. It tells them to root and to its own user.
struct MountCounters: Encodable {
    /// Requests of the kernel, by kind.
    let requests: [String: UInt64]
    let bytesWritten: UInt64
    /// As many as were asked for.
    let bytesRead: UInt64
    /// Files of every type that it holds in memory.
    let filesInMemory: UInt64
    /// Files that are to be sealed when they have been quiet for a while.
    let filesUnsealed: UInt64
    /// The daemon itself, by its number in its own process namespace.
    let process: Int32

    /// What `status` shows: the process stands beside them.
    private enum CodingKeys: CodingKey { case requests, bytesWritten, bytesRead, filesInMemory, filesUnsealed }

    /// Asks the mount at a path, which may hang.
    /// - Parameter patience: seconds that are waited at most.
    /// - Returns: nil when there is no answer, or one of another program.
    init?(asking mountPoint: String, patience: Int = 1) {
        let answer = Answer()
        let asking = try? Thread.start(name: "efs-status") {
            let said = try? SharedDescriptor.open(mountPoint, [.pathOnly, .directory]).attribute(AttributeName(Counters.attributeName))
            answer.text.withLock { $0 = said ?? [] }
        }
        guard let asking else { return nil }
        try? asking.detach()
        for _ in 0..<Self.looks * patience {
            if let text = answer.text.withLock({ $0 }) {
                self.init(text)
                return
            }
            SystemClock.sleep(nanoseconds: Self.pause)
        }
        return nil
    }

    /// In a second.
    private static let looks = 1000
    private static let pause: UInt64 = 1_000_000

    /// Nil until the mount has answered; empty when it refused.
    private final class Answer: Sendable {
        let text = Mutex<[UInt8]?>(nil)
    }

    /// From lines of a name, a space and a number (`Counters.report`).
    init?(_ text: [UInt8]) {
        var numbers: [String: UInt64] = [:]
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let number = UInt64(words[1]) else { return nil }
            numbers[String(words[0])] = number
        }
        guard let written = numbers["bytes-written"], let read = numbers["bytes-read"], let files = numbers["files-in-memory"],
            let unsealed = numbers["files-unsealed"], let process = numbers["process"].flatMap(Int32.init(exactly:))
        else { return nil }
        requests = Dictionary(
            uniqueKeysWithValues: numbers.compactMap { $0.key.hasPrefix("requests.") ? (String($0.key.dropFirst("requests.".count)), $0.value) : nil })
        bytesWritten = written
        bytesRead = read
        filesInMemory = files
        filesUnsealed = unsealed
        self.process = process
    }

    /// For people: the kinds of which there were most, and the amounts.
    var rows: [(String, String)] {
        let most = requests.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(6).map { "\($0.key) \($0.value)" }
        return [
            ("requests", "\(requests.values.reduce(0, +)): " + most.joined(separator: ", ")),
            ("written, read", "\(bytesWritten >> 10) KiB, \(bytesRead >> 10) KiB"),
            ("in memory", "\(filesInMemory) files, \(filesUnsealed) of them to be sealed"),
        ]
    }
}
