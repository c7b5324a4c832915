// Every request of the kernel and the callback that answers it: read this file first.

import CFUSE

/// The table that libfuse dispatches by. What is missing here on purpose:
/// `getlk`, `setlk`, `flock` (the kernel then keeps locks itself, which is right for a vault that is mounted once),
/// `bmap` (no block device), `poll` (always ready), `write_buf` (no splicing), `retrieve_reply` (nothing is retrieved).
func operationsTable() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    // Callbacks/Connection.swift
    unsafe table.`init` = answerInit
    // Callbacks/Names.swift
    unsafe table.lookup = answerLookup
    unsafe table.forget = answerForget
    unsafe table.forget_multi = answerForgetMany
    unsafe table.readlink = answerReadLink
    unsafe table.rename = answerRename
    unsafe table.link = answerLink
    unsafe table.unlink = answerUnlink
    unsafe table.rmdir = answerRemoveDirectory
    // Callbacks/Creation.swift
    unsafe table.mknod = answerMakeNode
    unsafe table.mkdir = answerMakeDirectory
    unsafe table.symlink = answerMakeSymbolicLink
    unsafe table.create = answerCreate
    // Callbacks/Attributes.swift
    unsafe table.getattr = answerGetAttributes
    unsafe table.setattr = answerSetAttributes
    unsafe table.access = answerAccess
    unsafe table.statfs = answerStatistics
    // Callbacks/ExtendedAttributes.swift
    unsafe table.getxattr = answerGetExtendedAttribute
    unsafe table.setxattr = answerSetExtendedAttribute
    unsafe table.listxattr = answerListExtendedAttributes
    unsafe table.removexattr = answerRemoveExtendedAttribute
    // Callbacks/Files.swift
    unsafe table.open = answerOpen
    unsafe table.flush = answerFlush
    unsafe table.fsync = answerSynchronize
    unsafe table.release = answerRelease
    unsafe table.ioctl = answerControl
    // Callbacks/Content.swift
    unsafe table.read = answerRead
    unsafe table.write = answerWrite
    unsafe table.fallocate = answerAllocate
    unsafe table.lseek = answerSeek
    unsafe table.copy_file_range = answerCopyRange
    // Callbacks/Directories.swift
    unsafe table.opendir = answerOpenDirectory
    unsafe table.readdir = answerReadDirectory
    unsafe table.readdirplus = answerReadDirectoryWithStatus
    unsafe table.releasedir = answerReleaseDirectory
    unsafe table.fsyncdir = answerSynchronizeDirectory
    return table
}
