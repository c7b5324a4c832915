"""A disk that is full but for so much, and what is asked of a mount on it."""

import errno
import os
from collections import Counter

from judging import judge, look
from operations import put, text
from vault import Failure
from walk import Walk

FULL = {errno.ENOSPC, errno.EDQUOT}
BLOCK = 4096


def synchronise(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Filler:
    """Takes what is left of the disk, outside the vault."""

    def __init__(self, vault, of_inodes):
        self.path, self.of_inodes = vault.disk / "filler", of_inodes

    def fill(self, room):
        """Leaves so many blocks, or inodes."""
        self.empty()
        if self.of_inodes:
            self.path.mkdir(exist_ok=True)
            self.count(room)
            return
        size = self.take(1 << 40)
        left = max(0, (size // BLOCK - room) * BLOCK)
        try:
            if room and size:
                os.truncate(self.path, left)
                synchronise(self.path)
        except OSError as error:
            if error.errno not in FULL:
                raise
            # Under a quota of btrfs cutting needs room itself.
            self.empty()
            self.take(left)

    def take(self, limit):
        """Writes so much, or what there is room for. Returns how much."""
        size = 0
        try:
            file = open(self.path, "wb", buffering=0)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return size  # not even a name fits
        with file:
            for step in (1 << 20, BLOCK, 512, 1):
                try:
                    while size + step <= limit:
                        size += os.pwrite(file.fileno(), b"f" * step, size)
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    os.fsync(file.fileno()) if step == 1 << 20 else None
            os.fsync(file.fileno())
        return size

    def count(self, room):
        number = 0
        try:
            while True:
                opened = os.open(self.path / str(number), os.O_CREAT | os.O_WRONLY)
                os.close(opened)
                number += 1
        except OSError as error:
            if error.errno not in FULL:
                raise
        for name in range(max(0, number - room), number):
            (self.path / str(name)).unlink()

    def empty(self):
        if self.path.is_dir():
            for path in self.path.iterdir():
                path.unlink()
        elif self.path.exists():
            self.path.unlink()


class Fullness(Walk):
    """Operations on a disk that is really full."""

    def __init__(self, vault, settings):
        super().__init__(vault, settings)
        self.filler = Filler(vault, settings.disk.endswith("inodes"))
        self.refused, self.needless = Counter(), Counter()
        # A file system that writes nothing in place has no room for the journal either, though it was written before.
        self.is_copying = settings.disk == "btrfs-quota"
        # The kernel calls EDQUOT of its own writing back EIO; and that a change gets when the journal has ended.
        self.answers = {0, *FULL, errno.EIO} if self.is_copying else {0, *FULL}

    def ready_all(self, chosen):
        """Directories for all operations, made while there is room."""
        tops = {}
        for operation in chosen:
            tops[operation.name] = self.ready(operation)
        ballast = self.vault.mount_point / "ballast"
        ballast.mkdir(exist_ok=True)
        for number in range(8):
            put(ballast / str(number), 0, text(number, 100_000))
        return tops

    def round(self, room, chosen, expected):
        tops, states = self.ready_all(chosen), {}
        for operation in chosen:
            where = f"{operation.name}, room for {room}"
            self.dog.note(where)
            # Sealed, so that nothing of the operation before takes room meanwhile.
            self.filler.fill(room)
            answer = self.act(operation, tops[operation.name])
            self.refused[operation.name] += answer in FULL
            has_ended = self.has_journal_ended()
            if has_ended and not self.is_copying:
                self.complain(where, "the journal has ended, though its room was taken before")
            if answer not in self.answers:
                self.complain(where, f"gave {errno.errorcode.get(answer)}")
            if answer and not operation.grows:
                # Nothing of it needs room, but the first change of a mount and a file's state record may.
                self.needless[operation.name] += 1
            state = (*expected[operation.name], operation, answer == 0)
            states[tops[operation.name].name] = (where, state)
            self.look_at(tops[operation.name], where, state, lenient=answer != 0)
            if has_ended:
                self.filler.empty()
                self.renew_journal(where)
        self.look_at_bystanders(f"with room for {room}")
        self.make_room(room)
        self.filler.empty()
        self.after(f"room for {room}", states)

    def look_at(self, top, where, state, lenient=False):
        for attempt in range(4):
            try:
                found = look(top, lenient=lenient)
                break
            except OSError as problem:
                if problem.errno not in FULL or attempt == 3:
                    return self.complain(where, f"after it: {problem}")
        for what in judge(found, *state):
            self.complain(where, what)

    def make_room(self, room):
        """Removing files in the mount must help, on a disk as full as it can be."""
        self.filler.fill(0)
        ballast = self.vault.mount_point / "ballast"
        try:
            for path in sorted(ballast.iterdir()):
                path.unlink()
        except OSError as error:
            return self.complain(f"room for {room}", f"no file can be removed: {error}")
        try:
            put(self.vault.mount_point / "ballast" / "new", 0, text("new", 200_000))
        except OSError as error:
            self.complain(f"room for {room}", f"removing 800,000 bytes made no room for 200,000: {error}")

    def after(self, what, states):
        if not self.vault._is_running():
            raise Failure(f"{what}: the daemon has died\n{self.vault.log_tail()}")
        self.dog.note(f"unmounting after {what}")
        self.vault.unmount()
        self.check(what, states)
        self.vault.mount()
        self.look_at_bystanders(f"{what}, after the remount")
        for name, (where, state) in states.items():
            self.dog.note(where)
            self.look_at(self.vault.mount_point / name, f"{where}, after the remount", state)
        self.clear(what)
