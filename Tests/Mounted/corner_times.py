"""The cases of corners.py about times: who may set which, and what moves which."""

import mmap
import os
import time

from corner_cases import allocate, errno_name, make, of_several, opened

NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2
# Longer than the kernel's clock for files stands still.
TICK = 0.012
# Longer than a file has to be quiet to be sealed, which moves its ctime (MOUNTING.md).
UNTIL_SEALED = 4


def utimensat(path, access, modification, flags=0):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)

    class Timespec(ctypes.Structure):
        _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64)]
    times = (Timespec * 2)(Timespec(*access), Timespec(*modification))
    if libc.utimensat(-100, os.fsencode(path), times, flags) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def times(path):
    status = os.lstat(path)
    return status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns


@of_several
def corner_who_may_set_times(c):
    os.chmod(c.top, 0o777)
    old = (10**9, 5)
    ways = {"now, now": ((0, NOW), (0, NOW)), "given, given": (old, old), "omit, omit": ((0, OMIT), (0, OMIT)), "now, omit": ((0, NOW), (0, OMIT)), "omit, now": ((0, OMIT), (0, NOW)),
            "given, omit": (old, (0, OMIT)), "omit, given": ((0, OMIT), old), "given, now": (old, (0, NOW)), "now, given": ((0, NOW), old), "nonsense": ((0, 10**9), old)}
    for mode in (0o644, 0o666, 0o444, 0o000, 0o222):
        for what in ("file", "directory"):
            path = c.top / f"{what} {mode:o}"
            c.a(path.mkdir if what == "directory" else make, *([] if what == "directory" else [path]))
            for who, person in (("owner", c.a), ("other", c.b), ("root", c.root)):
                for way, (access, modification) in ways.items():
                    os.chmod(path, 0o777)
                    utimensat(path, (2 * 10**9, 7), (3 * 10**9, 9))
                    os.chmod(path, mode)
                    before = times(path)[:2]
                    began = time.time_ns() - 10**9
                    c.say(f"{what} {mode:o}: {way} by {who}", lambda: person(utimensat, path, access, modification))
                    after = times(path)[:2]
                    c.say(f"{what} {mode:o}: {way} by {who}, after", lambda: ["as before" if x == y else "now" if x > began and x < 2 * 10**18 - 10**9 else x for x, y in zip(after, before)])


def corner_times_that_are_set(c):
    file = make(c.top / "file")
    folder = c.top / "folder"
    folder.mkdir()
    os.symlink("nowhere", c.top / "link")
    os.mkfifo(c.top / "fifo")
    for path in (file, folder, c.top / "link", c.top / "fifo"):
        for when in ((1, 1), (0, 0), (123456789, 987654321), (1 << 31, 999999999), (1 << 33, 1), (-1, 5), (-1000000000, 0)):
            c.say(f"{path.name}: {when}", lambda: utimensat(path, when, (when[0] + 1, when[1]), 0x100))
            c.say(f"{path.name}: {when}, after", lambda: times(path)[:2])
    c.say("link: followed", lambda: utimensat(c.top / "link", (1, 1), (1, 1)))
    descriptor = os.open(file, os.O_RDWR)
    try:
        c.say("set while it is open, then written", lambda: [os.utime(descriptor, ns=(5, 7)), times(file)[:2], os.write(descriptor, b"x"), times(file)[1] > 7])
        c.say("set after it was written, then closed", lambda: [os.write(descriptor, b"y"), os.utime(descriptor, ns=(11, 13)), times(file)[:2]])
    finally:
        os.close(descriptor)
    c.say("closed", lambda: times(file)[:2])


def moved(paths, work):
    """Which of mtime and ctime (and atime of what is no regular file) of these paths have moved."""
    before = {name: times(path) for name, path in paths.items() if os.path.lexists(path)}
    time.sleep(TICK)
    problem = None
    try:
        work()
    except OSError as error:
        problem = errno_name(error)
    seen = []
    for name, path in paths.items():
        if name in before and os.path.lexists(path):
            after = times(path)
            seen.append(name + ": " + " ".join(word for i, word in ((1, "mtime"), (2, "ctime")) if after[i] != before[name][i]))
    return seen + ([problem] if problem else [])


