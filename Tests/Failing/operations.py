"""Operations of every kind, each with what stands before it and after it.

An operation is made ready in a directory of its own, then done there. Both happen in a plain directory as well: that tells what is before and after.
"""

import mmap
import os
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from judging import look

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


def rest(path, offset, data):
    """Writes and closes, leaves the file alone until the daemon has sealed it, then synchronises."""
    with open(path, "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), data, offset)
    time.sleep(2.4)
    with_descriptor(path, lambda descriptor: None)


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
    is_slow: bool = False  # it takes seconds: one kind of error is enough

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
        Operation("overwrite blocks and leave them to the sealer", files(a=big), lambda top: rest(top / "a", 8192, text(1, 65536)), is_slow=True),
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
