// Open files and directories, kept in the kernel's file handles.

import CFUSE
import Filesystem
import Glibc
import POSIX

/// What libfuse passes about an open file; nil for requests without one.
typealias FileInformation = UnsafeMutablePointer<fuse_file_info>

/// INVARIANT: the number in `fh` is the address of an object with one retain, taken in `grant`, which RELEASE gives back in `take`.
/// The kernel sends no request with a handle after its RELEASE.
enum Handles {
    /// Retains `object` for the kernel.
    static func grant<Object: AnyObject>(_ object: Object) -> UInt64 {
        unsafe UInt64(UInt(bitPattern: Unmanaged.passRetained(object).toOpaque()))
    }

    /// The object of a handle, without giving it back.
    /// - Throws: `EBADF` when the request has no handle.
    static func object<Object: AnyObject>(_ type: Object.Type, _ information: FileInformation?) throws(Errno) -> Object {
        guard let information = unsafe information,
            let address = unsafe UnsafeRawPointer(bitPattern: UInt(information.pointee.fh))
        else { throw .badDescriptor }
        return unsafe Unmanaged<Object>.fromOpaque(address).takeUnretainedValue()
    }

    /// The object of a handle, which the kernel will not use any more.
    /// - Throws: `EBADF` when the request has no handle.
    static func take<Object: AnyObject>(_ type: Object.Type, _ information: FileInformation?) throws(Errno) -> Object {
        guard let information = unsafe information, let object = unsafe takeBack(type, information.pointee.fh) else { throw .badDescriptor }
        return object
    }

    /// The object that `grant` gave this number for, which nobody will use any more.
    static func takeBack<Object: AnyObject>(_ type: Object.Type, _ handle: UInt64) -> Object? {
        guard let address = unsafe UnsafeRawPointer(bitPattern: UInt(handle)) else { return nil }
        return unsafe Unmanaged<Object>.fromOpaque(address).takeRetainedValue()
    }

    static func file(_ information: FileInformation?) throws(Errno) -> OpenFile { try unsafe object(OpenFile.self, information) }
    static func directory(_ information: FileInformation?) throws(Errno) -> OpenDirectory {
        try unsafe object(OpenDirectory.self, information)
    }
}
