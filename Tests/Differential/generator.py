"""Random operations for the differential test: a rough model of the tree, so that most of them meet something."""

import fcntl
import os
import random
import stat
import struct

from operations import DATA, FALLOC_KEEP, FALLOC_PUNCH, FALLOC_ZERO, RENAME_EXCHANGE, RENAME_NOREPLACE, UTIME_NOW, UTIME_OMIT

BLOCK = 4096
EDGES = [0, 1, 2, 100, 511, 512, 513, 3039, 3040, 3041, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384, 20000, 65536]
EDGES += [count * BLOCK + d for count in (47, 48, 49, 64, 111, 112, 113) for d in (-1, 0, 1)]
EDGES += [131072, 131073, 176 * BLOCK]
LONG = [b"L" * 255, "ü".encode() * 127 + b"x", b"%" * 254, "😀".encode() * 63, b"m" * 176, b"n" * 175, b"o" * 174, b"p" * 180,
        b"q" * 170, b"r" * 167, b"s" * 166, b"t" * 165, b"with\nnewline" * 15]
ODD = [b"new\nline", b"\xff\xfe invalid", b"\x80", "naïve-é".encode(), "na\u0131ve-e\u0301".encode(), b" leading", b"trailing ", b"...", b"..a",
       b".hidden", b"-rf", b"+H", b"=H", b"*", b"a.b.c", b"dot.", b"A", b"a", b"tab\there", b"\x01", b"'quote\"", b"back\\slash",
       b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAA", "日本語".encode()]
SIMPLE = [b"f%d" % number for number in range(24)]
ATTRIBUTES = [b"user.a", b"user." + b"n" * 100, "user.ünï".encode()]
USERS = [(0, 0), (3001, 3001), (3002, 3002)]


def acl(*entries):
    """A POSIX ACL in the form of its extended attribute: version 2, then tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, who) for tag, rights, who in entries)


NOBODY = 0xFFFFFFFF
ACLS = [acl((1, 6, NOBODY), (2, 4, 3001), (4, 4, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY)),
        acl((1, 7, NOBODY), (4, 5, NOBODY), (8, 7, 3002), (16, 7, NOBODY), (32, 5, NOBODY)),
        acl((1, 6, NOBODY), (4, 4, NOBODY), (32, 4, NOBODY)),
        acl((1, 6, NOBODY), (32, 4, NOBODY)), b"\x02\0\0"]


class Generator:
    def __init__(self, generator_seed, is_root, has_callers, next_handle=0):
        self.random = random.Random(generator_seed)
        self.is_root, self.has_callers = is_root, has_callers
        self.kinds = {}          # path -> "d", "f", "l" or "s"
        self.handles = {}        # handle -> [path, is direct, appends]
        self.directories = {}
        self.maps = []
        self.counter = next_handle
        self.user = USERS[0]
        self.table = [(weight, getattr(self, name)) for name, weight in WEIGHTS.items()]
        self.weights = [weight for weight, _ in self.table]
        self.makers = [maker for _, maker in self.table]

    def load(self, root):
        """Takes the model from a plain tree, as it is after a remount."""
        root = os.fsencode(root)
        for directory, below, files in sorted(os.walk(root)):
            for name in sorted(below + files):
                path = os.path.join(directory, name)
                try:
                    mode = os.lstat(path).st_mode
                except PermissionError:
                    continue  # an ordinary user's directory that may be listed, not searched
                kind = "d" if stat.S_ISDIR(mode) else "l" if stat.S_ISLNK(mode) else "f" if stat.S_ISREG(mode) else "s"
                self.kinds[os.path.relpath(path, root)] = kind

    # Choosing ---------------------------------------------------------------------------------------------------

    def name(self):
        pick = self.random.random()
        return self.random.choice(SIMPLE if pick < 0.6 else ODD if pick < 0.82 else LONG)

    def path(self, kinds="dfls"):
        """Mostly something that is there, of one of these kinds."""
        if self.random.random() < 0.03:
            return self.odd_path()
        there = [path for path, kind in self.kinds.items() if kind in kinds]
        return self.random.choice(there) if there and self.random.random() < 0.96 else self.new_path()

    def odd_path(self):
        there = self.random.choice(list(self.kinds) or [b"nothing"])
        return self.random.choice([there + b"/below", there + b"/", there + b"/.", there + b"/..", b"no/such/dir", b"x" * 256,
                                   b".", b"", there + b"/" + b"y" * 256, there + b"/../" + self.name()])

    def directory(self):
        there = [path for path, kind in self.kinds.items() if kind == "d" and path.count(b"/") < 4]
        return self.random.choice(there) if there and self.random.random() < 0.7 else b""

    def new_path(self):
        return os.path.join(self.directory(), self.name())

    def offset(self):
        pick = self.random.random()
        if pick < 0.5:
            return self.random.choice(EDGES)
        if pick < 0.97:
            return self.random.randrange(200000)
        return self.random.choice([1 << 20, (1 << 20) + 1, 5 << 20, 1 << 30, (1 << 32) - 1, (1 << 40) + 4096, 8 << 40])

    def near(self):
        """An offset or size of moderate size."""
        return self.random.choice(EDGES) if self.random.random() < 0.6 else self.random.randrange(300000)

    def length(self):
        pick = self.random.random()
        if pick < 0.35:
            return self.random.randrange(1, 200)
        if pick < 0.7:
            return self.random.choice(EDGES[:20])
        if pick < 0.97:
            return self.random.randrange(40000)
        return self.random.choice(EDGES)

    def data(self, length=None):
        length = self.length() if length is None else length
        return (-1 if self.random.random() < 0.08 else self.random.randrange(len(DATA) - length), length)

    def handle(self, direct=None):
        there = [handle for handle, about in self.handles.items() if direct is None or about[1] == direct]
        return self.random.choice(there) if there else -1

    def fresh(self):
        self.counter += 1
        return self.counter

    def next(self):
        """The next operation, as a tuple of its name and plain values."""
        if len(self.kinds) > 110:
            return self.random.choice([self.unlink, self.unlink, self.rmdir, self.empty])()
        return self.random.choices(self.makers, self.weights)[0]()

    # What has happened ------------------------------------------------------------------------------------------

    def note(self, operation, succeeded):
        """Brings the model up to date; it may be wrong about what is reached through links."""
        kind = operation[0]
        if not succeeded:
            return
        if kind == "open":
            handle, path, flags = operation[1:4]
            self.handles[handle] = [path, bool(flags & os.O_DIRECT), bool(flags & os.O_APPEND)]
            if flags & os.O_CREAT:
                self.add(path, "f")
        elif kind == "close":
            self.handles.pop(operation[1], None)
        elif kind == "write_file":
            self.add(operation[1], "f")
        elif kind == "mkdir":
            self.add(operation[1], "d")
        elif kind == "mknod":
            self.add(operation[1], "f" if stat.S_ISREG(operation[2]) else "s")
        elif kind in ("symlink", "link"):
            self.add(operation[2], "l" if kind == "symlink" else self.kinds.get(operation[1], "f"))
        elif kind in ("unlink", "rmdir"):
            self.kinds.pop(operation[1], None)
        elif kind == "empty":
            self.kinds = {path: k for path, k in self.kinds.items() if not path.startswith(operation[1] + b"/")}
        elif kind == "rename":
            self.move(*operation[1:])
        elif kind == "map":
            self.maps.append(operation[1])
        elif kind == "unmap":
            self.maps.remove(operation[1])
        elif kind == "open_directory":
            self.directories[operation[1]] = operation[2]
        elif kind == "close_directory":
            self.directories.pop(operation[1], None)
        elif kind == "create_in":
            self.add(os.path.join(self.directories.get(operation[1], b""), operation[2]), "f")
        elif kind == "list_while_changing":
            for name in operation[4]:
                self.add(os.path.join(operation[1], name), "f")

    def add(self, path, kind):
        path = os.path.normpath(path)
        if not path.startswith(b".."):
            self.kinds.setdefault(path, kind)

    def move(self, source, path, flags):
        def below(prefix):
            return {p: k for p, k in self.kinds.items() if p == prefix or p.startswith(prefix + b"/")}

        source, path = os.path.normpath(source), os.path.normpath(path)
        moved, replaced = below(source), below(path)
        if source == path:
            return
        for gone in (*moved, *replaced):
            self.kinds.pop(gone, None)
        self.kinds.update({path + p[len(source):]: k for p, k in moved.items()})
        if flags & RENAME_EXCHANGE:
            self.kinds.update({source + p[len(path):]: k for p, k in replaced.items()})

    # One maker for each kind of operation -------------------------------------------------------------------------

    def open(self):
        if len(self.handles) >= 8:
            return self.close()
        flags = self.random.choices([os.O_RDWR, os.O_RDONLY, os.O_WRONLY], [6, 3, 2])[0]
        for flag, chance in ((os.O_CREAT, 0.5), (os.O_TRUNC, 0.15), (os.O_APPEND, 0.15), (os.O_SYNC, 0.04), (os.O_DSYNC, 0.03),
                             (os.O_NOFOLLOW, 0.05), (os.O_DIRECTORY, 0.02)):
            if self.random.random() < chance:
                flags |= flag
        if flags & os.O_CREAT and self.random.random() < 0.2:
            flags |= os.O_EXCL
        if self.random.random() < 0.1 and not flags & os.O_APPEND:
            flags |= os.O_DIRECT
        if flags & os.O_DIRECTORY:
            flags &= ~os.O_CREAT
        path = self.path("fl") if self.random.random() < 0.75 else self.new_path()
        return "open", self.fresh(), path, flags, self.random.choice([0o644, 0o600, 0o666, 0o444, 0o755, 0o4755, 0])

    def close(self):
        return "close", self.handle()

    def duplicate_close(self):
        return "duplicate_close", self.handle()

    def aligned(self, value):
        return value // BLOCK * BLOCK

    def pread(self):
        handle = self.handle()
        offset, length = self.offset(), self.random.choice([self.length(), 131072])
        if self.handles.get(handle, (0, False))[1]:
            offset, length = self.aligned(offset), self.aligned(length) + BLOCK
        return "pread", handle, offset, length

    def pwrite(self):
        handle = self.handle()
        offset, spec = self.offset(), self.data()
        if self.handles.get(handle, (0, False))[1]:
            offset, spec = self.aligned(offset), self.data(self.aligned(spec[1]) + BLOCK)
        return "pwrite", handle, offset, spec

    def overwrite_blocks(self):
        handle = self.handle()
        return "pwrite", handle, BLOCK * self.random.randrange(120), self.data(BLOCK * self.random.randrange(1, 9))

    def preadv(self):
        return "preadv", self.handle(direct=False), self.offset(), [self.random.randrange(1, 5000) for _ in range(3)]

    def pwritev(self):
        return "pwritev", self.handle(direct=False), self.near(), [self.data(self.random.randrange(1, 5000)) for _ in range(3)]

    def read(self):
        return "read", self.handle(direct=False), self.length()

    def write(self):
        return "write", self.handle(direct=False), self.data()

    def seek(self):
        whence = self.random.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
        return "seek", self.handle(direct=False), self.random.choice([0, self.near(), -self.near() if whence else -1]), whence

    def ftruncate(self):
        return "ftruncate", self.handle(), self.offset() if self.random.random() < 0.5 else self.near()

    def truncate(self):
        return "truncate", self.path("fl"), self.offset() if self.random.random() < 0.3 else self.near()

    def fallocate(self):
        mode = self.random.choice([0, FALLOC_KEEP, FALLOC_PUNCH | FALLOC_KEEP, FALLOC_PUNCH | FALLOC_KEEP, FALLOC_ZERO,
                                   FALLOC_ZERO | FALLOC_KEEP])
        return "fallocate", self.handle(), mode, self.near(), self.near()

    def segments(self):
        return "segments", self.path("f")

    def fstat(self):
        return "fstat", self.handle()

    def fsync(self):
        return self.random.choice(["fsync", "fdatasync"]), self.handle()

    def drop_pages(self):
        return "drop_pages", self.handle()

    def copy_range(self):
        return ("copy_range", self.handle(direct=False), self.near(), self.handle(direct=False), self.near(), self.near())

    def flock(self):
        return "flock", self.handle(), self.random.choice([fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN]) | fcntl.LOCK_NB

    def range_lock(self):
        return ("range_lock", self.handle(), self.random.choice([fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK]),
                self.random.choice([0, 10, 100]), self.random.choice([0, 5, 200]))

    def map(self):
        if len(self.maps) >= 3:
            return self.unmap()
        return "map", self.fresh(), self.handle(), self.random.random() < 0.8

    def mapping(self):
        return self.random.choice(self.maps) if self.maps else -1

    def map_read(self):
        return "map_read", self.mapping(), self.near(), self.length()

    def map_write(self):
        return "map_write", self.mapping(), self.random.choice([0, self.near()]), self.data()

    def map_flush(self):
        return "map_flush", self.mapping()

    def unmap(self):
        return "unmap", self.mapping()

    def write_file(self):
        flags = self.random.choice([os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_EXCL, os.O_APPEND, os.O_APPEND | os.O_CREAT, 0]) | os.O_WRONLY
        return "write_file", self.random.choice([self.path("fl"), self.new_path()]), flags, self.data()

    def read_file(self):
        return "read_file", self.path("fl")

    def mkdir(self):
        return "mkdir", self.new_path(), self.random.choice([0o755, 0o777, 0o700, 0o2775, 0o1777])

    def rmdir(self):
        return "rmdir", self.path("d" if self.random.random() < 0.9 else "dfl")

    def unlink(self):
        return "unlink", self.path("fls" if self.random.random() < 0.95 else "d")

    def empty(self):
        return "empty", self.path("d")

    def mknod(self):
        kinds = [(stat.S_IFIFO, 0), (stat.S_IFSOCK, 0), (stat.S_IFREG, 0)]
        if self.is_root:
            kinds += [(stat.S_IFCHR, os.makedev(240, 7)), (stat.S_IFBLK, os.makedev(240, 9))]
        kind, device = self.random.choice(kinds)
        return "mknod", self.new_path(), kind | self.random.choice([0o600, 0o666]), device

    def symlink(self):
        target = self.random.choice([self.path(), self.name(), b"../" + self.name(), b"./" + self.path(), b"t" * self.random.randrange(1, 3000),
                                     b"\xff\xfe\n" * self.random.randrange(1, 80), b"", b"dangling/" * 30])
        return "symlink", target.lstrip(b"/"), self.new_path()

    def readlink(self):
        return "readlink", self.path("l" if self.random.random() < 0.9 else "dfs")

    def link(self):
        return "link", self.path("fls" if self.random.random() < 0.95 else "d"), self.new_path()

    def rename(self):
        flags = self.random.choices([0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_NOREPLACE | RENAME_EXCHANGE], [14, 3, 3, 0.3])[0]
        source = self.path()
        if flags == RENAME_EXCHANGE:
            return "rename", self.path("fls"), self.path("fls"), flags
        target = self.random.choice([self.new_path(), self.new_path(), self.path(), os.path.join(os.path.dirname(source), self.name())])
        if self.random.random() < 0.05:
            target = os.path.join(source, self.name())
        return "rename", source, target, flags

    def rename_directory(self):
        return "rename", self.path("d"), self.random.choice([self.new_path(), self.path("d")]), 0

    def list(self):
        return "list", self.random.choice([self.directory(), self.path("dl")])

    def relist(self):
        return "relist", self.directory(), self.random.choice([300, 700, 4096]), self.random.random()

    def list_while_changing(self):
        directory = self.directory()
        here = [os.path.basename(path) for path, kind in self.kinds.items() if kind == "f" and os.path.dirname(path) == directory]
        return ("list_while_changing", directory, self.random.choice([300, 900]), here[:self.random.randrange(4)],
                [b"added%d" % self.random.randrange(6)])

    def stat(self):
        return "stat", self.path()

    def lstat(self):
        return "lstat", self.path()

    def access(self):
        return "access", self.path(), self.random.randrange(8)

    def chmod(self):
        return "chmod", self.path("dfs"), self.random.choice([0o644, 0o600, 0o755, 0o777, 0o4755, 0o2755, 0o1777, 0o444, 0o200, 0, 0o7777])

    def fchmod(self):
        return "fchmod", self.handle(), self.random.choice([0o644, 0o600, 0o4755, 0o2755, 0])

    def owners(self):
        return self.random.choice([-1, 0, 3001, 3002]), self.random.choice([-1, 0, 100, 3001, 3002])

    def chown(self):
        return "chown", self.path(), *self.owners(), self.random.random() < 0.5

    def fchown(self):
        return "fchown", self.handle(), *self.owners()

    def times(self):
        def one():
            pick = self.random.random()
            if pick < 0.15:
                return 0, UTIME_NOW
            if pick < 0.3:
                return 0, UTIME_OMIT
            return self.random.choice([0, 1, 951782400, 1234567890, 4102444800]), self.random.choice([0, 1, 999999999, 123456789])
        return one(), one()

    def utimens(self):
        return "utimens", self.path(), *self.times(), self.random.random() < 0.7

    def futimens(self):
        return "futimens", self.handle(), *self.times()

    def attribute(self):
        names = ATTRIBUTES + ([b"security.test"] if self.is_root else [])
        return self.random.choice(names)

    def value(self):
        return bytes(DATA[self.random.randrange(1000):][:self.random.choice([0, 1, 10, 200, 299])])

    def setxattr(self):
        return "setxattr", self.path(), self.attribute(), self.value(), self.random.choice([0, 0, os.XATTR_CREATE, os.XATTR_REPLACE]), self.random.random() < 0.8

    def fsetxattr(self):
        return "fsetxattr", self.handle(), self.attribute(), self.value(), 0

    def getxattr(self):
        return "getxattr", self.path(), self.attribute(), self.random.random() < 0.8

    def fgetxattr(self):
        return "fgetxattr", self.handle(), self.attribute()

    def listxattr(self):
        return "listxattr", self.path(), self.random.random() < 0.8

    def removexattr(self):
        return "removexattr", self.path(), self.attribute(), True

    def acl_name(self):
        return self.random.choice([b"system.posix_acl_access", b"system.posix_acl_default"])

    def set_acl(self):
        return "setxattr", self.path("df"), self.acl_name(), self.random.choice(ACLS), 0, True

    def get_acl(self):
        return "getxattr", self.path("df"), self.acl_name(), True

    def remove_acl(self):
        return "removexattr", self.path("df"), self.acl_name(), True

    def statvfs(self):
        return "statvfs", self.path()

    def open_directory(self):
        if len(self.directories) >= 3:
            return self.close_directory()
        return "open_directory", self.fresh(), self.directory()

    def directory_handle(self):
        return self.random.choice(list(self.directories)) if self.directories else -1

    def close_directory(self):
        return "close_directory", self.directory_handle()

    def create_in(self):
        return "create_in", self.directory_handle(), self.name(), self.data()

    def stat_in(self):
        return "stat_in", self.directory_handle(), self.name()

    def unlink_in(self):
        return "unlink_in", self.directory_handle(), self.name()

    def list_of(self):
        return "list_of", self.directory_handle()

    def fsync_directory(self):
        return "fsync_directory", self.directory_handle()

    def umask(self):
        return "umask", self.random.choice([0o022, 0o077, 0, 0o027])

    def become(self):
        if not self.has_callers:
            return self.lstat()
        return "become", *self.random.choice(USERS)


# How often each operation is chosen, relative to the others.
WEIGHTS = dict(
    open=40, close=14, duplicate_close=3, pread=40, pwrite=50, overwrite_blocks=12, preadv=4, pwritev=6, read=10, write=14, seek=6,
    ftruncate=14, truncate=10, fallocate=14, segments=5, fstat=12, fsync=6, drop_pages=8, copy_range=6, flock=4, range_lock=4,
    map=8, map_read=10, map_write=14, map_flush=4, unmap=5, write_file=24, read_file=14, mkdir=16, rmdir=7, unlink=18, empty=1,
    mknod=4, symlink=8, readlink=6, link=10, rename=26, rename_directory=6, list=8, relist=4, list_while_changing=2,
    stat=12, lstat=14, access=6, chmod=10, fchmod=4, chown=6, fchown=2, utimens=12, futimens=6, setxattr=10, fsetxattr=3,
    getxattr=8, fgetxattr=2, listxattr=5, removexattr=4, set_acl=4, get_acl=3, remove_acl=1, statvfs=1, open_directory=3,
    close_directory=2, create_in=4, stat_in=3, unlink_in=2, list_of=2, fsync_directory=1, umask=1, become=2)
