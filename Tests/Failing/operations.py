"""Operations of every kind, each with what stands before it and after it, and the judge of what one leaves that failed half-way.

An operation is made ready in a directory of its own, then done there. Both happen in a plain directory as well: that tells what is before and after.
"""

import errno
import mmap
import os
import random
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

LONG, OTHER_LONG = "l" * 200, "o" * 230
MARK = "user.mark"


def text(seed, count):
    return random.Random(f"text {seed}").randbytes(count)


def put(path, offset, data, flags=os.O_WRONLY | os.O_CREAT):
    """Writes, synchronises and closes: the first error of the three."""
    descriptor = os.open(path, flags, 0o644)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(descriptor, data[done:], offset + done)
        os.fsync(descriptor)
    except OSError:
        try:
            os.close(descriptor)
        except OSError:
            pass
        raise
    os.close(descriptor)


def with_descriptor(path, work, flags=os.O_RDWR):
    descriptor = os.open(path, flags)
    try:
        work(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fallocate(mode, offset, length):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)

    def work(descriptor):
        if libc.fallocate(descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    return work


def rename_exchange(one, two):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(two), 2) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mapped(path, offset, data):
    def work(descriptor):
        with mmap.mmap(descriptor, os.fstat(descriptor).st_size) as memory:
            memory[offset:offset + len(data)] = data
            memory.flush()
    with_descriptor(path, work)


def copy(source, target):
    with open(source, "rb") as a, open(target, "r+b", buffering=0) as b:
        left = os.fstat(a.fileno()).st_size
        while left > 0:
            count = os.copy_file_range(a.fileno(), b.fileno(), left)
            if count == 0:
                break
            left -= count
        os.fsync(b.fileno())


