// The content keys of one file in use: made when first asked for, a few kept, all wiped together.
import Cryptography
import Synchronization

/// A key and the salt that it was made with.
struct SaltedKey: Sendable {
    let key: AEADKey
    let salt: UInt16
}

/// What a content key seals.
enum ContentKind: Sendable {
    case block, inline

    var label: StaticLabel { self == .block ? FileKeyLabel.block : FileKeyLabel.inline }
}

/// Keys below one data key. Thread-safe; derivation happens under the lock, which is never held while sealing.
final class FileKeys: Sendable {
    /// Keys kept for reading: files are seldom written by more sessions than this, and one more costs a derivation.
    private static let keptKeys = 8

    private struct Kept {
        let kind: ContentKind
        let salted: SaltedKey
    }

    private struct Shelf {
        /// Nil after `wipe`: nothing can be made any more.
        var root: FileKeyRoot?
        var state: StateCipher?
        /// INVARIANT: every key in `kept` was made from `root` with its own salt; at most `keptKeys` of them.
        var kept: [Kept] = []
        var nextReplaced = 0
        var writingSalt: UInt16?
        var seals: UInt64 = 0
        var writingBlock: AEADKey?
        var writingInline: AEADKey?
    }

    private let fileID: FileID
    private let choices: SealingChoices
    private let shelf: Mutex<Shelf>

    init(dataKey: SecretBytes, fileID: FileID, choices: SealingChoices) throws(FormatError) {
        self.fileID = fileID
        self.choices = choices
        shelf = Mutex(Shelf(root: try FileKeyRoot(dataKey: dataKey)))
    }

    /// The state record's cipher, made at its first use.
    func stateCipher() throws(FormatError) -> StateCipher {
        try shelf.withLock { (shelf) throws(FormatError) -> StateCipher in
            if let state = shelf.state { return state }
            guard let root = shelf.root else { throw .keysWiped }
            let state = StateCipher(key: try root.key(FileKeyLabel.state), fileID: fileID, choices: choices)
            shelf.state = state
            return state
        }
    }

    /// The key for one more seal, with its salt; takes another salt when this one has made its share.
    func writingKey(_ kind: ContentKind) throws(FormatError) -> SaltedKey {
        try shelf.withLock { (shelf) throws(FormatError) -> SaltedKey in
            guard let root = shelf.root else { throw .keysWiped }
            if shelf.writingSalt == nil || shelf.seals >= choices.sealsPerSalt {
                shelf.writingSalt = try choices.salt(after: shelf.writingSalt)
                shelf.seals = 0
                shelf.writingBlock = nil
                shelf.writingInline = nil
            }
            guard let salt = shelf.writingSalt else { throw .keysWiped }
            shelf.seals += 1
            if let key = kind == .block ? shelf.writingBlock : shelf.writingInline { return SaltedKey(key: key, salt: salt) }
            let key = try root.key(kind.label, salt: salt)
            if kind == .block { shelf.writingBlock = key } else { shelf.writingInline = key }
            return SaltedKey(key: key, salt: salt)
        }
    }

    /// The key that sealed with `salt`.
    func readingKey(_ kind: ContentKind, salt: UInt16) throws(FormatError) -> AEADKey {
        try shelf.withLock { (shelf) throws(FormatError) -> AEADKey in
            guard let root = shelf.root else { throw .keysWiped }
            if salt == shelf.writingSalt, let key = kind == .block ? shelf.writingBlock : shelf.writingInline { return key }
            for kept in shelf.kept where kept.salted.salt == salt && kept.kind == kind { return kept.salted.key }
            let key = try root.key(kind.label, salt: salt)
            let kept = Kept(kind: kind, salted: SaltedKey(key: key, salt: salt))
            if shelf.kept.count < Self.keptKeys {
                shelf.kept.append(kept)
            } else {
                shelf.kept[shelf.nextReplaced] = kept
                shelf.nextReplaced = (shelf.nextReplaced + 1) % Self.keptKeys
            }
            return key
        }
    }

    /// Zeroes the keys now; the state record's only if `includingState`. What was given out before stops working too.
    func wipe(includingState: Bool) {
        shelf.withLock { shelf in
            shelf.root?.wipe()
            shelf.root = nil
            for kept in shelf.kept { kept.salted.key.wipe() }
            shelf.kept = []
            shelf.writingBlock?.wipe()
            shelf.writingInline?.wipe()
            shelf.writingBlock = nil
            shelf.writingInline = nil
            if includingState {
                shelf.state?.wipe()
                shelf.state = nil
            }
        }
    }
}
