"""A disk that fails while a vault is mounted, unmounted or checked."""

import errno

from faults import EVER
from operations import put, text
from vault import Failure


class Starting:
    def __init__(self, walk):
        self.walk, self.vault, self.faults = walk, walk.vault, walk.faults

    def run(self):
        """Each call of a mount fails, then each of an unmount: it says so, or goes on; the next mount finds everything."""
        self.vault.unmount()
        for in_unmount in (False, True):
            for error in self.walk.settings.errors:
                self.every_call(error, in_unmount)
        self.checking()
        self.vault.mount()

    def every_call(self, error, in_unmount):
        where = "mount and unmount" if in_unmount else "mount"
        count, said = self.mount_and_unmount(where, in_unmount, error, 0, 0)
        if any(said):
            self.walk.complain(where, f"without faults: {said}")
        share = self.walk.settings.share
        for first in range(1 + self.walk.dice.randrange(share), count + 2, share):
            for last in (first, EVER):
                where = f"{'mount and unmount' if in_unmount else 'mount'}, {errno.errorcode[error]} at call {first}"
                self.mount_and_unmount(where, in_unmount, error, first, last)
                self.look_after(where, text(first, 5000) if in_unmount else None)

    def mount_and_unmount(self, where, in_unmount, error, first, last):
        """One of the two with these calls failing. Returns how many there were, and with what the mount and the unmount ended."""
        vault, faults = self.vault, self.faults
        self.walk.dog.note(where)
        if not in_unmount:
            faults.arm(error, first, last)
        begun = vault.command("mount", vault.vault, vault.mount_point, "--log-file", vault.log_path, check=False).returncode
        if begun < 0 or begun >= 128:
            self.walk.complain(where, f"mount: exit {begun}")
        if not in_unmount:
            count, failed = faults.disarm()
        ended = 0
        if begun == 0:
            vault.pid = vault.find_daemon()
            if in_unmount:
                put(vault.mount_point / "of the last mount", 0, text(first, 5000))
                faults.arm(error, first, last)
            ended = vault.command("unmount", vault.mount_point, check=False).returncode
            vault._wait_for_daemon(30)
        if in_unmount:
            count, failed = faults.disarm()
        self.walk.injected[errno.errorcode[error]] += failed > 0
        return count, (begun, ended)

    def look_after(self, where, synchronised):
        """On a disk that is well; `synchronised` is what the last mount's file has to hold."""
        self.vault.more_environment = {}
        try:
            self.walk.check(where)
            self.vault.mount()
            self.walk.look_at_bystanders(where)
            if synchronised is not None and (self.vault.mount_point / "of the last mount").read_bytes() != synchronised:
                self.walk.complain(where, "what was synchronised before the unmount differs")
            self.vault.unmount()
        except Failure as failure:
            self.walk.complain(where, f"afterwards: {failure}")
        self.vault.more_environment = self.faults.loaded

    def checking(self):
        """`check` on a disk that fails says so, and calls nothing damaged that is not."""
        walk, share = self.walk, self.walk.settings.share
        self.faults.arm()
        self.vault.command("check", "--json", self.vault.vault, check=False)
        count, _ = self.faults.disarm()
        for first in range(1 + walk.dice.randrange(share), count + 1, share):
            walk.dog.note(f"check, call {first}")
            self.faults.arm(errno.EIO, first, first)
            done = self.vault.command("check", "--json", self.vault.vault, check=False)
            _, failed = self.faults.disarm()
            walk.injected["EIO"] += failed > 0
            if done.returncode < 0 or done.returncode >= 128:
                walk.complain(f"check, EIO at call {first} ({self.faults.name(first)})", f"exit {done.returncode} {done.stderr[-300:]}")