def acl(path):
    import struct
    entries = [(1, 6, 0xFFFFFFFF), (2, 7, 3001), (4, 4, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


@dataclass
class Operation:
    name: str
    prepare: Callable
    act: Callable
    moves: dict = field(default_factory=dict)  # old name -> new name: after a failure exactly one of them is there
    grows: bool = True  # may be refused for want of room
    empties: bool = False  # a file is empty in between

    def expected(self):
        """What is before and what is after, from a plain directory."""
        top = Path(tempfile.mkdtemp(prefix="efs-tests-plain-", dir=os.environ.get("TMPDIR", "/tmp")))
        try:
            self.prepare(top)
            before = look(top, os.O_RDONLY)
            self.act(top)
            return before, look(top, os.O_RDONLY)
        finally:
            shutil.rmtree(top)


def nothing(top):
    pass


def files(**sizes):
    """Makes files of these sizes ready."""
    def prepare(top):
        for name, size in sizes.items():
            put(top / name, 0, text(name, size))
    return prepare


def linked(top):
    put(top / "a", 0, text("a", 5000))
    os.link(top / "a", top / "b")


def sparse(top):
    put(top / "a", 0, text("a", 9000))
    os.truncate(top / "a", 3_000_000)


def with_name(name, size=700):
    return lambda top: put(top / name, 0, text("named", size))


def two_directories(top):
    (top / "a").mkdir()
    put(top / "a" / "inside", 0, text("inside", 4000))
    (top / "b").mkdir()


def operations():
    big = 300_000
    result = [
        Operation("create an empty file", nothing, lambda top: put(top / "a", 0, b"")),
        Operation("create a small file", nothing, lambda top: put(top / "a", 0, text(1, 900))),
        Operation("create a file of blocks", nothing, lambda top: put(top / "a", 0, text(1, big))),
        Operation("create with a long name", nothing, lambda top: put(top / LONG, 0, text(1, 900))),
        Operation("write at a distance into a new file", nothing, lambda top: put(top / "a", 2_000_000, text(1, 5000))),
        Operation("append to a small file", files(a=500), lambda top: put(top / "a", 500, text(1, 700))),
        Operation("append a byte to blocks", files(a=8192), lambda top: put(top / "a", 8192, b"x")),
        Operation("append to blocks", files(a=50_000), lambda top: put(top / "a", 50_000, text(1, big))),
        Operation("overwrite a small file", files(a=2000), lambda top: put(top / "a", 300, text(1, 600)), grows=False),
        Operation("overwrite parts of blocks", files(a=big), lambda top: put(top / "a", 10_001, text(1, 60_000))),
        Operation("overwrite blocks", files(a=big), lambda top: put(top / "a", 8192, text(1, 65536))),
        Operation("write into holes", sparse, lambda top: put(top / "a", 1_000_000, text(1, 500_000))),
        Operation("grow past a page by a little", files(a=3000), lambda top: put(top / "a", 3000, text(1, 41))),
        Operation("grow past a page by much", files(a=3040), lambda top: put(top / "a", 3000, text(1, big))),
        Operation("grow past a page and leave a hole", files(a=1000), lambda top: put(top / "a", 900_000, text(1, 9000))),
        Operation("open with O_TRUNC and write", files(a=big), lambda top: put(top / "a", 0, text(1, 9000), os.O_WRONLY | os.O_TRUNC), empties=True),
        Operation("truncate up, small", files(a=300), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 2000))),
        Operation("truncate up past a page", files(a=300), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 1_000_000))),
        Operation("truncate up an empty file", files(a=0), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 1_000_000))),
        Operation("truncate up blocks", files(a=10_000), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 1_000_000))),
        Operation("truncate down in a block", files(a=big), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 100_001))),
        Operation("truncate down to a page", files(a=big), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 100))),
        Operation("truncate to nothing", files(a=big), lambda top: with_descriptor(top / "a", lambda d: os.ftruncate(d, 0)), grows=False),
        Operation("allocate", files(a=5000), lambda top: with_descriptor(top / "a", fallocate(0, 0, big))),
        Operation("allocate in a new file", files(a=0), lambda top: with_descriptor(top / "a", fallocate(0, 0, big))),
        Operation("allocate and keep the size", files(a=5000), lambda top: with_descriptor(top / "a", fallocate(1, 0, big))),
        Operation("punch", files(a=big), lambda top: with_descriptor(top / "a", fallocate(3, 5000, 70_000))),
        Operation("zero a range", files(a=50_000), lambda top: with_descriptor(top / "a", fallocate(16, 5000, 90_000))),
        Operation("write through a mapping", files(a=big), lambda top: mapped(top / "a", 5000, text(1, 70_000))),
        Operation("copy a range", files(a=big, b=100), lambda top: copy(top / "a", top / "b")),
        Operation("make a directory", nothing, lambda top: (top / "d").mkdir()),
        Operation("make a directory with a long name", nothing, lambda top: (top / LONG).mkdir()),
        Operation("symlink", nothing, lambda top: os.symlink("target", top / "s")),
        Operation("symlink, long", nothing, lambda top: os.symlink("t" * 2000, top / LONG)),
        Operation("link", files(a=5000), lambda top: os.link(top / "a", top / "b")),
        Operation("link by a long name", files(a=5000), lambda top: os.link(top / "a", top / LONG)),
        Operation("make a fifo", nothing, lambda top: os.mkfifo(top / "f")),
        Operation("rename", files(a=5000), lambda top: os.rename(top / "a", top / "b"), {"a": "b"}),
        Operation("rename over a file", files(a=5000, b=700), lambda top: os.rename(top / "a", top / "b"), {"a": "b"}),
        Operation("rename to a long name", files(a=5000), lambda top: os.rename(top / "a", top / LONG), {"a": LONG}),
        Operation("rename from a long name to another", with_name(LONG), lambda top: os.rename(top / LONG, top / OTHER_LONG), {LONG: OTHER_LONG}),
        Operation("rename over a long name", lambda top: (with_name(LONG)(top), files(a=5000)(top)), lambda top: os.rename(top / "a", top / LONG), {"a": LONG}),
        Operation("rename from a long name", with_name(LONG), lambda top: os.rename(top / LONG, top / "a"), {LONG: "a"}),
        Operation("rename a directory", two_directories, lambda top: os.rename(top / "a", top / "c"), {"a": "c"}),
        Operation("rename over an empty directory", two_directories, lambda top: os.rename(top / "a", top / "b"), {"a": "b"}),
        Operation("rename a directory to a long name", two_directories, lambda top: os.rename(top / "a", top / LONG), {"a": LONG}),
        Operation("rename into a directory", lambda top: (two_directories(top), files(x=400)(top)), lambda top: os.rename(top / "x", top / "b" / "y"), {"x": "b/y"}),
        Operation("exchange", files(a=5000, b=700), lambda top: rename_exchange(top / "a", top / "b")),
        Operation("set an attribute", files(a=5000), lambda top: os.setxattr(top / "a", MARK, b"value")),
        Operation("set an attribute of an empty file", files(a=0), lambda top: os.setxattr(top / "a", MARK, b"value")),
        Operation("set a large attribute", files(a=50), lambda top: os.setxattr(top / "a", MARK, text(1, 1500))),
        Operation("set an attribute of a directory", two_directories, lambda top: os.setxattr(top / "a", MARK, b"value")),
        Operation("set an ACL", files(a=50), lambda top: acl(top / "a")),
        Operation("remove an attribute", lambda top: (files(a=50)(top), os.setxattr(top / "a", MARK, b"1")), lambda top: os.removexattr(top / "a", MARK), grows=False),
        Operation("change the mode", files(a=50), lambda top: os.chmod(top / "a", 0o600), grows=False),
        Operation("change times", files(a=50), lambda top: os.utime(top / "a", ns=(10**18, 10**18)), grows=False),
        Operation("remove a file", files(a=big), lambda top: os.unlink(top / "a"), grows=False),
        Operation("remove a long name", with_name(LONG), lambda top: os.unlink(top / LONG), grows=False),
        Operation("remove one of two names", linked, lambda top: os.unlink(top / "a"), grows=False),
        Operation("remove a directory", two_directories, lambda top: os.rmdir(top / "b"), grows=False),
        Operation("remove a directory of a long name", lambda top: (top / LONG).mkdir(), lambda top: os.rmdir(top / LONG), grows=False),
        Operation("read", files(a=big), lambda top: (top / "a").read_bytes(), grows=False),
        Operation("list", two_directories, lambda top: [list(os.scandir(top)), list(os.scandir(top / "a"))], grows=False),
        Operation("list long names", lambda top: (with_name(LONG)(top), (top / OTHER_LONG).mkdir()), lambda top: list(os.scandir(top)), grows=False),
    ]
    if os.geteuid() == 0:
        result.append(Operation("change the owner", files(a=50), lambda top: os.chown(top / "a", 3001, 3002), grows=False))
    return result


