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
        #expect(a.span.littleEndian(UInt64.self, at: 1) == 0x0403_0201)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 64, 4096]) func zeroTestSeesEveryByte(count: Int) {
        var a = [UInt8](repeating: 0, count: count)
        #expect(a.span.isAllZero)
        for i in 0..<count {
            a[i] = 1
            #expect(!a.span.isAllZero)
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
        #expect(a.span.slice(4..<6).array == [0, 6])
        #expect(a.span.slice(0, 2).isEqual(to: [1, 2].span))
        #expect(!a.span.slice(0, 2).isEqual(to: [1].span))
    }
}
