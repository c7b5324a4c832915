// A strict reader of comma-separated values (RFC 4180) that leaves fields where they are, so that no copy of a secret is made.
// Why not a library: those there are give every field as a String, which cannot be wiped. See Docs/decisions/0042.

import Bytes

/// One field of a record, as a range of the file.
struct CSVField: Equatable {
    /// Without the quotes around it.
    let range: Range<Int>
    /// Whether quotes stand doubled in it.
    let hasDoubledQuotes: Bool

    /// Copies the field, doubled quotes undone, to the beginning of `output`, which has room for `range.count` bytes. Its size.
    @_lifetime(output: copy output)
    func copy(from bytes: ByteSpan, to output: inout MutableByteSpan) -> Int {
        var count = 0
        var index = range.lowerBound
        while index < range.upperBound {
            output[count] = bytes[index]
            count += 1
            index += hasDoubledQuotes && bytes[index] == CSVReader.quote ? 2 : 1
        }
        return count
    }
}

/// One line, or several when a quoted field holds ends of lines.
struct CSVRecord: Equatable {
    /// The number of its first line, from 1.
    let line: Int
    let fields: [CSVField]
}

/// Reads one record after another. Lines end with LF or CR LF; empty lines are left out, as is a byte order mark.
struct CSVReader {
    static let quote = UInt8(ascii: "\"")
    private static let comma = UInt8(ascii: ",")
    private static let (lineFeed, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    /// More are refused, so that a file of commas does not become a large array.
    static let maximumFieldCount = 1000

    private var offset = 0
    private var line = 1

    /// The next record, or nil at the end. Throws `validation` that names the line for what is not RFC 4180.
    mutating func next(_ bytes: ByteSpan) throws(KeyError) -> CSVRecord? {
        if offset == 0, bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { offset = 3 }
        while offset < bytes.count, Self.endOfLine(bytes, offset) > 0 { endLine(bytes) }
        guard offset < bytes.count else { return nil }
        let first = line
        var fields: [CSVField] = []
        while true {
            guard fields.count < Self.maximumFieldCount else { throw fault(first, "there are more than \(Self.maximumFieldCount) fields") }
            fields.append(bytes.count > offset && bytes[offset] == Self.quote ? try quotedField(bytes) : try plainField(bytes))
            if offset < bytes.count, bytes[offset] == Self.comma {
                offset += 1
                continue
            }
            if offset < bytes.count { endLine(bytes) }
            return CSVRecord(line: first, fields: fields)
        }
    }

    /// How many bytes of an end of a line stand at `offset`.
    private static func endOfLine(_ bytes: ByteSpan, _ offset: Int) -> Int {
        if bytes[offset] == lineFeed { return 1 }
        return bytes[offset] == carriageReturn && offset + 1 < bytes.count && bytes[offset + 1] == lineFeed ? 2 : 0
    }

    private mutating func endLine(_ bytes: ByteSpan) {
        offset += Self.endOfLine(bytes, offset)
        line += 1
    }

    /// Stops at a comma, the end of the line, or the end.
    private mutating func plainField(_ bytes: ByteSpan) throws(KeyError) -> CSVField {
        let start = offset
        while offset < bytes.count, bytes[offset] != Self.comma, Self.endOfLine(bytes, offset) == 0 {
            guard bytes[offset] != Self.quote else { throw fault(line, "a quotation mark stands in a field that is not quoted") }
            guard bytes[offset] != Self.carriageReturn else { throw fault(line, "a carriage return stands alone") }
            offset += 1
        }
        return CSVField(range: start..<offset, hasDoubledQuotes: false)
    }

    private mutating func quotedField(_ bytes: ByteSpan) throws(KeyError) -> CSVField {
        let first = line
        offset += 1
        let start = offset
        var hasDoubledQuotes = false
        while offset < bytes.count {
            if bytes[offset] == Self.lineFeed { line += 1 }
            guard bytes[offset] == Self.quote else {
                offset += 1
                continue
            }
            if offset + 1 < bytes.count, bytes[offset + 1] == Self.quote {
                hasDoubledQuotes = true
                offset += 2
                continue
            }
            let field = CSVField(range: start..<offset, hasDoubledQuotes: hasDoubledQuotes)
            offset += 1
            guard offset == bytes.count || bytes[offset] == Self.comma || Self.endOfLine(bytes, offset) > 0 else {
                throw fault(line, "something stands behind the closing quotation mark of a field")
            }
            return field
        }
        throw fault(first, "the quotation mark that opens a field is never closed")
    }

    private func fault(_ line: Int, _ why: String) -> KeyError { .validation("line \(line): \(why)") }
}
