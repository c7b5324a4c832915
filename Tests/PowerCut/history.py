"""What a program did in the mount, and what was acknowledged."""

import ctypes
import os
import time
from dataclasses import dataclass

from expectation import Expectation, move

libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Event:
    kind: str
    began: float
    ended: float
    thing: int = None     # number of a file
    path: str = None
    to: str = None
    offset: int = 0
    data: bytes = b""
    count: int = 0


class History:
    """Does things in a mount, one at a time, and remembers when."""

    def __init__(self, mount_point):
        self.mount_point = str(mount_point)
        self.events = []
        self.files = {}
        self._count = 0
        # For who asks again and again: the names after the first `seen` events.
        self.names, self.seen = {}, 0

    def do(self, kind, work, **more):
        began = time.time()
        result = work()
        self.events.append(Event(kind, began, time.time(), **more))
        return result

    def note(self, kind, ended, **more):
        """Something that was begun, and of which nobody knows whether it was done."""
        self.add(kind, time.time(), ended, **more)

    def add(self, kind, began, ended, **more):
        """What somebody else has done."""
        self.events.append(Event(kind, began, ended, **more))

    def place(self, path):
        return os.path.join(self.mount_point, path)

    def create(self, path):
        thing, self._count = self._count, self._count + 1
        descriptor = self.do("create", lambda: os.open(self.place(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), thing=thing, path=path)
        self.files[thing] = descriptor
        return thing

    def reopen(self, thing, path):
        self.files[thing] = os.open(self.place(path), os.O_RDWR)

    def close(self, thing):
        os.close(self.files.pop(thing))

    def close_all(self):
        for thing in list(self.files):
            try:
                self.close(thing)
            except OSError:
                pass  # the mount is gone

    def write(self, thing, offset, data):
        self.do("write", lambda: os.pwrite(self.files[thing], data, offset), thing=thing, offset=offset, data=data, count=len(data))

    def truncate(self, thing, size):
        self.do("truncate", lambda: os.ftruncate(self.files[thing], size), thing=thing, offset=size)

    def punch(self, thing, offset, count):
        def work():
            if libc.fallocate(self.files[thing], 3, ctypes.c_long(offset), ctypes.c_long(count)) != 0:
                raise OSError(ctypes.get_errno(), "fallocate")
        self.do("punch", work, thing=thing, offset=offset, count=count)

    def fsync(self, thing):
        self.do("fsync", lambda: os.fsync(self.files[thing]), thing=thing)

    def set_attribute(self, thing, name, value):
        """What a power cut leaves of it is not verified: only how `check` calls that."""
        os.setxattr(self.files[thing], name, value)

    def remove_attribute(self, thing, name):
        os.removexattr(self.files[thing], name)

    def mkdir(self, path):
        self.do("mkdir", lambda: os.mkdir(self.place(path)), path=path)

    def symlink(self, target, path):
        self.do("symlink", lambda: os.symlink(target, self.place(path)), path=path, data=target.encode())

    def rename(self, path, to):
        self.do("rename", lambda: os.rename(self.place(path), self.place(to)), path=path, to=to)

    def link(self, path, to):
        self.do("link", lambda: os.link(self.place(path), self.place(to)), path=path, to=to)

    def unlink(self, path):
        self.do("unlink", lambda: os.unlink(self.place(path)), path=path)

    def size(self, thing):
        return os.fstat(self.files[thing]).st_size

    def known(self):
        """The names that there are now, with what has them."""
        names = {}
        for event in self.events:
            move(names, event)
        return names

    def sync_names(self):
        """fsync of every directory there is."""
        def work():
            for path, _, _ in os.walk(self.mount_point):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        self.do("names", work)

    def at(self, moment):
        """What must be there after a power cut at that moment."""
        return Expectation([event for event in self.events if event.began < moment], moment)
