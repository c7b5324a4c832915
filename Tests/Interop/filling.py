"""Fills a directory with one of everything. The same calls go to a mount and to a plain directory, so that both must look alike."""

import ctypes
import os
import random
import socket
import stat
import struct

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
BLOCK = 4096
SIZES = sorted({0, 1, 2, 31, 32, 33, 511, 512, 1023, 1024, 1025, 1055, 1056, 1057, 3039, 3040, 3041, 4095, 4096, 4097, 8191, 8192, 8193}
               | {blocks * BLOCK + more for blocks in (47, 48, 49, 111, 112, 113, 175, 176) for more in (-1, 0, 1)})
LINKS = [1, 2, 3, 100, 2999, 3000, 3053, 3054]
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if _libc.fallocate(fd, mode, offset, length):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def noise(seed, count):
    return random.Random(seed).randbytes(count)


def write(path, data, offset=0):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        assert os.pwrite(fd, data, offset) == len(data)
    finally:
        os.close(fd)


def fill(root):
    """Everything, below *root* (bytes)."""
    for part in sizes, names, deep, links, attributes, holes, changed, hard_links, specials:
        directory = root + b"/" + part.__name__.encode()
        os.mkdir(directory)
        part(directory)
    os.setxattr(root, "user.of the root", b"value of the root")
    write(root + b"/in the root", b"content")


def sizes(here):
    for size in SIZES:
        write(here + b"/%d" % size, noise(size, size))
    write(here + b"/zeros", bytes(100000))


def names(here):
    given = [b"n" * 255, b"n" * 254 + b"m", b"n" * 175, b"n" * 176, b"n" * 174, b"x", b" ", b"...", b"-rf", b"\n", b"two\nlines\t\x01\x7f",
             b"\xff\xfe\x80 no UTF-8", b"\xff" * 255, "Grüße, мир, 世界".encode(), b"+plus", b"=equal", b".envelopefs", b"a.b",
             b"+" + b"A" * 43, b"=" + b"A" * 43, b"A" * 43 + b".AAAAAAAAAAA", b"*?[]{}$`'\"\\|;&<>#"]
    for name in given:
        write(here + b"/" + name, b"content of " + name)
    os.mkdir(here + b"/directories")
    for name in given + [b"d" * 165, b"d" * 166, b"d" * 167, b"d" * 255]:
        os.mkdir(here + b"/directories/" + name)
        write(here + b"/directories/" + name + b"/" + name, b"inside " + name)
    for name in (b"l" * 175, b"l" * 176, b"l" * 255):
        os.symlink(name, here + b"/" + name)
        os.mkfifo(here + b"/fifo" + name[4:])


def deep(here):
    """Plain paths near PATH_MAX, and directories whose sealed path is far above it."""
    for width in (255, 166):
        path = here
        for level in range(3000 // width):
            path += b"/" + bytes([ord("a") + level]) * width
            os.mkdir(path)
        write(path + b"/leaf", b"at the end of %d" % width)


def links(here):
    for length in LINKS:
        os.symlink(noise(length, length).replace(b"\0", b"/"), here + b"/%d" % length)
    os.symlink("../sizes/1", here + b"/working")
    os.symlink("/nowhere/at all", here + b"/dangling")


def attributes(here):
    def dress(path):
        os.setxattr(path, "user.comment", b"a comment")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.binary", noise(9, 1500))
        os.setxattr(path, b"user." + b"r" * 168, b"longest name")
        os.setxattr(path, "user.gone", b"x")
        os.removexattr(path, "user.gone")
        os.setxattr(path, "user.comment", b"another comment")
    for name, size in (b"empty", 0), (b"inline", 100), (b"blocks", 9000), (b"cut to nothing", 5000):
        write(here + b"/" + name, noise(size, size))
        dress(here + b"/" + name)
    os.truncate(here + b"/cut to nothing", 0)
    os.mkdir(here + b"/directory")
    dress(here + b"/directory")
    os.mkdir(here + b"/" + b"long" * 60)
    dress(here + b"/" + b"long" * 60)
    # version 2: owner rwx, user 1234 rw, group r, mask rw, others none
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in
                                          ((1, 7, 0xffffffff), (2, 6, 1234), (4, 4, 0xffffffff), (16, 6, 0xffffffff), (32, 0, 0xffffffff)))
    os.setxattr(here + b"/inline", "system.posix_acl_access", acl)
    os.setxattr(here + b"/directory", "system.posix_acl_default", acl)


