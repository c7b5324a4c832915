"""The cases of corners.py: users and permissions, sticky and set-group-id directories, ACLs, names, links, odd calls."""

import ctypes
import errno
import itertools
import os
import resource
import signal
import stat
import struct

libc = ctypes.CDLL(None, use_errno=True)
EVERYBODY = 0xFFFFFFFF
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def errno_name(error):
    # Two names of one number, as ENOTSUP and EOPNOTSUPP.
    return errno.errorcode.get(error.errno, error.errno)


def of_several(case):
    """A case in which root and two users act."""
    case.of_several = True
    return case


def make(path, data=b"data", mode=None):
    with open(path, "wb") as file:
        file.write(data)
    if mode is not None:
        os.chmod(path, mode)
    return path


def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def opened(path, flags, mode=0o666):
    os.close(os.open(path, flags, mode))


def owner_and_mode(path):
    status = os.lstat(path)
    return f"{status.st_uid}:{status.st_gid} {status.st_mode:o}"


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# users and permissions

@of_several
def corner_modes_of_a_file(c):
    os.chmod(c.top, 0o777)
    for mode in (0o000, 0o004, 0o002, 0o001, 0o040, 0o020, 0o400, 0o200, 0o100, 0o644, 0o606, 0o066, 0o777):
        path = c.top / f"{mode:o}"
        c.a(make, path, b"#!/bin/sh\n", mode)
        for who, person in (("owner", c.a), ("other", c.b), ("root", c.root)):
            for what, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY), ("both", os.O_RDWR), ("truncate", os.O_WRONLY | os.O_TRUNC)):
                c.say(f"{mode:o} {who} {what}", lambda: person(opened, path, flags))
            c.say(f"{mode:o} {who} access", lambda: person(lambda: [os.access(path, how) for how in (os.R_OK, os.W_OK, os.X_OK)]))
            c.say(f"{mode:o} {who} execute", lambda: person(execute, path))


