// Keys as commands print them.

import FoundationEssentials
import KeyManagement

struct KeyRecord: Encodable {
    let keyID: String
    let fullName: String
    let state: String
    let origin: String
    let aliases: [String]
    let description: String
    let currentVersion: UInt32
    let minimumVersion: UInt32
    let createdAt: String
    let tags: [String: String]
    let isProtected: Bool
    let rotationPeriod: Int?
    let nextRotationAt: String?
    let deletionAt: String?
    let materialExpiresAt: String?

    init(_ key: KeyDescription) {
        keyID = key.keyID.description
        fullName = key.fullName
        state = key.state.rawValue
        origin = key.origin.rawValue
        aliases = key.aliases
        description = key.description
        currentVersion = key.currentVersion
        minimumVersion = key.minimumVersion
        createdAt = key.createdAt.asDate
        tags = Dictionary(key.tags.map { ($0.name, $0.value) }) { _, last in last }
        isProtected = key.isProtected
        rotationPeriod = key.rotationPeriod
        nextRotationAt = key.nextRotationAt?.asDate
        deletionAt = key.deletionAt?.asDate
        materialExpiresAt = key.materialExpiresAt?.asDate
    }

    var line: String {
        ([keyID, state, "version \(currentVersion)"] + aliases + [description].filter { !$0.isEmpty }).joined(separator: "  ").visible
    }

    var rows: [(String, String)] {
        var rows = [
            ("key id", keyID), ("full name", fullName), ("state", state), ("origin", origin), ("aliases", aliases.joined(separator: ", ")),
            ("description", description), ("version", String(currentVersion)), ("created", createdAt),
            ("tags", tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")),
        ]
        if minimumVersion > 1 { rows.append(("oldest version that opens", String(minimumVersion))) }
        if isProtected { rows.append(("protected", "from deletion")) }
        if let rotationPeriod, let nextRotationAt { rows.append(("rotation", "every \(rotationPeriod) days, next \(nextRotationAt)")) }
        if let deletionAt { rows.append(("destroyed on", deletionAt)) }
        if let materialExpiresAt { rows.append(("material expires", materialExpiresAt)) }
        return rows
    }
}

extension Int64 {
    /// Seconds since 1970 as ISO 8601.
    var asDate: String { Date(timeIntervalSince1970: Double(self)).formatted(.iso8601) }
}
