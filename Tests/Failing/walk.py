"""What the tests of failing and of full disks have in common: a mount, bystanders, a watchdog, and what may be left for the next mount."""

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter

from judging import difference, look
from operations import LONG, MARK, operations, put, text
from stacks import stacks
from vault import PATIENCE

LIMIT = 60 * PATIENCE
# what an error may leave for the next mount or --repair, as Docs/RELIABILITY.md says
LEFTOVERS = {"left-open", "left-recovering", "orphaned-side-file", "doubled-empty-directory", "vault-not-clean", "behind-inline"}


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
            if time.monotonic() - self.since > LIMIT and self.vault.pid:
                print(f"WRONG: {self.what}: no answer for {LIMIT:.0f} s; the daemon is killed\n{stacks(self.vault.pid)}", flush=True)
                self.has_bitten = True
                os.kill(self.vault.pid, signal.SIGKILL)
                self.since = time.monotonic()


class Walk:
    """Does operations in a mount whose disk is not well, each in a directory of its own beside bystanders that nothing may happen to."""

    def __init__(self, vault, settings):
        self.vault, self.settings = vault, settings
        self.dog = Watchdog(vault)
        self.wrong, self.leftovers = 0, Counter()
        self.number = self.renewed = self.log_seen = 0

    def chosen(self):
        """The operations that the command line names; all, if it names none."""
        return [operation for operation in operations() if not self.settings.names or any(word in operation.name for word in self.settings.names)]

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

    def has_journal_ended(self):
        """After a failed sync of its journal the daemon changes no sealed content until the vault is mounted again, as RELIABILITY.md says."""
        with open(self.vault.log_path, "rb") as log:
            log.seek(self.log_seen)
            news = log.read()
        self.log_seen += len(news)
        return b"sync of the journal" in news

    def renew_journal(self, where):
        self.renewed += 1
        self.dog.note(f"mounting again after {where}")
        self.vault.remount()

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
