#!/usr/bin/python3
"""A disk that fails: each call that the daemon makes on its vault's disk gives an error, one after the other.

    failing.py [--share N] [--disk tmpfs|ext4] [--errors EIO,EROFS,ENOSPC,EDQUOT] [--seed S] [--keep] [NAME…]

The daemon runs with fail.c loaded before the C library, which counts the calls on the vault's device and makes the chosen ones fail. Every operation of
operations.py is done as often as it makes calls: once the first of them fails, once the second…; each time that one call alone, and that call and all after
it until the disk is well again. The operation must give that error or be done; it must leave what was there before or what it was to make, byte by byte; what
else is in the mount must read; and once the disk is well it can be done again. After each operation's round: unmount, `check`, mount, and all of it once more.
The same is done with the calls of a mount, an unmount and a `check`. --share N: every Nth call only, with another start for each operation.
"""

import errno
import random
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

from disks import DiskVault, in_own_namespace  # noqa: E402
from faults import EVER, Faults  # noqa: E402
from judging import judge, look  # noqa: E402
from script import options, run  # noqa: E402
from starting import Starting  # noqa: E402
from vault import Failure  # noqa: E402
from walk import Walk  # noqa: E402


class Faulty(Walk):
    def __init__(self, vault, faults, settings):
        super().__init__(vault, settings)
        self.faults, self.dice = faults, random.Random(settings.seed)
        self.injected = Counter()
        self.told_later = 0

    # one fault in one operation

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
        if self.has_journal_ended():
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

    def count_calls(self, operation, error):
        top = self.ready(operation)
        self.faults.arm(error)
        answer = self.act(operation, top)
        count, _ = self.faults.disarm()
        if answer != 0:
            raise Failure(f"{operation.name} without faults: {errno.errorcode.get(answer)}\n{self.vault.log_tail()}")
        return count

    def round(self, chosen):
        """Every fault of some operations, then unmount, check, mount and a look at all that they have left."""
        states = {}
        for operation in chosen:
            self.faults_of(operation, states)
        self.look_again(chosen[0].name if len(chosen) == 1 else f"{chosen[0].name} to {chosen[-1].name}", states)

    def faults_of(self, operation, states):
        expected = operation.expected()
        for error in self.settings.errors[:1] if operation.is_slow else self.settings.errors:
            count = self.count_calls(operation, error)
            share = self.settings.share
            # A call more than were counted: the daemon's threads do not always do the same.
            for first in range(1 + self.dice.randrange(share), count + 2, share):
                for last in (first, EVER):
                    left = self.once(operation, expected, error, first, last)
                    if left:
                        states[left[0]] = left[1:]
        print(f"  {operation.name}: {sum(self.injected.values())} so far", flush=True)

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


def main():
    parser = options(__doc__, seed=1)
    parser.add_argument("--share", type=int, default=1)
    parser.add_argument("--disk", choices=["tmpfs", "ext4"], default="tmpfs")
    parser.add_argument("--errors", default="EIO,EROFS,ENOSPC,EDQUOT")
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
        walk = Faulty(vault, faults, settings)
        walk.fill()
        chosen = walk.chosen()
        # A mount for each operation takes most of the time of a short walk.
        batch = 1 if settings.share == 1 else 16
        for start in range(0, len(chosen), batch):
            walk.round(chosen[start:start + batch])
        if not settings.names or "mount" in settings.names:
            Starting(walk).run()
        vault.unmount()
        if walk.wrong:
            print("daemon's log, its end:\n" + vault.log_tail(2000))
    print("calls that failed: " + ", ".join(f"{name} {count}" for name, count in sorted(faults.calls.items())))
    print(f"left for the next mount: {dict(walk.leftovers)}; errors told by the kernel later: {walk.told_later}; "
          f"mounted again after a failed sync of the journal: {walk.renewed}")
    print(f"{len(chosen)} operations, {sum(walk.injected.values())} faults ({', '.join(f'{name} {count}' for name, count in walk.injected.items())}), "
          f"{time.monotonic() - begin:.0f} s, {walk.wrong} wrong")
    return walk.wrong or walk.dog.has_bitten


if __name__ == "__main__":
    run(main)
