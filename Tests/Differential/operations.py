"""The operations of the differential test, each carried out on one side: a plain directory, or the mount."""

import ctypes
import errno
import fcntl
import mmap
import os
import random
import stat
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
AT_FDCWD, AT_SYMLINK_NOFOLLOW = -100, 0x100
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
FALLOC_KEEP, FALLOC_PUNCH, FALLOC_ZERO = 1, 2, 16
SYS_GETDENTS64, SYS_RENAMEAT2 = 217, 316
F_OFD_SETLK = 37
NO_HANDLE = (-1, None)
# A write-back mount hands over a file's pages before these; a disk file system may do so at any time. What is written through a mapping
# afterwards makes a new mtime only where the page was clean.
CLEANING = ("utimens", "futimens", "chmod", "fchmod", "chown", "fchown")

DATA = random.Random("what writers write").randbytes(4 << 20)


class Inconsistent(Exception):
    """One side contradicts itself: no comparison is needed to call it wrong."""


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64)]


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def payload(spec):
    """The bytes of a data specification (pool offset, or -1 for zeros; length)."""
    offset, length = spec
    return bytes(length) if offset < 0 else DATA[offset:offset + length]


def facts(status):
    """What of a stat is compared: kind and mode, links, owners, size (not of directories), device number; then mtime."""
    mode = status.st_mode
    return (mode, status.st_nlink, status.st_uid, status.st_gid, None if stat.S_ISDIR(mode) else status.st_size,
            status.st_rdev, status.st_mtime_ns)


def raw_entries(descriptor, size):
    """One getdents64: list of (name, type, inode, next offset); empty at the end."""
    buffer = ctypes.create_string_buffer(size)
    count = checked(libc.syscall(SYS_GETDENTS64, descriptor, buffer, size))
    entries, at, raw = [], 0, buffer.raw
    while at < count:
        inode, offset, length, kind = struct.unpack_from("<QqHB", raw, at)
        entries.append((raw[at + 19:at + length].split(b"\0", 1)[0], kind, inode, offset))
        at += length
    return entries


