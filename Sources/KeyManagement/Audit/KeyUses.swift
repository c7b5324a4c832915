// The uses of keys by a mount, counted and written to the audit log together: one entry for many, never one for each file.

import Bytes
import Synchronization

/// Counts uses of keys per operation, key, version, result, user and program. Thread-safe; noting a use touches no database.
package final class KeyUses: Sendable {
    package enum Operation: String, Sendable {
        case generateDataKey = "GenerateDataKey"
        case decrypt = "Decrypt"
    }

    /// What was done, and for whom.
    private struct Use: Hashable {
        let operation: Operation
        /// Nil for a wrapped key that does not read.
        let keyID: KeyID?
        let version: UInt32?
        let result: String
        let userID: UInt32
        let program: String
    }
    private struct Tally {
        var count: Int64
        /// 0 once there were several.
        var processID: Int32
        var latest: Int64
    }
    private struct State {
        var tallies: [Use: Tally] = [:]
        /// Asked once between two flushes.
        var programs: [Int32: String] = [:]
    }

    /// Different uses that are kept apart; what comes beyond is counted for the program `…`. Users choose the names of programs.
    private static let greatestCount = 1000
    static let others = "…"

    private let state = Mutex(State())
    /// Who asks for something.
    package struct Asker: Sendable {
        package let userID: UInt32
        /// 0: nobody that can be seen; the kernel, for what it wrote to its cache before.
        package let processID: Int32

        package init(userID: UInt32, processID: Int32) { (self.userID, self.processID) = (userID, processID) }
    }
    private let asker: @Sendable () -> Asker
    private let program: @Sendable (Int32) -> String
    private let clock: @Sendable () -> Int64

    /// - Parameters:
    ///   - asker: for whom the calling thread works.
    ///   - program: the name of a process, asked for when it is news.
    package init(
        asker: @escaping @Sendable () -> Asker, program: @escaping @Sendable (Int32) -> String,
        clock: @escaping @Sendable () -> Int64 = { Keystore.now() }
    ) {
        self.asker = asker
        self.program = program
        self.clock = clock
    }

    /// For whom the calling thread works.
    package var current: Asker { asker() }

    /// Counts one use, or refusal, for whomever the calling thread works.
    /// - Parameters:
    ///   - wrapped: the wrapped key, which names its key and version.
    ///   - opener: for whom it is counted when it is nobody who asks now.
    package func note(_ operation: Operation, _ wrapped: ByteSpan, refused error: KeyError? = nil, opener: Asker? = nil) {
        note(operation, (try? Keyring.describe(wrapped)).map { ($0.keyID, $0.version) }, error, opener)
    }

    /// A data key that was not made, since the key refused.
    package func note(refused error: KeyError, by keyID: KeyID, opener: Asker? = nil) { note(.generateDataKey, (keyID, nil), error, opener) }

    private func note(_ operation: Operation, _ wrapped: (keyID: KeyID, version: UInt32?)?, _ error: KeyError?, _ opener: Asker?) {
        let current = asker()
        let asker = current.processID == 0 ? opener ?? current : current
        let (userID, processID) = (asker.userID, asker.processID)
        let name = state.withLock { $0.programs[processID] } ?? program(processID)
        let now = clock()
        state.withLock { state in
            if state.programs.count < Self.greatestCount { state.programs[processID] = name }
            func use(of program: String) -> Use {
                Use(
                    operation: operation, keyID: wrapped?.keyID, version: wrapped?.version, result: error?.awsName ?? AuditEvent.success, userID: userID,
                    program: program)
            }
            var key = use(of: name)
            if state.tallies[key] == nil && state.tallies.count >= Self.greatestCount { key = use(of: Self.others) }
            Self.add(Tally(count: 1, processID: processID, latest: now), to: key, &state)
        }
    }

    private static func add(_ tally: Tally, to use: Use, _ state: inout State) {
        guard var known = state.tallies[use] else {
            state.tallies[use] = tally
            return
        }
        known.count += tally.count
        if known.processID != tally.processID { known.processID = 0 }
        known.latest = max(known.latest, tally.latest)
        state.tallies[use] = known
    }

    /// Writes what was counted to the log of `keystore`. What could not be written stays, for the next time. Throws as `Keystore.audit`.
    /// - Parameter subject: what the keys were used for: a vault.
    package func flush(to keystore: Keystore, subject: String) throws(KeystoreError) {
        let tallies = state.withLock { state in
            defer { state = State() }
            return state.tallies
        }
        let events = tallies.map { use, tally in
            AuditEvent(
                use.operation.rawValue, keyID: use.keyID, version: use.version, subject: subject, result: use.result, count: tally.count,
                actor: AuditActor(userID: use.userID, processID: tally.processID, program: use.program), time: tally.latest)
        }
        do throws(KeystoreError) {
            try keystore.audit(events.sorted { ($0.time ?? 0, $0.operation) < ($1.time ?? 0, $1.operation) })
        } catch {
            state.withLock { state in for (use, tally) in tallies { Self.add(tally, to: use, &state) } }
            throw error
        }
    }
}
