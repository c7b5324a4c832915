// How a command opens the keystore, asks it, and closes it.

import ArgumentParser
import KeyManagement

/// The options with which a command opens the keystore, and the opening.
struct KeystoreAccess: ParsableArguments {
    @OptionGroup var keystoreOptions: KeystoreOptions
    @OptionGroup var secretOptions: SecretOptions

    /// The keystore, for the caller to close, and the secret that opened it, to wipe. The parameters are those of `KeystoreDoor.open`.
    func unlock(forSlots: Bool = false, appliesSchedule: Bool = true) throws(Failure) -> (Keystore, UnlockSecret) {
        let path = try keystoreOptions.path()
        try KeystoreDoor.requireReadable(path, hint: nil)
        let secret = try SecretEntry.unlockSecret(secretOptions, for: .open(keystore: path))
        do throws(Failure) {
            return (try KeystoreDoor.open(path, secret: secret, forSlots: forSlots, appliesSchedule: appliesSchedule), secret)
        } catch {
            secret.wipe()
            throw error
        }
    }

    /// Opens the keystore, asks it, closes it, and passes the answer on. Where only a dry run was asked for, there is no answer.
    func use<Answer>(_ ask: (Keystore) throws(KeyError) -> Answer, then answer: (Answer) throws(Failure) -> Void) throws(Failure) {
        let (keystore, secret) = try unlock()
        defer { KeystoreDoor.close(keystore) }
        secret.wipe()
        let found: Answer
        do throws(KeyError) {
            found = try ask(keystore)
        } catch {
            guard error == .dryRun else { throw Failure(error) }
            Console.note(error.description)
            return
        }
        try answer(found)
    }
}
