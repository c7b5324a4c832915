#!/usr/bin/python3
"""A disk that fails: each call that the daemon makes on its vault's disk gives an error, one after the other.

    failing.py [--share N] [--disk tmpfs|ext4] [--errors EIO,EROFS,ENOSPC,EDQUOT] [--seed S] [--keep] [NAME…]

The daemon runs with fail.c loaded before the C library, which counts the calls on the vault's device and makes the chosen ones fail. Every operation of
operations.py is done as often as it makes calls: once the first of them fails, once the second…; each time that one call alone, and that call and all after
it until the disk is well again. The operation must give that error or be done; it must leave what was there before or what it was to make, byte by byte; what
else is in the mount must read; and once the disk is well it can be done again. After each operation's round: unmount, `check`, mount, and all of it once more.
The same is done with the calls of a mount, an unmount and a `check`. --share N: every Nth call only, with another start for each operation.
"""

import argparse
import ctypes
import errno
import json
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

from disks import DiskVault, in_own_namespace  # noqa: E402
from operations import LONG, MARK, difference, judge, look, operations, put, text  # noqa: E402
from vault import Failure  # noqa: E402

EVER = (1 << 64) - 1
# which calls may give it: as READS, CHANGES and GROWS of fail.c
KINDS = {errno.EIO: 1, errno.EROFS: 2, errno.ENOSPC: 4, errno.EDQUOT: 4}
PATIENCE = 60
# what an error may leave for the next mount or --repair, as Docs/RELIABILITY.md says
LEFTOVERS = {"left-open", "left-recovering", "orphaned-side-file", "doubled-empty-directory", "vault-not-clean", "behind-inline"}


class Control(ctypes.Structure):
    """The page that is shared with fail.c."""
    _fields_ = [("device", ctypes.c_uint64), ("first", ctypes.c_uint64), ("last", ctypes.c_uint64), ("error", ctypes.c_uint32),
                ("kinds", ctypes.c_uint32), ("count", ctypes.c_uint64), ("failed", ctypes.c_uint64), ("names", ctypes.c_char * 16 * 8192)]


class Faults:
    """Counts the daemon's calls, and makes some of them fail."""

    def __init__(self, vault):
        library, page = vault.base / "fail.so", vault.base / "control"
        built = subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "fail.c", "-ldl"], capture_output=True, text=True)
        if built.returncode != 0:
            raise Failure(f"fail.c: {built.stderr}")
        page.write_bytes(bytes(ctypes.sizeof(Control)))
        self.file = open(page, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)
        self.page = Control.from_buffer(self.memory)
        self.device = os.stat(vault.disk).st_dev
        others = os.environ.get("LD_PRELOAD")
        self.loaded = {"LD_PRELOAD": f"{others}:{library}" if others else str(library), "FAIL_CONTROL": str(page)}
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


class Watchdog(threading.Thread):
    """Kills a daemon that does not answer: its programs would wait for ever."""

    def __init__(self, vault):
        super().__init__(daemon=True)
        self.vault, self.what, self.since, self.has_bitten = vault, "", time.monotonic(), False
        self.start()

    def note(self, what):
        self.what, self.since = what, time.monotonic()

    def run(self):
        while True:
            time.sleep(1)
            if time.monotonic() - self.since > PATIENCE and self.vault.pid:
                print(f"WRONG: {self.what}: no answer for {PATIENCE} s; the daemon is killed", flush=True)
                self.has_bitten = True
                os.kill(self.vault.pid, signal.SIGKILL)
                self.since = time.monotonic()