def execute(path):
    child = os.fork()
    if child == 0:
        try:
            os.execv(path, [str(path)])
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@of_several
def corner_modes_of_a_directory(c):
    os.chmod(c.top, 0o777)
    for mode in (0o000, 0o001, 0o002, 0o003, 0o004, 0o005, 0o007, 0o070, 0o700):
        folder = c.top / f"{mode:o}"
        c.a(folder.mkdir)
        c.a(make, folder / "inside", b"x", 0o666)
        c.a(os.chmod, folder, mode)
        for who, person in (("owner", c.a), ("other", c.b), ("root", c.root)):
            c.say(f"{mode:o} {who} list", lambda: person(lambda: sorted(os.listdir(folder))))
            c.say(f"{mode:o} {who} enter", lambda: person(os.chdir, folder))
            c.say(f"{mode:o} {who} status inside", lambda: person(lambda: os.stat(folder / "inside").st_size))
            c.say(f"{mode:o} {who} read inside", lambda: person(opened, folder / "inside", os.O_RDONLY))
            c.say(f"{mode:o} {who} create", lambda: person(opened, folder / who, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            c.say(f"{mode:o} {who} rename", lambda: person(os.rename, folder / "inside", folder / "moved"))
            c.say(f"{mode:o} {who} back", lambda: person(os.rename, folder / "moved", folder / "inside"))
            c.say(f"{mode:o} {who} mkdir", lambda: person(os.mkdir, folder / f"d{who}"))
            c.say(f"{mode:o} {who} remove", lambda: person(os.unlink, folder / who))
            c.say(f"{mode:o} {who} set an attribute", lambda: person(os.setxattr, folder, f"user.{who}", b"1"))


@of_several
def corner_an_acl_takes_the_set_group_id_bit(c):
    os.chmod(c.top, 0o777)
    entries = acl((1, 6, EVERYBODY), (2, 4, 3001), (4, 4, EVERYBODY), (16, 4, EVERYBODY), (32, 0, EVERYBODY))
    for which in (ACCESS, DEFAULT):
        for group_of in ("a", "b"):
            for kind, make_one in (("file", make), ("folder", os.mkdir)):
                for who in ("a", "root"):
                    path = c.top / f"{which} {group_of} {kind} {who}"
                    make_one(path)
                    os.chown(path, c.a.uid, getattr(c, group_of).gid)
                    for mode in (0o2777, 0o6755, 0o2644, 0o755):
                        os.chmod(path, mode)
                        c.say(f"{path.name} {mode:o}", lambda: getattr(c, who)(os.setxattr, path, which, entries))
                        c.say(f"{path.name} {mode:o} after", lambda: owner_and_mode(path))
    path = c.top / "named"
    make(path)
    os.chown(path, c.a.uid, c.b.gid)
    for length in (0, 1, 100):
        c.say(f"value of {length}", lambda: c.a(os.setxattr, path, "user.name", b"v" * length))
        c.say(f"value of {length} again", lambda: c.a(os.getxattr, path, "user.name"))
    c.say("create", lambda: c.a(os.setxattr, path, "user.name", b"new", os.XATTR_CREATE))
    c.say("replace", lambda: c.a(os.setxattr, path, "user.none", b"new", os.XATTR_REPLACE))


@of_several
def corner_changing_owner_and_mode(c):
    os.chmod(c.top, 0o777)
    users = c.a.groups[1]
    path = c.top / "file"
    for name, person, user, group in (
            ("owner gives away", c.a, c.b.uid, -1), ("owner to own group", c.a, -1, c.a.gid), ("owner to another of his groups", c.a, -1, users),
            ("owner to a foreign group", c.a, -1, c.b.gid), ("owner to himself", c.a, c.a.uid, c.a.gid), ("owner to nobody new", c.a, -1, -1),
            ("other takes", c.b, c.b.uid, -1), ("other to own group", c.b, -1, c.b.gid), ("other to nobody new", c.b, -1, -1),
            ("root gives", c.root, c.b.uid, c.b.gid), ("root to nobody new", c.root, -1, -1)):
        for mode in (0o644, 0o6755, 0o2755):
            path = c.top / f"{name} {mode:o}"
            c.a(make, path, b"x", mode)
            c.say(f"{name} {mode:o}", lambda: person(os.chown, path, user, group))
            c.say(f"{name} {mode:o}, after", lambda: owner_and_mode(path))
    for mode in (0o600, 0o4755, 0o2755, 0o1644, 0o7777):
        for who, person in (("owner", c.a), ("other", c.b), ("root", c.root)):
            path = c.top / f"mode {mode:o} {who}"
            c.a(make, path)
            c.say(f"chmod {mode:o} by {who}", lambda: person(os.chmod, path, mode))
            c.say(f"chmod {mode:o} by {who}, after", lambda: owner_and_mode(path))
    # A group that the owner is not in: chmod takes the set-group-id bit away.
    path = c.a(make, c.top / "foreign group")
    os.chown(path, -1, c.b.gid)
    c.say("set-group-id for a foreign group", lambda: c.a(os.chmod, path, 0o2755))
    c.say("set-group-id for a foreign group, after", lambda: owner_and_mode(path))


@of_several
def corner_set_id_bits_and_writing(c):
    os.chmod(c.top, 0o777)
    for mode, who in itertools.product((0o4777, 0o2777, 0o2767, 0o6777), ("owner", "other", "root")):
        if mode == 0o2767 and who == "other":
            continue  # a difference that MOUNTING.md names
        person = dict(owner=c.a, other=c.b, root=c.root)[who]
        for what, work in (("write", lambda path: put(path, b"new")), ("truncate", lambda path: os.truncate(path, 2)),
                           ("open with O_TRUNC", lambda path: opened(path, os.O_WRONLY | os.O_TRUNC)), ("chown to nobody new", lambda path: os.chown(path, -1, -1)),
                           ("allocate", lambda path: allocate(path, 100)), ("set an attribute", lambda path: os.setxattr(path, "user.x", b"1"))):
            path = c.top / f"{mode:o} {who} {what}"
            c.a(make, path, b"data", mode)
            c.say(f"{mode:o} {who} {what}", lambda: person(work, path))
            c.say(f"{mode:o} {who} {what}, after", lambda: owner_and_mode(path))


def put(path, data):
    with open(path, "r+b", buffering=0) as file:
        file.write(data)


def allocate(path, length):
    with open(path, "r+b", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, length)


@of_several
def corner_attributes_of_others(c):
    for mode in (0o600, 0o604, 0o606, 0o666, 0o444):
        path = own(c, c.top / f"{mode:o}", mode)
        for who, person in (("owner", c.a), ("other", c.b)):
            c.say(f"{mode:o} {who} set", lambda: person(os.setxattr, path, f"user.{who}", b"1"))
            c.say(f"{mode:o} {who} get", lambda: person(os.getxattr, path, "user.owner"))
            c.say(f"{mode:o} {who} list", lambda: person(os.listxattr, path))
            c.say(f"{mode:o} {who} remove", lambda: person(os.removexattr, path, "user.owner"))
            c.say(f"{mode:o} {who} ACL", lambda: person(os.setxattr, path, ACCESS, acl((1, 6, EVERYBODY), (4, 4, EVERYBODY), (32, 4, EVERYBODY))))


def own(c, path, mode):
    """A file of the first user's in a directory of root's."""
    make(path)
    os.chown(path, c.a.uid, c.a.gid)
    os.chmod(path, mode)
    return path


@of_several
def corner_links_to_files_of_others(c):
    os.chmod(c.top, 0o777)
    for mode in (0o600, 0o644, 0o666, 0o4755):
        path = c.a(make, c.top / f"{mode:o}", b"x", mode)
        c.say(f"link by another {mode:o}", lambda: c.b(os.link, path, c.top / f"link {mode:o}"))
        c.say(f"link by the owner {mode:o}", lambda: c.a(os.link, path, c.top / f"own {mode:o}"))


# sticky directories

@of_several
def corner_sticky_directory(c):
    for mode in (0o1777, 0o777, 0o1770):
        top = c.top / f"{mode:o}"
        top.mkdir()
        os.chown(top, c.a.uid, c.a.groups[1])
        os.chmod(top, mode)
        for what in ("unlink", "rename", "replace", "rmdir", "move out", "exchange"):
            for owner, actor in itertools.product("arb", "arb"):
                person = dict(a=c.a, b=c.b, r=c.root)
                name = f"{what} {owner}{actor}"
                person[owner](os.mkdir if what == "rmdir" else make, top / name)
                person[actor](make, top / f"own {name}")
                work = dict(unlink=lambda: os.unlink(top / name), rename=lambda: os.rename(top / name, top / f"new {name}"),
                            replace=lambda: os.rename(top / f"own {name}", top / name), rmdir=lambda: os.rmdir(top / name),
                            exchange=lambda: call("renameat2", -100, os.fsencode(top / f"own {name}"), -100, os.fsencode(top / name), 2))
                work["move out"] = lambda: os.rename(top / name, c.top / f"out {mode:o} {name}")
                c.say(f"{mode:o}: {what} of {owner}'s by {actor}", lambda: person[actor](work[what]))
        c.say(f"{mode:o}: attribute by another", lambda: c.b(os.setxattr, top, "user.x", b"1"))
        c.say(f"{mode:o}: attribute by the owner", lambda: c.a(os.setxattr, top, "user.x", b"1"))
        # fs.protected_regular and fs.protected_fifos
        own_file = c.a(make, top / "regular", b"x", 0o666)
        c.say(f"{mode:o}: O_CREAT of another's file", lambda: c.b(opened, own_file, os.O_WRONLY | os.O_CREAT))
        c.say(f"{mode:o}: O_CREAT of another's file by root", lambda: opened(own_file, os.O_WRONLY | os.O_CREAT))
        c.a(os.symlink, "regular", top / "link")
        c.say(f"{mode:o}: another's link", lambda: c.b(opened, top / "link", os.O_RDONLY))


# set-group-id directories, umask, default ACLs

@of_several
def corner_set_group_id_directory(c):
    top = c.top / "shared"
    top.mkdir()
    os.chown(top, 0, c.a.groups[1])
    os.chmod(top, 0o2777)
    for who, person in (("a", c.a), ("b", c.b), ("root", c.root)):
        for umask in (0o000, 0o022, 0o077):
            for what, work in (("file", lambda p: opened(p, os.O_CREAT | os.O_WRONLY, 0o666)), ("executable", lambda p: opened(p, os.O_CREAT | os.O_WRONLY, 0o2777)),
                               ("directory", lambda p: os.mkdir(p, 0o777)), ("fifo", lambda p: os.mkfifo(p, 0o666)), ("link", lambda p: os.symlink("x", p)),
                               ("socket", lambda p: os.mknod(p, 0o140666))):
                path = top / f"{what} {who} {umask:o}"
                c.say(f"{what} by {who}, umask {umask:o}", lambda: person(with_umask, umask, work, path))
                c.say(f"{what} by {who}, umask {umask:o}, after", lambda: owner_and_mode(path))
    c.say("below", lambda: c.a(os.mkdir, top / "directory a 0" / "below"))
    c.say("below, after", lambda: owner_and_mode(top / "directory a 0" / "below"))
    c.say("rename into it keeps the group", lambda: owner_and_mode(c.root(move_in, c, top)))


def move_in(c, top):
    path = make(c.top / "outside")
    os.chown(path, c.a.uid, c.a.gid)
    os.rename(path, top / "from outside")
    return top / "from outside"


def with_umask(mask, work, *more):
    before = os.umask(mask)
    try:
        return work(*more)
    finally:
        os.umask(before)


def corner_umask(c):
    for mask in (0o000, 0o022, 0o027, 0o077, 0o777):
        for what, work in (("file", lambda p: opened(p, os.O_CREAT | os.O_WRONLY, 0o666)), ("directory", lambda p: os.mkdir(p, 0o777)),
                           ("sticky directory", lambda p: os.mkdir(p, 0o1777)), ("fifo", lambda p: os.mkfifo(p, 0o666)), ("link", lambda p: os.symlink("x", p))):
            path = c.top / f"{what} {mask:o}"
            c.say(f"{what} {mask:o}", lambda: with_umask(mask, work, path))
            c.say(f"{what} {mask:o}, after", lambda: stat.filemode(os.lstat(path).st_mode))


def corner_default_acl(c):
    extended = acl((1, 7, EVERYBODY), (2, 6, 3001), (4, 5, EVERYBODY), (8, 7, 3002), (16, 7, EVERYBODY), (32, 5, EVERYBODY))
    plain = acl((1, 7, EVERYBODY), (4, 5, EVERYBODY), (32, 0, EVERYBODY))
    for kind, default in (("extended", extended), ("plain", plain)):
        top = c.top / kind
        top.mkdir()
        c.say(f"{kind} set", lambda: os.setxattr(top, DEFAULT, default))
        c.say(f"{kind} mode stays", lambda: stat.filemode(top.stat().st_mode))
        for mask, mode in itertools.product((0o000, 0o077), (0o666, 0o640, 0o777)):
            for what, work in (("file", lambda p: opened(p, os.O_CREAT | os.O_WRONLY, mode)), ("directory", lambda p: os.mkdir(p, mode)), ("fifo", lambda p: os.mkfifo(p, mode))):
                path = top / f"{what} {mask:o} {mode:o}"
                c.say(f"{kind}: {what} {mode:o}, umask {mask:o}", lambda: with_umask(mask, work, path))
                c.say(f"{kind}: {what} {mode:o}, umask {mask:o}, after", lambda: [stat.filemode(path.stat().st_mode), attributes(path)])
        os.mkdir(top / "below")
        opened(top / "below" / "file", os.O_CREAT | os.O_WRONLY, 0o666)
        c.say(f"{kind}: below", lambda: [attributes(top / "below"), attributes(top / "below" / "file")])
        c.say(f"{kind}: link has none", lambda: [os.symlink("x", top / "link"), os.listxattr(top / "link", follow_symlinks=False)])
        os.removexattr(top, DEFAULT)
        opened(top / "after", os.O_CREAT | os.O_WRONLY, 0o666)
        c.say(f"{kind}: removed", lambda: [stat.filemode((top / "after").stat().st_mode), attributes(top / "after")])
    c.say("default ACL of a file", lambda: os.setxattr(make(c.top / "file"), DEFAULT, plain))
    for name, value in (("empty", b""), ("bad version", b"\1\0\0\0"), ("no owner", acl((4, 5, EVERYBODY), (32, 5, EVERYBODY))), ("no mask", acl((1, 7, EVERYBODY), (2, 7, 3001), (4, 5, EVERYBODY), (32, 5, EVERYBODY))),
                        ("cut", extended[:-3]), ("bad permissions", acl((1, 77, EVERYBODY), (4, 5, EVERYBODY), (32, 5, EVERYBODY)))):
        c.say(f"invalid: {name}", lambda: os.setxattr(c.top / "file", ACCESS, value))


def attributes(path):
    return {name: os.getxattr(path, name).hex() for name in sorted(os.listxattr(path)) if not name.startswith("security.")}


@of_several
def corner_acl_decides(c):
    for name, entries in dict(
            named=((1, 6, EVERYBODY), (2, 6, c.b.uid), (4, 0, EVERYBODY), (16, 6, EVERYBODY), (32, 0, EVERYBODY)),
            masked=((1, 6, EVERYBODY), (2, 6, c.b.uid), (4, 6, EVERYBODY), (16, 4, EVERYBODY), (32, 6, EVERYBODY)),
            shut=((1, 6, EVERYBODY), (2, 0, c.b.uid), (4, 6, EVERYBODY), (16, 6, EVERYBODY), (32, 6, EVERYBODY)),
            group=((1, 6, EVERYBODY), (4, 0, EVERYBODY), (8, 6, c.b.groups[1]), (16, 6, EVERYBODY), (32, 0, EVERYBODY)),
            two=((1, 0, EVERYBODY), (4, 4, EVERYBODY), (8, 2, c.b.gid), (16, 6, EVERYBODY), (32, 0, EVERYBODY))).items():
        path = own(c, c.top / name, 0o600)
        c.say(f"{name} set", lambda: c.a(os.setxattr, path, ACCESS, acl(*entries)))
        c.say(f"{name} mode", lambda: owner_and_mode(path))
        for who, person in (("owner", c.a), ("other", c.b)):
            for what, flags in (("read", os.O_RDONLY), ("write", os.O_WRONLY), ("both", os.O_RDWR)):
                c.say(f"{name} {who} {what}", lambda: person(opened, path, flags))
        c.say(f"{name} chmod", lambda: c.a(os.chmod, path, 0o640))
        c.say(f"{name} chmod, after", lambda: [owner_and_mode(path), attributes(path)])
        c.say(f"{name} other reads after chmod", lambda: c.b(opened, path, os.O_RDONLY))
        c.say(f"{name} removed", lambda: [c.a(os.removexattr, path, ACCESS), owner_and_mode(path)])
        c.say(f"{name} other reads without", lambda: c.b(opened, path, os.O_RDONLY))


# names, paths, links

def corner_long_names(c):
    file = make(c.top / "file")
    for length in (1, 143, 144, 167, 168, 175, 176, 254, 255, 256, 300, 4095, 5000):
        for letter in ("n", "é"):
            name = os.fsdecode((letter * length).encode()[:length])
            path = os.fspath(c.top) + "/" + name
            for what, work in (("status", lambda: os.stat(path).st_size), ("unlink", lambda: os.unlink(path)), ("rmdir", lambda: os.rmdir(path)), ("readlink", lambda: os.readlink(path)),
                               ("open", lambda: opened(path, os.O_RDONLY)), ("create", lambda: opened(path, os.O_CREAT | os.O_EXCL)), ("list", lambda: os.listdir(c.top).count(name)),
                               ("remove", lambda: os.unlink(path)), ("mkdir", lambda: os.mkdir(path)), ("rmdir again", lambda: os.rmdir(path)), ("symlink", lambda: os.symlink("x", path)),
                               ("unlink the link", lambda: os.unlink(path)), ("link", lambda: os.link(file, path)), ("unlink the name", lambda: os.unlink(path)),
                               ("fifo", lambda: os.mkfifo(path)), ("rename away", lambda: os.rename(path, c.top / "other")), ("rename", lambda: os.rename(file, path)),
                               ("rename back", lambda: os.rename(path, file))):
                c.say(f"{length} of {letter!r}: {what}", work)
    c.say("what is left", lambda: sorted(os.listdir(c.top)))


def corner_long_paths(c):
    os.chdir(c.top)
    try:
        for part, depth in (("d" * 200, 22), ("e" * 100, 42)):
            for _ in range(depth):
                os.mkdir(part)
                os.chdir(part)
            c.say(f"{depth} deep: create", lambda: opened("file", os.O_CREAT | os.O_WRONLY))
            os.chdir(c.top)
            path = "/".join([part] * depth) + "/file"
            c.say(f"{depth} deep: too long a path", lambda: os.stat(path).st_size)
            fits = "/".join([part] * (4000 // (len(part) + 1)))
            c.say(f"{depth} deep: a path that fits", lambda: stat.filemode(os.stat(fits).st_mode))
        for length in (4094, 4095, 4096, 4097):
            c.say(f"a path of {length}", lambda: os.stat("./" * ((length - 1) // 2) + "." * (1 + (length - 1) % 2)).st_size >= 0)
    finally:
        os.chdir("/")


def corner_loops(c):
    os.symlink("self", c.top / "self")
    os.symlink("two", c.top / "one")
    os.symlink("one", c.top / "two")
    make(c.top / "chain 0")
    for number in range(1, 45):
        os.symlink(f"chain {number - 1}", c.top / f"chain {number}")
    os.symlink(".", c.top / "here")
    for name in ("self", "one", "chain 39", "chain 40", "chain 41", "chain 44", "/".join(["here"] * 39), "/".join(["here"] * 40), "/".join(["here"] * 41)):
        for what, work in (("status", lambda p: os.stat(p).st_size >= 0), ("open", lambda p: opened(p, os.O_RDONLY)), ("create", lambda p: opened(p, os.O_CREAT | os.O_WRONLY)),
                           ("chmod", lambda p: os.chmod(p, 0o755)), ("list", lambda p: len(os.listdir(p)) > 0), ("truncate", lambda p: os.truncate(p, 0)), ("below", lambda p: os.stat(f"{p}/x"))):
            c.say(f"{name[:30]} {len(name)}: {what}", lambda: work(c.top / name))
    for name in ("self", "chain 1", "chain 0", "here"):
        c.say(f"{name}: O_NOFOLLOW", lambda: opened(c.top / name, os.O_RDONLY | os.O_NOFOLLOW))
        c.say(f"{name}: O_NOFOLLOW, O_DIRECTORY", lambda: opened(c.top / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY))
        c.say(f"{name}: O_CREAT, O_EXCL", lambda: opened(c.top / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        c.say(f"{name}: mkdir", lambda: os.mkdir(c.top / name))
        c.say(f"{name}: status with a slash", lambda: stat.filemode(os.lstat(f"{c.top / name}/").st_mode))
        c.say(f"{name}: link, not followed", lambda: [os.link(c.top / name, c.top / f"l {name}", follow_symlinks=False), stat.filemode(os.lstat(c.top / f"l {name}").st_mode)])


@of_several
def corner_many_links(c):
    """EMLINK where the file system below has a limit that can be reached."""
    file = make(c.top / "file")
    folder = c.top / "links"
    folder.mkdir()

    def fill():
        for number in range(65_100):  # ext4 ends at 65,000
            os.link(file, folder / str(number))
    c.say("links", fill)
    c.say("count", lambda: file.stat().st_nlink)
    c.say("one more", lambda: os.link(file, c.top / "more"))
    c.say("rename of one", lambda: os.rename(folder / "0", c.top / "renamed"))
    c.say("one goes, one comes", lambda: [os.unlink(folder / "1"), os.link(file, c.top / "another"), file.stat().st_nlink])
    c.say("content", lambda: (folder / "2").read_bytes())


def corner_targets(c):
    for length in (1, 100, 1000, 3000):
        c.say(f"target of {length}", lambda: [os.symlink("t" * length, c.top / f"l{length}"), len(os.readlink(c.top / f"l{length}")), os.lstat(c.top / f"l{length}").st_size])
    c.say("no target", lambda: os.symlink("", c.top / "none"))
    c.say("readlink of a file", lambda: os.readlink(make(c.top / "file")))
    c.say("through a link to nowhere", lambda: [os.symlink("made through", c.top / "nowhere"), opened(c.top / "nowhere", os.O_CREAT | os.O_WRONLY), (c.top / "made through").exists()])
    c.say("mode of a link", lambda: stat.filemode(os.lstat(c.top / "l1").st_mode))


def corner_dots_and_slashes(c):
    top = os.fspath(c.top)
    os.makedirs(c.top / "d" / "e")
    make(c.top / "f")
    for name in ("", ".", "..", "d/.", "d/..", "d/e/..", "d/", "f/", "f/.", "f/..", "f/x", "new/", "d//e", "./f", "d/../f", "no/../f"):
        path = f"{top}/{name}" if name else ""
        for what, work in (("status", lambda: stat.filemode(os.lstat(path).st_mode)), ("open", lambda: opened(path, os.O_RDONLY)), ("create", lambda: opened(path, os.O_CREAT | os.O_WRONLY)),
                           ("O_EXCL", lambda: opened(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)), ("mkdir", lambda: os.mkdir(path)), ("symlink", lambda: os.symlink("x", path)),
                           ("link", lambda: os.link(f"{top}/f", path)), ("fifo", lambda: os.mkfifo(path))):
            c.say(f"{name!r}: {what}", work)
        if name not in ("d/", "d//e", "new/", "./f", "d/../f"):
            for what, work in (("rmdir", lambda: os.rmdir(path)), ("unlink", lambda: os.unlink(path)), ("rename", lambda: os.rename(path, f"{top}/moved")), ("rename to", lambda: os.rename(f"{top}/f", path))):
                c.say(f"{name!r}: {what}", work)
    c.say("what is left", lambda: sorted(os.listdir(top)))


def corner_renames(c):
    def tree():
        for name in ("d/inside", "empty"):
            os.makedirs(c.top / name, exist_ok=True)
        make(c.top / "f")
        make(c.top / "g", b"other")
        if not (c.top / "h").exists():
            os.link(c.top / "f", c.top / "h")
        if not os.path.lexists(c.top / "s"):
            os.symlink("f", c.top / "s")
    tree()
    things = ("f", "g", "h", "s", "d", "empty", "d/inside", "none", "d/inside/new", ".", "f/", "d/", "s/")
    for one, two in itertools.product(things, things):
        for flags, how in ((0, "over"), (1, "unless there"), (2, "exchanged with")):
            is_directory = any(os.path.isdir(c.top / name) and not os.path.islink(c.top / name) for name in (one, two))
            if flags == 2 and is_directory and one != two:
                continue  # a difference that MOUNTING.md names
            c.say(f"{one} {how} {two}", lambda: call("renameat2", -100, os.fsencode(f"{c.top}/{one}"), -100, os.fsencode(f"{c.top}/{two}"), flags))
            c.say(f"{one} {how} {two}, after", lambda: sorted(str(path.relative_to(c.top)) + stat.filemode(os.lstat(path).st_mode)[0] for path in c.top.rglob("*")))
            clear(c.top)
            tree()


def clear(top):
    import shutil
    for path in list(top.iterdir()):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def corner_odd_opens(c):
    make(c.top / "f")
    (c.top / "d").mkdir()
    os.mkfifo(c.top / "p")
    os.mknod(c.top / "s", 0o140600)
    os.symlink("f", c.top / "l")
    for name in ("f", "d", "p", "s", "l", "none"):
        for flags in ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDONLY|O_DIRECTORY", "O_WRONLY|O_DIRECTORY", "O_RDONLY|O_CREAT", "O_WRONLY|O_CREAT|O_EXCL", "O_RDONLY|O_TRUNC", "O_WRONLY|O_TRUNC", "O_PATH", "O_PATH|O_DIRECTORY",
                      "O_PATH|O_NOFOLLOW", "O_RDWR|O_APPEND|O_TRUNC", "O_RDONLY|O_CREAT|O_DIRECTORY"):
            number = os.O_NONBLOCK
            for word in flags.split("|"):
                number |= getattr(os, word)
            c.say(f"{name}: {flags}", lambda: opened(c.top / name, number, 0o600))
        if (c.top / "none").exists():
            (c.top / "none").unlink()
        make(c.top / "f")


def corner_odd_calls(c):
    file = make(c.top / "f", b"0123456789")
    (c.top / "d").mkdir()
    reading, writing, folder = os.open(file, os.O_RDONLY), os.open(file, os.O_WRONLY), os.open(c.top / "d", os.O_RDONLY)
    try:
        for what, work in (
                ("read of a writer", lambda: os.read(writing, 5)), ("write of a reader", lambda: os.write(reading, b"x")), ("truncate of a reader", lambda: os.ftruncate(reading, 5)),
                ("read of a directory", lambda: os.read(folder, 5)), ("truncate of a directory", lambda: os.ftruncate(folder, 5)), ("truncate a directory by path", lambda: os.truncate(c.top / "d", 5)),
                ("truncate below nothing", lambda: call("ftruncate", writing, ctypes.c_int64(-1))), ("seek before the start", lambda: os.lseek(reading, -1, os.SEEK_SET)),
                ("seek past the end", lambda: os.lseek(reading, 1 << 40, os.SEEK_SET)), ("read there", lambda: os.read(reading, 5)), ("read nothing", lambda: os.pread(reading, 0, 0)), ("write nothing", lambda: os.pwrite(writing, b"", 500)), ("size", lambda: file.stat().st_size),
                ("write at the largest place", lambda: os.pwrite(writing, b"x", (1 << 63) - 1)), ("allocate nothing", lambda: call("fallocate", writing, 0, ctypes.c_int64(0), ctypes.c_int64(0))),
                ("allocate before the start", lambda: call("fallocate", writing, 0, ctypes.c_int64(-1), ctypes.c_int64(5))), ("allocate of a reader", lambda: call("fallocate", reading, 0, ctypes.c_int64(0), ctypes.c_int64(5))),
                ("punch that grows", lambda: call("fallocate", writing, 2, ctypes.c_int64(0), ctypes.c_int64(5))), ("fsync of a reader", lambda: os.fsync(reading)), ("fsync of a directory", lambda: os.fsync(folder)),
                ("copy to a reader", lambda: os.copy_file_range(writing, reading, 5)), ("attribute without a name", lambda: os.setxattr(file, "user.", b"x")), ("attribute of no kind", lambda: os.setxattr(file, "none.x", b"x")),
                ("attribute that must be new", lambda: [os.setxattr(file, "user.a", b"1", os.XATTR_CREATE), os.setxattr(file, "user.a", b"1", os.XATTR_CREATE)]),
                ("attribute that must be there", lambda: os.setxattr(file, "user.b", b"1", os.XATTR_REPLACE)), ("no attribute", lambda: os.getxattr(file, "user.c")), ("remove no attribute", lambda: os.removexattr(file, "user.c")),
                ("rmdir of a file", lambda: os.rmdir(file)), ("unlink of a directory", lambda: os.unlink(c.top / "d")), ("link of a directory", lambda: os.link(c.top / "d", c.top / "e")), ("list a file", lambda: os.listdir(file)),
                ("mkdir in a file", lambda: os.mkdir(file / "x")), ("rmdir of a full one", lambda: [make(c.top / "d" / "x"), os.rmdir(c.top / "d")]), ("change into a file", lambda: os.chdir(file))):
            c.say(what, work)
    finally:
        for descriptor in (writing, folder):
            os.close(descriptor)
    for place in (0, 9, 10, 11, 1 << 40, -1):
        for what, whence in (("hole", os.SEEK_HOLE), ("data", os.SEEK_DATA)):
            c.say(f"{what} at {place}", lambda: os.lseek(reading, place, whence))
    os.close(reading)


def corner_limits_of_the_process(c):
    file = make(c.top / "f", b"x" * 100)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with open(file, "r+b", buffering=0) as opened_file:
            for what, work in (("write up to it", lambda: os.pwrite(opened_file.fileno(), b"y" * 200, 4900)), ("write at it", lambda: os.pwrite(opened_file.fileno(), b"y", 5000)),
                               ("write below it", lambda: os.pwrite(opened_file.fileno(), b"y", 10)), ("truncate over it", lambda: os.ftruncate(opened_file.fileno(), 5001)),
                               ("truncate to it", lambda: os.ftruncate(opened_file.fileno(), 5000)), ("allocate over it", lambda: os.posix_fallocate(opened_file.fileno(), 0, 6000))):
                c.say(what, work)
        c.say("size", lambda: file.stat().st_size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def corner_removed_while_in_use(c):
    file = make(c.top / "f", b"content")
    descriptor = os.open(file, os.O_RDWR)
    os.unlink(file)
    c.say("links", lambda: os.fstat(descriptor).st_nlink)
    c.say("read", lambda: os.pread(descriptor, 100, 0))
    c.say("grow", lambda: [os.ftruncate(descriptor, 10_000), os.pwrite(descriptor, b"end", 9_997), os.fstat(descriptor).st_size])
    c.say("mode", lambda: [os.fchmod(descriptor, 0o600), stat.filemode(os.fstat(descriptor).st_mode)])
    c.say("attribute", lambda: [os.setxattr(descriptor, "user.a", b"1"), os.getxattr(descriptor, "user.a")])
    c.say("link by /proc", lambda: os.link(f"/proc/self/fd/{descriptor}", c.top / "again", follow_symlinks=True))
    c.say("the name is free", lambda: make(file, b"other") and os.pread(descriptor, 7, 0))
    os.close(descriptor)
    os.mkfifo(c.top / "fifo", 0o644)
    descriptor = os.open(c.top / "fifo", os.O_RDWR)
    os.unlink(c.top / "fifo")
    c.say("removed fifo: mode", lambda: [os.fchmod(descriptor, 0o600), stat.filemode(os.fstat(descriptor).st_mode)])
    c.say("removed fifo: times", lambda: [os.utime(descriptor, ns=(5, 7)), os.fstat(descriptor).st_atime_ns, os.fstat(descriptor).st_mtime_ns])
    os.close(descriptor)
    (c.top / "d").mkdir()
    folder = os.open(c.top / "d", os.O_RDONLY)
    os.rmdir(c.top / "d")
    c.say("removed directory: links", lambda: os.fstat(folder).st_nlink)
    c.say("removed directory: list", lambda: os.listdir(folder))
    c.say("removed directory: create", lambda: os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=folder)))
    c.say("removed directory: parent", lambda: os.stat("..", dir_fd=folder).st_ino == c.top.stat().st_ino)
    os.close(folder)
