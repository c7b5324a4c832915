"""A tree with everything that copying tools meet: hard links, ACLs, attributes, sparse files, fifos, odd names, old times."""

import os
import random
import struct

NOBODY = 0xFFFFFFFF


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


FILE_ACL = acl((1, 6, NOBODY), (2, 4, 3001), (4, 4, NOBODY), (8, 6, 3002), (16, 6, NOBODY), (32, 0, NOBODY))
DEFAULT_ACL = acl((1, 7, NOBODY), (4, 5, NOBODY), (8, 7, 3002), (16, 7, NOBODY), (32, 5, NOBODY))
NAMES = [b"plain.txt", b"n" * 255, b"m" * 176, b"k" * 175, b"p" * 180, "ü".encode() * 120, b"two\nlines", b"\xff\xfe\x80invalid", b"...", b".hidden",
         b"-rf", b" spaces ", b"a\\b", b"quote'\"", "日本語の名前".encode(), b"+H", b"=side", b"tab\there", b"*?[x]"]
SIZES = [0, 1, 100, 3039, 3040, 3041, 4095, 4096, 4097, 48 * 4096 - 1, 48 * 4096, 48 * 4096 + 1, 112 * 4096 + 5, 1 << 20]


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def plant(top, is_root):
    """Makes the tree below `top` (a plain directory, made here)."""
    source = random.Random("planted tree")
    top = os.fsencode(str(top))
    os.mkdir(top, 0o755)
    for folder in (b"odd names", b"sizes", b"links", b"rights", b"l" * 255, b"dir\nnewline", b"dir\xff\xfe", b"d" * 167, b"sticky"):
        os.mkdir(os.path.join(top, folder))
    for name in NAMES:
        write(os.path.join(top, b"odd names", name), name * 50)
        write(os.path.join(top, b"l" * 255, name), b"below a long directory: " + name)
    for size in SIZES:
        write(os.path.join(top, b"sizes", b"%d" % size), source.randbytes(size))
    sparse = os.path.join(top, b"sizes", b"sparse")
    with open(sparse, "wb") as file:
        for at in (0, 5 << 20, (40 << 20) + 123, 63 << 20):
            file.seek(at)
            file.write(source.randbytes(5000))
        file.truncate(64 << 20)
    with open(os.path.join(top, b"sizes", b"hole only"), "wb") as file:
        file.truncate(3 << 20)
    links = os.path.join(top, b"links")
    write(os.path.join(links, b"first"), b"one inode, three names" * 300)
    os.link(os.path.join(links, b"first"), os.path.join(links, b"second"))
    os.link(os.path.join(links, b"first"), os.path.join(top, b"l" * 255, b"third" * 40))
    os.symlink(b"first", os.path.join(links, b"short"))
    os.symlink(b"no/such/" * 300, os.path.join(links, b"dangling and long"))
    os.symlink(b"\xff\n../x", os.path.join(links, b"odd target"))
    os.symlink(b"../sizes", os.path.join(links, b"to a directory"))
    os.mkfifo(os.path.join(links, b"fifo"), 0o640)
    os.link(os.path.join(links, b"fifo"), os.path.join(links, b"fifo again"))
    os.mknod(os.path.join(links, b"socket"), 0o140600)
    if is_root:
        os.mknod(os.path.join(links, b"device"), 0o020600, os.makedev(240, 7))
    plant_rights(os.path.join(top, b"rights"), is_root)
    os.chmod(os.path.join(top, b"sticky"), 0o1777)
    plant_times(top, source)


def plant_rights(folder, is_root):
    for mode in (0o000, 0o200, 0o444, 0o600, 0o755, 0o4755, 0o2755, 0o1644):
        path = os.path.join(folder, b"mode %o" % mode)
        write(path, b"rights %o" % mode)
        os.chmod(path, mode)
    path = os.path.join(folder, b"acl and attributes")
    write(path, b"with attributes")
    os.setxattr(path, b"user.short", b"")
    os.setxattr(path, b"user.binary", bytes(range(256)))
    os.setxattr(path, "user.ünï".encode(), "wörth".encode())
    os.setxattr(path, b"system.posix_acl_access", FILE_ACL)
    os.setxattr(folder, b"system.posix_acl_default", DEFAULT_ACL)
    os.setxattr(folder, b"user.of the directory", b"value")
    empty = os.path.join(folder, b"empty with attribute")
    write(empty, b"")
    os.setxattr(empty, b"user.a", b"b")
    inner = os.path.join(folder, b"set-group-id")
    os.mkdir(inner)
    os.chmod(inner, 0o2775)
    write(os.path.join(inner, b"inside"), b"x")
    if is_root:
        for number, (user, group) in enumerate([(3001, 3002), (0, 3001), (65534, 65534)]):
            path = os.path.join(folder, b"owned %d" % number)
            write(path, b"owned")
            os.chown(path, user, group)
        os.chown(inner, 3001, 3002)
        for name, size in ((b"capability", 1), (b"capability of a larger program", 1000)):
            path = os.path.join(folder, name)
            write(path, b"\x7fELF not really" * size)
            os.chmod(path, 0o755)
            os.setxattr(path, b"security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))


def plant_times(top, source):
    """Old times on everything, deepest first, so that directories keep theirs."""
    everything = [top]
    for directory, folders, files in os.walk(top):
        everything += [os.path.join(directory, name) for name in folders + files]
    for path in sorted(everything, key=len, reverse=True):
        when = source.randrange(10**9, 17 * 10**8) * 10**9 + source.randrange(10**9)
        os.utime(path, ns=(when, when), follow_symlinks=False)
