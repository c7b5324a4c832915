// The second decryptor, in Python and written from the specification alone, against the built binary and the committed vectors.

import ScriptRunning
import Testing

@Suite(.serialized) struct InteropTests {
    @Test("Every vector comes out the same in Python")
    func vectors() throws {
        let run = try ScriptRun("Interop/test_vectors.py")
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("refused: 76 agree"), "it did not say what it compared")
    }

    @Test("Python reads what the binary wrote", arguments: ["everything", "killed", "refuses", "golden", "damaged", "journal", "safe"])
    func reading(what: String) throws {
        let run = try ScriptRun("Interop/run.py", what)
        #expect(run.status == 0, "\(run.tail)")
        #expect(run.output.contains("\(what): ok"), "it did not say what it did")
    }
}
