// The targets of symbolic links.

import Bytes
import Format
import POSIX

extension Vault {
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
        guard target.count <= NameCipher.maximumLinkSize else { throw .nameTooLong }
        do throws(FormatError) { return try names.sealLinkTarget(target) } catch { throw .ioError }
    }
}
