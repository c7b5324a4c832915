// CPUs are kept awake while small requests come, and not longer.

import Foundation
import Testing

@testable import FUSE

@Suite("Wakefulness") struct WakefulnessTests {
    /// A file in place of the kernel's device.
    private let device = FileManager.default.temporaryDirectory.path + "/efs-latency-\(UUID().uuidString.prefix(8))"
    private var options: MountOptions {
        var options = MountOptions()
        options.latencyDevice = device
        options.mostCPUsAwake = .max
        return options
    }

    init() { #expect(FileManager.default.createFile(atPath: device, contents: nil)) }

    /// Microseconds that the device was last asked for.
    private func asked() throws -> Int32 {
        try Data(contentsOf: URL(fileURLWithPath: device)).withUnsafeBytes { unsafe $0.loadUnaligned(as: Int32.self) }
    }

    @Test func fromTheFourthSmallRequestOn() throws {
        defer { unlink(device) }
        let wakefulness = Wakefulness(options)
        #expect(try asked() == Wakefulness.noLimit)
        for number in 1...3 { wakefulness.noteSmall(number) }
        #expect(!wakefulness.isHeld)
        wakefulness.noteSmall(4)
        #expect(try wakefulness.isHeld && asked() == 0)
        wakefulness.letGo()
        #expect(try !wakefulness.isHeld && asked() == Wakefulness.noLimit)
    }

    @Test func aLongTransferLetsGo() throws {
        defer { unlink(device) }
        let wakefulness = Wakefulness(options)
        wakefulness.noteSmall(4)
        for _ in 1..<Wakefulness.heavies { wakefulness.noteHeavy() }
        wakefulness.noteSmall(5)
        for _ in 1..<Wakefulness.heavies { wakefulness.noteHeavy() }
        #expect(wakefulness.isHeld)
        wakefulness.noteHeavy()
        #expect(try !wakefulness.isHeld && asked() == Wakefulness.noLimit)
    }

    @Test func whoLosesHisTurnLetsGoWhereTheOthersSleep() {
        defer { unlink(device) }
        let wakefulness = Wakefulness(options)
        wakefulness.noteSmall(4)
        wakefulness.noteTurnLost()
        #expect(wakefulness.isHeld)
        wakefulness.whileAsleep {
            #expect(!wakefulness.isHeld)
            wakefulness.noteSmall(4)
            #expect(wakefulness.isHeld)
            wakefulness.noteTurnLost()
            #expect(!wakefulness.isHeld)
        }
        wakefulness.noteSmall(4)
        wakefulness.noteTurnLost()
        #expect(wakefulness.isHeld)
    }

    @Test func nothingIsHeldWithoutADeviceOrOnALargeMachine() {
        defer { unlink(device) }
        var without = options
        without.latencyDevice = nil
        var absent = options
        absent.latencyDevice = device + "-absent"
        var large = options
        large.mostCPUsAwake = 0
        for options in [without, absent, large] {
            let wakefulness = Wakefulness(options)
            wakefulness.noteSmall(100)
            #expect(!wakefulness.isHeld)
        }
    }

    @Test func aMountHoldsItDuringABurstAndNotAfter() throws {
        defer { unlink(device) }
        let mounted = try MountedVault(options)
        let wakefulness = mounted.session.loop.wakefulness
        let burst = Process()
        burst.executableURL = URL(fileURLWithPath: "/bin/bash")
        // One process and ever new names: starting a process for each request would be a pause, and a known name is not asked for again.
        burst.arguments = ["-c", "cd '\(mounted.mountPoint)' && until [ -e stop ]; do [ -e $RANDOM$RANDOM$RANDOM ]; done"]
        try burst.run()
        var deadline = Date(timeIntervalSinceNow: 60)
        var wasHeld = false
        while !wasHeld && Date() < deadline {
            wasHeld = wakefulness.isHeld
            usleep(10)
        }
        #expect(wasHeld)
        try mounted.shell("touch stop")
        burst.waitUntilExit()
        deadline = Date(timeIntervalSinceNow: 60)
        var isLetGo = false
        while !isLetGo && Date() < deadline {
            usleep(1000)
            isLetGo = try !wakefulness.isHeld && asked() == Wakefulness.noLimit
        }
        #expect(isLetGo)
        try mounted.end()
    }
}
