"""What counts as the same: answers of one operation, and whole trees, of a plain directory and of the mount.

ALLOWED DIFFERENCES. The list may only shrink. Everything else that differs fails the test.

 1. st_blocks, atime, ctime, st_ino, st_dev are not compared. The vault stores other bytes than the program writes; atime
    and ctime move when the daemon works on its own file; numbers of inodes differ between two directories anyway
    (that two names are one inode, and which, is compared).
 2. The size of a directory: sealed names are longer, so the backing directory is larger.
 3. The order of a listing.
 4. SEEK_HOLE and SEEK_DATA while a writer is open: EINVAL in the mount (pages not yet written back; filesystem.md).
    Otherwise the mount may call a hole data, as POSIX allows; it may never call a hole what holds a byte that is not zero.
 5. RENAME_EXCHANGE where a directory or a long name takes part: EINVAL and nothing changed (format.md, section 3).
 6. Opening a device node: EACCES, since FUSE mounts are nodev.
 7. mtime of "now": both sides within TOLERANCE seconds, as the two calls are not at one instant. Any other mtime to the ns.
    Nor does a fifo that was written to get a new mtime: the kernel keeps its bytes, and in a FUSE mount its times, to itself (S_NOCMTIME).
 8. Limits of attributes and link targets (sealed forms are longer): not reached here; values stay below 300 bytes each,
    targets below 3000.
 9. O_DIRECT with addresses or lengths that are not multiples of 4096: EINVAL on ext4, served by the mount. Not exercised.
10. O_TMPFILE (no such request before libfuse 3.16) and inode flags by ioctl (refused): not exercised.
11. Positions in a directory other than those that a listing gave (ext4: hashes of names).
12. S_ISGID without group-execute (once "mandatory locking") stays when a stranger to the group writes: under
    HANDLE_KILLPRIV_V2 the kernel asks the daemon to clear it only beside group-execute. Not exercised.
13. trusted.* attributes and the moment of ENOSPC: not exercised.
14. link(2) of a file with several names, one of which was removed while another process asked for its status: ENOENT until somebody asks
    for it again. The kernel counts the links down when it has its answer to the removal, though it may just have been told the new count.
15. truncate(2) to the size that a file has: mtime stays, as on XFS and Btrfs (POSIX asks for a new one where the size changes; the kernel,
    which keeps the mtime of a write-back mount, thinks so too). ftruncate(2) and O_TRUNC make a new one.
"""

import errno
import os
import stat
import time

from operations import Inconsistent, facts

TOLERANCE = 20
START = time.time_ns()
MTIME = 6  # place in facts()


def is_now(nanoseconds):
    return START - 60 * 10**9 <= nanoseconds <= time.time_ns() + 60 * 10**9


def same_facts(plain, mount):
    if plain[:MTIME] != mount[:MTIME]:
        return False
    if is_now(plain[MTIME]):
        if stat.S_ISFIFO(plain[0]):
            return True
        return abs(plain[MTIME] - mount[MTIME]) <= TOLERANCE * 10**9
    return plain[MTIME] == mount[MTIME]


def describe_facts(plain, mount):
    names = ("mode", "links", "user", "group", "size", "device", "mtime")
    parts = []
    for name, left, right in zip(names, plain, mount):
        if left != right:
            parts.append(f"{name}: expected {oct(left) if name == 'mode' else left}, got {oct(right) if name == 'mode' else right}")
    return "; ".join(parts)


def describe_bytes(plain, mount):
    if len(plain) != len(mount):
        return f"expected {len(plain)} bytes, got {len(mount)}"
    first = next(i for i in range(len(plain)) if plain[i] != mount[i])
    differing = sum(1 for a, b in zip(plain, mount) if a != b)
    return (f"{differing} of {len(plain)} bytes differ, first at {first}: expected {plain[first:first + 16].hex()}, "
            f"got {mount[first:first + 16].hex()}")


def holes_difference(operation, plain, mount, plain_side):
    """None, or what is wrong with the mount's idea of data and holes (allowed difference 4)."""
    (segments, size), (mine, mine_size) = plain, mount
    if size != mine_size:
        return f"size: expected {size}, got {mine_size}"
    descriptor = os.open(plain_side.root + operation[1], os.O_RDONLY | os.O_NONBLOCK)
    try:
        for start, end in segments:
            at = start
            while at < end:
                piece = os.pread(descriptor, min(1 << 20, end - at), at)
                if not piece:
                    break
                for low, high in uncovered(at, at + len(piece), mine):
                    if piece[low - at:high - at].strip(b"\0"):
                        return f"called a hole, but holds data: {low}..{high}; data segments {mine[:6]}"
                at += len(piece)
    finally:
        os.close(descriptor)
    return None


def uncovered(start, end, segments):
    """The parts of start..<end that lie in none of the segments."""
    at = start
    for low, high in segments:
        if high <= at:
            continue
        if low >= end:
            break
        if low > at:
            yield at, low
        at = max(at, high)
    if at < end:
        yield at, end


