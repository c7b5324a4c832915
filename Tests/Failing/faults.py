"""Makes chosen calls of the daemon on its vault's device fail, through fail.c."""

import ctypes
import errno
import mmap
import os
from collections import Counter
from pathlib import Path

from vault import preloading

HERE = Path(__file__).resolve().parent
EVER = (1 << 64) - 1
# which calls may give it: as READS, CHANGES and GROWS of fail.c
KINDS = {errno.EIO: 1, errno.EROFS: 2, errno.ENOSPC: 4, errno.EDQUOT: 4}


class Control(ctypes.Structure):
    """The page that is shared with fail.c."""
    _fields_ = [("device", ctypes.c_uint64), ("first", ctypes.c_uint64), ("last", ctypes.c_uint64), ("error", ctypes.c_uint32),
                ("kinds", ctypes.c_uint32), ("count", ctypes.c_uint64), ("failed", ctypes.c_uint64), ("names", ctypes.c_char * 16 * 8192)]


class Faults:
    """Counts the daemon's calls, and makes some of them fail."""

    def __init__(self, vault):
        page = vault.base / "control"
        page.write_bytes(bytes(ctypes.sizeof(Control)))
        self.file = open(page, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.page = Control.from_buffer(self.memory)
        self.device = os.stat(vault.disk).st_dev
        self.loaded = preloading(HERE / "fail.c", vault.base) | {"FAIL_CONTROL": str(page)}
        self.calls = Counter()

    def arm(self, error=errno.EIO, first=0, last=0):
        self.page.first, self.page.last = first, last
        self.page.error, self.page.kinds = error, KINDS[error]
        self.page.count = self.page.failed = 0
        self.page.device = self.device

    def disarm(self):
        """How many calls there were, and how many failed."""
        self.page.device = 0
        if self.page.first and self.page.failed:
            self.calls[self.name(self.page.first)] += 1
        return self.page.count, self.page.failed

    def name(self, number):
        return self.page.names[number - 1].value.decode() if 0 < number <= 8192 else "?"
