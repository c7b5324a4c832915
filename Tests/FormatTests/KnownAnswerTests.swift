// Every structure on disk against bytes that another program computed.
import Bytes
import Cryptography
import Testing

@testable import Format

struct KnownAnswerTests {
    let vectors = Vectors.all

    @Test func keysBelowTheVaultKey() throws {
        let labels = [VaultKeyLabel.names, VaultKeyLabel.links, VaultKeyLabel.attributeNames, VaultKeyLabel.attributeValues, VaultKeyLabel.vaultTag, VaultKeyLabel.journal]
        let known = vectors.keys.filter { $0.master == "vault" }
        #expect(known.count == labels.count)
        for key in known {
            let label = try #require(labels.first { $0.bytes == Array(key.label.utf8) })
            let derived = try VaultKeyTree.secret(vaultKey(), label, count: key.key.count / 2)
            #expect(derived.withBytes { $0.array }.hex == key.key)
        }
    }

    /// A key below the data key is not given out: it must open what the known key sealed.
    @Test func keysBelowTheDataKey() throws {
        let root = try FileKeyRoot(dataKey: dataKey())
        for key in vectors.keys where key.master == "data" {
            let known = try AEADKey(secret(key.key))
            let label = try #require([FileKeyLabel.state, FileKeyLabel.block, FileKeyLabel.inline].first { $0.bytes == Array(key.label.utf8) })
            let ours = try root.key(label, salt: key.salt)
            let nonce = [UInt8](repeating: 1, count: 12)
            var bytes = Array("known".utf8), tag = [UInt8](repeating: 0, count: 16)
            var span = bytes.mutableSpan, tagSpan = tag.mutableSpan
            try known.sealInPlace(&span, nonce: nonce.span, authenticating: ByteSpan(), tag: &tagSpan)
            try ours.openInPlace(&span, nonce: nonce.span, authenticating: ByteSpan(), tag: tag.span)
            #expect(bytes.text == "known")
        }
    }

    @Test func headers() throws {
        for known in vectors.headers {
            let header = FileHeader(fileID: fileID(), isInline: known.isInline, wrappedKey: [UInt8](hex: known.wrappedKey))
            var sector = [UInt8](repeating: 0xaa, count: 512)
            var span = sector.mutableSpan
            header.write(into: &span)
            #expect(sector.hex == known.sector)
            #expect(try FileHeader(parsing: sector.span) == header)
        }
    }

    @Test func states() throws {
        for known in vectors.states {
            let state = FileState(
                contentSize: known.contentSize, isOpen: known.flags & 1 != 0, isSparse: known.flags & 2 != 0, needsRecovery: known.flags & 4 != 0,
                isUnfinished: known.flags & 8 != 0, generation: known.generation)
            let cipher = try fixedCipher(nonce: known.nonce)
            let sector = try cipher.sealed(state: state, isInline: known.isInline)
            #expect(sector.hex == known.sector)
            #expect(try cipher.openState(sector.span, isInline: known.isInline) == state)
        }
    }

    @Test func blocks() throws {
        for known in vectors.blocks {
            let index = try #require(known.index)
            let cipher = try fixedCipher(nonce: known.nonce, salt: known.salt)
            let (entry, sealed) = try cipher.sealed(block: index, [UInt8](hex: known.plain))
            #expect(entry.array.hex == known.entry)
            #expect(sealed.hex == known.sealed)
            let reader = try FileCipher(dataKey: dataKey(), fileID: fileID())
            #expect(try reader.opened(block: index, entry, sealed).hex == known.plain)
            var page = sealed + [UInt8](repeating: 0x55, count: 4096 - sealed.count)
            var span = page.mutableSpan
            try reader.openBlockInPlace(index, entry, &span)
            #expect(page == [UInt8](hex: known.plain) + [UInt8](repeating: 0, count: 4096 - sealed.count))
        }
    }

    @Test func inlineContent() throws {
        for known in vectors.inlines {
            let cipher = try fixedCipher(nonce: known.nonce, salt: known.salt)
            let (entry, sealed) = try cipher.sealed(inline: [UInt8](hex: known.plain))
            #expect(entry.array.hex == known.entry)
            #expect(sealed.hex == known.sealed)
            let reader = try FileCipher(dataKey: dataKey(), fileID: fileID())
            #expect(try reader.opened(inline: entry, sealed).hex == known.plain)
            var bytes = sealed
            var span = bytes.mutableSpan
            try reader.openInlineInPlace(entry, &span)
            #expect(bytes.hex == known.plain)
        }
    }

    @Test(arguments: Vectors.all.files.indices) func wholeFiles(_ n: Int) throws {
        let known = vectors.files[n]
        let backing = [UInt8](hex: known.backing)
        let header = try FileHeader(parsing: backing.span.slice(0, 512))
        let cipher = try FileCipher(dataKey: dataKey(), fileID: header.fileID)
        let state = try cipher.openState(backing.span.slice(512, 512), isInline: header.isInline)
        let extent = BlockLayout.contentSize(ofBacking: UInt64(backing.count))
        #expect(extent.size == state.contentSize && !state.isOpen)
        var plain = [UInt8](repeating: 0, count: Int(extent.size))
        if header.isInline {
            #expect(extent.form == .inline)
            plain = try cipher.opened(inline: Entry(from: backing.span, at: 1024), Array(backing[1056...]))
        } else {
            for i in BlockLayout.blocks(covering: 0..<extent.size) {
                let slot = Slot(from: backing.span, at: Int(BlockLayout.slotOffset(of: i)))
                #expect(!slot.isDamaged)
                if slot.isHole {
                    #expect(state.isSparse)
                    continue
                }
                let start = Int(BlockLayout.blockOffset(of: i)), at = Int(i) * 4096
                let part = try cipher.opened(block: i, slot.current, Array(backing[start..<(start + slot.current.length)]), count: min(4096, plain.count - at))
                plain.replaceSubrange(at..<(at + part.count), with: part)
            }
        }
        #expect(plain.hex == known.plain)
    }

