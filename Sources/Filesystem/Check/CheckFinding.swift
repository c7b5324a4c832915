// What `check` finds: the kinds of findings, how much each weighs, and the report of one.

/// Something in a vault that is not as a writer leaves it.
package struct CheckFinding: Sendable, Equatable {
    /// What a finding means for its user.
    package enum Weight: String, Sendable {
        /// Something cannot be read, or is not shown.
        case damage
        /// What a crash leaves. Nothing that was synced is lost; `--repair` puts right what is certain.
        case leftover
        /// Nothing is wrong.
        case note
    }

    package enum Kind: String, Sendable, CaseIterable {
        case damagedFile = "damaged-file"
        case damagedBlocks = "damaged-blocks"
        case unfinishedBlocks = "unfinished-blocks"
        case unfinishedFile = "unfinished-file"
        case unfinishedAttributes = "unfinished-attributes"
        case damagedName = "damaged-name"
        case nameWithoutSideFile = "name-without-side-file"
        case wrongType = "wrong-type"
        case damagedLink = "damaged-link"
        case damagedAttribute = "damaged-attribute"
        case attributesWithoutHeader = "attributes-without-header"
        case doubledName = "doubled-name"
        case doubledFileID = "doubled-file-id"
        case unreadable
        case leftOpen = "left-open"
        case leftRecovering = "left-recovering"
        case orphanedSideFile = "orphaned-side-file"
        case doubledEmptyDirectory = "doubled-empty-directory"
        case vaultNotClean = "vault-not-clean"
        case foreign
        case foreignAttribute = "foreign-attribute"
        case behindInline = "behind-inline"
        case otherKey = "other-key"
        case changing

        /// Of a file that cannot be read as a whole.
        static func wholeFile(isUnfinished: Bool) -> Kind { isUnfinished ? .unfinishedFile : .damagedFile }
        /// Of a file of which bytes cannot be read. A small one is torn as a whole.
        static func lostBytes(isUnfinished: Bool, isInline: Bool) -> Kind {
            if !isUnfinished { return .damagedBlocks }
            return isInline ? .unfinishedFile : .unfinishedBlocks
        }

        /// Bytes that were never synced, and cannot be read.
        var isUnfinished: Bool { self == .unfinishedBlocks || self == .unfinishedFile }

        package var weight: Weight {
            switch self {
            case .damagedFile, .damagedBlocks, .damagedName, .nameWithoutSideFile, .wrongType, .damagedLink, .damagedAttribute,
                .attributesWithoutHeader, .doubledName, .doubledFileID, .unreadable:
                .damage
            case .unfinishedBlocks, .unfinishedFile, .unfinishedAttributes, .leftOpen, .leftRecovering, .orphanedSideFile, .doubledEmptyDirectory,
                .vaultNotClean:
                .leftover
            case .foreign, .foreignAttribute, .behindInline, .otherKey, .changing: .note
            }
        }
    }

    package let kind: Kind
    /// The plain path below the vault's root. A part whose name does not open stands in it as on disk.
    package let path: String
    /// The sealed path below the vault.
    package let backing: String
    /// What exactly, in a few words.
    package let detail: String
    /// Plain bytes that cannot be read; empty where that is not about bytes.
    package var lost: [Range<UInt64>] = []
    /// What was done about it.
    package var repair: String?
}

/// How many objects were looked at, and what was found. Each count is of objects, but for `blocks` and `bytes`.
package struct CheckSummary: Sendable, Equatable, Encodable {
    package var directories = 0
    package var files = 0
    package var links = 0
    package var special = 0
    /// Plain bytes that were read and authenticated.
    package var bytes: UInt64 = 0
    /// Findings by kind.
    package var findings: [String: Int] = [:]
    package var repaired = 0
    /// Files that were not looked into, by the id of the key that may not be used or is not in the keystore.
    package var notChecked: [String: Int] = [:]
    /// Files that the process which has the vault was changing: read, but not sealed yet.
    package var inUse = 0

    /// Files among the repaired that were sealed.
    var repairedFiles = 0

    /// How many findings of a weight stay, after repairs.
    package private(set) var damage = 0
    package private(set) var leftovers = 0
    package private(set) var notes = 0
    /// Those of the leftovers of which bytes cannot be read.
    package private(set) var unfinished = 0

    mutating func add(_ finding: CheckFinding) {
        findings[finding.kind.rawValue, default: 0] += 1
        if finding.repair != nil {
            repaired += 1
            return
        }
        switch finding.kind.weight {
        case .damage: damage += 1
        case .leftover:
            leftovers += 1
            if finding.kind.isUnfinished { unfinished += 1 }
        case .note: notes += 1
        }
    }

    /// Whether everything was looked into.
    package var isComplete: Bool { notChecked.isEmpty && findings[CheckFinding.Kind.changing.rawValue] == nil }
}
