#!/usr/bin/python3
"""Random operations on a plain directory and in a mount, compared step by step; trees compared at checkpoints and after remounts.

    differential.py --operations 20000 --writers 2 [--seed S] [--as root|user] [--minutes M]     makes its own vault
    differential.py --plain DIR --mount DIR …                                                  two directories, no remounts
    differential.py --replay TRACE [--minimize]                                                one writer's recorded steps again

Each writer has its own subtree on both sides, its own generator (seed, writer, round) and its own process; all share the
mount. A round ends with everything closed, the trees compared, a remount, and the trees compared again. The seed is printed
first; the same seed and options give the same operations. On a difference: the last steps, and the trace of that writer.
Allowed differences: comparison.py.
"""

import argparse
import ast
import errno
import os
import random
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

import comparison  # noqa: E402
from generator import Generator  # noqa: E402
from operations import RENAME_EXCHANGE, Side  # noqa: E402
import vault as vaults  # noqa: E402

# Links may climb a few levels: so that they stay on their own side, the working root lies this deep.
DEPTH = b"deep/deep/deep/deep/deep/deep/deep/deep"
LONGEST_SHORT_NAME = 160
CHECK_EVERY = 400
QUIET_LIMIT = 120


class Pair:
    """Both sides of one writer, and how a step is made on them."""

    def __init__(self, plain_top, mount_top):
        self.tops = plain_top, mount_top
        self.plain, self.mount = Side(plain_top + b"/" + DEPTH), Side(mount_top + b"/" + DEPTH)
        self.user = (0, 0)

    @staticmethod
    def make(top):
        os.makedirs(top + b"/" + DEPTH, exist_ok=True)
        os.chmod(top + b"/" + DEPTH, 0o777)

    def allowed_refusal(self, operation):
        """The errno with which the mount may refuse, having changed nothing; the plain side then does not act either."""
        return errno.EINVAL if self.may_refuse_exchange(operation) else 0

    def may_refuse_exchange(self, operation):
        """Allowed difference 5: a directory or a long name takes part."""
        if operation[0] != "rename" or operation[3] != RENAME_EXCHANGE:
            return False
        for path in operation[1:3]:
            if len(os.path.basename(path.rstrip(b"/"))) > LONGEST_SHORT_NAME:
                return True
            try:
                if stat.S_ISDIR(os.lstat(self.plain.root + path).st_mode):
                    return True
            except OSError:
                pass
        return False

    def step(self, operation):
        """(None or the difference, whether the plain side succeeded)."""
        if operation[0] == "check":
            return self.check(), False
        refusal = self.allowed_refusal(operation)
        if refusal:
            mount = self.mount.perform(operation)
            if mount[0] == refusal:
                return None, False
            plain = self.plain.perform(operation)
        else:
            plain = self.plain.perform(operation)
            mount = self.mount.perform(operation)
        if operation[0] == "become" and plain[0] == 0:
            self.user = operation[1:]
        return comparison.difference(operation, plain, mount, self.plain, self.mount), plain[0] == 0

    def check(self):
        """Compares the trees, as the user we started as."""
        if self.user == (0, 0):
            return comparison.tree_difference(*self.tops)
        before = self.user
        self.plain.become(0, 0)
        try:
            return comparison.tree_difference(*self.tops)
        finally:
            self.plain.become(*before)

    def close(self):
        """Closes all handles, as root again; returns None or what close reported."""
        if self.user != (0, 0):
            self.plain.become(0, 0)
            self.user = (0, 0)
        wrong, mine = self.plain.close_all(), self.mount.close_all()
        return None if wrong == mine else f"at closing: expected {wrong}, got {mine}"


def encode(operation):
    return (repr(operation) + "\n").encode()