@dataclass
class Thing:
    """What stands at a name."""
    kind: int
    mode: int
    owner: tuple
    content: bytes
    attributes: dict


def look(top, flags=os.O_RDONLY | os.O_DIRECT, lenient=False):
    """Everything below `top`. O_DIRECT: what the daemon says, not what the kernel kept of a write that failed; only the size is the kernel's
    until it forgets the file. `lenient`: then sizes need not fit."""
    found = {}
    for base, directories, names in os.walk(top, onerror=_raise):
        for name in directories + names:
            path = Path(base, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content = b""
            if kind == stat.S_IFREG:
                descriptor = os.open(path, flags)
                try:
                    content = _read(descriptor)
                finally:
                    os.close(descriptor)
                if len(content) != status.st_size and not lenient:
                    raise OSError(errno.EBADMSG, f"{len(content)} bytes of {status.st_size}", str(path))
            elif kind == stat.S_IFLNK:
                content = os.fsencode(os.readlink(path))
            attributes = {}
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                attributes = {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("security.")}
            found[str(path.relative_to(top))] = Thing(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), content, attributes)
    return found


def _raise(error):
    raise error


def _read(descriptor):
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def judge(found, before, after, operation, done):
    """What is wrong with `found` after an operation that failed (or, `done`, that said it was done); a list of texts."""
    if done:
        return [f"{name!r} is not as after the operation: {difference(found.get(name), after.get(name))}"
                for name in {*found, *after} if difference(found.get(name), after.get(name))]
    wrong = [f"{name!r}: nobody has made it" for name in found if name not in before and name not in after]
    for old, new in operation.moves.items():
        stays, is_moved = not difference(found.get(new), before.get(new)), not difference(found.get(new), after.get(new))
        if not (stays if old in found else is_moved):
            wrong.append(f"{old!r} and {new!r}: there are {sorted(found)}")
    moved = {name for pair in operation.moves.items() for name in pair}
    for name in {*before, *after}:
        thing, old, new = found.get(name), before.get(name), after.get(name)
        if not difference(thing, old) or not difference(thing, new):
            continue
        if name in moved or thing is None or (old is None and thing.kind != stat.S_IFREG):
            wrong.append(f"{name!r}: {difference(thing, old)}; {difference(thing, new)}")
        elif old is not None and new is None:
            wrong.append(f"{name!r}: {difference(thing, old)}")
        else:
            if not (operation.empties and not thing.content):
                wrong += [f"{name!r}: {complaint}" for complaint in between(thing, old, new)]
    return wrong


