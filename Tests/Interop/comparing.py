"""A snapshot of a tree: what each thing is, its content's digest, target, attributes, mode, owner, times; and how two snapshots differ."""

import errno
import hashlib
import os
import stat

CHUNK = 1 << 20
BLOCK = 4096
ATTRIBUTES = (b"user.", b"system.posix_acl_")


def digest(fd, size):
    """Of the size and of all blocks that are not zero, so that holes cost nothing."""
    seen = hashlib.sha256(b"%d" % size)
    at, zeros = 0, bytes(BLOCK)
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA) & ~(BLOCK - 1)
        except OSError as problem:
            if problem.errno == errno.ENXIO:
                break
        data = os.pread(fd, CHUNK, at)
        if not data:
            break
        for start in range(0, len(data), BLOCK):
            block = data[start:start + BLOCK]
            if block != zeros[:len(block)]:
                seen.update(b"@%d:" % (at + start))
                seen.update(block)
        at += len(data) if len(data) % BLOCK == 0 else BLOCK * (len(data) // BLOCK + 1)
    return seen.hexdigest()


def snapshot(root, times=True):
    """{plain path: facts} of everything below *root* (bytes). Goes by descriptors, as paths may get too long."""
    out, inodes = {}, {}
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _directory(top, b"", out, inodes, times)
    finally:
        os.close(top)
    return out


def _directory(fd, path, out, inodes, times):
    out[path or b"/"] = _facts(os.fstat(fd), times, xattrs=_xattrs(fd))
    for name in sorted(map(os.fsencode, os.listdir(fd))):
        below = path + b"/" + name
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            try:
                _directory(inside, below, out, inodes, times)
            finally:
                os.close(inside)
            continue
        facts = _facts(status, times, links=status.st_nlink)
        if status.st_nlink > 1:
            facts["same file as"] = inodes.setdefault(status.st_ino, below)
        if stat.S_ISLNK(status.st_mode):
            facts["target"] = os.readlink(name, dir_fd=fd)
        elif stat.S_ISREG(status.st_mode):
            facts["size"] = status.st_size
            inside = os.open(name, os.O_RDONLY, dir_fd=fd)
            try:
                facts["content"] = digest(inside, status.st_size)
                facts["xattrs"] = _xattrs(inside)
            except OSError as problem:
                facts["content"] = f"errno {problem.errno}"
            finally:
                os.close(inside)
        elif not stat.S_ISFIFO(status.st_mode):
            facts["device"] = status.st_rdev
        out[below] = facts


def _facts(status, times, **more):
    facts = {"mode": oct(status.st_mode), "owner": (status.st_uid, status.st_gid), **more}
    if times:
        facts["mtime"] = status.st_mtime_ns
    return facts


def _xattrs(fd):
    return {n: os.getxattr(fd, n) for n in map(os.fsencode, os.listxattr(fd)) if n.startswith(ATTRIBUTES)}


def differences(left, right, most=20):
    """Lines for people; empty if the two are the same."""
    out = []
    for path in sorted(set(left) | set(right)):
        if path not in left or path not in right:
            out.append(f"{path!r:.120}: only {'left' if path in left else 'right'}")
        else:
            for fact in sorted(set(left[path]) | set(right[path])):
                a, b = left[path].get(fact), right[path].get(fact)
                if a != b:
                    out.append(f"{path!r:.120}: {fact}: {a!r:.200} / {b!r:.200}")
    return out[:most] + ([f"and {len(out) - most} more"] if len(out) > most else [])
