// Tests of extended attributes on every kind of object.
import Bytes
import Testing

@testable import POSIX

@Suite struct AttributeTests {
    let isRoot = CurrentProcess.userID == 0

    @Test func setsReadsListsAndRemoves() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        let name = try AttributeName("user.a b")
        #expect(throws: Errno.noData) { try file.attribute(name) }
        #expect(throws: Errno.noData) { try file.setAttribute(name, [1].span, flags: .replace) }
        try file.setAttribute(name, [1, 0, 2].span, flags: .create)
        #expect(throws: Errno.exists) { try file.setAttribute(name, [1].span, flags: .create) }
        #expect(try file.attribute(name) == [1, 0, 2])
        try file.setAttribute(AttributeName("user.empty"), [UInt8]().span)
        #expect(try file.attribute(AttributeName("user.empty")) == [])
        let large = [UInt8](repeating: 5, count: 3000)
        try file.setAttribute(name, large.span)
        #expect(try file.attribute(name) == large)
        var small = [UInt8](repeating: 0, count: 10)
        #expect(throws: Errno.outOfRange) {
            var span = small.mutableSpan
            return try file.readAttribute(name, into: &span)
        }
        var nothing: [UInt8] = []
        var none = nothing.mutableSpan
        #expect(try file.readAttribute(name, into: &none) == 3000)
        let names = splitAttributeNames(try file.attributeNames()).filter { $0.starts(with: Array("user.".utf8)) }
        #expect(Set(names) == [Array("user.a b".utf8), Array("user.empty".utf8)])
        try file.removeAttribute(name)
        #expect(throws: Errno.noData) { try file.removeAttribute(name) }
        #expect(small == [UInt8](repeating: 0, count: 10))
    }

    @Test func refusesBadNames() throws {
        #expect(throws: Errno.outOfRange) { try AttributeName("") }
        #expect(throws: Errno.invalidArgument) { try AttributeName([117, 0]) }
        let file = try TemporaryDirectory().file("f")
        #expect(throws: Errno.outOfRange) { try file.attribute(AttributeName("user." + String(repeating: "x", count: 300))) }
        #expect(throws: Errno.notSupported) { try file.attribute(AttributeName("nowhere.x")) }
    }

    @Test func reachesObjectsThroughPathDescriptorsAndNames() throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        _ = try directory.file("f")
        let name = try AttributeName("user.x")
        let object = try d.openAt(FileName("f"), .pathOnly)
        try object.setAttribute(name, [1].span)
        #expect(try d.attributeAt(FileName("f"), name) == [1])
        try d.setAttributeAt(FileName("f"), name, [2, 3].span)
        #expect(try object.attribute(name) == [2, 3])
        #expect(try object.attributeNames() == Array("user.x\0".utf8))
        try d.removeAttributeAt(FileName("f"), name)
        #expect(try d.attributeNamesAt(FileName("f")) == [])
        #expect(throws: Errno.noEntry) { try d.attributeAt(FileName("g"), name) }
        #expect(throws: Errno.badDescriptor) { try SharedDescriptor.borrowing(99_999).attribute(name) }
    }

    /// "user." is refused on links and fifos by the kernel; root's own namespaces work on the object itself.
    @Test(arguments: ["l", "p"]) func neverFollowsALink(_ object: String) throws {
        let directory = try TemporaryDirectory()
        let d = directory.descriptor
        let file = try directory.file("f")
        try d.makeSymbolicLinkAt(FileName("l"), target: Array("f".utf8).span)
        try d.makeNodeAt(FileName("p"), mode: FileMode.fifo | 0o600)
        let name = try FileName(object)
        let descriptor = try d.openAt(name, .pathOnly)
        let user = try AttributeName("user.x")
        #expect(throws: Errno.notPermitted) { try d.setAttributeAt(name, user, [1].span) }
        #expect(throws: Errno.notPermitted) { try descriptor.setAttribute(user, [1].span) }
        guard isRoot else { return }
        let trusted = try AttributeName("trusted.efs-test")
        try d.setAttributeAt(name, trusted, [1].span)
        #expect(try descriptor.attribute(trusted) == [1])
        try descriptor.setAttribute(trusted, [2].span)
        #expect(try d.attributeAt(name, trusted) == [2])
        #expect(splitAttributeNames(try descriptor.attributeNames()).contains(trusted.bytes))
        #expect(throws: Errno.noData) { try file.attribute(trusted) }
        try descriptor.removeAttribute(trusted)
        #expect(throws: Errno.noData) { try d.attributeAt(name, trusted) }
    }
}
