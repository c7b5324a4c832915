// Every verb in every state of a key: the table of Docs/KEYS.md, the one in KeyOperation, and what the verbs do, agree.

import Cryptography
import Foundation
import GRDB
import Synchronization
import Testing

@testable import KeyManagement

struct VerbTableTests {
    /// By operation and state: "yes", or the name of the exception. Read from the manual.
    private static func manual() throws -> [KeyOperation: [KeyState: String]] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Docs/KEYS.md")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        let head = try #require(lines.firstIndex { $0.hasPrefix("| operation |") })
        func cells(_ line: Substring) -> [String] { line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        let states = try cells(lines[head]).dropFirst().map { try #require(KeyState(rawValue: $0), "\($0)") }
        var table: [KeyOperation: [KeyState: String]] = [:]
        for line in lines[(head + 2)...].prefix(while: { $0.hasPrefix("|") }) {
            let row = cells(line)
            let operation = try #require(KeyOperation(rawValue: row[0]), "\(row[0])")
            table[operation] = Dictionary(uniqueKeysWithValues: zip(states, row.dropFirst()))
        }
        return table
    }

    @Test func theManualHasTheTableOfTheProgram() throws {
        let manual = try Self.manual()
        let key = try KeyID.random()
        for operation in KeyOperation.allCases {
            guard operation.allowedStates != nil else {
                #expect(manual[operation] == nil)
                continue
            }
            for state in KeyState.allCases {
                let answer = operation.refusal(of: key, in: state)?.awsName ?? "yes"
                #expect(manual[operation]?[state] == answer, "\(operation.rawValue) in \(state.rawValue)")
            }
        }
    }

    /// A keystore with a key in each state, of generated and of external origin.
    private final class Stage {
        let place: Place
        let keystore: Keystore
        let time = TestClock()

        init() throws {
            place = try Place()
            keystore = try Keystore.create(at: place.path, passphrase: secret("x"), scrypt: cheapScrypt, clock: time.read) { _ in }
        }

        /// A fresh key in `state`, and something that it wrapped when it could.
        func key(in state: KeyState, external: Bool) throws -> (KeyReference, blob: [UInt8]) {
            let id = try keystore.createKey(origin: external ? .external : .generated)
            let reference = KeyReference(id)
            if external { try importMaterial(reference) }
            let blob = try keystore.encrypt(secret("plain"), under: reference, context: .empty)
            switch state {
            case .enabled: break
            case .disabled: try keystore.disableKey(reference)
            case .decryptOnly: try keystore.retireKey(reference)
            case .pendingImport:
                if external {
                    try keystore.deleteImportedMaterial(of: reference)
                } else {
                    // No verb leads there without external origin; the table speaks of the state alone.
                    try keystore.change { database, authentication in
                        var row = try #require(try KeyRow.find(id, in: database))
                        row.state = .pendingImport
                        try authentication.put(.cmk, row.values, database)
                    }
                }
            case .pendingDeletion: try keystore.scheduleDeletion(of: reference)
            case .destroyed:
                try keystore.scheduleDeletion(of: reference, days: 7)
                time.advance(days: 7)
                #expect(keystore.applySchedule().destroyed == [id])
            }
            #expect(try keystore.describe(reference).state == state)
            return (reference, blob)
        }

        func importMaterial(_ reference: KeyReference) throws {
            let parameters = try keystore.parametersForImport(of: reference, keySize: 2048)
            let wrapped = try keystore.wrapForImport(stageMaterial, reference)
            try keystore.importMaterial(wrapped.span, token: parameters.token, into: reference)
        }
    }

    /// Verbs whose success with a key of external origin is asked for.
    private static let imports: Set<KeyOperation> = [.getParametersForImport, .importKeyMaterial, .deleteImportedKeyMaterial]

    @Test(arguments: KeyState.allCases) func everyVerbDoesWhatTheManualSays(_ state: KeyState) throws {
        let manual = try Self.manual()
        let stage = try Stage()
        let keystore = stage.keystore
        var done = 0
        for operation in KeyOperation.allCases where operation.allowedStates != nil {
            let scheduled: Set<KeyOperation> = [.rotateKeyAutomatically, .deleteKey, .expireKeyMaterial]
            if scheduled.contains(operation) { continue }  // ScheduleTests
            let (key, blob) = try stage.key(in: state, external: Self.imports.contains(operation))
            let target = KeyReference(try keystore.createKey())
            let alias = "alias/\(operation.rawValue)"
            if operation == .updateAlias { try keystore.createAlias(alias, for: target) }
            var token: [UInt8] = []
            if operation == .importKeyMaterial, state != .destroyed, state != .pendingDeletion { token = try keystore.parametersForImport(of: key, keySize: 2048).token }
            let context = EncryptionContext.empty
            let verb: () throws -> Void = {
                switch operation {
                case .describeKey: _ = try keystore.describe(key)
                case .listKeyRotations: _ = try keystore.rotations(of: key)
                case .createAlias: try keystore.createAlias(alias, for: key)
                case .updateAlias: try keystore.updateAlias(alias, to: key)
                case .deleteAlias:
                    guard state != .destroyed else { return }  // its aliases are gone
                    let keyID = try keystore.describe(key).keyID
                    try keystore.change { try $1.put(.alias, [alias.databaseValue, Data(keyID.bytes).databaseValue, 1.databaseValue], $0) }
                    try keystore.deleteAlias(alias)
                case .updateKeyDescription: try keystore.updateDescription("new", of: key)
                case .tagResource: try keystore.tagKey(key, [("a", "b")])
                case .untagResource: try keystore.untagKey(key, ["a"])
                case .enableKey: try keystore.enableKey(key)
                case .disableKey: try keystore.disableKey(key)
                case .retireKey: try keystore.retireKey(key)
                case .rotateKeyOnDemand: try keystore.rotateKey(key)
                case .enableKeyRotation: try keystore.setRotationPeriod(90, of: key)
                case .disableKeyRotation: try keystore.setRotationPeriod(nil, of: key)
                case .setMinimumVersion: try keystore.setMinimumVersion(1, of: key)
                case .protectKey: try keystore.protectKey(key, true)
                case .unprotectKey: try keystore.protectKey(key, false)
                case .scheduleKeyDeletion: try keystore.scheduleDeletion(of: key)
                case .cancelKeyDeletion: try keystore.cancelDeletion(of: key)
                case .getParametersForImport: _ = try keystore.parametersForImport(of: key, keySize: 2048)
                case .importKeyMaterial:
                    var wrapped: [UInt8] = [0]
                    if !token.isEmpty { wrapped = try keystore.wrapForImport(stageMaterial, key) }
                    try keystore.importMaterial(wrapped.span, token: token, into: key)
                case .deleteImportedKeyMaterial: try keystore.deleteImportedMaterial(of: key)
                case .encrypt: _ = try keystore.encrypt(secret("p"), under: key, context: context)
                case .decrypt: #expect(array(try keystore.decrypt(blob.span, context: context).plaintext) == Array("plain".utf8))
                case .reEncryptFrom: _ = try keystore.reEncrypt(blob.span, context: context, to: target, context: context)
                case .reEncryptTo:
                    let other = try keystore.encrypt(secret("p"), under: target, context: context)
                    _ = try keystore.reEncrypt(other.span, context: context, to: key, context: context)
                case .generateDataKey: _ = try keystore.generateDataKey(under: key, context: context)
                case .generateDataKeyWithoutPlaintext: _ = try keystore.generateDataKeyWithoutPlaintext(under: key, context: context)
                case .createKey, .listKeys, .listAliases, .generateRandom, .rotateKeyAutomatically, .deleteKey, .expireKeyMaterial, .acceptTime: break
                }
            }
            let before = try keystore.generation()
            let error = failure(verb)
            let name = (error as? KeyError)?.awsName ?? (error.map { "\($0)" } ?? "yes")
            #expect(name == manual[operation]?[state], "\(operation.rawValue) in \(state.rawValue): \(String(describing: error))")
            if error != nil && operation != .reEncryptTo { #expect(try keystore.generation() == before, "\(operation.rawValue) was refused and changed something") }
            done += 1
        }
        #expect(done == 28)
    }
}

extension VerbTableTests {
    /// As AWS KMS: that the material is imported is said before what state the key is in.
    @Test(arguments: KeyState.allCases) func importedMaterialIsNotRotatedInAnyState(_ state: KeyState) throws {
        let stage = try Stage()
        let (key, _) = try stage.key(in: state, external: true)
        let verbs: [() throws -> Void] = [
            { try stage.keystore.rotateKey(key) }, { try stage.keystore.setRotationPeriod(90, of: key) }, { try stage.keystore.setRotationPeriod(nil, of: key) },
        ]
        for verb in verbs { #expect((failure(verb) as? KeyError)?.awsName == "UnsupportedOperationException") }
    }
}

let stageMaterial = Array(repeating: UInt8(7), count: 32)

extension Keystore {
    /// What the owner of material does with the parameters last given out: here with the stored key pair.
    func wrapForImport(_ material: [UInt8], _ reference: KeyReference) throws -> [UInt8] {
        let pair: RSAKeyPair = try reading { database in
            let keyID = try find(reference, database).keyID
            let row = try #require(try Row.fetchOne(database, sql: "SELECT * FROM import_parameters WHERE key_id = ?", arguments: [Data(keyID.bytes)]))
            let bytes = try authentication().keys.openBytes(
                nonce: Array(row["nonce"] as Data), sealed: Array(row["sealed_private_key"] as Data),
                authenticating: Array("EnvelopeFS import parameters 1".utf8) + keyID.bytes)
            return try RSAKeyPair(privateBytes: bytes)
        }
        return try pair.seal(try SecretBytes(copying: material.span))
    }
}

/// A clock that stands still until it is set.
final class TestClock: Sendable {
    private let time = Mutex(Int64(1_800_000_000))
    var read: @Sendable () -> Int64 { { self.time.withLock { $0 } } }
    func advance(days: Int64) { time.withLock { $0 += days * 86_400 } }
    func advance(seconds: Int64) { time.withLock { $0 += seconds } }
}
