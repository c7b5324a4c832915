// swift-tools-version: 6.2
import PackageDescription

/// Every module of ours: Swift 6 mode, unsafe code marked, warnings are errors.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableExperimentalFeature("Lifetimes"),
]
/// Tests may call C and Foundation freely.
let relaxed: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

let package = Package(
    name: "EnvelopeFS",
    products: [.executable(name: "envelopefs", targets: ["envelopefs"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // floor 0: doors to C and to raw memory
        .target(name: "CLinux"),
        .target(name: "CFUSE", linkerSettings: [.linkedLibrary("fuse3")]),
        .target(name: "CLibCrypto", linkerSettings: [.linkedLibrary("crypto")]),
        .target(name: "Bytes", swiftSettings: strict),
        .target(name: "POSIX", dependencies: ["CLinux", "Bytes"], swiftSettings: strict),
        .target(name: "Cryptography", dependencies: ["CLibCrypto", "Bytes"], swiftSettings: strict),
        // floor 1: rooms
        .target(name: "Format", dependencies: ["Cryptography", "Bytes"], swiftSettings: strict),
        .target(
            name: "KeyManagement",
            dependencies: ["Cryptography", "Bytes", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),
        // floor 2: room
        .target(
            name: "Filesystem",
            dependencies: [
                "Format", "KeyManagement", "Cryptography", "POSIX", "Bytes",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        // floor 3: front door
        .target(
            name: "FUSE",
            dependencies: [
                "CFUSE", "Filesystem", "POSIX", "Bytes", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        // floor 4: hall
        .executableTarget(
            name: "envelopefs",
            dependencies: [
                "FUSE", "Filesystem", "KeyManagement", "Format", "Cryptography", "POSIX", "Bytes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        // tests
        .target(name: "ScriptRunning", path: "Tests/ScriptRunning", swiftSettings: relaxed),
        .testTarget(name: "MountedTests", dependencies: ["envelopefs", "ScriptRunning"], swiftSettings: relaxed),
        .testTarget(name: "FilesystemTests", dependencies: [.product(name: "Logging", package: "swift-log"), "Filesystem", "KeyManagement", "Format", "Cryptography", "POSIX", "Bytes"], swiftSettings: relaxed),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: relaxed),
        .testTarget(name: "POSIXTests", dependencies: ["POSIX", "Bytes"], swiftSettings: relaxed),
        .testTarget(name: "FUSETests", dependencies: ["FUSE", "CFUSE", "Filesystem", "KeyManagement", "Cryptography", "POSIX", "Bytes", .product(name: "Logging", package: "swift-log")], swiftSettings: relaxed),
        .testTarget(name: "CryptographyTests", dependencies: ["Cryptography", "CLibCrypto", "Bytes"], exclude: ["Vectors"], swiftSettings: relaxed),
        .testTarget(name: "KeyManagementTests", dependencies: ["KeyManagement", "Cryptography", "Bytes", .product(name: "GRDB", package: "GRDB.swift")], exclude: ["Vectors"], swiftSettings: relaxed),
        .testTarget(name: "CommandTests", dependencies: ["envelopefs", "POSIX"], swiftSettings: relaxed),
        .testTarget(name: "FormatTests", dependencies: ["Format", "Cryptography", "Bytes"], exclude: ["Vectors"], swiftSettings: relaxed),
        .testTarget(name: "InteropTests", dependencies: ["envelopefs", "ScriptRunning"], swiftSettings: relaxed),
    ]
)

// For Tests/Fuzz/fuzz.py: what libFuzzer drives stands in the place of the tests, with which it shares a source.
if Context.environment["ENVELOPEFS_LIBFUZZER"] != nil {
    package.targets.removeAll { $0.isTest || $0.name == "ScriptRunning" }
    package.targets.append(
        .executableTarget(
            name: "Fuzzing",
            dependencies: ["KeyManagement", "Format", "Cryptography", "Bytes", .product(name: "GRDB", package: "GRDB.swift")],
            path: "Tests", sources: ["Fuzz/Driver.swift", "Fuzz/Subjects.swift", "KeyManagementTests/StoredRows.swift"], swiftSettings: relaxed))
}
