// Tests of directory streams: completeness, cookies, seeking.
import Bytes
import Testing

@testable import POSIX

@Suite struct DirectoryStreamTests {
    private func filled(_ count: Int) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for i in 0..<count {
            try directory.descriptor.makeNodeAt(FileName("entry with a longer name \(i)"), mode: FileMode.regular | 0o600)
        }
        return directory
    }

    @Test func listsThousandsOfEntriesOnce() throws {
        let directory = try filled(6000)
        let stream = try DirectoryStream(opening: directory.descriptor)
        var names = Set<FileName>()
        var count = 0
        while try stream.advance() {
            count += 1
            names.insert(stream.name)
            if !stream.isCurrentOrParent {
                #expect(stream.kind == .regular || stream.kind == .unknown)
                #expect(stream.inode != 0)
            }
        }
        #expect(count == 6002 && names.count == 6002)
        #expect(names.contains(.current) && names.contains(.parent))
        #expect(try !stream.advance())
        try stream.seek(to: 0)
        var again = 0
        while try stream.advance() { again += 1 }
        #expect(again == 6002)
    }

    @Test func goesOnFromAnyCookie() throws {
        let directory = try filled(5200)
        let whole = try DirectoryStream(opening: directory.descriptor)
        var entries: [DirectoryEntry] = []
        while let entry = try whole.next() { entries.append(entry) }
        for index in [0, 1, 2, 57, 1000, 2600, 5200] {
            try whole.seek(to: entries[index].nextOffset)
            #expect(try whole.next() == entries[index + 1], "after \(index)")
            try whole.seek(to: entries[index].nextOffset)
            #expect(try whole.next()?.name == entries[index + 1].name, "again after \(index)")
        }
        try whole.seek(to: try #require(entries.last).nextOffset)
        #expect(try whole.next() == nil)
    }

    /// As a reply buffer that is full: the entry is not taken, the next request starts at it.
    @Test func puttingBackOneEntryCostsNothingAndLosesNothing() throws {
        let directory = try filled(700)
        let stream = try DirectoryStream(directory.descriptor.openAt(.current, [.readOnly, .directory]), bufferSize: 2048)
        var offset: Int64 = 0
        var names: [FileName] = []
        var isDone = false
        while !isDone {
            try stream.seek(to: offset)
            var taken = 0
            while true {
                guard try stream.advance() else { isDone = true; break }
                if taken == 5 { break }
                names.append(stream.name)
                offset = stream.nextOffset
                taken += 1
            }
        }
        #expect(names.count == 702 && Set(names).count == 702)
    }

    @Test func seesNewEntriesAfterGoingBackToTheStart() throws {
        let directory = try filled(3)
        let stream = try DirectoryStream(opening: directory.descriptor)
        while try stream.advance() {}
        try directory.descriptor.unlinkAt(FileName("entry with a longer name 1"))
        _ = try directory.file("new")
        try stream.seek(to: 0)
        var names = Set<FileName>()
        while try stream.advance() { names.insert(stream.name) }
        #expect(names.count == 5)
        #expect(names.contains(try FileName("new")))
    }

    @Test func refusesWhatIsNoDirectory() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("f")
        #expect(throws: Errno.notDirectory) { try DirectoryStream(opening: file) }
        #expect(throws: Errno.notDirectory) { try DirectoryStream(file).advance() }
    }
}
