"""What a daemon did to its vault while something worked in the mount, and the states that a power cut may have left then."""

import os
import shutil
import time
from pathlib import Path

from calls import CALLS, SYNCS, Trace
from disk import Disk
from history import History
from vault import Failure

# What a planted fault forgets: every sync, those of the journal, or those of everything else. That of vault.json stays: without it nothing opens.
PLANTS = ("all", "journal", "files")


class Tracer:
    """`with Tracer(lab)`: the mounts that are made inside are traced; `calls` after it, when their daemons have ended."""

    def __init__(self, lab, name="trace"):
        self.lab, self.output, self.calls = lab, lab.base / name, None

    def __enter__(self):
        self.lab.wrapper = ["strace", "-D", "-f", "-qq", "-ttt", "-y", "-xx", "-s", "8388608", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", str(self.output)]
        return self

    def __exit__(self, kind, *_):
        self.lab.wrapper = []
        if kind is None:
            self._wait()
            self.calls = Trace(self.output, self.lab.vault).calls
        self.output.unlink(missing_ok=True)

    def _wait(self):
        """strace ends by itself when the daemon has."""
        deadline = time.monotonic() + 30
        wanted = str(self.output).encode()
        while time.monotonic() < deadline:
            for entry in filter(str.isdigit, os.listdir("/proc")):
                try:
                    words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if wanted in words and words[0].endswith(b"strace"):
                    break
            else:
                return
            time.sleep(0.05)
        raise Failure("strace does not end")


class States:
    """The states that the calls may leave of the vault `before`, which is a directory."""

    def __init__(self, before, calls):
        self.before, self.calls = before, calls

    def forget_syncs(self, plant):
        """A planted fault: what the daemon made durable counts as if it had not."""
        def stays(call):
            path = call.path or b""
            is_journal = path.startswith(b".envelopefs/journal")
            if plant == "all" and path.startswith(b".envelopefs") and not is_journal:
                return True
            return call.kind not in SYNCS or plant == "journal" and not is_journal or plant == "files" and path.startswith(b".envelopefs")
        self.calls = [call for call in self.calls if stays(call)]
        for call in self.calls:
            if call.kind in SYNCS:
                call.extra["before"] = next((place for place, other in enumerate(self.calls) if other.moment >= call.began), len(self.calls))

    def some(self, count, choice):
        """Yields (index of the last call, moment at which the next began, disk): spread over all moments between two calls."""
        moments = sorted([choice.randrange(len(self.calls)) for _ in range(count - 1)] + [len(self.calls) - 1])
        disk = Disk(self.before)
        place = 0
        for index, call in enumerate(self.calls):
            disk.apply(index, call)
            end = self.calls[index + 1].moment if index + 1 < len(self.calls) else float("inf")
            while place < len(moments) and moments[place] == index:
                place += 1
                yield index, end, disk


def record(lab, workload, choice):
    """A workload in a mount of the lab's vault, which then is killed or unmounted: (States, History)."""
    before = lab.base / "before"
    shutil.copytree(lab.vault, before, symlinks=True)
    with Tracer(lab) as tracer:
        lab.mount()
        history = History(lab.mount_point)
        try:
            workload.work(history, choice)
            if choice.random() < 0.3:
                history.close_all()
                workload.end()
                lab.unmount()
            else:
                lab.kill()
        finally:
            history.close_all()
            workload.end()
    return States(before, tracer.calls), history


def record_mount(lab, state, choice):
    """A mount of one state, which replays its journal, and is killed or unmounted soon: the States of that."""
    before, vault = lab.base / "before replay", lab.vault
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(state, before, symlinks=True)
    lab.vault = state
    try:
        with Tracer(lab, "trace of a replay") as tracer:
            lab.mount()
            if choice.random() < 0.5:
                time.sleep(choice.choice([0, 0.2, 0.6]))
                lab.kill()
            else:
                lab.unmount()
    finally:
        lab.vault = vault
    return States(before, tracer.calls)
