// Stands where the content engine lands within the hour, so that the modules above compile; every call refuses.

import Bytes
import Format
import KeyManagement
import POSIX

enum AllocationMode {
    case allocate
    init?(fallocate: Int32) { return nil }
}
final class Sealer: Sendable {
    init(context: VaultContext) {}
    func enqueue(_ content: FileContent, _ done: @escaping @Sendable () -> Void) {}
    func drain() {}
}
final class FileContent: Sendable {
    let descriptor: SharedDescriptor
    init(_ descriptor: SharedDescriptor, isWritable: Bool, context: VaultContext, policyKey: KeyID, label: FileLabel) throws(Errno) {
        throw .notImplemented
    }
    var isWritable: Bool { false }
    var isSealed: Bool { false }
    var fileID: FileID? { nil }
    var size: UInt64 { 0 }
    func adoptWritable(_ descriptor: SharedDescriptor) {}
    func read(into bytes: inout MutableByteSpan, at offset: UInt64) throws(Errno) -> Int { throw .notImplemented }
    func write(_ bytes: ByteSpan, at offset: UInt64, isWriteBack: Bool) throws(Errno) { throw .notImplemented }
    func truncate(to size: UInt64) throws(Errno) { throw .notImplemented }
    func status() throws(Errno) -> FileStatus { throw .notImplemented }
    static func size(of status: FileStatus) -> Int64 { status.size }
    func synchronize(dataOnly: Bool) throws(Errno) { throw .notImplemented }
    func objectIDForAttributes() throws(Errno) -> FileID { throw .notImplemented }
    func restoreTimes() throws(Errno) { throw .notImplemented }
    func setTimes(access: TimeChange, modification: TimeChange) throws(Errno) { throw .notImplemented }
    func seek(_ offset: UInt64, to target: SeekTarget) throws(Errno) -> UInt64 { throw .notImplemented }
    func allocate(mode: AllocationMode, _ range: Range<UInt64>) throws(Errno) { throw .notImplemented }
}
