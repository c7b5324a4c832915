// Which plain bytes of a file do not open, and why.

/// Ranges in rising order, put together where they meet.
struct LostRanges {
    private(set) var ranges: [Range<UInt64>] = []
    /// Bytes in all of them.
    private(set) var count: UInt64 = 0
    /// Why the first of them does not open, as far as that was said.
    private(set) var reason: VaultLog.Refusal?
    /// A power cut may have left each of them.
    private(set) var isUnfinished = true

    var isEmpty: Bool { ranges.isEmpty }

    /// - Parameter reasons: for this range; none where the disk gave an error.
    mutating func add(_ range: Range<UInt64>, _ reasons: [VaultLog.Refusal]) {
        if reason == nil { reason = reasons.first }
        if !reasons.areUnfinished { isUnfinished = false }
        count += range.upperBound - range.lowerBound
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
    }
}

extension [VaultLog.Refusal] {
    /// Whether there is a reason, and a power cut may be behind each.
    var areUnfinished: Bool { !isEmpty && allSatisfy(\.isUnfinished) }
}
