#!/usr/bin/python3
"""A full disk: every operation on a vault whose disk has no room left, or only a little, or no inodes.

    full.py [--disk ext4|tmpfs|ext4-inodes|tmpfs-inodes|btrfs-quota] [--rooms 0,1,2,…] [--short] [--keep] [NAME…]

Beside the vault stands a file that takes what is left of the disk, but for so many blocks of 4096 bytes (--rooms); each operation of operations.py is done so.
It must be done, or give ENOSPC (EDQUOT under a quota) and leave what was there before or what it was to make, byte by byte; what else is in the mount reads.
Removing files in the mount must make room again. Then the mount itself fills the disk to its last byte, with operations of each kind until one does not fit.
Last, a keystore on the same full disk: a verb that does not fit changes nothing, and the mount goes on. After each part: unmount, `check`, mount, and a look at all.
Kernels with quotas for ext4 or tmpfs are rare; a quota group of btrfs gives a real EDQUOT (package btrfs-progs).
"""

import argparse
import errno
import os
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

from disks import DiskVault, in_own_namespace  # noqa: E402
from failing import Walk  # noqa: E402
from operations import LONG, MARK, judge, look, operations, put, text  # noqa: E402
from vault import Failure  # noqa: E402

FULL = {errno.ENOSPC, errno.EDQUOT}
BLOCK = 4096


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
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size = 0
            for step in (1 << 20, BLOCK, 512, 1):
                try:
                    while True:
                        size += os.pwrite(descriptor, b"f" * step, size)
                except OSError as error:
                    if error.errno not in FULL:
                        raise
                    os.fsync(descriptor) if step == 1 << 20 else None
            if room:
                os.ftruncate(descriptor, max(0, (size // BLOCK - room) * BLOCK))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

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
    """The walk of failing.py with a disk that is really full."""

    def __init__(self, vault, settings):
        settings.seed = 1
        super().__init__(vault, None, settings)
        self.filler = Filler(vault, settings.disk.endswith("inodes"))
        self.refused = Counter()

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
            if answer and answer not in FULL:
                self.complain(where, f"gave {errno.errorcode.get(answer)}")
            if answer and not operation.grows:
                # Nothing of it needs room, but the first change of a mount and a file's state record may.
                self.needless[operation.name] += 1
            state = (*expected[operation.name], operation, answer == 0)
            states[tops[operation.name].name] = (where, state)
            self.look_at(tops[operation.name], where, state, lenient=answer != 0)
        self.look_at_bystanders(f"with room for {room}")
        self.make_room(room)
        self.filler.empty()
        self.after(f"room for {room}", states)

    needless = Counter()

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
            raise Failure(f"{what}: the daemon has died")
        self.dog.note(f"unmounting after {what}")
        self.vault.unmount()
        self.check(what, states)
        self.vault.mount()
        self.look_at_bystanders(f"{what}, after the remount")
        for name, (where, state) in states.items():
            self.dog.note(where)
            self.look_at(self.vault.mount_point / name, f"{where}, after the remount", state)
        self.clear(what)

    # the mount fills the disk itself

    def to_the_last_byte(self):
        ways = {
            "new small files": lambda top, n: put(top / str(n), 0, text(n, 900)), "new files": lambda top, n: put(top / str(n), 0, text(n, 70_000)),
            "one file, by a byte": lambda top, n: put(top / "a", n, text(n, 1)), "one file, by 10,000 bytes": lambda top, n: put(top / "a", n * 10_000, text(n, 10_000)),
            "directories": lambda top, n: (top / str(n)).mkdir(), "long names": lambda top, n: put(top / (str(n) + LONG), 0, b""), "directories with long names": lambda top, n: (top / (str(n) + LONG)).mkdir(),
            "links": lambda top, n: os.symlink("t" * 2000, top / str(n)), "attributes": lambda top, n: (put(top / str(n), 0, b"x"), os.setxattr(top / str(n), MARK, text(n, 1500))), "allocation": lambda top, n: allocate_file(top / str(n)),
            "small files that grow": lambda top, n: (put(top / str(n), 0, text(n, 3000)), put(top / str(n), 3000, text(n, 2000)))}
        if self.settings.short:
            ways = {name: ways[name] for name in ("new files", "directories with long names", "small files that grow")}
        for name, way in ways.items():
            if self.settings.names and not any(word in name for word in self.settings.names):
                continue
            top = self.vault.mount_point / "filling"
            top.mkdir()
            self.dog.note(name)
            # A little room, so that it ends soon.
            self.filler.fill(0 if self.filler.of_inodes else 300)
            if self.filler.of_inodes:
                self.filler.count(40)
            count, answer = 0, 0
            while count < 20_000:
                self.dog.note(name)
                try:
                    way(top, count)
                except OSError as error:
                    answer = error.errno
                    break
                count += 1
            if answer not in FULL and not (count == 20_000 and "byte" in name or self.filler.of_inodes and name.startswith("one file")):
                self.complain(name, f"ended after {count} with {errno.errorcode.get(answer)}")
            self.look_at_bystanders(f"{name}, with the disk full")
            done = self.filled(top, name, count)
            self.filler.empty()
            self.dog.note(f"unmounting after {name}")
            self.vault.unmount()
            self.check(name)
            self.vault.mount()
            if self.filled(top, name, count) < done:
                self.complain(name, "something is gone after the remount")
            self.look_at_bystanders(f"{name}, after the remount")
            self.clear(name)
            print(f"  {name}: {count} until it was full", flush=True)

    def filled(self, top, name, count):
        """How many of the files that were written and synchronised read right."""
        right = 0
        try:
            entries = {entry.name: entry for entry in os.scandir(top)}
            if "one file" in name:
                step = 1 if name.endswith("a byte") else 10_000
                data = (top / "a").read_bytes() if "a" in entries else b""
                right = sum(data[n * step:(n + 1) * step] == text(n, step) for n in range(count))
                if right < count:
                    self.complain(name, f"{count - right} of {count} parts that were synchronised do not read right")
                return right
            missing = [n for n in range(count) if str(n) not in entries and str(n) + LONG not in entries]
            if missing:
                self.complain(name, f"{len(missing)} of {count} are not there, {missing[0]} first")
            size = {"new small files": 900, "new files": 70_000}.get(name)
            for n in range(count) if size else ():
                if (top / str(n)).read_bytes() != text(n, size):
                    self.complain(name, f"{n} does not read right")
            for entry in entries.values():
                os.lstat(entry.path)
                if entry.is_file(follow_symlinks=False):
                    Path(entry.path).read_bytes()
            right = count - len(missing)
        except OSError as error:
            self.complain(name, f"what was written before does not read: {error}")
        return right

    # the keystore on the same disk

    def keystore(self):
        vault = self.vault
        before = vault.command("key", "list", "--json").stdout
        for room in (0, 8) if self.settings.short else (0, 1, 2, 4, 8, 12):
            self.dog.note(f"keystore, room for {room}")
            self.filler.fill(room)
            for words in (("key", "create"), ("key", "rotate", "alias/default"), ("keystore", "add-slot", "recovery"), ("key", "list"), ("keystore", "verify")):
                done = vault.command(*words, check=False)
                self.refused[" ".join(words)] += done.returncode != 0
                if done.returncode < 0 or done.returncode >= 128:
                    self.complain(f"{words}, room for {room}", f"exit {done.returncode}: {done.stderr[-300:]}")
            # The mount makes files meanwhile: their keys' uses wait for the audit log.
            try:
                put(vault.mount_point / f"beside {room}", 0, text(room, 500))
            except OSError as error:
                if error.errno not in FULL:
                    self.complain(f"keystore, room for {room}", f"a file beside it: {error}")
            self.look_at_bystanders(f"keystore, room for {room}")
            self.filler.empty()
            for words in (("keystore", "verify"), ("audit", "verify")):
                done = vault.command(*words, check=False)
                if done.returncode != 0:
                    self.complain(f"keystore, after room for {room}", f"{words}: exit {done.returncode}: {done.stderr[-300:]}")
        if len(vault.command("key", "list", "--json").stdout) < len(before):
            self.complain("keystore", "a key is gone")
        # An unmount whose last entries of the audit log have no room.
        self.filler.fill(0)
        self.dog.note("unmount on a full disk")
        done = vault.command("unmount", vault.mount_point, check=False)
        vault._wait_for_daemon(30)
        self.filler.empty()
        print(f"  unmount on a full disk: exit {done.returncode}")
        self.check("unmount on a full disk")
        vault.mount()
        self.look_at_bystanders("after an unmount on a full disk")
        for words in (("keystore", "verify"), ("audit", "verify")):
            if (done := vault.command(*words, check=False)).returncode != 0:
                self.complain("after an unmount on a full disk", f"{words}: {done.stderr[-300:]}")
        self.clear("keystore")


def allocate_file(path):
    with open(path, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 50_000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--disk", choices=["ext4", "tmpfs", "ext4-inodes", "tmpfs-inodes", "btrfs-quota"], default="ext4")
    parser.add_argument("--rooms", default="0,1,2,3,5,8,13,21,40")
    parser.add_argument("--short", action="store_true", help="fill the disk in few ways, and the keystore with few rooms")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("names", nargs="*")
    settings = parser.parse_args()
    in_own_namespace()
    begin = time.monotonic()
    with DiskVault(settings.disk, keystore_too=not settings.disk.endswith("inodes"), keep=settings.keep) as vault:
        vault.require_encryption()
        vault.init().mount()
        walk = Fullness(vault, settings)
        walk.fill()
        # "allocation" of a few is enough where it is inodes that run out.
        chosen = [operation for operation in operations() if not settings.names or any(word in operation.name for word in settings.names)]
        expected = {operation.name: operation.expected() for operation in chosen}
        rooms = [int(room) for room in settings.rooms.split(",")]
        for room in rooms if chosen else []:
            if walk.filler.of_inodes:
                for start in range(0, len(chosen), 12):
                    walk.round(room, chosen[start:start + 12], expected)
            else:
                walk.round(room, chosen, expected)
        walk.to_the_last_byte()
        if vault.keystore.is_relative_to(vault.disk) and (not settings.names or "keystore" in settings.names):
            walk.keystore()
        vault.unmount()
        if walk.wrong:
            print("daemon's log, its end:\n" + vault.log_tail(2000))
    print(f"refused for want of room: {sum(walk.refused.values())} of {len(rooms) * len(chosen)}; never refused: {sorted(o.name for o in chosen if not walk.refused[o.name] and o.grows)}")
    print(f"refused though they need none: {dict(walk.needless)}; left for the next mount: {dict(walk.leftovers)}")
    print(f"{settings.disk}: {len(chosen)} operations, {len(rooms)} rooms, {time.monotonic() - begin:.0f} s, {walk.wrong} wrong")
    sys.exit(1 if walk.wrong or walk.dog.has_bitten else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
