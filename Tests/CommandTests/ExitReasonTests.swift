// The table of exit codes in the code and the one in Docs/COMMANDS.md are the same.

import Testing

@testable import envelopefs

@Suite("Exit codes") struct ExitReasonTests {
    @Test func documentAgreesWithCode() throws {
        let rows = try table(in: "Docs/COMMANDS.md", beginningWith: "| code | name |")
        let documented = rows.map { "\($0[0]) \($0[1]): \($0[2])" }
        let coded = ExitReason.allCases.map { "\($0.rawValue) \($0): \($0.meaning)" }
        #expect(documented == coded)
    }

    @Test func numbersStayClearOfShellAndSignals() {
        for status in ExitReason.allCases where ![.success, .failure, .commandNotExecutable, .commandNotFound].contains(status) {
            #expect((64..<125).contains(status.rawValue), "\(status)")
        }
    }
}
