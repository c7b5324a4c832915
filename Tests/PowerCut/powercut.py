#!/usr/bin/python3
"""Cuts the power under a vault: records what the daemon does to it, rebuilds states that a power cut may leave, and looks at each.

    powercut.py [--states N] [--recordings N] [--seed S] [--mounted N] [WORKLOAD ...]
    powercut.py --plant           must find lost files

Needs strace, and the right to trace and to mount. Each state is read by the independent decryptor; `--mounted` of them through a
mount as well. What was synced and not touched since must read back (SECURITY.md says how far), every block must be one that a
program has written, and no state may keep the vault from being opened or mounted.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted"), str(HERE.parent / "Interop")]
sys.dont_write_bytecode = True

from envelope.keystore import Keystore  # noqa: E402
from envelope.primitives import Refused  # noqa: E402
from envelope.vault import Vault as Decrypted  # noqa: E402
from disk import Disk  # noqa: E402
from history import BLOCK, History  # noqa: E402
from calls import CALLS, SYNCS, Trace  # noqa: E402
from vault import Failure, Vault  # noqa: E402
from workloads import WORKLOADS  # noqa: E402


class Reader:
    """A file as it reads: `blocks` {number: bytes, None where refused}."""

    def __init__(self, size=0, refusal=None):
        self.size, self.refusal, self.blocks = size, refusal, {}


class Tree(dict):
    """Visits a vault with the decryptor: plain path to what stands there."""

    def __init__(self, path, keystore):
        super().__init__()
        vault = Decrypted(os.fsencode(str(path)), keystore)
        try:
            self._vault = vault
            vault.walk(self)
            self.problems = [(path, why) for path, why in vault.problems if path not in (b"/" + os.fsencode(own) for own in self)]
        finally:
            vault.close()

    def enter(self, path, item, fd):
        if item is not None:
            self[os.fsdecode(path[1:])] = "directory"

    def leave(self, path, item, fd):
        pass

    def item(self, path, item):
        path = os.fsdecode(path[1:])
        if item.kind == "link":
            self[path] = ("link", self._vault.target(item))
        elif item.kind == "file":
            self[path] = self._file(item)

    def _file(self, item):
        fd = self._vault.open_file(item)
        try:
            content = self._vault.content(fd)
            reader = Reader(content.size)
            for offset, data, refusal in content.extents():
                width = min(BLOCK, content.size - offset)
                reader.blocks[offset // BLOCK] = None if refusal is not None else bytes(width) if data is None else data
            return reader
        except Refused as why:
            return Reader(refusal=str(why))
        finally:
            os.close(fd)


class Recording:
    """One workload in one vault: what the daemon did, and what was acknowledged."""

    def __init__(self, lab, workload, choice, ending):
        self.name, self.lab = workload, lab
        self.before = lab.base / "before"
        shutil.copytree(lab.vault, self.before, symlinks=True)
        output = lab.base / "trace"
        lab.wrapper = ["strace", "-D", "-f", "-qq", "-ttt", "-y", "-xx", "-s", "8388608", "-e", "trace=" + CALLS, "-e", "signal=none", "-o", str(output)]
        lab.mount()
        lab.wrapper = []
        self.history = History(lab.mount_point)
        try:
            WORKLOADS[workload](self.history, choice)
            if ending == "unmount":
                self.history.close_all()
                lab.unmount()
            else:
                lab.kill()
        finally:
            self.history.close_all()
        wait_for_tracer(output)
        self.calls = Trace(output, lab.vault).calls

    def forget_syncs(self):
        """A planted fault: content and names that the daemon made durable count as if it had not."""
        self.calls = [call for call in self.calls if call.kind not in SYNCS or (call.path or b"").startswith(b".envelopefs")]

    def states(self, count, choice):
        """Yields (moment, function that writes one state): spread over all moments between two calls."""
        moments = [choice.randrange(len(self.calls)) for _ in range(count - 1)] + [len(self.calls) - 1]
        moments.sort()
        disk = Disk(self.before)
        place = 0
        for index, call in enumerate(self.calls):
            disk.apply(index, call)
            end = self.calls[index + 1].moment if index + 1 < len(self.calls) else float("inf")
            while place < len(moments) and moments[place] == index:
                place += 1
                yield index, end, disk


def wait_for_tracer(output):
    """strace ends by itself when the daemon has."""
    deadline = time.monotonic() + 30
    wanted = str(output).encode()
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


def through_mount(lab, state, tree):
    """Mounts a state: it must mount, read as the decryptor says, take new files, and be whole after the unmount."""
    lab.vault = state
    lab.mount()
    try:
        for path, reader in tree.items():
            if isinstance(reader, Reader):
                compare(lab.mount_point / path, path, reader)
        (lab.mount_point / "after the cut").write_bytes(b"x" * 5000)
        if (lab.mount_point / "after the cut").read_bytes() != b"x" * 5000:
            raise Failure("a new file does not read back")
    finally:
        lab.unmount()


def compare(place, path, reader):
    try:
        with open(place, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if reader.refusal is not None:
                # The daemon opens inline content when it is read.
                os.pread(file.fileno(), BLOCK, 0)
                raise Failure(f"{path}: reads, and the decryptor refuses it: {reader.refusal}")
            if size != reader.size:
                raise Failure(f"{path}: {size} bytes, and the decryptor finds {reader.size}")
            for number, expected in reader.blocks.items():
                try:
                    found = os.pread(file.fileno(), BLOCK, number * BLOCK)
                except OSError:
                    found = None
                if found != expected:
                    raise Failure(f"{path}: block {number} reads as {found and found[:32]}, the decryptor has {expected and expected[:32]}")
    except OSError as error:
        if reader.refusal is None:
            raise Failure(f"{path}: {error}, and the decryptor opens it") from error


def run(lab, workload, seed, settings):
    choice = random.Random(f"{workload} {seed}")
    recording = Recording(lab, workload, choice, "unmount" if choice.random() < 0.3 else "kill")
    if settings.plant:
        recording.forget_syncs()
    keystore = Keystore(str(lab.keystore), passphrase=lab.passphrase_file.read_bytes().strip())
    every = max(1, settings.states // max(1, settings.mounted)) if settings.mounted else 0
    state = lab.base / "state"
    wrong = mounted = 0
    for number, (index, end, disk) in enumerate(recording.states(settings.states, choice)):
        disk.write_state(state, choice)
        try:
            tree = Tree(state, keystore)
            faults = recording.history.at(end).judge(tree, settings.promise)
            faults += [f"{path}: {why}" for path, why in tree.problems if b"without its side file" not in why.encode()]
            if not faults and every and number % every == every - 1:
                mounted += 1
                through_mount(lab, state, tree)
        except (Refused, OSError, Failure) as error:
            faults = [f"{type(error).__name__}: {error}"]
        if faults:
            wrong += 1
            if wrong <= settings.show:
                print(f"{workload} seed {seed} state {number}, after call {index} ({recording.calls[index].kind} {recording.calls[index].path}):")
                for fault in faults[:6]:
                    print("   ", fault)
            if settings.keep:
                shutil.copytree(state, Path(settings.keep) / f"{workload}-{seed}-{number}", symlinks=True)
        shutil.rmtree(state)
    print(f"{workload} seed {seed}: {len(recording.calls)} calls, {settings.states} states, {mounted} of them mounted, {wrong} wrong", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--states", type=int, default=100, help="of each recording")
    parser.add_argument("--recordings", type=int, default=1, help="of each workload")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--mounted", type=int, default=2, help="states of each recording that are mounted")
    parser.add_argument("--promise", choices=["blocks", "tails"], default="blocks")
    parser.add_argument("--plant", action="store_true", help="forget every sync of the daemon's: the test must find something wrong")
    parser.add_argument("--show", type=int, default=3, help="how many wrong states are told of each recording")
    parser.add_argument("--keep", help="a directory for the wrong states")
    settings = parser.parse_args()
    workloads = settings.workloads or list(WORKLOADS)
    if not set(workloads) <= set(WORKLOADS):
        parser.error("there are " + ", ".join(WORKLOADS))
    first = settings.seed if settings.seed is not None else random.randrange(1 << 30)
    os.environ.setdefault("ENVELOPEFS_TEST_DIR", "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
    wrong = states = 0
    for seed in range(first, first + settings.recordings):
        for workload in workloads:
            with Vault(prefix="efs-powercut-") as lab:
                lab.init()
                wrong += run(lab, workload, seed, settings)
                states += settings.states
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
