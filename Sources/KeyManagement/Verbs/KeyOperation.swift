// The operations of the KMS core by name, and in which state of a key each is allowed.

/// Every verb, by the name that AWS KMS gives it where it has it.
package enum KeyOperation: String, Sendable, CaseIterable {
    case createKey = "CreateKey"
    case describeKey = "DescribeKey"
    case listKeys = "ListKeys"
    case listAliases = "ListAliases"
    case createAlias = "CreateAlias"
    case updateAlias = "UpdateAlias"
    case deleteAlias = "DeleteAlias"
    case updateKeyDescription = "UpdateKeyDescription"
    case tagResource = "TagResource"
    case untagResource = "UntagResource"
    case enableKey = "EnableKey"
    case disableKey = "DisableKey"
    case retireKey = "RetireKey"
    case rotateKeyOnDemand = "RotateKeyOnDemand"
    case enableKeyRotation = "EnableKeyRotation"
    case disableKeyRotation = "DisableKeyRotation"
    case listKeyRotations = "ListKeyRotations"
    case setMinimumVersion = "SetMinimumDecryptionVersion"
    case protectKey = "ProtectKey"
    case unprotectKey = "UnprotectKey"
    case scheduleKeyDeletion = "ScheduleKeyDeletion"
    case cancelKeyDeletion = "CancelKeyDeletion"
    case getParametersForImport = "GetParametersForImport"
    case importKeyMaterial = "ImportKeyMaterial"
    case deleteImportedKeyMaterial = "DeleteImportedKeyMaterial"
    case encrypt = "Encrypt"
    case decrypt = "Decrypt"
    case reEncryptFrom = "ReEncryptFrom"
    case reEncryptTo = "ReEncryptTo"
    case generateDataKey = "GenerateDataKey"
    case generateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext"
    case generateRandom = "GenerateRandom"
    /// What happens by itself when its time has come.
    case rotateKeyAutomatically = "RotateKey"
    case deleteKey = "DeleteKey"
    case expireKeyMaterial = "ExpireKeyMaterial"
    case acceptTime = "AcceptTime"

    /// The states of a key in which this is allowed; nil for operations that are about no single key. Docs/KEYS.md shows the same table, and a test runs all of it.
    package var allowedStates: Set<KeyState>? {
        switch self {
        case .createKey, .listKeys, .listAliases, .generateRandom, .acceptTime: nil
        case .describeKey, .listKeyRotations, .deleteAlias: Set(KeyState.allCases)
        case .createAlias, .updateAlias, .updateKeyDescription, .tagResource, .untagResource, .protectKey: [.enabled, .disabled, .decryptOnly, .pendingImport]
        case .unprotectKey: [.enabled, .disabled, .decryptOnly, .pendingImport]
        case .enableKey, .disableKey, .retireKey, .setMinimumVersion: [.enabled, .disabled, .decryptOnly]
        case .rotateKeyOnDemand, .enableKeyRotation, .rotateKeyAutomatically: [.enabled]
        case .disableKeyRotation: [.enabled, .decryptOnly]
        case .scheduleKeyDeletion: [.enabled, .disabled, .decryptOnly, .pendingImport]
        case .cancelKeyDeletion, .deleteKey: [.pendingDeletion]
        case .getParametersForImport, .importKeyMaterial: [.enabled, .disabled, .decryptOnly, .pendingImport]
        case .deleteImportedKeyMaterial, .expireKeyMaterial: [.enabled, .disabled, .decryptOnly, .pendingImport, .pendingDeletion]
        case .encrypt, .reEncryptTo, .generateDataKey, .generateDataKeyWithoutPlaintext: [.enabled]
        case .decrypt, .reEncryptFrom: [.enabled, .decryptOnly]
        }
    }

    /// What it answers for a key in `state`; nil when it is allowed.
    func refusal(of keyID: KeyID, in state: KeyState) -> KeyError? {
        guard let allowedStates, !allowedStates.contains(state) else { return nil }
        return state == .disabled && allowedStates.contains(.enabled) ? .disabled(keyID) : .invalidState(keyID, state)
    }
}

/// That a verb was done or refused.
package struct KeyEvent: Sendable, Equatable {
    package let operation: KeyOperation
    /// Nil when it was about no key, or the key was not found.
    package var keyID: KeyID?
    /// The version that was made or used, where there is one.
    package var version: UInt32?
    /// Nil when it was done.
    package var error: KeyError?
    /// Seconds since 1970.
    package let time: Int64
}
