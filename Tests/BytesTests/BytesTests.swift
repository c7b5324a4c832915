// The Bytes door: integers, copies and views.

import Bytes
import Testing

@Suite struct BytesTests {
    @Test func storesAndLoadsLittleEndian() {
        var a = [UInt8](repeating: 0, count: 12)
        do {
            var s = a.mutableSpan
            s.storeLittleEndian(UInt32(0x0403_0201), at: 1)
            s.copy([9, 8].span, to: 10)
        }
        #expect(a == [0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 9, 8])
        let loaded = a.span.littleEndian(UInt64.self, at: 1)
        #expect(loaded == 0x0403_0201)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 64, 4096]) func zeroTestSeesEveryByte(count: Int) {
        var a = [UInt8](repeating: 0, count: count)
        let isZero = a.span.isAllZero
        #expect(isZero)
        for i in 0..<count {
            a[i] = 1
            let isStillZero = a.span.isAllZero
            #expect(!isStillZero)
            a[i] = 0
        }
    }

    @Test func slicesAreViews() {
        var a: [UInt8] = [1, 2, 3, 4, 5, 6]
        do {
            var s = a.mutableSpan
            var part = s.slice(2, 3)
            part.zeroAll()
        }
        #expect(a == [1, 2, 0, 0, 0, 6])
        let tail = a.span.slice(4..<6).array
        #expect(tail == [0, 6])
        let same: [UInt8] = [1, 2], shorter: [UInt8] = [1]
        let isSame = a.span.slice(0, 2).isEqual(to: same.span), isShorter = a.span.slice(0, 2).isEqual(to: shorter.span)
        #expect(isSame && !isShorter)
    }
}
