// What libFuzzer calls. ENVELOPEFS_FUZZ_SUBJECT names the subject; with ENVELOPEFS_FUZZ_SAMPLES good inputs are written to that directory, and nothing runs.

import Foundation

private let environment = ProcessInfo.processInfo.environment

/// Used by one thread, libFuzzer's.
nonisolated(unsafe) private let violation: ([UInt8]) -> String? = {
    guard let subject = environment["ENVELOPEFS_FUZZ_SUBJECT"].flatMap({ Subject(rawValue: $0) }) else {
        fatalError("ENVELOPEFS_FUZZ_SUBJECT is one of \(Subject.allCases.map(\.rawValue))")
    }
    do {
        if let directory = environment["ENVELOPEFS_FUZZ_SAMPLES"] {
            for (number, sample) in try subject.samples().enumerated() {
                try Data(sample).write(to: URL(fileURLWithPath: "\(directory)/sample-\(number)"))
            }
            // libFuzzer calls it a fault when its target ends the program in the usual way.
            _exit(0)
        }
        return try subject.violations()
    } catch { fatalError("\(subject.rawValue): \(error)") }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let what = violation(Array(UnsafeBufferPointer(start: start, count: count))) { fatalError(what) }
    return 0
}