class Writer:
    """One round of one writer, in its own process."""

    def __init__(self, settings, number, round_number):
        self.settings, self.number = settings, number
        self.seed = f"{settings.seed}/{number}/{round_number}"
        self.trace_path = settings.traces / f"writer-{number}.trace"
        self.pair = Pair(*(os.fsencode(top) + b"/w%d" % number for top in (settings.plain, settings.mount)))
        self.last = []
        self.counts = Counter()

    def run(self, count):
        os.umask(0o022)
        self.trace = os.open(self.trace_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        generator = Generator(self.seed, os.geteuid() == 0, self.settings.callers, next_handle=round(time.monotonic() * 1000))
        # Handles only need names that no earlier round of the trace used; they do not influence what is done.
        generator.load(os.fsdecode(self.pair.tops[0] + b"/" + DEPTH))
        if self.step(("check",)):
            return 1
        for number in range(1, count + 1):
            operation = generator.next()
            succeeded, wrong = self.measured(operation)
            if wrong:
                return 1
            generator.note(operation, succeeded)
            if number % CHECK_EVERY == 0 and self.step(("check",)):
                return 1
            if number % 500 == 0 and self.settings.deadline and time.monotonic() > self.settings.deadline:
                break
        wrong = self.pair.close()
        if wrong:
            return self.report(("close all",), wrong)
        if self.step(("check",)):
            return 1
        self.record(("remount",))
        with open(self.settings.traces / f"counts-{self.number}", "a") as file:
            file.write(repr(dict(self.counts)) + "\n")
        return 0

    def record(self, operation):
        os.write(self.trace, encode(operation))
        self.last = self.last[-11:] + [operation]

    def measured(self, operation):
        self.record(operation)
        wrong, succeeded = self.pair.step(operation)
        self.counts[operation[0] if succeeded else "refused " + operation[0]] += 1
        return succeeded, self.report(operation, wrong) if wrong else 0

    def step(self, operation):
        return self.measured(operation)[1]

    def report(self, operation, wrong):
        lines = [f"\nDIFFERENCE: writer {self.number}, seed {self.settings.seed}, generator {self.seed}",
                 f"  at: {operation!r:.600}", f"  {wrong}", "  last steps:"]
        lines += [f"    {step!r:.300}" for step in self.last]
        lines += [f"  trace: {self.trace_path}   (again: differential.py --replay TRACE --minimize)"]
        print("\n".join(lines), flush=True)
        return 1


def read_everything(top, drop_caches):
    """A reader beside the writers: walks the mount again and again, reads what it meets; only what vanishes may fail."""
    vanished = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ELOOP)
    while True:
        for folder, folders, files in os.walk(os.fsencode(top)):
            for name in folders + files:
                path = os.path.join(folder, name)
                try:
                    if stat.S_ISREG(os.lstat(path).st_mode):
                        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                        try:
                            os.pread(descriptor, 50000, 0)
                        finally:
                            os.close(descriptor)
                    os.listxattr(path, follow_symlinks=False)
                except OSError as error:
                    if error.errno not in (*vanished, errno.EACCES, errno.EPERM):
                        print(f"\nDIFFERENCE: the reader got {errno.errorcode.get(error.errno)} for {path!r}", flush=True)
                        return
        if drop_caches:
            with open("/proc/sys/vm/drop_caches", "w") as switch:
                switch.write("2")
        time.sleep(0.05)


def run_round(settings, round_number, counts):
    """Starts the writers and readers, watches that they get on, and returns whether all found both sides equal."""
    readers = []
    for _ in range(settings.readers if any(counts) else 0):
        reader = os.fork()
        if reader == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                read_everything(settings.mount, settings.drop_caches)
            finally:
                os._exit(3)
        readers.append(reader)
    try:
        good = run_writers(settings, round_number, counts)
    finally:
        for reader in readers:  # also those that have ended: they are still ours to wait for
            os.kill(reader, signal.SIGKILL)
        ends = [os.waitpid(reader, 0)[1] for reader in readers]
    return good and all(os.WIFSIGNALED(end) and os.WTERMSIG(end) == signal.SIGKILL for end in ends)