def difference(operation, plain, mount, plain_side, mount_side):
    """None when both answers agree or differ as allowed; else one line."""
    kind = operation[0]
    if plain[0] != mount[0]:
        if kind == "segments" and mount[0] == errno.EINVAL and plain[0] == 0 and mount_side.has_writer(operation[1]):
            return None
        if kind == "open" and mount[0] == errno.EACCES and plain[0] in (errno.ENXIO, errno.ENODEV, 0) and is_device(plain_side, operation[2]):
            return None
        if kind == "seek" and is_directory_handle(plain_side, operation[1]):
            return None
        if kind in ("write_file", "read_file", "segments") and mount[0] == errno.EACCES and is_device(plain_side, operation[1]):
            return None
        return f"expected {name_of(plain)}, got {name_of(mount)}"
    if plain[0] != 0:
        return None if plain[0] != -3 else f"the plain side contradicts itself: {plain[1]}"
    if kind in ("stat", "lstat", "fstat", "stat_in"):
        return None if same_facts(plain[1], mount[1]) else describe_facts(plain[1], mount[1])
    if kind == "segments" and plain[1] != "not a file" != mount[1]:
        return holes_difference(operation, plain[1], mount[1], plain_side)
    if plain[1] == mount[1]:
        return None
    if isinstance(plain[1], bytes) and isinstance(mount[1], bytes):
        return describe_bytes(plain[1], mount[1])
    return f"expected {short(plain[1])}, got {short(mount[1])}"


def is_directory_handle(side, handle):
    return handle in side.handles and stat.S_ISDIR(os.fstat(side.handles[handle]).st_mode)


def is_device(side, path):
    try:
        mode = os.stat(side.root + path).st_mode
        return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    except OSError:
        return False


def name_of(answer):
    code, value = answer
    if code == 0:
        return f"success {short(value)}"
    if code > 0:
        return errno.errorcode.get(code, str(code))
    return {-1: "no handle", -2: f"ValueError {value}", -3: f"CONTRADICTION: {value}"}[code]


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "…"


# Whole trees --------------------------------------------------------------------------------------------------------

def walk(root):
    """Relative path -> lstat of everything below root, the root itself as b""."""
    found, waiting = {b"": os.lstat(root)}, [b""]
    while waiting:
        directory = waiting.pop()
        try:
            entries = os.scandir(os.path.join(root, directory))
        except PermissionError:
            found[directory + b"/"] = found[directory]  # closed to us: it must be so on both sides
            continue
        with entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)
                try:
                    status = os.lstat(os.path.join(root, path))
                except PermissionError:
                    found[path + b"/"] = found[directory]  # can be listed, not entered
                    continue
                if entry.inode() != status.st_ino:
                    raise Inconsistent(f"{path!r}: the listing says inode {entry.inode()}, lstat {status.st_ino}")
                found[path] = status
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(path)
    return found


def attributes(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


def read_ranges(descriptor, ranges):
    for start, end in ranges:
        at = start
        while at < end:
            piece = os.pread(descriptor, min(4 << 20, end - at), at)
            yield at, piece
            if not piece:
                break
            at += len(piece)


def content_difference(plain, mount, size):
    """Compares a whole file; of a large sparse one the data and some of the holes."""
    left, right = os.open(plain, os.O_RDONLY), os.open(mount, os.O_RDONLY)
    try:
        ranges = [(0, size)]
        if size > 32 << 20:
            ranges, at = [], 0
            while at < size:
                try:
                    start = os.lseek(left, at, os.SEEK_DATA)
                except OSError as error:
                    if error.errno != errno.ENXIO:
                        raise
                    start = size
                ranges.append((at, min(at + 8192, start)))
                if start < size:
                    end = os.lseek(left, start, os.SEEK_HOLE)
                    ranges.append((max(at, start - 8192), min(size, end + 8192)))
                    at = end
                else:
                    ranges.append((max(at, size - 8192), size))
                    at = size
        for (at, expected), (_, got) in zip(read_ranges(left, ranges), read_ranges(right, ranges)):
            if expected != got:
                return f"content at {at}: {describe_bytes(expected, got)}"
    finally:
        os.close(left)
        os.close(right)
    return None


def tree_difference(plain_root, mount_root):
    """The first difference of two trees (names, facts, links, attributes, content, which names share an inode), or None."""
    plain_root, mount_root = os.fsencode(plain_root), os.fsencode(mount_root)
    try:
        return _tree_difference(plain_root, mount_root)
    except Inconsistent as error:
        return str(error)
    except OSError as error:
        return f"{error.filename!r}: {errno.errorcode.get(error.errno, error.errno)} while the trees were compared"


def _tree_difference(plain_root, mount_root):
    plain, mount = walk(plain_root), walk(mount_root)
    if plain.keys() != mount.keys():
        return (f"names: missing {sorted(plain.keys() - mount.keys())[:4]}, "
                f"not expected {sorted(mount.keys() - plain.keys())[:4]}")
    inodes = {}
    for path, left in plain.items():
        right = mount[path]
        if path.endswith(b"/"):
            continue
        if not same_facts(facts(left), facts(right)):
            return f"{path!r}: {describe_facts(facts(left), facts(right))}"
        if inodes.setdefault(left.st_ino, right.st_ino) != right.st_ino:
            return f"{path!r}: names of one inode became two"
        full = os.path.join(plain_root, path), os.path.join(mount_root, path)
        if stat.S_ISLNK(left.st_mode) and os.readlink(full[0]) != os.readlink(full[1]):
            return f"{path!r}: link target expected {os.readlink(full[0])!r}, got {os.readlink(full[1])!r}"
        try:
            here = attributes(full[0])
        except PermissionError:
            here = {}
        try:
            there = attributes(full[1])
        except PermissionError:
            there = {}
        if here != there:
            return f"{path!r}: attributes expected {short(here)}, got {short(there)}"
        if stat.S_ISREG(left.st_mode):
            try:
                wrong = content_difference(*full, left.st_size)
            except PermissionError:
                wrong = None  # compared where we may read: facts and attributes above are not affected
            if wrong:
                return f"{path!r}: {wrong}"
    if len(set(inodes.values())) != len(inodes):
        return "names of two inodes became one"
    return None
