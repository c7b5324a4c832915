// Extended attributes: `user.*` sealed, ACLs and `security.*` passed through.

import Bytes
import Format
import POSIX

extension Vault {
    private static let userPrefix = Array("user.".utf8)
    private static let label = Array("security.selinux".utf8)

    private enum Namespace {
        case sealed, passedThrough
    }

    /// - Throws: `EOPNOTSUPP` for a namespace that a vault does not keep (`trusted.*`, `system.*` but ACLs).
    private static func namespace(of name: [UInt8]) throws(Errno) -> Namespace {
        if name.starts(with: userPrefix) {
            if name.count == userPrefix.count { throw .invalidArgument }
            return .sealed
        }
        if name.starts(with: Array("security.".utf8)) || isAccessControlList(name) { return .passedThrough }
        throw .notSupported
    }

    /// Whether the attribute of this name is a POSIX ACL.
    package static func isAccessControlList(_ name: [UInt8]) -> Bool { isOwnAccessControlList(name) || name == Array("system.posix_acl_default".utf8) }
    /// Whether it is one that says who may do what with the object itself.
    package static func isOwnAccessControlList(_ name: [UInt8]) -> Bool { name == Array("system.posix_acl_access".utf8) }

    private static func isCapability(_ name: ByteSpan) -> Bool {
        // By length first: the kernel asks for this one at every write.
        name.count == 19 && name.array == Array("security.capability".utf8)
    }

    /// The value of an attribute.
    /// - Throws: `ENODATA` when there is none, `EIO` when it does not authenticate, `EOPNOTSUPP`.
    package func attribute(_ name: ByteSpan, of inode: Inode) throws(Errno) -> [UInt8] {
        let isCapability = Self.isCapability(name)
        if isCapability && inode.hasNoCapability.load(ordering: .relaxed) { throw .noData }
        let plain = name.array
        switch try Self.namespace(of: plain) {
        case .passedThrough:
            let backing = try AttributeName(plain)
            if isCapability, let content = inode.regularFile?.content {
                return try content.readingCapability { (object) throws(Errno) in
                    do throws(Errno) { return try object.attribute(backing) } catch {
                        if error == .noData { inode.hasNoCapability.store(true, ordering: .relaxed) }
                        throw error
                    }
                }
            }
            do throws(Errno) {
                return try onBacking(of: inode) { (object) throws(Errno) in
                    do throws(Errno) { return try object.get(backing) } catch {
                        if isCapability && error == .noData { inode.hasNoCapability.store(true, ordering: .relaxed) }
                        throw error
                    }
                }
            } catch {
                // `ls -l` asks each file for a label of SELinux until a file system says that it has none. Where there is SELinux, the kernel answers itself.
                if error == .noData && plain == Self.label { throw .notSupported }
                // The kernel lets nobody but the owner in where it cannot ask for the ACL: a file system without ACLs has none.
                if error == .notSupported && Self.isAccessControlList(plain) { throw .noData }
                throw error
            }
        case .sealed:
            let backing = try sealAttributeName(plain)
            let stored = try AttributeName(backing)
            let value = try onBacking(of: inode) { (object) throws(Errno) in try object.get(stored) }
            let object = try objectOfAttributes(inode)
            do throws(FormatError) {
                guard let object else { throw .damaged }
                return try names.openAttributeValue(value.span, name: backing.span, of: object)
            } catch {
                context.log.damaged(inode.label, "the value of an attribute does not open")
                throw .ioError
            }
        }
    }

    package func setAttribute(_ name: ByteSpan, to value: ByteSpan, flags: AttributeFlags, of inode: Inode) throws(Errno) {
        try context.willChange()
        // An ACL changes the mode as well. Also of a content that came into use meanwhile.
        defer { inode.regularFile?.content?.noteMode() }
        let plain = name.array
        let namespace = try Self.namespace(of: plain)
        if Self.isCapability(name) { inode.hasNoCapability.store(false, ordering: .relaxed) }
        switch namespace {
        case .passedThrough:
            let backing = try AttributeName(plain)
            let copy = value.array
            if try changeCapability(name, of: inode, { (object) throws(Errno) in try object.setAttribute(backing, copy.span, flags: flags) }) { return }
            try onBacking(of: inode) { (object) throws(Errno) in
                try access.alone { () throws(Errno) in try object.set(backing, copy, flags) }
                // As in `changeCapability`.
                if Self.isCapability(name) { inode.hasNoCapability.store(false, ordering: .relaxed) }
            }
        case .sealed:
            try setSealed(sealAttributeName(plain), value.array, flags, of: inode)
        }
    }

