// Where the bytes of a span are, for handing them to libcrypto.

import Bytes

/// One byte that stands for "no bytes": libcrypto takes a null address for "no input given", which is another thing than an empty one.
nonisolated(unsafe) private let emptyAddress = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

extension Span where Element == UInt8 {
    /// The address of the first byte; never null.
    /// INVARIANT: used only inside the call that got the span as a parameter, which keeps the memory alive.
    var address: UnsafePointer<UInt8> {
        unsafe withUnsafeBufferPointer { unsafe $0.baseAddress ?? UnsafePointer(emptyAddress) }
    }
}

extension MutableSpan where Element == UInt8 {
    /// The address of the first byte; never null. Same invariant; the caller's exclusive access lasts as long as the call.
    var mutableAddress: UnsafeMutablePointer<UInt8> {
        @_lifetime(self: copy self)
        mutating get { unsafe withUnsafeMutableBufferPointer { unsafe $0.baseAddress ?? emptyAddress } }
    }
}
