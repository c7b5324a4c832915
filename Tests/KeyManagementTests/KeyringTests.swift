// What a keyring answers by state, when locked, and after changes by others.

import Cryptography
import Foundation
import Synchronization
import Testing

@testable import KeyManagement

struct KeyringTests {
    @Test func statesDecideWhatAKeyMayDo() throws {
        let opened = try TestRing()
        let blob = try opened.keyring.generateDataKey(under: opened.keyID, context: .empty).ciphertext
        for state in KeyState.allCases {
            let contents = try KeyringContents(
                generation: 2,
                keys: [opened.keyID: KeyringKey(state: state, currentVersion: 1, versions: [1: SecretBytes.random(count: 32)])])
            let ring = Keyring(keystoreID: opened.keyring.keystoreID, contents: contents, source: nil)
            let refusal: KeyError = state == .disabled ? .disabled(opened.keyID) : .invalidState(opened.keyID, state)
            let sealing = failure { try ring.generateDataKey(under: opened.keyID, context: .empty) } as? KeyError
            let opening = failure { try ring.decrypt(blob.span, context: .empty) } as? KeyError
            #expect(sealing == (state == .enabled ? nil : refusal))
            // Other material: it gets as far as the commitment where opening is allowed.
            #expect(opening == ([.enabled, .decryptOnly].contains(state) ? .invalidCiphertext : refusal))
        }
    }

    @Test func anotherExpectedKeyIsRefused() throws {
        let ring = try TestRing()
        let blob = try ring.keyring.generateDataKey(under: ring.keyID, context: .empty).ciphertext
        let other = try KeyID.random()
        #expect(failure { try ring.keyring.decrypt(blob.span, context: .empty, expecting: other) } as? KeyError == .incorrectKey)
        #expect(throws: Never.self) { try ring.keyring.decrypt(blob.span, context: .empty, expecting: ring.keyID) }
    }

    @Test func aLockedKeyringAnswersNothingUntilUnlocked() throws {
        let place = try Place()
        let (keystore, _) = try place.create()
        let key = try keystore.createKey()
        let ring = try keystore.keyring()
        let data = try ring.generateDataKey(under: key, context: .empty)
        ring.lock()
        #expect(ring.isLocked && ring.generation == 0)
        let unavailable = KeyError.keyUnavailable("the keyring is locked")
        #expect(failure { try ring.generateDataKey(under: key, context: .empty) } as? KeyError == unavailable)
        #expect(failure { try ring.decrypt(data.ciphertext.span, context: .empty) } as? KeyError == unavailable)
        #expect(failure { try ring.refresh() } as? KeyError == unavailable)
        #expect(failure { try ring.unlock(with: TestRing().keyring) } as? KeyError == .incorrectKey)
        try ring.unlock(with: keystore.keyring())
        #expect(array(try ring.decrypt(data.ciphertext.span, context: .empty)) == array(data.plaintext))
    }

    @Test func changesOfAnotherConnectionAreSeen() throws {
        let place = try Place()
        let (mine, code) = try place.create()
        let other = try Keystore.open(at: place.path, unlockingWith: .recoveryCode(code))
        let key = try mine.createKey(alias: "alias/a")
        let ring = try mine.keyring()
        let blob = try ring.generateDataKey(under: key, context: .empty).ciphertext
        #expect(try !ring.refresh())

        // Without a refresh: a key, and then a version, made elsewhere since.
        let newer = try other.createKey()
        let foreign = try other.keyring().generateDataKey(under: newer, context: .empty)
        #expect(array(try ring.decrypt(foreign.ciphertext.span, context: .empty)) == array(foreign.plaintext))
        #expect(try other.rotateKey(KeyReference(key)) == 2)
        let second = try other.keyring().generateDataKey(under: key, context: .empty)
        #expect(try Keyring.describe(second.ciphertext.span).version == 2)
        #expect(array(try ring.decrypt(second.ciphertext.span, context: .empty)) == array(second.plaintext))
        #expect(throws: Never.self) { try ring.decrypt(blob.span, context: .empty) }

        try other.disableKey(KeyReference(key))
        #expect(try ring.refresh())
        #expect(failure { try ring.decrypt(blob.span, context: .empty) } as? KeyError == .disabled(key))
        #expect(failure { try ring.generateDataKey(under: key, context: .empty) } as? KeyError == .disabled(key))
        try mine.retireKey(KeyReference("alias/a"))
        #expect(try ring.refresh() && !ring.refresh())
        #expect(throws: Never.self) { try ring.decrypt(blob.span, context: .empty) }
        #expect(failure { try ring.generateDataKey(under: key, context: .empty) } as? KeyError == .invalidState(key, .decryptOnly))
        try mine.enableKey(KeyReference(key))
        #expect(try ring.refresh())
        let third = try ring.generateDataKey(under: key, context: .empty)
        #expect(try Keyring.describe(third.ciphertext.span).version == 2)
        #expect(try ring.generation == mine.generation())
    }

    /// What a thread has read while another changed the keystore is not taken for the newest.
    @Test func ownChangesAreSeenBesideOtherThreads() throws {
        let (keystore, _) = try Place().create()
        let key = KeyReference(try keystore.createKey())
        let ring = try keystore.keyring()
        let isDone = Atomic(false)
        let reading = Thread {
            while !isDone.load(ordering: .relaxed) { _ = try? ring.refresh() }
        }
        reading.start()
        defer { isDone.store(true, ordering: .relaxed) }
        for round in 0..<300 {
            try keystore.disableKey(key)
            try keystore.enableKey(key)
            try ring.refresh()
            let now = try keystore.generation()
            try #require(ring.generation == now, "round \(round)")
        }
    }

    @Test func aForeignKeystoresBlobIsNotFound() throws {
        let (here, there) = (try Place(), try Place())
        let (mine, _) = try here.create()
        let (theirs, _) = try there.create()
        let key = try theirs.createKey()
        let blob = try theirs.keyring().generateDataKey(under: key, context: .empty).ciphertext
        #expect(failure { try mine.keyring().decrypt(blob.span, context: .empty) } as? KeyError == .notFound("key \(key)"))
    }

    @Test func manyThreadsShareAKeyring() async throws {
        let ring = try TestRing()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<200).allSatisfy { _ in
                        guard let made = try? ring.keyring.generateDataKey(under: ring.keyID, context: .empty),
                            let opened = try? ring.keyring.decrypt(made.ciphertext.span, context: .empty)
                        else { return false }
                        return opened.isEqual(to: made.plaintext)
                    }
                }
            }
            for await agreed in group { #expect(agreed) }
        }
    }
}
