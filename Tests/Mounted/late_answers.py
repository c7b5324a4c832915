#!/usr/bin/python3
"""Status that is asked for at the very moment of a change: who made the change is not shown for long what was before it.

    late_answers.py [--changes 3000]

Some processes ask the daemon for a directory's status all the time, without the kernel's cache. One makes directories in it, links a file and changes
its ACL, and looks after each change whether the kernel's cache has the new count of links, or the new mode.
"""

import ctypes
import multiprocessing
import os
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from script import options, run  # noqa: E402
from vault import Failure, Vault  # noqa: E402

AT_FDCWD, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS = -100, 0x2000, 0x7FF
libc = ctypes.CDLL(None, use_errno=True)


def ask(paths, stop):
    """Asks for the status of all, never from the kernel's cache."""
    room = ctypes.create_string_buffer(512)
    while not stop.is_set():
        for path in paths:
            if libc.statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, room) != 0:
                raise OSError(ctypes.get_errno(), "statx")


def acl_of(group_bits):
    """A POSIX ACL with a mask, which stands in the mode's group bits."""
    entries = [(1, 6, 0xFFFFFFFF), (2, 7, 3001), (4, 4, 0xFFFFFFFF), (16, group_bits, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def stays(path, holds):
    """Whether the status of `path` is not as it should be, and stays so. The kernel calls what it keeps valid a moment before it has written down
    a new answer: one look that sees what was before says nothing."""
    return not holds(path.stat()) and not holds(path.stat()) and not holds(path.stat())


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
        stop = multiprocessing.Event()
        askers = [multiprocessing.Process(target=ask, args=([bytes(folder), bytes(file)], stop)) for _ in range(4)]
        for asker in askers:
            asker.start()
        try:
            for number in range(settings.changes):
                (folder / str(number)).mkdir()
                wrong["links_of_directory"] += stays(folder, lambda status: status.st_nlink == number + 3)
                os.link(file, vault.mount_point / f"link {number}")
                wrong["links_of_file"] += stays(file, lambda status: status.st_nlink == number + 2)
                os.setxattr(file, "system.posix_acl_access", acl_of(number & 7))
                wrong["mode"] += stays(file, lambda status: status.st_mode >> 3 & 7 == number & 7)
        finally:
            stop.set()
            for asker in askers:
                asker.join(20)
        died = [asker.exitcode for asker in askers if asker.exitcode != 0]
        vault.unmount()
    if died:
        raise Failure(f"those who ask ended with {died}")
    print(f"{settings.changes} changes of each kind; old status seen: {wrong}")
    return any(wrong.values())


if __name__ == "__main__":
    run(main)
