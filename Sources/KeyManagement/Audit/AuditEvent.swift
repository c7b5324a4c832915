// What the audit log says of one operation.

import FoundationEssentials
import GRDB

/// Who did it.
package struct AuditActor: Sendable, Hashable {
    package let userID: UInt32
    package let processID: Int32
    package let program: String

    package init(userID: UInt32, processID: Int32, program: String) {
        self.userID = userID
        self.processID = processID
        self.program = program
    }

    /// Of a program that did not say.
    package static let unknown = AuditActor(userID: .max, processID: 0, program: "")
}

/// One operation, or several equal ones, to be written to the log.
package struct AuditEvent: Sendable, Equatable {
    /// In the words of AWS KMS where it has the operation.
    package var operation: String
    package var keyID: KeyID?
    package var version: UInt32?
    /// What it was about, if not a key: the name of a secret, a slot, a vault. Never a value, and never a path in a mount.
    package var subject: String?
    /// `Success`, or the error's name in AWS KMS.
    package var result: String
    /// How many of the same this stands for.
    package var count: Int64
    /// As the user gave it.
    package var reason: String?
    /// Nil: whoever opened the keystore.
    package var actor: AuditActor?
    /// Seconds since 1970; nil is now.
    package var time: Int64?

    package static let success = "Success"

    package init(
        _ operation: String, keyID: KeyID? = nil, version: UInt32? = nil, subject: String? = nil, result: String = success, count: Int64 = 1, reason: String? = nil,
        actor: AuditActor? = nil, time: Int64? = nil
    ) {
        self.operation = operation
        self.keyID = keyID
        self.version = version
        self.subject = subject
        self.result = result
        self.count = count
        self.reason = reason
        self.actor = actor
        self.time = time
    }
}

/// One entry as it stands in the log.
package struct AuditEntry: Sendable, Equatable {
    /// From 1, without gaps.
    package let number: Int64
    package let time: Int64
    package let operation: String
    package let keyID: KeyID?
    package let version: UInt32?
    package let subject: String?
    package let result: String
    package let count: Int64
    package let userID: UInt32
    package let processID: Int32
    package let program: String
    package let reason: String?
    /// 32 bytes.
    package let mac: [UInt8]

    static let columns = ["number", "time", "operation", "key_id", "version", "subject", "result", "count", "user_id", "process_id", "program", "reason"]

    init(_ event: AuditEvent, number: Int64, time: Int64, actor: AuditActor) {
        self.number = number
        self.time = time
        operation = Self.bounded(event.operation)
        keyID = event.keyID
        version = event.version
        subject = event.subject.map(Self.bounded)
        result = Self.bounded(event.result)
        count = event.count
        userID = actor.userID
        processID = actor.processID
        program = Self.bounded(actor.program)
        reason = event.reason.map(Self.bounded)
        mac = []
    }

    /// Texts come from users and from programs' names: at most 1024 bytes, without NUL, at which SQLite ends text in places.
    private static func bounded(_ text: String) -> String {
        let clean = text.utf8.contains(0) ? String(text.unicodeScalars.filter { $0.value != 0 }.map(Character.init)) : text
        guard clean.utf8.count > 1024 else { return clean }
        var short = clean.prefix(1024)
        while short.utf8.count > 1021 { short.removeLast() }
        return short + "…"
    }

    /// The columns in the order in which they are authenticated.
    var values: [DatabaseValue] {
        [
            number.databaseValue, time.databaseValue, operation.databaseValue, keyID.map { Data($0.bytes) }.databaseValue, version.map { Int64($0) }.databaseValue,
            subject.databaseValue, result.databaseValue, count.databaseValue, Int64(userID).databaseValue, Int64(processID).databaseValue, program.databaseValue,
            reason.databaseValue,
        ]
    }

    /// Nothing vouches for a row yet. Throws `rowRefused` for one that this program never writes.
    init(_ row: Row) throws {
        number = try row.checked("number", of: "audit_entry")
        let name = "audit_entry/\(number)"
        let refused = KeystoreError.rowRefused(name: name, .edited)
        time = try row.checked("time", of: name)
        operation = try row.checked("operation", of: name)
        keyID = try (row.checked("key_id", of: name) as Data?).map { data in
            let bytes = Array(data)
            guard let keyID = KeyID(bytes.span) else { throw refused }
            return keyID
        }
        version = try (row.checked("version", of: name) as Int64?).map { number in
            guard let version = UInt32(exactly: number) else { throw refused }
            return version
        }
        subject = try row.checked("subject", of: name)
        result = try row.checked("result", of: name)
        count = try row.checked("count", of: name)
        guard let user = UInt32(exactly: try row.checked("user_id", of: name) as Int64), let process = Int32(exactly: try row.checked("process_id", of: name) as Int64)
        else { throw refused }
        (userID, processID) = (user, process)
        program = try row.checked("program", of: name)
        reason = try row.checked("reason", of: name)
        mac = Array(try row.checked("mac", of: name) as Data)
    }
}
