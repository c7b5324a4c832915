#!/usr/bin/python3
"""Cuts the power under a vault: records what the daemon does to it, rebuilds states that a power cut may leave, and looks at each.

    powercut.py [--states N] [--recordings N] [--seed S] [--mounted N] [--checked N] [--no-journal] [WORKLOAD ...]
    powercut.py --plant [all|journal|files]        must find lost files

Needs strace, and the right to trace and to mount. Each state is read by the independent decryptor; `--mounted` of them through a
mount as well. With a journal these, and `--checked` more, are looked at by `check`, before the mount and after it, which must call nothing damage: it ends with 0 or 111. What was synced must read back (expectation.py and SECURITY.md say how far, with a journal and without),
every block must be one that a program has written, and no state may keep the vault from being opened or mounted. The workload `replay` cuts the
power a second time, while a mount replays the journal of a state. git and SQLite judge for themselves.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted"), str(HERE.parent / "Interop")]
sys.dont_write_bytecode = True

from envelope.keystore import Keystore  # noqa: E402
from envelope.primitives import Refused  # noqa: E402
from programs import PROGRAMS  # noqa: E402
from reading import Tree, through_check, through_mount  # noqa: E402
from recording import PLANTS, record, record_mount  # noqa: E402
from vault import Failure, Vault  # noqa: E402
from workloads import WORKLOADS  # noqa: E402
from workloads_journal import JOURNAL_WORKLOADS  # noqa: E402


class Changes:
    """A workload of single operations in a History, which says what must be there."""

    def __init__(self, work):
        self.work = work

    def judge(self, state, keystore, history, end, promise):
        """What is wrong, and how the state reads."""
        tree = Tree(state, keystore)
        expected = history.at(end)
        faults = expected.judge(tree, promise)
        tree.torn = expected.torn
        return faults + [f"{path}: {why}" for path, why in tree.problems if "without its side file" not in why], tree

    def end(self):
        pass


SINGLE = WORKLOADS | JOURNAL_WORKLOADS
# Those whose states are worth a replay: they leave records.
REPLAYED = ["log", "overwrite", "small", "cut", "mixed", *JOURNAL_WORKLOADS]
ALL = [*SINGLE, "replay", *PROGRAMS]


def workload(name):
    return PROGRAMS[name]() if name in PROGRAMS else Changes(SINGLE[name])


class Run:
    """One recording of one workload."""

    def __init__(self, lab, name, seed, settings):
        self.lab, self.name, self.seed, self.settings = lab, name, seed, settings
        self.choice = random.Random(f"{name} {seed}")
        self.keystore = Keystore(str(lab.keystore), passphrase=lab.passphrase_file.read_bytes().strip())
        features = json.loads((lab.vault / ".envelopefs" / "vault.json").read_text().split("\n")[0])["features"]
        self.promise = settings.promise or ("journal" if "JOURNAL" in features else "blocks")
        self.looked = self.mounted = self.checked = self.wrong = self.records = self.torn = 0

    def whole(self):
        """All states; how many were wrong."""
        name = self.choice.choice(REPLAYED) if self.name == "replay" else self.name
        self.work = workload(name)
        states, self.history = record(self.lab, self.work, self.choice)
        if self.settings.plant:
            states.forget_syncs(self.settings.plant)
        if self.name == "replay":
            self._replays(states)
        else:
            self._look_at(states, self.settings.states, None, "")
        print(f"{self.name}{' of ' + name if name != self.name else ''} seed {self.seed}: {len(states.calls)} calls, {self.looked} states, {self.records} with records, "
              f"{self.torn} with new blocks torn, {self.checked} checked, {self.mounted} mounted, {self.wrong} wrong", flush=True)
        return self.wrong

    def _look_at(self, states, count, fixed_end, what):
        def chosen(number, wanted):
            return bool(wanted) and number % max(1, count // wanted) == max(1, count // wanted) - 1
        state = self.lab.base / "state"
        for number, (index, end, disk) in enumerate(states.some(count, self.choice)):
            disk.write_state(state, self.choice)
            faults = self._faults(state, end if fixed_end is None else fixed_end, chosen(number, self.settings.mounted), chosen(number, self.settings.checked))
            self.looked += 1
            if faults:
                self.wrong += 1
                if self.wrong <= self.settings.show:
                    call = states.calls[index]
                    print(f"{self.name} seed {self.seed} {what}state {number}, after call {index} of {len(states.calls)} ({call.kind} {call.path} {call.offset}):")
                    for fault in faults[:6]:
                        print("   ", fault)
                if self.settings.keep:
                    shutil.copytree(state, Path(self.settings.keep) / f"{self.name}-{self.seed}-{what}{number}", symlinks=True)
            shutil.rmtree(state)

    def _faults(self, state, end, is_mounted, is_checked=False):
        try:
            faults, tree = self.work.judge(state, self.keystore, self.history, end, self.promise)
            self.records += tree.records > 0
            self.torn += tree.torn
            if not faults and self.promise == "journal" and (is_checked or is_mounted):
                self.checked += 1
                through_check(self.lab, state, tree, "the state")
            if not faults and is_mounted:
                self.mounted += 1
                through_mount(self.lab, state, tree, self.promise)
            return faults
        except (Refused, OSError, Failure) as error:
            return [f"{type(error).__name__}: {error}"]

    def _replays(self, states):
        """Mounts some states, and cuts the power under each of these mounts. What was promised before the first cut is so after the second."""
        each = 20
        first = self.lab.base / "first state"
        for number, (_, end, disk) in enumerate(states.some(max(1, self.settings.states // each), self.choice)):
            disk.write_state(first, self.choice)
            if self._faults(first, end, False):
                raise Failure("a state is wrong before it is mounted: run the workload itself")
            self._look_at(record_mount(self.lab, first, self.choice), each, end, f"replay {number} ")
            shutil.rmtree(first)


def one_recording(settings, name, seed):
    """One recording of one workload in a vault of its own: (wrong states, all states)."""
    with Vault(prefix="efs-powercut-") as lab:
        lab.init(*["--no-journal"] if settings.no_journal else [])
        # Opens without scrypt, which would be most of a check's time.
        lab.command("keystore", "add-slot", "key-file", lab.base / "key")
        run = Run(lab, name, seed, settings)
        return run.whole(), run.looked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(ALL))
    parser.add_argument("--states", type=int, default=100, help="of each recording")
    parser.add_argument("--recordings", type=int, default=1, help="of each workload")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mounted", type=int, default=2, help="states of each recording that are mounted")
    parser.add_argument("--checked", type=int, default=0, help="states of each recording that are looked at by check, besides those that are mounted")
    parser.add_argument("--no-journal", action="store_true", help="a vault without a journal, and what is promised of that")
    parser.add_argument("--promise", choices=["blocks", "tails", "journal"], help="judge by this, whatever the vault is")
    parser.add_argument("--plant", nargs="?", const="all", choices=PLANTS, help="forget syncs of the daemon's: the test must find something wrong")
    parser.add_argument("--show", type=int, default=3, help="how many wrong states are told of each recording")
    parser.add_argument("--jobs", type=int, default=1, help="recordings that are made and looked at side by side")
    parser.add_argument("--keep", help="a directory for the wrong states")
    settings = parser.parse_args()
    workloads = settings.workloads or [name for name in ALL if not settings.no_journal or name in WORKLOADS]
    if not set(workloads) <= set(ALL):
        parser.error("there are " + ", ".join(ALL))
    first = settings.seed if settings.seed is not None else random.randrange(1 << 30)
    os.environ.setdefault("ENVELOPEFS_TEST_DIR", "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    jobs = [(settings, name, seed) for seed in range(first, first + settings.recordings) for name in workloads]
    if settings.jobs > 1:
        with ProcessPoolExecutor(settings.jobs) as pool:
            results = list(pool.map(one_recording, *zip(*jobs)))
    else:
        results = [one_recording(*job) for job in jobs]
    wrong, states = (sum(result[place] for result in results) for place in (0, 1))
    print(f"{states} states, {wrong} wrong")
    if settings.plant:
        return 0 if wrong else 1
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError) as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