    private func setSealed(_ name: [UInt8], _ value: [UInt8], _ flags: AttributeFlags, of inode: Inode) throws(Errno) {
        let stored = try AttributeName(name)
        switch inode.role {
        case .directory(let directory):
            let sealed = try seal(value, name, for: .directory(directory.id))
            try onBacking(of: inode) { (object) throws(Errno) in try object.set(stored, sealed, flags) }
        case .regular(let file):
            let content = try acquire(file, of: inode, writable: true)
            defer { file.release(writable: true, of: inode, in: self) }
            try content.settingAttribute { (id, descriptor) throws(Errno) in
                let sealed = try seal(value, name, for: .file(id))
                try descriptor.setAttribute(stored, sealed.span, flags: flags)
            }
        case .link, .special:
            throw .notPermitted
        }
    }

    private func seal(_ value: [UInt8], _ name: [UInt8], for object: ObjectID) throws(Errno) -> [UInt8] {
        do throws(FormatError) { return try names.sealAttributeValue(value.span, name: name.span, of: object) } catch { throw .ioError }
    }

    package func removeAttribute(_ name: ByteSpan, of inode: Inode) throws(Errno) {
        try context.willChange()
        defer { inode.regularFile?.content?.noteMode() }
        let plain = name.array
        let backing = try AttributeName(Self.namespace(of: plain) == .sealed ? sealAttributeName(plain) : plain)
        if try changeCapability(name, of: inode, { (object) throws(Errno) in try object.removeAttribute(backing) }) { return }
        try onBacking(of: inode) { (object) throws(Errno) in try object.remove(backing) }
    }

    /// Runs `body`, which sets or removes the capability of a file that is in use; false for any other attribute, and where the file is in nobody's use.
    private func changeCapability(_ name: ByteSpan, of inode: Inode, _ body: (SharedDescriptor) throws(Errno) -> Void) throws(Errno) -> Bool {
        guard Self.isCapability(name), let content = inode.regularFile?.content else { return false }
        try content.changingCapability { (object) throws(Errno) in
            try body(object)
            // Somebody may have looked since it was said that there may be one.
            inode.hasNoCapability.store(false, ordering: .relaxed)
        }
        return true
    }

    /// The names of all attributes, each ended by a NUL.
    package func attributeNames(of inode: Inode) throws(Errno) -> [UInt8] {
        let backing = try onBacking(of: inode) { (object) throws(Errno) in try object.list() }
        var result: [UInt8] = []
        for name in backing.split(separator: 0) {
            let name = Array(name)
            guard let namespace = try? Self.namespace(of: name) else { continue }
            switch namespace {
            case .passedThrough:
                result += name
            case .sealed:
                guard let plain = try? names.openAttributeName(name.span) else {
                    context.log.note("\(inode.label): the name of an attribute does not open; not shown")
                    continue
                }
                result += plain
            }
            result.append(0)
        }
        return result
    }

    private func sealAttributeName(_ plain: [UInt8]) throws(Errno) -> [UInt8] {
        // What xattr(7) answers for a name that is too long: the sealed one must fit, too.
        guard plain.count <= NameCipher.maximumAttributeNameSize else { throw .outOfRange }
        do throws(FormatError) { return try names.sealAttributeName(plain.span) } catch { throw .ioError }
    }

    /// What the values of an object's attributes are bound to; nil for one that can have none.
    private func objectOfAttributes(_ inode: Inode) throws(Errno) -> ObjectID? {
        switch inode.role {
        case .directory(let directory):
            return .directory(directory.id)
        case .regular(let file):
            let content = try acquire(file, of: inode, writable: false)
            defer { file.release(writable: false, of: inode, in: self) }
            return content.fileID.map { .file($0) }
        case .link, .special:
            return nil
        }
    }

    // MARK: the backing object

    /// The attributes of a backing object, reached by whatever leads to it.
    private enum Backing {
        case open(SharedDescriptor)
        case named(SharedDescriptor, FileName)

        func get(_ name: AttributeName) throws(Errno) -> [UInt8] {
            switch self {
            case .open(let descriptor): try descriptor.attribute(name)
            case .named(let parent, let file): try parent.attributeAt(file, name)
            }
        }
        func set(_ name: AttributeName, _ value: [UInt8], _ flags: AttributeFlags) throws(Errno) {
            switch self {
            case .open(let descriptor): try descriptor.setAttribute(name, value.span, flags: flags)
            case .named(let parent, let file): try parent.setAttributeAt(file, name, value.span, flags: flags)
            }
        }
        func remove(_ name: AttributeName) throws(Errno) {
            switch self {
            case .open(let descriptor): try descriptor.removeAttribute(name)
            case .named(let parent, let file): try parent.removeAttributeAt(file, name)
            }
        }
        func list() throws(Errno) -> [UInt8] {
            switch self {
            case .open(let descriptor): try descriptor.attributeNames()
            case .named(let parent, let file): try parent.attributeNamesAt(file)
            }
        }
    }

    private func onBacking<R>(of inode: Inode, _ body: (Backing) throws(Errno) -> R) throws(Errno) -> R {
        if let content = inode.regularFile?.content { return try body(.open(content.descriptor)) }
        return try inode.reach { (parent, name) throws(Errno) in
            try body(.named(parent, name))
        } anchored: { (descriptor) throws(Errno) in
            try body(.open(descriptor))
        }
    }
}