    @Test func names() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        for known in vectors.names {
            let parent = directory(known.parent), own = known.directoryID.map(directory)
            let name = try cipher.sealName([UInt8](hex: known.plain).span, kind: NameKind(own), in: parent)
            #expect(name.backingName.text == known.backing)
            #expect(name.side?.name.text == known.sideName)
            #expect(name.side?.content.text == known.sideContent)
            #expect(name.isLong == (known.sideName != nil))
            let content = known.sideContent.map { [UInt8](text: $0) } ?? []
            let opened = try cipher.openName(name.backingName.span, longContent: content.isEmpty ? nil : content.span, in: parent)
            #expect(opened.plain.hex == known.plain && opened.directoryID == own)
            let form = BackingNameForm(name.backingName.span)
            #expect(form.directoryID == own && (form.longNameHash != nil) == name.isLong)
            #expect(form.longNameHash?.sideName.text == known.sideName)
            if let side = name.side { #expect(BackingNameForm(side.name.span) == form.longNameHash.map { .side($0) }) }
        }
    }

    @Test func links() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        for known in vectors.links {
            let text = try cipher.sealLinkTarget([UInt8](hex: known.plain).span)
            #expect(text.text == known.text)
            #expect(try cipher.openLinkTarget(text.span).hex == known.plain)
            #expect(NameCipher.plainLength(ofLink: text.count) == known.plain.count / 2)
        }
    }

    @Test func attributes() throws {
        let cipher = try NameCipher(vaultKey: vaultKey())
        for known in vectors.attributes {
            let name = try cipher.sealAttributeName([UInt8](text: known.name).span)
            #expect(name.text == known.sealedName)
            #expect(try cipher.openAttributeName(name.span).text == known.name)
            let object: ObjectID = known.object == "file" ? .file(fileID(known.objectID)) : .directory(directory(known.objectID))
            let value = try cipher.sealAttributeValue([UInt8](hex: known.value).span, name: name.span, of: object)
            #expect(value.hex == known.sealedValue)
            #expect(try cipher.openAttributeValue(value.span, name: name.span, of: object).hex == known.value)
            #expect(NameCipher.plainLength(ofAttributeValue: value.count) == known.value.count / 2)
        }
    }

    @Test func vaultTexts() throws {
        for known in vectors.vaults {
            let configuration = try VaultConfiguration.known(known)
            #expect(try configuration.serialize(vaultKey: vaultKey()).text == known.text)
            let parsed = try VaultConfiguration.parse([UInt8](text: known.text).span)
            #expect(parsed.claimed == configuration)
            #expect(try parsed.verified(vaultKey: vaultKey()) == configuration)
        }
    }

    @Test(arguments: Vectors.all.refused) func refusals(_ known: Vectors.Refused) throws {
        let cipher = try FileCipher(dataKey: dataKey(), fileID: fileID())
        let names = try NameCipher(vaultKey: vaultKey())
        let bytes = known.bytes.map { [UInt8](hex: $0) } ?? []
        let error = refusal {
            switch known.kind {
            case "header": _ = try FileHeader(parsing: bytes.span)
            case "state": _ = try cipher.openState(bytes.span, isInline: false)
            case "block": _ = try cipher.opened(block: known.index ?? 0, Entry(from: [UInt8](hex: known.entry ?? "").span), bytes, count: 4097)
            case "name":
                let content = [UInt8](text: known.sideContent ?? "")
                _ = try names.openName([UInt8](text: known.backing ?? "").span, longContent: known.sideContent == nil ? nil : content.span, in: directory(known.parent ?? ""))
            case "link": _ = try names.openLinkTarget([UInt8](text: known.text ?? "").span)
            // The vectors are for a program that knows no feature.
            case "vault": _ = try VaultConfiguration.parse([UInt8](text: known.text ?? "").span, knownFeatures: []).verified(vaultKey: vaultKey())
            default: Issue.record("unknown kind \(known.kind)")
            }
        }
        #expect(label(error) == known.error)
    }
}

extension VaultConfiguration {
    static func known(_ known: Vectors.Vault) throws -> VaultConfiguration {
        let vectors = Vectors.all
        var configuration = VaultConfiguration(
            vaultID: VaultID([UInt8](hex: vectors.vaultID).span), keystoreID: KeystoreIdentity([UInt8](hex: vectors.keystoreID).span),
            keyStateGeneration: known.generation, defaultKey: KeystoreIdentity([UInt8](hex: vectors.defaultKey).span),
            wrappedVaultKey: [UInt8](hex: vectors.wrappedVaultKey), rootDirectoryID: directory(vectors.rootDirectory))
        configuration.keystoreHint = known.hint
        configuration.isClean = known.clean
        configuration.journalEpoch = known.epoch
        for (directoryID, key) in known.policies {
            configuration.directoryPolicies[directory(directoryID)] = KeystoreIdentity([UInt8](hex: key).span)
        }
        return configuration
    }
}
