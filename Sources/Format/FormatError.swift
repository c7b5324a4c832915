// Why bytes of a vault were refused.
import Cryptography

/// Why bytes on disk, or a request to write some, were refused.
package enum FormatError: Error, Equatable, Sendable {
    /// The header is all zero: a file whose first write was never finished.
    case unwritten
    /// Not a file of a vault.
    case badMagic
    /// Written by a newer version of the format.
    case unsupportedVersion(UInt16)
    /// Bytes or flags that must be zero are not.
    case reservedBytes
    /// A size, length or form that no writer leaves.
    case damaged
    /// The bytes are not those that were sealed here under this key.
    case authenticationFailed
    /// A block, content or index outside what the format can hold.
    case outOfRange
    /// The keys were wiped.
    case keysWiped
    /// A plain name that cannot be one: empty, `.`, `..`, or with `/` or NUL.
    case invalidName
    /// A name, link target or attribute name that is too long to be sealed.
    case nameTooLong
    /// A backing name that is in none of the forms of the format.
    case foreignName
    /// A long name without the content of its side file.
    case sideFileMissing
    /// libcrypto could not do its work, for a reason other than the bytes.
    case cryptography(CryptographyError)
    /// `vault.json` is not as a writer leaves it: says what is wrong.
    case vaultFileDamaged(String)
    /// `vault.json` needs another program: says the version and the features that it has and that this program knows.
    case vaultUnsupported(String)

    /// Why a key did not seal or open. Sizes are checked before a key is used, so that an invalid parameter can only be a wiped key.
    init(using error: CryptographyError) {
        self =
            switch error {
            case .authenticationFailed: .authenticationFailed
            case .invalidParameter: .keysWiped
            case .libraryFailure, .outOfMemory: .cryptography(error)
            }
    }
}

extension FormatError: CustomStringConvertible {
    /// Why, in words that follow a colon.
    package var description: String {
        switch self {
        case .unwritten: "nothing was ever written there"
        case .badMagic: "not a file of a vault"
        case .unsupportedVersion(let version): "format version \(version), which needs a newer program"
        case .reservedBytes: "bytes that have to be zero are not"
        case .damaged: "of a length or form that no program leaves"
        case .authenticationFailed: "not what was sealed there"
        case .outOfRange: "outside what the format can hold"
        case .keysWiped: "the keys are wiped"
        case .invalidName: "not a name that a file can have"
        case .nameTooLong: "too long"
        case .foreignName: "not a name that this program makes"
        case .sideFileMissing: "the file with the long name is missing"
        case .cryptography(let error): "libcrypto failed: \(error)"
        case .vaultFileDamaged(let why), .vaultUnsupported(let why): why
        }
    }
}