class Side:
    """One root directory with the handles, directory handles and mappings that are open below it."""

    def __init__(self, root):
        self.root = os.fsencode(root) + b"/"
        self.handles, self.directories, self.maps, self.direct = {}, {}, {}, set()
        self.writable = set()

    def perform(self, operation):
        """(0, value), (errno, None), or a negative number for what only this program knows."""
        if operation[0] in CLEANING:
            self.clean_mappings()
        try:
            return 0, getattr(self, operation[0])(*operation[1:])
        except OSError as error:
            return error.errno, None
        except KeyError:
            return NO_HANDLE
        except ValueError as error:
            return -2, str(error)
        except Inconsistent as error:
            return -3, str(error)

    def close_all(self):
        """Closes everything; returns what went wrong."""
        wrong = []
        for mapping in self.maps.values():
            mapping.close()
        for descriptor in [*self.handles.values(), *self.directories.values()]:
            try:
                os.close(descriptor)
            except OSError as error:
                wrong.append(f"close: {error}")
        self.__init__(self.root[:-1])
        return wrong

    # Files in use -----------------------------------------------------------------------------------------------

    def open(self, handle, path, flags, mode):
        descriptor = os.open(self.root + path, flags | os.O_NONBLOCK, mode)
        self.handles[handle] = descriptor
        if flags & os.O_DIRECT:
            self.direct.add(handle)
        if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_CREAT:  # BUGS T2: what CREATE opened counts as a writer
            self.writable.add(handle)

    def close(self, handle):
        descriptor = self.handles.pop(handle)
        self.writable.discard(handle)
        os.close(descriptor)

    def duplicate_close(self, handle):
        os.close(os.dup(self.handles[handle]))

    def pread(self, handle, offset, length):
        if handle in self.direct:
            with mmap.mmap(-1, max(length, 4096)) as buffer:
                with memoryview(buffer) as view:
                    count = os.preadv(self.handles[handle], [view[:length]], offset)
                    return bytes(view[:count])
        return os.pread(self.handles[handle], length, offset)

    def pwrite(self, handle, offset, spec):
        data = payload(spec)
        if handle in self.direct:
            with mmap.mmap(-1, max(len(data), 4096)) as buffer:
                with memoryview(buffer) as view:
                    view[:len(data)] = data
                    return os.pwritev(self.handles[handle], [view[:len(data)]], offset)
        return os.pwrite(self.handles[handle], data, offset)

    def preadv(self, handle, offset, lengths):
        buffers = [bytearray(length) for length in lengths]
        count = os.preadv(self.handles[handle], buffers, offset)
        return count, b"".join(buffers)

    def pwritev(self, handle, offset, specs):
        return os.pwritev(self.handles[handle], [payload(spec) for spec in specs], offset)

    def read(self, handle, length):
        return os.read(self.handles[handle], length)

    def write(self, handle, spec):
        return os.write(self.handles[handle], payload(spec))

    def seek(self, handle, offset, whence):
        descriptor = self.handles[handle]
        if whence != os.SEEK_END or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return os.lseek(descriptor, offset, whence)
        # The end of a directory is another number in each, and near the largest on some: nothing can be compared there.
        try:
            os.lseek(descriptor, offset, whence)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

    def ftruncate(self, handle, length):
        os.ftruncate(self.handles[handle], length)

    def fallocate(self, handle, mode, offset, length):
        checked(libc.fallocate(self.handles[handle], mode, offset, length))

    def fstat(self, handle):
        return facts(os.fstat(self.handles[handle]))

    def fsync(self, handle):
        os.fsync(self.handles[handle])

    def fdatasync(self, handle):
        os.fdatasync(self.handles[handle])

    def drop_pages(self, handle):
        """Gives the kernel's pages back, so that the next read asks the daemon."""
        descriptor = self.handles[handle]
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def copy_range(self, source, at, target, to, count):
        total = 0
        while total < count:
            done = os.copy_file_range(self.handles[source], self.handles[target], count - total, at + total, to + total)
            if done == 0:
                break
            total += done
        return total

    def flock(self, handle, kind):
        fcntl.flock(self.handles[handle], kind)

    def range_lock(self, handle, kind, start, length):
        fcntl.fcntl(self.handles[handle], F_OFD_SETLK, struct.pack("hhqqixxxx", kind, 0, start, length, 0))

    # Mappings ---------------------------------------------------------------------------------------------------

    def map(self, mapping, handle, writable):
        descriptor = self.handles[handle]
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            return "nothing to map"
        rights = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.maps[mapping] = mmap.mmap(descriptor, min(status.st_size, 1 << 20), mmap.MAP_SHARED, rights)
        return None

    def map_read(self, mapping, offset, length):
        mapped = self.maps[mapping]
        end = min(offset + length, len(mapped), mapped.size())
        return mapped[offset:end] if offset < end else b""

    def map_write(self, mapping, offset, spec):
        mapped, data = self.maps[mapping], payload(spec)
        end = min(offset + len(data), len(mapped), mapped.size())
        if offset >= end:
            return "outside"
        try:
            mapped[offset:end] = data[:end - offset]
        except TypeError:
            return "read only"
        return end - offset

    def map_flush(self, mapping):
        try:
            self.maps[mapping].flush()
        except ValueError:
            return "read only"

    def clean_mappings(self):
        for mapping in self.maps:
            self.map_flush(mapping)

    def unmap(self, mapping):
        self.maps.pop(mapping).close()

    # Whole files by path ----------------------------------------------------------------------------------------

    def write_file(self, path, flags, spec):
        descriptor = os.open(self.root + path, flags | os.O_NONBLOCK, 0o644)
        try:
            return os.write(descriptor, payload(spec))
        finally:
            os.close(descriptor)

    def read_file(self, path):
        descriptor = os.open(self.root + path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            return status.st_size if status.st_size > 16 << 20 else os.read(descriptor, 17 << 20)
        finally:
            os.close(descriptor)

    def truncate(self, path, length):
        is_same = os.stat(self.root + path).st_size == length
        os.truncate(self.root + path, length)
        if is_same:
            os.utime(self.root + path)  # allowed difference 15

    def segments(self, path):
        """Data segments by SEEK_DATA and SEEK_HOLE, as (start, end) pairs, and the size.

        The kernel tells the daemon of a close only after close(2) has returned: EINVAL may last for a moment.
        """
        for pause in (0.001, 0.01, 0.1, 1, 3):
            try:
                return self.segments_now(path)
            except OSError as error:
                if error.errno != errno.EINVAL or self.has_writer(path):
                    raise
                time.sleep(pause)
        return self.segments_now(path)

    def segments_now(self, path):
        descriptor = os.open(self.root + path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            found, at = [], 0
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return "not a file"
            while True:
                try:
                    start = os.lseek(descriptor, at, os.SEEK_DATA)
                except OSError as error:
                    if error.errno == errno.ENXIO:
                        return found, os.fstat(descriptor).st_size
                    raise
                end = os.lseek(descriptor, start, os.SEEK_HOLE)
                if end <= start or start < at:
                    raise Inconsistent(f"SEEK_DATA from {at} gave {start}, SEEK_HOLE from there {end}")
                found.append((start, end))
                at = end
        finally:
            os.close(descriptor)

    def has_writer(self, path):
        """Whether a handle or mapping of ours may write the file at `path`."""
        if self.maps:
            return True
        status = os.stat(self.root + path)
        return any(os.fstat(self.handles[handle]).st_ino == status.st_ino for handle in self.writable if handle in self.handles)

    # Names ------------------------------------------------------------------------------------------------------

    def mkdir(self, path, mode):
        os.mkdir(self.root + path, mode)

    def rmdir(self, path):
        os.rmdir(self.root + path)

    def unlink(self, path):
        os.unlink(self.root + path)

    def mknod(self, path, mode, device):
        os.mknod(self.root + path, mode, device)

    def symlink(self, target, path):
        os.symlink(target, self.root + path)

    def readlink(self, path):
        return os.readlink(self.root + path)

    def link(self, source, path):
        try:
            os.link(self.root + source, self.root + path, follow_symlinks=False)
        except FileNotFoundError:
            os.lstat(self.root + source)  # allowed difference 14
            os.link(self.root + source, self.root + path, follow_symlinks=False)

    def rename(self, source, path, flags):
        checked(libc.syscall(SYS_RENAMEAT2, AT_FDCWD, self.root + source, AT_FDCWD, self.root + path, flags))

    def empty(self, path):
        """Removes everything below a directory, as rm -rf does."""
        for name in sorted(os.listdir(self.root + path)):
            below = path + b"/" + name
            if stat.S_ISDIR(os.lstat(self.root + below).st_mode):
                self.empty(below)
                os.rmdir(self.root + below)
            else:
                os.unlink(self.root + below)

    def list(self, path):
        with os.scandir(self.root + path) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)

    def relist(self, path, size, share):
        """Reads a directory in small pieces, goes back to a remembered place, and reads the rest again."""
        descriptor = os.open(self.root + path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            entries = []
            while piece := raw_entries(descriptor, size):
                entries += piece
            names = [entry[0] for entry in entries]
            if len(set(names)) != len(names):
                raise Inconsistent(f"a name is listed twice: {sorted(n for n in names if names.count(n) > 1)[:2]}")
            if entries:
                place = int(share * (len(entries) - 1))
                os.lseek(descriptor, entries[place][3], os.SEEK_SET)
                again = []
                while piece := raw_entries(descriptor, size):
                    again += [entry[0] for entry in piece]
                if sorted(again) != sorted(names[place + 1:]):
                    raise Inconsistent(f"after seekdir to entry {place + 1} of {len(names)}: {len(again)} names, not "
                                       f"{len(names) - place - 1}")
            return sorted((entry[0], entry[1]) for entry in entries)
        finally:
            os.close(descriptor)

    def list_while_changing(self, path, size, removed, added):
        """Removes and adds names while a listing is under way: every name that stays is listed exactly once."""
        descriptor = os.open(self.root + path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            before = set(os.listdir(self.root + path))
            seen = [entry[0] for entry in raw_entries(descriptor, size)]
            gone = []
            for name in removed:
                try:
                    os.unlink(self.root + path + b"/" + name)
                    gone.append(name)
                except OSError:
                    pass
            for name in added:
                try:
                    os.close(os.open(self.root + path + b"/" + name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                except OSError:
                    pass
            while piece := raw_entries(descriptor, size):
                seen += [entry[0] for entry in piece]
            for name in before.difference(gone):
                if seen.count(name) != 1:
                    raise Inconsistent(f"{name!r} stayed all the time and was listed {seen.count(name)} times")
            return sorted(gone)
        finally:
            os.close(descriptor)

    # Metadata ---------------------------------------------------------------------------------------------------

    def stat(self, path):
        return facts(os.stat(self.root + path))

    def lstat(self, path):
        return facts(os.lstat(self.root + path))

    def access(self, path, mode):
        return os.access(self.root + path, mode, effective_ids=True)

    def chmod(self, path, mode):
        os.chmod(self.root + path, mode)

    def fchmod(self, handle, mode):
        os.fchmod(self.handles[handle], mode)

    def chown(self, path, user, group, follow):
        os.chown(self.root + path, user, group, follow_symlinks=follow)

    def fchown(self, handle, user, group):
        os.fchown(self.handles[handle], user, group)

    def utimens(self, path, access, modification, follow):
        times = (Timespec * 2)(Timespec(*access), Timespec(*modification))
        checked(libc.utimensat(AT_FDCWD, self.root + path, times, 0 if follow else AT_SYMLINK_NOFOLLOW))

    def futimens(self, handle, access, modification):
        times = (Timespec * 2)(Timespec(*access), Timespec(*modification))
        checked(libc.futimens(self.handles[handle], times))

    def setxattr(self, path, name, value, flags, follow):
        os.setxattr(self.root + path, name, value, flags, follow_symlinks=follow)

    def getxattr(self, path, name, follow):
        return os.getxattr(self.root + path, name, follow_symlinks=follow)

    def listxattr(self, path, follow):
        return sorted(os.listxattr(self.root + path, follow_symlinks=follow))

    def removexattr(self, path, name, follow):
        os.removexattr(self.root + path, name, follow_symlinks=follow)

    def fsetxattr(self, handle, name, value, flags):
        os.setxattr(self.handles[handle], name, value, flags)

    def fgetxattr(self, handle, name):
        return os.getxattr(self.handles[handle], name)

    def statvfs(self, path):
        numbers = os.statvfs(self.root + path)
        if not 0 <= numbers.f_bavail <= numbers.f_blocks or numbers.f_bsize <= 0:
            raise Inconsistent(f"statvfs {numbers}")
        return numbers.f_namemax

    # Directory handles ------------------------------------------------------------------------------------------

    def open_directory(self, handle, path):
        self.directories[handle] = os.open(self.root + path, os.O_RDONLY | os.O_DIRECTORY)

    def close_directory(self, handle):
        os.close(self.directories.pop(handle))

    def create_in(self, handle, name, spec):
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640, dir_fd=self.directories[handle])
        try:
            return os.write(descriptor, payload(spec))
        finally:
            os.close(descriptor)

    def stat_in(self, handle, name):
        return facts(os.stat(name, dir_fd=self.directories[handle], follow_symlinks=False))

    def unlink_in(self, handle, name):
        os.unlink(name, dir_fd=self.directories[handle])

    def list_of(self, handle):
        return sorted(os.listdir(self.directories[handle]))

    def fsync_directory(self, handle):
        os.fsync(self.directories[handle])

    # The caller -------------------------------------------------------------------------------------------------

    def umask(self, mask):
        os.umask(mask)

    def become(self, user, group):
        """Acts as another user from here on (root only): both sides share the process, so the second call repeats the first."""
        os.seteuid(0)
        os.setegid(group)
        os.setgroups([group])
        os.seteuid(user)
