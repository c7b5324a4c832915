// What the audit log says of the safe: every use, by the secret's id, since names are sealed and the log is not.

import Cryptography
import GRDB

/// What is done with secrets, in the words of AWS Secrets Manager where it has the operation.
enum SafeOperation: String {
    case create = "CreateSecret"
    case put = "PutSecretValue"
    case get = "GetSecretValue"
    case restoreVersion = "UpdateSecretVersionStage"
    case delete = "DeleteSecret"
    case restore = "RestoreSecret"
    case destroy = "DestroySecret"
    case list = "ListSecrets"

    /// `version` is that of the secret.
    func event(of id: SecretID?, version: UInt32? = nil, key: KeyID? = nil, refused error: KeyError? = nil, reason: String? = nil) -> AuditEvent {
        AuditEvent(
            rawValue, keyID: key, version: version, subject: id.map { "secret/\($0.hex)" }, result: error?.awsName ?? AuditEvent.success, reason: reason)
    }
}

extension PasswordSafe {
    /// Writes what is not a change, or was refused. It is said loudly where that is not possible, and does not stop who asked.
    func record(_ operation: SafeOperation, of id: SecretID? = nil, version: UInt32? = nil, key: KeyID? = nil, refused error: KeyError? = nil, reason: String? = nil) {
        keystore.record(operation.event(of: id, version: version, key: key, refused: error, reason: reason))
    }

    /// The id of a name, for the log of a refusal; nil where there is no safe, or it cannot be read.
    func id(of name: String) -> SecretID? { (try? read { safe in try safe.keys.id(of: name) }) ?? nil }

    /// Runs `body` as a change of one secret, and logs it: with the change itself, or the refusal alone.
    func change<R>(
        _ operation: SafeOperation, _ name: String, _ body: (inout SafeTransaction, RowAuthentication) throws -> (result: R, event: AuditEvent)
    ) throws(KeyError) -> R {
        do throws(KeyError) {
            return try change { safe, authentication in
                let (result, event) = try body(&safe, authentication)
                safe.events.append(event)
                return result
            }
        } catch {
            record(operation, of: id(of: name), refused: error)
            throw error
        }
    }
}
