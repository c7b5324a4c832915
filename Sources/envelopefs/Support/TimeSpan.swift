// A length of time as people write it: 30s, 5m, 250ms.

import ArgumentParser

/// A length of time in whole milliseconds.
struct TimeSpan: ExpressibleByArgument, Equatable {
    let milliseconds: Int64

    init(milliseconds: Int64) { self.milliseconds = milliseconds }
    init(seconds: Int64) { milliseconds = seconds * 1000 }

    /// A number with the unit ms, s, m or h; a bare number is seconds. At most a year.
    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let factors: [String: Int64] = ["": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000]
        guard let number = Int64(digits), let factor = factors[String(argument.dropFirst(digits.count))], number <= Self.year / factor else { return nil }
        milliseconds = number * factor
    }

    private static let year: Int64 = 365 * 86_400_000

    var defaultValueDescription: String { milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms" }
}