def difference(one, two):
    if one is None or two is None:
        return None if one is two else f"{'is not there' if one is None else 'is there'}"
    if one.kind != two.kind:
        return "another kind"
    if one.content != two.content:
        same = next((i for i, (a, b) in enumerate(zip(one.content, two.content)) if a != b), min(len(one.content), len(two.content)))
        return f"content of {len(one.content)} differs from {len(two.content)} at {same}"
    if one.attributes != two.attributes:
        return f"attributes {sorted(one.attributes)} for {sorted(two.attributes)}"
    if (one.mode, one.owner) != (two.mode, two.owner):
        return f"mode {one.mode:o} of {one.owner} for {two.mode:o} of {two.owner}"
    return None


def between(thing, old, new):
    """A file of which each byte, attribute and the mode have to be old or new."""
    old = old or Thing(new.kind, new.mode, new.owner, b"", {})
    if len(thing.content) > max(len(old.content), len(new.content)):
        return [f"{len(thing.content)} bytes, longer than before ({len(old.content)}) and after ({len(new.content)})"]
    shorter = min(len(old.content), len(new.content))
    # Zeros that a write at a distance left before it failed may not be counted.
    if len(thing.content) < shorter and any(old.content[len(thing.content):shorter]):
        return [f"{len(thing.content)} bytes of {shorter}: something is lost"]
    wrong = []
    for place in range(0, len(thing.content), 4096):
        part, a, b = (whole[place:place + 4096] for whole in (thing.content, old.content, new.content))
        if part == a or part == b:
            continue
        a, b = a.ljust(len(part), b"\0"), b.ljust(len(part), b"\0")
        for i, byte in enumerate(part):
            if byte != a[i] and byte != b[i]:
                wrong.append(f"byte {place + i} is neither old nor new")
                break
        if wrong:
            break
    for name in {*thing.attributes, *old.attributes, *new.attributes}:
        if thing.attributes.get(name) not in (old.attributes.get(name), new.attributes.get(name)):
            wrong.append(f"attribute {name} is neither old nor new")
    if thing.mode not in (old.mode, new.mode) or thing.owner not in (old.owner, new.owner):
        wrong.append(f"mode {thing.mode:o}, owner {thing.owner}")
    return wrong
