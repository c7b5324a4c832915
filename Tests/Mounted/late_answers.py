#!/usr/bin/python3
"""Status that is asked for at the very moment of a change: who made the change is not shown for long what was before it.

    late_answers.py [--changes 3000]

Some processes ask the daemon for a directory's status all the time, without the kernel's cache. One makes directories in it, links a file and changes
its ACL, and looks after each change whether the kernel's cache has the new count of links, or the new mode. The others rest while it looks.
"""

import ctypes
import itertools
import multiprocessing
import os
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from script import options, run  # noqa: E402
from vault import PATIENCE, Failure, Vault  # noqa: E402

AT_FDCWD, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS = -100, 0x2000, 0x7FF
libc = ctypes.CDLL(None, use_errno=True)
PAUSE = 0.0001  # between two looks for an order: whoever still has one to obey needs the processor


class Askers:
    """Processes that ask for the status of all paths, never from the kernel's cache."""

    def __init__(self, paths, count=4):
        self.order = multiprocessing.RawValue(ctypes.c_long, 0)  # even: ask; odd: rest; negative: end
        self.obeyed = multiprocessing.RawArray(ctypes.c_long, [-1] * count)
        self.processes = [multiprocessing.Process(target=self._ask, args=(number, paths)) for number in range(count)]
        for process in self.processes:
            process.start()

    def _ask(self, number, paths):
        room = ctypes.create_string_buffer(512)
        for path in itertools.cycle(paths):
            order = self.order.value
            self.obeyed[number] = order
            if order < 0:
                return
            if order % 2:
                time.sleep(PAUSE)
            elif libc.statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, room) != 0:
                raise OSError(ctypes.get_errno(), "statx")

    def rest(self):
        """Returns when each has taken up its last answer, and asks for nothing more."""
        self._obey(self.order.value + 1)

    def go_on(self):
        """Returns when all are at work again."""
        self._obey(self.order.value + 1)

    def _obey(self, order):
        self.order.value = order
        deadline = time.monotonic() + 60 * PATIENCE
        while any(obeyed != order for obeyed in self.obeyed):
            if time.monotonic() > deadline:
                raise Failure(f"those who ask do not obey; ended: {[process.exitcode for process in self.processes]}")
            time.sleep(PAUSE)

    def end(self):
        """The exit codes of those that did not end well."""
        self.order.value = -2
        for process in self.processes:
            process.join(20 * PATIENCE)
        return [process.exitcode for process in self.processes if process.exitcode != 0]


def acl_of(group_bits):
    """A POSIX ACL with a mask, which stands in the mode's group bits."""
    entries = [(1, 6, 0xFFFFFFFF), (2, 7, 3001), (4, 4, 0xFFFFFFFF), (16, group_bits, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def stays(askers, path, holds):
    """Whether the status of `path` is not as it should be, and stays so.

    Nobody may ask meanwhile: a late answer stays until the next one comes. And the kernel calls what it keeps valid a moment before it has written down
    a new answer, a long moment where it is interrupted there."""
    askers.rest()
    is_wrong = not holds(path.stat())
    askers.go_on()
    return is_wrong


def main():
    parser = options(__doc__)
    parser.add_argument("--changes", type=int, default=3000)
    settings = parser.parse_args()
    wrong = dict(links_of_directory=0, links_of_file=0, mode=0)
    with Vault() as vault:
        vault.init().mount()
        folder, file = vault.mount_point / "folder", vault.mount_point / "file"
        folder.mkdir()
        file.touch()
        askers = Askers([bytes(folder), bytes(file)])
        try:
            for number in range(settings.changes):
                (folder / str(number)).mkdir()
                wrong["links_of_directory"] += stays(askers, folder, lambda status: status.st_nlink == number + 3)
                os.link(file, vault.mount_point / f"link {number}")
                wrong["links_of_file"] += stays(askers, file, lambda status: status.st_nlink == number + 2)
                os.setxattr(file, "system.posix_acl_access", acl_of(number & 7))
                wrong["mode"] += stays(askers, file, lambda status: status.st_mode >> 3 & 7 == number & 7)
        finally:
            died = askers.end()
        vault.unmount()
    if died:
        raise Failure(f"those who ask ended with {died}")
    print(f"{settings.changes} changes of each kind; old status seen: {wrong}")
    return any(wrong.values())


if __name__ == "__main__":
    run(main)
