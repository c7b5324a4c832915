// The first request of a session, in which both sides say what they can do.

import CFUSE
import Synchronization

/// libfuse answers INIT with what is left in `connection`; Session/KernelChannel.swift adds what libfuse 3.14 does not know.
func answerInit(_ userData: UnsafeMutableRawPointer?, _ connection: UnsafeMutablePointer<fuse_conn_info>?) {
    guard let connection = unsafe connection, unsafe userData != nil else { return }
    let service = unsafe Service.from(userData)
    let options = service.options
    let agreement = unsafe Agreement(
        capable: connection.pointee.capable, offered: service.offeredFlags.load(ordering: .acquiring),
        major: connection.pointee.proto_major, minor: connection.pointee.proto_minor, options: options)
    unsafe connection.pointee.want = agreement.used
    unsafe connection.pointee.max_write = min(connection.pointee.max_write, UInt32(options.maxRequest))
    // Must be the same as the mount option of that name.
    unsafe connection.pointee.max_read = UInt32(options.maxRequest)
    unsafe connection.pointee.max_readahead = min(connection.pointee.max_readahead, UInt32(options.readAhead))
    unsafe connection.pointee.max_background = UInt32(options.maxBackground)
    unsafe connection.pointee.congestion_threshold = UInt32(options.maxBackground) * 3 / 4
    // Backing file systems keep nanoseconds, or round as they would for any program.
    unsafe connection.pointee.time_gran = 1
    service.clearsPrivileges.store(agreement.clearsPrivileges, ordering: .releasing)
    service.extendsSetAttribute.store(agreement.extendsSetAttribute, ordering: .releasing)
    service.agreement.withLock { $0 = agreement }
    service.logger.debug("agreed with the kernel: \(agreement)")
}