def run_writers(settings, round_number, counts):
    children = {}
    for number, count in enumerate(counts):
        child = os.fork()
        if child == 0:
            code = 2
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                code = Writer(settings, number, round_number).run(count)
            except BaseException as error:  # a child must never run the parent's clean-up
                import traceback
                traceback.print_exc()
                print(f"writer {number}: {error!r}", flush=True)
            finally:
                sys.stdout.flush()
                os._exit(code)
        children[child] = number
    everything = True
    sizes, moved = None, time.monotonic()
    while children:
        child, status = next((ended for ended in (os.waitpid(child, os.WNOHANG) for child in list(children)) if ended[0]), (0, 0))
        if child:
            number = children.pop(child)
            if os.WIFSIGNALED(status) and (everything or os.WTERMSIG(status) != signal.SIGTERM):
                report_death(settings, number, f"ended by {signal.Signals(os.WTERMSIG(status)).name}")
            everything = everything and status == 0
            if status != 0:
                for other in children:
                    os.kill(other, signal.SIGTERM)
            continue
        now = [os.path.getsize(settings.traces / f"writer-{n}.trace") if (settings.traces / f"writer-{n}.trace").exists() else 0
               for n in range(len(counts))]
        if now != sizes:
            sizes, moved = now, time.monotonic()
        elif time.monotonic() - moved > QUIET_LIMIT:
            for child, number in children.items():
                report_death(settings, number, f"no step for {QUIET_LIMIT} s: the mount hangs")
                os.kill(child, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return everything


def report_death(settings, number, how):
    lines = (settings.traces / f"writer-{number}.trace").read_bytes().splitlines()[-12:]
    print(f"\nDIFFERENCE: writer {number}, seed {settings.seed}: {how}; last steps, the last one not finished:", flush=True)
    for line in lines:
        print("   ", line.decode()[:300])


def run(settings, remount):
    """Rounds until the operations are done or the time is over."""
    for top in (settings.plain, settings.mount):
        for number in range(settings.writers):
            Pair.make(os.fsencode(top) + b"/w%d" % number)
    started, done, round_number = time.monotonic(), 0, 0
    while done < settings.operations and not (settings.deadline and time.monotonic() > settings.deadline):
        count = min(settings.per_round, (settings.operations - done + settings.writers - 1) // settings.writers)
        if not run_round(settings, round_number, [count] * settings.writers):
            return False
        done += count * settings.writers
        round_number += 1
        remount()
        if not settings.quiet:
            rate = done / (time.monotonic() - started)
            print(f"round {round_number}: {done} operations, {rate:.0f}/s", flush=True)
    # the trees once more, after the last remount
    if not run_round(settings, round_number, [0] * settings.writers):
        return False
    summarize(settings, done, time.monotonic() - started)
    return True


def summarize(settings, done, seconds):
    total = Counter()
    for path in settings.traces.glob("counts-*"):
        for line in path.read_text().splitlines():
            total.update(ast.literal_eval(line))
    succeeded = {kind: n for kind, n in total.items() if not kind.startswith("refused") and kind != "check"}
    print(f"{done} operations of {len(succeeded)} kinds by {settings.writers} writers without a difference, "
          f"seed {settings.seed}, {seconds:.0f} s")
    if not settings.quiet:
        print("  " + ", ".join(f"{kind} {n}" for kind, n in sorted(succeeded.items(), key=lambda item: -item[1])))
    if done >= 5000 and len(succeeded) < 30:
        raise vaults.Failure(f"only {len(succeeded)} kinds of operations succeeded at least once")


# Replay and minimizing ----------------------------------------------------------------------------------------------

def replay(operations, plain, mount, remount, number):
    """Runs recorded steps in fresh subtrees; returns None or (index, difference)."""
    name = b"replay-%d" % number
    tops = os.fsencode(plain) + b"/" + name, os.fsencode(mount) + b"/" + name
    for top in tops:
        Pair.make(top)
    os.umask(0o022)
    pair = Pair(*tops)
    try:
        for index, operation in enumerate(operations):
            if operation[0] == "remount":
                os.umask(0o022)
                pair.close()
                remount()
                wrong = pair.check()
            else:
                wrong, _ = pair.step(operation)
            if wrong:
                return index, wrong
        wrong = pair.close() or pair.check()
        return (len(operations), wrong) if wrong else None
    finally:
        pair.close()
        for top in tops:
            shutil.rmtree(top, ignore_errors=True)


def minimize(operations, again, seconds):
    """Leaves away steps as long as the same kind of difference stays."""
    found = again(operations)
    if not found:
        print("the trace gives no difference now: it depends on timing or on other writers")
        return operations
    kind = signature(operations, found)
    operations = operations[:found[0] + 1]
    deadline, size = time.monotonic() + seconds, max(1, len(operations) // 2)
    while size and time.monotonic() < deadline:
        at, changed = 0, False
        while at < len(operations) and time.monotonic() < deadline:
            shorter = operations[:at] + operations[at + size:]
            result = again(shorter)
            if result and signature(shorter, result) == kind:
                operations, changed = shorter[:result[0] + 1], True
            else:
                at += size
        if size == 1 and not changed:
            break
        size = max(1, size // 2) if size > 1 or changed else 0
    return operations


def signature(operations, found):
    index, wrong = found
    kind = operations[index][0] if index < len(operations) else "end"
    return kind, "".join(c for c in wrong.split(":")[0] if not c.isdigit())[:40] if kind not in ("check", "end") else ""


def replay_command(settings, remount):
    with open(settings.replay) as file:
        operations = [ast.literal_eval(line) for line in file if line.strip()]
    counter = iter(range(1 << 40))

    def again(steps):
        return replay(steps, settings.plain, settings.mount, remount, next(counter))

    if settings.minimize:
        operations = minimize(operations, again, settings.minimize_seconds)
        print(f"{len(operations)} steps remain:")
        for operation in operations[-40:]:
            print("   ", repr(operation)[:200])
        shorter = Path(str(settings.replay) + ".short")
        shorter.write_bytes(b"".join(encode(operation) for operation in operations))
        print(f"  written to {shorter}")
    found = again(operations)
    if found:
        print(f"DIFFERENCE at step {found[0]}: {operations[found[0]] if found[0] < len(operations) else 'end'!r:.400}\n  {found[1]}")
        return False
    print(f"{len(operations)} steps without a difference")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default=None)
    parser.add_argument("--operations", "--ops", type=int, default=20000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--per-round", type=int, default=2500, help="operations of each writer between two remounts")
    parser.add_argument("--minutes", type=float, default=None)
    parser.add_argument("--plain")
    parser.add_argument("--mount")
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    parser.add_argument("--alone", action="store_true", help="root's own mount, without other users: the kernel checks no permissions there")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--minimize", action="store_true")
    parser.add_argument("--minimize-seconds", type=float, default=300)
    parser.add_argument("--traces", type=Path, default=None)
    parser.add_argument("--readers", type=int, default=1, help="processes that walk and read the mount meanwhile")
    parser.add_argument("--drop-caches", action="store_true", help="the readers also make the kernel forget inodes (root)")
    parser.add_argument("--quiet", action="store_true")
    settings = parser.parse_args()
    vaults.run_self_as(settings.who)
    settings.seed = settings.seed or str(random.SystemRandom().randrange(10**9))
    settings.deadline = time.monotonic() + settings.minutes * 60 if settings.minutes else None
    if settings.minutes and settings.operations == 20000:
        settings.operations = 10**9
    settings.traces = settings.traces or Path(tempfile.mkdtemp(prefix="efs-tests-traces-"))
    settings.traces.mkdir(parents=True, exist_ok=True)
    print(f"seed {settings.seed}, {settings.writers} writers, as {settings.who}", flush=True)
    command = replay_command if settings.replay else run
    if settings.plain:
        settings.callers = False
        good = command(settings, lambda: None)
    else:
        are_several = os.geteuid() == 0 and not settings.alone
        settings.callers = are_several and not os.environ.get("ENVELOPEFS_SUBSTITUTE")
        with vaults.Vault(allow_other=are_several) as vault:
            settings.plain = vault.base / "plain"
            settings.plain.mkdir()
            settings.mount = vault.mount_point
            vault.init().mount()
            os.stat(settings.mount)  # BUGS T5: the kernel's root inode belongs to root until it was asked for
            os.chmod(settings.mount, 0o755)
            good = command(settings, vault.remount)
            if not good:
                print("daemon's log, its end:\n" + vault.log_tail(3000))
    if good and not settings.replay:
        shutil.rmtree(settings.traces, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    try:
        main()
    except vaults.Failure as failure:
        print(f"FAILED: {failure}", flush=True)
        sys.exit(1)