class Walk:
    def __init__(self, vault, faults, settings):
        self.vault, self.faults, self.settings = vault, faults, settings
        self.dice = random.Random(settings.seed)
        self.dog = Watchdog(vault)
        self.wrong, self.injected, self.leftovers = 0, Counter(), Counter()
        self.number = self.told_later = self.renewed = self.log_seen = 0

    def complain(self, where, what):
        self.wrong += 1
        print(f"WRONG: {where}: {what}", flush=True)

    @property
    def bystanders(self):
        return self.vault.mount_point / "bystanders"

    def fill(self):
        top = self.bystanders
        top.mkdir()
        for name, size in (("inline", 2000), ("blocks", 300_000), (LONG, 700), ("empty", 0)):
            put(top / name, 0, text(name, size))
        (top / ("d" * 220)).mkdir()
        put(top / ("d" * 220) / "inside", 0, text("inside", 9000))
        os.symlink("target" * 50, top / "link")
        os.setxattr(top / "inline", MARK, b"of a bystander")
        os.truncate(top / "blocks", 1_000_000)
        self.before = look(top)

    def look_at_bystanders(self, where):
        try:
            found = look(self.bystanders)
        except OSError as error:
            return self.complain(where, f"of what was not touched: {error}")
        for name in {*found, *self.before}:
            if why := difference(found.get(name), self.before.get(name)):
                self.complain(where, f"{name}, which was not touched: {why}")

    # one fault in one operation

    def ready(self, operation):
        """A directory of its own in which the operation can be done; the kernel has looked nothing up in it."""
        self.number += 1
        top = self.vault.mount_point / str(self.number)
        top.mkdir()
        operation.prepare(top)
        return top

    def act(self, operation, top):
        try:
            operation.act(top)
        except OSError as error:
            return error.errno
        return 0

    def once(self, operation, expected, error, first, last):
        """Does the operation with these calls failing. Returns its directory and the states that may be found in it later."""
        before, after = expected
        top = self.ready(operation)
        where = f"{operation.name}, {errno.errorcode[error]} at call {first}{' and all after it' if last == EVER else ''}"
        self.dog.note(where)
        self.faults.arm(error, first, last)
        answer = self.act(operation, top)
        _, failed = self.faults.disarm()
        where += f" ({self.faults.name(first)})"
        self.injected[errno.errorcode[error]] += failed > 0
        if not self.vault._is_running():
            self.complain(where, "the daemon has died")
            raise Failure("no daemon")
        # The kernel calls an error of writing back EIO in places, whatever it was.
        if answer not in (0, error, errno.EIO):
            self.complain(where, f"gave {errno.errorcode.get(answer)}")
        if answer == 0 and not failed:
            return None
        try:
            found = self.look_after_error(top, answer)
        except OSError as problem:
            self.complain(where, f"after it: {problem}")
            return None
        for what in judge(found, before, after, operation, done=answer == 0):
            self.complain(where, f"answered {errno.errorcode.get(answer, 0)}; after it: {what}")
        # Once more, on a disk that is well: it is done, or was done. That is not so for what was done half-way by its nature.
        state = (before, after, operation, answer == 0)
        self.renew_journal(where)
        if self.number % 2 and answer != 0:
            again = self.act(operation, top)
            for _ in range(3):
                if again in (error, errno.EIO):  # told late, as above
                    again = self.act(operation, top)
            if again not in (0, errno.EEXIST, errno.ENOENT, errno.ENODATA):
                self.complain(where, f"once more on a disk that is well: {errno.errorcode.get(again)}")
            elif again == 0 and operation.name != "exchange":
                state = (before, after, operation, True)
                found = look(top)
                for what in judge(found, *state):
                    self.complain(where, f"once more on a disk that is well: {what}")
        if self.number % 5 == 0:
            self.look_at_bystanders(where)
        return top.name, where, state

    def look_after_error(self, top, answer):
        """The kernel writes times back behind a program's back; it keeps the error of that and tells it once, to who reads or synchronises next,
        and in places as EIO whatever it was."""
        for attempt in range(4):
            try:
                return look(top, lenient=answer != 0)
            except OSError as problem:
                if problem.errno not in (self.faults.page.error, errno.EIO) or attempt == 3:
                    raise
                self.told_later += answer == 0

    def renew_journal(self, where):
        """After a failed sync of its journal the daemon changes no sealed content until the vault is mounted again, as RELIABILITY.md says."""
        with open(self.vault.log_path, "rb") as log:
            log.seek(self.log_seen)
            news = log.read()
        self.log_seen += len(news)
        if b"sync of the journal" in news:
            self.renewed += 1
            self.dog.note(f"mounting again after {where}")
            self.vault.remount()

    def count_calls(self, operation, error):
        top = self.ready(operation)
        self.faults.arm(error)
        answer = self.act(operation, top)
        count, _ = self.faults.disarm()
        if answer != 0:
            raise Failure(f"{operation.name} without faults: {errno.errorcode.get(answer)}")
        return count

    def round(self, chosen):
        """Every fault of some operations, then unmount, check, mount and a look at all that they have left."""
        states = {}
        for operation in chosen:
            self.faults_of(operation, states)
        self.look_again(chosen[0].name if len(chosen) == 1 else f"{chosen[0].name} to {chosen[-1].name}", states)

    def faults_of(self, operation, states):
        expected = operation.expected()
        for error in self.settings.errors:
            count = self.count_calls(operation, error)
            share = self.settings.share
            # A call more than were counted: the daemon's threads do not always do the same.
            for first in range(1 + self.dice.randrange(share), count + 2, share):
                for last in (first, EVER):
                    left = self.once(operation, expected, error, first, last)
                    if left:
                        states[left[0]] = left[1:]

    def look_again(self, what, states):
        self.look_at_bystanders(what)
        self.dog.note(f"unmounting after {what}")
        self.vault.unmount()
        self.check(what, states)
        self.dog.note(f"mounting after {what}")
        self.vault.mount()
        self.look_at_bystanders(f"{what}, after the remount")
        for name, (where, state) in states.items():
            self.dog.note(where)
            try:
                found = look(self.vault.mount_point / name)
            except OSError as problem:
                self.complain(where, f"after the remount: {problem}")
                continue
            for what in judge(found, *state):
                self.complain(where, f"after the remount: {what}")
        self.clear(what)

    def clear(self, what):
        for path in self.vault.mount_point.iterdir():
            if path != self.bystanders:
                done = subprocess.run(["rm", "-rf", path], capture_output=True, text=True)
                if done.returncode != 0:
                    self.complain(what, f"cannot be removed: {done.stderr[-300:]}")

    def check(self, what, states=()):
        done = self.vault.command("check", "--json", self.vault.vault, check=False)
        if done.returncode not in (0, 110, 111, 112):
            return self.complain(what, f"check: exit {done.returncode} {done.stdout[-300:]} {done.stderr[-300:]}")
        for finding in json.loads(done.stdout)["findings"]:
            if finding["finding"] in LEFTOVERS:
                self.leftovers[finding["finding"]] += 1
                continue
            top = finding["path"].lstrip("/").split("/")[0]
            where = states[top][0] if top in states else what
            self.complain(where, f"check: {finding}")

    # mount, unmount, check

    def mounting(self):
        """Each call of a mount fails: it says so, or goes on; the next one finds everything."""
        self.vault.unmount()
        for what in ("mount", "mount and unmount"):
            self.whole(what, lambda: (self.vault.command("mount", self.vault.vault, self.vault.mount_point, "--log-file", self.vault.log_path, check=False),))
        self.checking()
        self.vault.mount()

    def whole(self, what, start):
        vault, faults = self.vault, self.faults
        in_unmount = what != "mount"

        def attempt(error, first, last):
            where = f"{what}, {errno.errorcode[error]} at call {first}"
            self.dog.note(where)
            if not in_unmount:
                faults.arm(error, first, last)
            begun = start()[0].returncode
            if begun < 0 or begun >= 128:
                self.complain(where, f"mount: exit {begun}")
            count, failed = 0, 0
            ended = 0
            if begun == 0:
                vault.pid = vault.find_daemon()
                if in_unmount:
                    put(vault.mount_point / "of the last mount", 0, text(first, 5000))
                    faults.arm(error, first, last)
                else:
                    count, failed = faults.disarm()
                done = vault.command("unmount", vault.mount_point, check=False)
                ended = done.returncode
                vault._wait_for_daemon(30)
            if in_unmount or begun != 0:
                count, failed = faults.disarm()
            self.injected[errno.errorcode[error]] += failed > 0
            return where, count, begun, ended

        for error in self.settings.errors:
            _, count, begun, ended = attempt(error, 0, 0)
            if begun or ended:
                self.complain(what, f"without faults: {begun} {ended}")
            share = self.settings.share
            for first in range(1 + self.dice.randrange(share), count + 2, share):
                for last in (first, EVER):
                    where, _, _, _ = attempt(error, first, last)
                    vault.more_environment = {}
                    try:
                        self.check(where)
                        vault.mount()
                        self.look_at_bystanders(where)
                        if in_unmount:
                            found = (vault.mount_point / "of the last mount").read_bytes()
                            if found != text(first, 5000):
                                self.complain(where, "what was synchronised before the unmount differs")
                        vault.unmount()
                    except Failure as failure:
                        self.complain(where, f"afterwards: {failure}")
                    vault.more_environment = self.faults.loaded

    def checking(self):
        """`check` on a disk that fails says so, and calls nothing damaged that is not."""
        self.faults.arm()
        self.vault.command("check", "--json", self.vault.vault, check=False)
        count, _ = self.faults.disarm()
        for first in range(1 + self.dice.randrange(self.settings.share), count + 1, self.settings.share):
            self.dog.note(f"check, call {first}")
            self.faults.arm(errno.EIO, first, first)
            done = self.vault.command("check", "--json", self.vault.vault, check=False)
            _, failed = self.faults.disarm()
            self.injected["EIO"] += failed > 0
            where = f"check, EIO at call {first} ({self.faults.name(first)})"
            if done.returncode < 0 or done.returncode >= 128:
                self.complain(where, f"exit {done.returncode} {done.stderr[-300:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--disk", choices=["tmpfs", "ext4"], default="tmpfs")
    parser.add_argument("--errors", default="EIO,EROFS,ENOSPC,EDQUOT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("names", nargs="*", help="operations whose name has one of these words, or 'mount'")
    settings = parser.parse_args()
    settings.errors = [getattr(errno, name) for name in settings.errors.split(",")]
    in_own_namespace()
    begin = time.monotonic()
    with DiskVault(settings.disk, size=256, keep=settings.keep) as vault:
        vault.require_encryption()
        vault.init()
        faults = Faults(vault)
        vault.more_environment = faults.loaded
        vault.mount()
        walk = Walk(vault, faults, settings)
        walk.fill()
        chosen = [operation for operation in operations() if not settings.names or any(word in operation.name for word in settings.names)]
        # A mount for each operation takes most of the time of a short walk.
        batch = 1 if settings.share == 1 else 16
        for start in range(0, len(chosen), batch):
            walk.round(chosen[start:start + batch])
        if not settings.names or "mount" in settings.names:
            walk.mounting()
        vault.unmount()
        if walk.wrong:
            print("daemon's log, its end:\n" + vault.log_tail(2000))
    print("calls that failed: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.calls.items())))
    print(f"left for the next mount: {dict(walk.leftovers)}; errors told by the kernel later: {walk.told_later}; "
          f"mounted again after a failed sync of the journal: {walk.renewed}")
    print(f"{len(chosen)} operations, {sum(walk.injected.values())} faults ({', '.join(f'{name} {count}' for name, count in walk.injected.items())}), "
          f"{time.monotonic() - begin:.0f} s, {walk.wrong} wrong")
    sys.exit(1 if walk.wrong or walk.dog.has_bitten else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
