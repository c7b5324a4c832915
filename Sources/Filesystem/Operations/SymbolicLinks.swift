// The targets of symbolic links.

import Bytes
import Format
import POSIX

extension Vault {
    /// The longest sealed target: what readlink of the backing file system can give.
    private static var maximumSealedTarget: Int { 4095 }

    /// The target of a link.
    /// - Throws: `EIO` when it does not authenticate, `EINVAL` for an object that is no link.
    package func readLink(_ inode: Inode) throws(Errno) -> [UInt8] {
        let sealed = try inode.reach { (parent, name) throws(Errno) in
            try parent.readLinkAt(name)
        } anchored: { (descriptor) throws(Errno) in
            try descriptor.readLink()
        }
        do throws(FormatError) {
            return try names.openLinkTarget(sealed.span)
        } catch {
            context.log.damaged(inode.label, "its link target does not open")
            throw .ioError
        }
    }

    /// - Throws: `ENAMETOOLONG` for a target over 3054 bytes.
    func sealTarget(_ target: ByteSpan) throws(Errno) -> [UInt8] {
        let sealed: [UInt8]
        do throws(FormatError) { sealed = try names.sealLinkTarget(target) } catch { throw .ioError }
        guard sealed.count <= Self.maximumSealedTarget else { throw .nameTooLong }
        return sealed
    }
}