def holes(here):
    write(here + b"/one GiB", b"", 0)
    os.truncate(here + b"/one GiB", 1 << 30)
    for at in (0, 5000, (47 << 12) + 1, 48 << 12, 112 << 12, (1 << 29) + 77, (1 << 30) - 3):
        write(here + b"/one GiB", b"a few bytes"[:(1 << 30) - at], at)
    write(here + b"/beyond", b"tail", 3 << 20)
    for size in (1, 3040, 3041, 4096, 5000, 48 * BLOCK, 112 * BLOCK + 1):
        write(here + b"/grown %d" % size, b"")
        os.truncate(here + b"/grown %d" % size, size)
    for name, offset, length in ((b"whole blocks", 8192, 40960), (b"parts", 5000, 20000), (b"at the end", 150 * BLOCK, 1 << 20),
                                 (b"across slots", 40 * BLOCK, 80 * BLOCK), (b"everything", 0, 1 << 20)):
        for mode in (PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE | KEEP_SIZE):
            path = here + b"/%s %d" % (name, mode)
            write(path, noise(mode, 160 * BLOCK + 123))
            fd = os.open(path, os.O_RDWR)
            fallocate(fd, mode, offset, length)
            os.close(fd)
    fd = os.open(here + b"/allocated", os.O_RDWR | os.O_CREAT, 0o644)
    fallocate(fd, 0, 0, 100000)
    os.close(fd)


def changed(here):
    for size in (0, 1, 5, 3040, 3041, 4095, 4096, 4097, 9000, 48 * BLOCK, 48 * BLOCK + 1, 60 * BLOCK + 7):
        for first in (size + 1, size + 1000, size + 70 * BLOCK):
            path = here + b"/cut from %d to %d" % (first, size)
            write(path, noise(size, first))
            os.truncate(path, size)
            write(here + b"/cut and grown %d %d" % (first, size), noise(size, first))
            os.truncate(here + b"/cut and grown %d %d" % (first, size), size)
            os.truncate(here + b"/cut and grown %d %d" % (first, size), first)
    for size in (100, 3040, 10000, 130 * BLOCK + 9):
        path = here + b"/overwritten %d" % size
        write(path, noise(size, size))
        dice = random.Random(size)
        for _ in range(60):
            at = dice.randrange(size)
            write(path, dice.randbytes(min(dice.randrange(1, 9000), size - at)), at)
        fd = os.open(path, os.O_RDWR)
        for at in range(0, size, 5 * BLOCK):
            os.pwrite(fd, b"synced", at)
            os.fsync(fd)
        os.close(fd)
    path = here + b"/appended"
    for step in range(200):
        write(path, noise(step, 37 * step), os.path.getsize(path) if step else 0)
    short, long = here + b"/short", here + b"/" + b"long" * 63
    write(short, b"to be long")
    os.rename(short, long)
    write(short + b"2", b"was long")
    os.rename(short + b"2", long + b"2")
    os.rename(long + b"2", short + b"3")
    os.makedirs(here + b"/a/" + b"b" * 200)
    write(here + b"/a/" + b"b" * 200 + b"/c", b"moved with its directory")
    os.rename(here + b"/a/" + b"b" * 200, here + b"/b")
    os.rename(here + b"/b", here + b"/a/" + b"e" * 200)
    write(here + b"/removed", b"x")
    os.unlink(here + b"/removed")


def hard_links(here):
    os.mkdir(here + b"/other")
    write(here + b"/first", noise(1, 10000))
    os.link(here + b"/first", here + b"/second")
    os.link(here + b"/first", here + b"/other/" + b"third" * 50)
    os.symlink("target", here + b"/link")
    os.link(here + b"/link", here + b"/same link", follow_symlinks=False)
    write(here + b"/second", b"written through another name", 4090)


def specials(here):
    os.mkfifo(here + b"/fifo", 0o640)
    s = socket.socket(socket.AF_UNIX)
    folder = os.open(here, os.O_RDONLY)
    s.bind(f"/proc/self/fd/{folder}/socket")
    os.close(folder)
    s.close()
    if os.geteuid() == 0:
        os.mknod(here + b"/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(here + b"/block", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    for mode in (0o000, 0o400, 0o755, 0o4755, 0o2755, 0o1777):
        write(here + b"/mode %o" % mode, b"mode")
        os.chmod(here + b"/mode %o" % mode, mode)
    os.mkdir(here + b"/sticky")
    os.chmod(here + b"/sticky", 0o3777)
    write(here + b"/old", b"old")
    os.utime(here + b"/old", ns=(1_000_000_001, 987_654_321_123_456_789))
    if os.geteuid() == 0:
        write(here + b"/owned", b"owned")
        os.chown(here + b"/owned", 1234, 5678)
