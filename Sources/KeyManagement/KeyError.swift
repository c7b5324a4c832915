// Why a key could not be used or changed, in the words of AWS KMS.

import Cryptography
import FoundationEssentials

/// What the verbs of the KMS core refuse with.
package enum KeyError: Error, Equatable, Sendable {
    /// No such key or alias; the text is what was asked for. For a wrapped key: no key of this keystore made it.
    case notFound(String)
    case disabled(KeyID)
    /// The key is in a state, other than disabled, that does not allow this.
    case invalidState(KeyID, KeyState)
    /// The wrapped key or its context was changed, or it is no wrapped key at all. No detail, on purpose.
    case invalidCiphertext
    /// The wrapped key was made by another key than the one that was given.
    case incorrectKey
    case alreadyExists(String)
    /// An argument that is not acceptable; the text says which and why.
    case validation(String)
    case limitExceeded(String)
    /// The key cannot be reached now: the keyring is locked, or the version is not there. The text says which.
    case keyUnavailable(String)
    /// The version is older than the oldest that may open something.
    case versionTooOld(KeyID, UInt32, minimum: UInt32)
    /// The key is protected from deletion.
    case protected(KeyID)
    /// Nothing in the key's nature allows this; the text says why.
    case unsupportedOperation(String)
    /// Material to be imported was not wrapped for the parameters of its token, or has not 32 bytes.
    case invalidMaterial
    /// The material is not the one that was imported before.
    case incorrectKeyMaterial
    case invalidImportToken
    case expiredImportToken
    /// The marker of a list is none of that list.
    case invalidMarker
    /// Nothing was changed, as asked; it would have been done.
    case dryRun
    /// No such secret in the password safe, or no such version; its name, and which version.
    case secretNotFound(String)
    /// The secret was deleted, and can be restored until it is destroyed; seconds since 1970.
    case secretDeleted(String, destroyedAt: Int64)
    /// The keystore could not be read or written.
    case storage(KeystoreError)
    case cryptography(CryptographyError)

    /// The name of the AWS KMS exception that means this.
    package var awsName: String {
        switch self {
        case .notFound: "NotFoundException"
        case .disabled: "DisabledException"
        case .invalidState, .versionTooOld, .protected: "KMSInvalidStateException"
        case .unsupportedOperation: "UnsupportedOperationException"
        case .incorrectKeyMaterial: "IncorrectKeyMaterialException"
        case .invalidImportToken: "InvalidImportTokenException"
        case .expiredImportToken: "ExpiredImportTokenException"
        case .invalidMarker: "InvalidMarkerException"
        case .dryRun: "DryRunOperationException"
        case .invalidCiphertext, .invalidMaterial: "InvalidCiphertextException"
        case .incorrectKey: "IncorrectKeyException"
        case .alreadyExists: "AlreadyExistsException"
        case .validation: "ValidationException"
        case .limitExceeded: "LimitExceededException"
        case .keyUnavailable: "KeyUnavailableException"
        // As AWS Secrets Manager says.
        case .secretNotFound: "ResourceNotFoundException"
        case .secretDeleted: "InvalidRequestException"
        case .storage, .cryptography: "KMSInternalException"
        }
    }
}

extension KeyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notFound(let what): "\(what) is not in this keystore"
        case .disabled(let key): "key \(key) is disabled"
        case .invalidState(let key, let state): "key \(key) is \(state.rawValue), which does not allow this"
        case .invalidCiphertext: "the wrapped key or its encryption context was changed, or this is no wrapped key"
        case .incorrectKey: "the wrapped key was made by another key than the given one"
        case .alreadyExists(let what): "\(what) already exists"
        case .validation(let why): why
        case .limitExceeded(let why): why
        case .keyUnavailable(let why): why
        case .versionTooOld(let key, let version, let minimum): "key \(key) opens versions from \(minimum) on, and this was made by version \(version)"
        case .protected(let key): "key \(key) is protected from deletion"
        case .unsupportedOperation(let why): why
        case .invalidMaterial: "the wrapped material was not encrypted with the public key that came with the token, or has not 32 bytes"
        case .incorrectKeyMaterial: "the material is not the one that this key had before"
        case .invalidImportToken: "the import token is not that of the last parameters for import of this key"
        case .expiredImportToken: "the import token is older than 24 hours; get new parameters for import"
        case .invalidMarker: "the marker is not one that this list gave"
        case .dryRun: "it would have been done; nothing was changed"
        case .secretNotFound(let what): "secret \(what) is not in this keystore"
        case .secretDeleted(let name, let date):
            "secret \(name) was deleted and will be destroyed at \(Date(timeIntervalSince1970: Double(date)).formatted(.iso8601))"
        case .storage(let why): why.description
        case .cryptography(let error): "the cryptographic library failed: \(error)"
        }
    }
}
