// Tests of reading secrets: a pseudo-terminal without echo, files, too much of it.
import Bytes
import Glibc
import Testing

@testable import POSIX

@Suite(.serialized) struct SecretsTests {
    private func terminal() throws -> (master: SharedDescriptor, slave: SharedDescriptor) {
        var (master, slave): (Int32, Int32) = (-1, -1)
        try #require(openpty(&master, &slave, nil, nil, nil) == 0)
        return (SharedDescriptor(adopting: master), SharedDescriptor(adopting: slave))
    }
    /// What the person sees, and what is read, when `keys` are typed after the prompt.
    private func typing(_ keys: [UInt8], capacity: Int = 64) throws -> (result: Result<[UInt8], Errno>, shown: String) {
        let (master, slave) = try terminal()
        let typist = try POSIX.Thread.start(name: "typist") {
            // Typed only when the prompt is there: by then echo is off.
            if (try? master.waitUntilReadable(timeoutMilliseconds: 5000)) == true { try? master.writeSequence(keys.span) }
        }
        var secret = [UInt8](repeating: 0xEE, count: capacity)
        let result: Result<[UInt8], Errno>
        do throws(Errno) {
            var span = secret.mutableSpan
            let count = try Terminal.readSecret(prompt: "Secret: ", from: slave, into: &span)
            result = .success(Array(secret.prefix(count)))
        } catch {
            result = .failure(error)
            #expect(secret == [UInt8](repeating: 0, count: capacity))
        }
        try typist.join()
        var attributes = termios()
        #expect(tcgetattr(slave.raw, &attributes) == 0)
        #expect(attributes.c_lflag & tcflag_t(ECHO | ICANON | ISIG) == tcflag_t(ECHO | ICANON | ISIG))
        var shown = [UInt8](repeating: 0, count: 1000)
        var span = shown.mutableSpan
        var count = 0
        if try master.waitUntilReadable(timeoutMilliseconds: 100) { count = try master.readNext(into: &span) }
        return (result, String(decoding: shown.prefix(count), as: UTF8.self))
    }

    @Test func readsALineWithoutShowingIt() throws {
        let (result, shown) = try typing(Array("pass wörd\r".utf8))
        #expect(result == .success(Array("pass wörd".utf8)))
        #expect(shown.hasPrefix("Secret: ") && !shown.contains("pass"))
    }
    @Test func editsTheLine() throws {
        #expect(try typing(Array("abü\u{7F}c\n".utf8)).result == .success(Array("abc".utf8)))
        #expect(try typing(Array("abc\u{15}x\n".utf8)).result == .success(Array("x".utf8)))
        #expect(try typing(Array("\n".utf8)).result == .success([]))
        #expect(try typing(Array("\u{7F}\u{7F}a\n".utf8)).result == .success([97]))
    }
    @Test func endsWithoutASecret() throws {
        #expect(try typing(Array("abc\u{3}".utf8)).result == .failure(.interrupted))
        #expect(try typing([4]).result == .failure(.noData))
        #expect(try typing(Array("12345\n".utf8), capacity: 4).result == .failure(.tooBig))
        #expect(try typing(Array("1234\n".utf8), capacity: 4).result == .success(Array("1234".utf8)))
    }
    @Test func wantsATerminal() throws {
        let pipe = try Pipe()
        var secret: [UInt8] = [1, 2]
        #expect(throws: Errno.notTerminal) {
            var span = secret.mutableSpan
            return try Terminal.readSecret(prompt: "", from: pipe.readEnd, into: &span)
        }
        #expect(!Terminal.isTerminal(pipe.readEnd))
        let (master, slave) = try terminal()
        var size = winsize(ws_row: 30, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master.raw, UInt(TIOCSWINSZ), &size) == 0)
        #expect(Terminal.isTerminal(slave))
        #expect(try Terminal.size(slave) == (columns: 111, rows: 30))
        #expect(throws: Errno.notTerminal) { try Terminal.size(pipe.readEnd) }
    }

    @Test(arguments: [
        ("abc\n", "abc"), ("abc", "abc"), ("abc\r\n", "abc"), ("a\nb\n", "a\nb"), ("", ""), ("\n", ""), ("abc\n\n", "abc\n"),
        ("1234567\n", "1234567"), ("12345678", "12345678"),
    ])
    func readsFiles(_ content: String, _ expected: String) throws {
        let directory = try TemporaryDirectory()
        try directory.file("f").writeAll(Array(content.utf8).span, at: 0)
        var secret = [UInt8](repeating: 0, count: 8)
        var span = secret.mutableSpan
        let count = try SecretSource.read(fromFile: directory.path + "/f", into: &span)
        #expect(Array(secret.prefix(count)) == Array(expected.utf8))
    }
    @Test func refusesTooMuch() throws {
        let directory = try TemporaryDirectory()
        try directory.file("f").writeAll(Array("123456789".utf8).span, at: 0)
        var secret = [UInt8](repeating: 1, count: 8)
        #expect(throws: Errno.tooBig) {
            var span = secret.mutableSpan
            return try SecretSource.read(fromFile: directory.path + "/f", into: &span)
        }
        #expect(secret == [UInt8](repeating: 0, count: 8))
    }
}