def corner_what_moves_times(c):
    top = c.top
    names = ("read", "write", "write nothing", "append", "small write", "shrink", "grow", "empty O_TRUNC", "O_TRUNC", "O_CREAT", "chmod", "chmod same", "chown same", "link", "unlink one", "unlink", "rename", "replaced", "move", "setxattr",
             "removexattr", "allocate", "mapped", "copied from", "copied to", "utime omit", "utime now", "fsync", "failed link", "failed rename", "closed")
    for name in names:
        make(top / name, b"" if name == "empty O_TRUNC" else b"data" * (2000 if name == "mapped" else 10))
    for name in ("d", "e", "listed", "removed", "chmod d", "moved d"):
        (top / name).mkdir()
    os.link(top / "unlink one", top / "other name")
    os.setxattr(top / "removexattr", "user.a", b"1")
    os.symlink("read", top / "link to")
    os.mkfifo(top / "fifo")
    for path in list(top.iterdir()):
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)
    time.sleep(UNTIL_SEALED)

    def write(name, data, flags=os.O_WRONLY):
        descriptor = os.open(top / name, flags)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def map_it():
        with open(top / "mapped", "r+b") as file, mmap.mmap(file.fileno(), 8000) as memory:
            memory[100:200] = b"x" * 100
            memory.flush()

    def copy():
        with open(top / "copied from", "rb") as one, open(top / "copied to", "r+b") as two:
            os.copy_file_range(one.fileno(), two.fileno(), 20)

    for name, work in {
            "read": lambda: (top / "read").read_bytes(), "write": lambda: write("write", b"0123"), "write nothing": lambda: write("write nothing", b""), "append": lambda: write("append", b"more", os.O_WRONLY | os.O_APPEND),
            "small write": lambda: write("small write", b"d"), "shrink": lambda: os.truncate(top / "shrink", 3), "grow": lambda: os.truncate(top / "grow", 9000), "empty O_TRUNC": lambda: opened(top / "empty O_TRUNC", os.O_WRONLY | os.O_TRUNC),
            "O_TRUNC": lambda: opened(top / "O_TRUNC", os.O_WRONLY | os.O_TRUNC), "O_CREAT": lambda: opened(top / "O_CREAT", os.O_WRONLY | os.O_CREAT), "chmod": lambda: os.chmod(top / "chmod", 0o600),
            "chmod same": lambda: os.chmod(top / "chmod same", 0o644), "chown same": lambda: os.chown(top / "chown same", os.geteuid(), os.getegid()), "link": lambda: os.link(top / "link", top / "new link"), "unlink one": lambda: os.unlink(top / "other name"),
            "unlink": lambda: os.unlink(top / "unlink"), "rename": lambda: os.rename(top / "rename", top / "renamed"), "setxattr": lambda: os.setxattr(top / "setxattr", "user.a", b"1"), "removexattr": lambda: os.removexattr(top / "removexattr", "user.a"),
            "allocate": lambda: allocate(top / "allocate", 20_000), "mapped": map_it, "utime omit": lambda: utimensat(top / "utime omit", (0, OMIT), (0, OMIT)), "utime now": lambda: utimensat(top / "utime now", (0, OMIT), (0, NOW)),
            "fsync": lambda: synchronize(top / "fsync"), "closed": lambda: opened(top / "closed", os.O_RDWR), "failed link": lambda: os.link(top / "failed link", top / "read"), "failed rename": lambda: os.rename(top / "failed rename", top / "d"),
            "new file": lambda: make(top / "new file"), "new directory": lambda: os.mkdir(top / "new directory"), "new link": lambda: os.symlink("x", top / "new symlink"), "new fifo": lambda: os.mkfifo(top / "new fifo"), "removed": lambda: os.rmdir(top / "removed"),
            "failed create": lambda: opened(top / "read", os.O_CREAT | os.O_EXCL), "failed rmdir": lambda: os.rmdir(top), "listed": lambda: os.listdir(top / "listed"), "chmod d": lambda: os.chmod(top / "chmod d", 0o700), "link to": lambda: os.readlink(top / "link to")}.items():
        c.say(name, lambda: moved({"it": top / name, "its directory": top}, work))
    c.say("copy a range", lambda: moved({"from": top / "copied from", "to": top / "copied to"}, copy))
    c.say("move", lambda: moved({"from": top, "to": top / "d"}, lambda: os.rename(top / "move", top / "d" / "move")))
    c.say("replace", lambda: moved({"from": top, "to": top / "d"}, lambda: os.rename(top / "replaced", top / "d" / "move")))
    c.say("move a directory", lambda: moved({"it": top / "moved d", "from": top, "to": top / "e"}, lambda: os.rename(top / "moved d", top / "e" / "moved d")))
    c.say("mtime of what was written", lambda: abs(os.stat(top / "write").st_mtime - time.time()) < 20)
    c.say("mtimes that were set", lambda: [os.stat(top / name).st_mtime_ns for name in ("read", "chmod", "setxattr", "fsync", "closed")])


def corner_atime(c):
    """A listing and a read of a link move atime as the mount has it (relatime); content that is cached need not."""
    file = make(c.top / "file")
    for when in (10**18, 9 * 10**17):
        os.utime(file, ns=(when, when))
        c.say(f"set to {when}", lambda: os.stat(file).st_atime_ns)
        c.say("a write leaves it", lambda: [put_byte(file), os.stat(file).st_atime_ns])
    descriptor = os.open(file, os.O_RDONLY | (os.O_NOATIME if c.is_root or os.stat(file).st_uid == os.geteuid() else 0))
    try:
        c.say("O_NOATIME leaves it", lambda: [os.read(descriptor, 4), os.stat(file).st_atime_ns])
    finally:
        os.close(descriptor)


def synchronize(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def put_byte(path):
    with open(path, "r+b", buffering=0) as file:
        file.write(b"x")


@of_several
def corner_noatime_by_others(c):
    file = make(c.top / "file", b"x", 0o666)
    for who, person in (("root", c.root), ("other", c.b)):
        c.say(f"O_NOATIME by {who}", lambda: person(opened, file, os.O_RDONLY | os.O_NOATIME))
