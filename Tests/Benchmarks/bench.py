#!/usr/bin/python3
"""Compares the speed of a mount with that of other encrypting file systems, all on one backing directory, in turns.

    bench.py [--backing DIR] [--rounds N] [--rows ROW,...] [--json FILE] [--svg FILE] [CONTENDER...]

A contender is ours, gocryptfs, securefs, encfs, cryfs, plain (the backing directory itself), passthrough=PROGRAM (libfuse's example
passthrough_ll, without encryption), nojournal (ours, a vault without a journal), or NAME=BINARY, another build of ours. Without any: ours and the
peers that are installed.

All are mounted at the same time with their defaults; every row is run on one after the other, in an order that turns from round to round. Printed are
medians with the quartiles, and how many times faster the first contender is: the median of the ratios of each round, with its 95 % interval (bootstrap; from 6 rounds on).
A busy machine makes intervals wider, not wrong. After --rounds of all rows, up to --most are added of those rows of which an interval is wider than 10 % on either side.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Mounted"))
from vault import Failure, binary_path, is_mounted, process_status  # noqa: E402

PASSPHRASE = "benchmark passphrase"
# Row: unit, whether more is better, what is measured.
ROWS = {
    "write": ("MiB/s", True, "sequential write, 1 MiB at a time, then fsync"),
    "write-cpu": ("s/GiB", False, "CPU of daemon and program for it"),
    "read": ("MiB/s", True, "sequential read, 1 MiB at a time, cold"),
    "read-cpu": ("s/GiB", False, "CPU of daemon and program for it"),
    "read-4k": ("MiB/s", True, "sequential read, 4 KiB at a time, cold"),
    "random-read": ("1/s", True, "each 4 KiB once, in random order, cold"),
    "random-read-4": ("1/s", True, "the same by four programs, a quarter each"),
    "random-write": ("1/s", True, "4 KiB at random places, then one fsync"),
    "random-write-sync": ("1/s", True, "4 KiB at random places, each with fsync"),
    "create": ("files/s", True, "new files of 4 KiB"),
    "stat": ("files/s", True, "listing and status, cold"),
    "read-small": ("files/s", True, "files of 4 KiB, cold"),
    "unlink": ("files/s", True, "removing them"),
    "untar": ("s", False, "unpacking a source tree"),
    "grep": ("s", False, "grep -r in it, cold"),
    "list": ("s", False, "ls -lR of it, cold"),
    "remove": ("s", False, "rm -rf of it"),
    "sqlite": ("1/s", True, "transactions, write-ahead log"),
    "git-clone": ("s", False, "clone of a local repository"),
    "git-status": ("s", False, "its status, cold"),
}
FEWEST = 6  # rounds for which an interval of the median can be told
BLOCK = 4096
MEBIBYTE = 1 << 20


def run(words, **more):
    done = subprocess.run([str(word) for word in words], stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors="replace", timeout=600, **more)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr[-2000:]}")


class Contender:
    """One file system, mounted on `mount` with its encrypted files in `store`."""

    def __init__(self, word, base, scratch):
        self.name, _, self.program = word.partition("=")
        self.kind = self.name if self.name in KINDS else "ours"
        self.store = base / f"{self.name}.store"
        self.mount_point = base / f"{self.name}.mount"
        self.scratch = scratch
        if self.kind == "ours":
            self.program = self.program or binary_path(["release"])  # never a debug build, however new
        if self.kind == "passthrough" and not self.program:
            raise Failure("passthrough=PROGRAM: name the compiled example")
        self.store.mkdir()
        self.results = {}
        self.memory = (0, "")  # most resident KiB that were seen after a row, and the row

    def words(self):
        s, m, pass_file = self.store, self.mount_point, self.scratch / "passphrase"
        keystore = ["--keystore", self.scratch / f"{self.name}.keystore", "--passphrase-file", pass_file]
        return {
            "ours": ([[self.program, "init", s, *keystore, *(["--no-journal"] if self.name == "nojournal" else [])]], [self.program, "mount", s, m, *keystore, "--log-file", self.scratch / f"{self.name}.log"]),
            "passthrough": ([], [self.program, "-o", f"source={s},writeback,cache=always", m]),
            "gocryptfs": ([["gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", pass_file, s]], ["gocryptfs", "-q", "-passfile", pass_file, s, m]),
            "securefs": ([["securefs", "create", "--pass", PASSPHRASE, s]], ["securefs", "mount", "-b", "--pass", PASSPHRASE, s, m]),
            "encfs": ([], ["encfs", "--standard", "--extpass", f"cat {pass_file}", s, m]),
            "cryfs": ([], ["cryfs", s, m]),
        }[self.kind]

    def prepare(self):
        if self.kind == "plain":
            self.mount_point.symlink_to(self.store)
            return
        self.mount_point.mkdir()
        for words in self.words()[0]:
            run(words)
        self.mount()

    def mount(self):
        if self.kind == "plain":
            return
        environment = dict(os.environ, CRYFS_FRONTEND="noninteractive", CRYFS_NO_UPDATE_CHECK="true")
        with open(self.scratch / "passphrase", "rb") as passphrase:
            run(self.words()[1], stdin=passphrase, env=environment)
        deadline = time.monotonic() + 20
        while not is_mounted(self.mount_point):
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} did not mount")
            time.sleep(0.01)

    def unmount(self, by_force=False):
        """By force also where this program, interrupted in a row, still has a file open."""
        if self.kind == "plain" or not is_mounted(self.mount_point):
            return
        if self.kind == "ours":
            words = [self.program, "unmount", *(["--force"] if by_force else []), self.mount_point]
        else:
            words = ["fusermount3", "-uz" if by_force else "-u", self.mount_point]
        pids = self.daemons()
        for attempt in range(50):
            try:
                run(words)
                break
            except Failure:
                if attempt == 49:
                    raise
                time.sleep(0.1)
        deadline = time.monotonic() + 60
        while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.01)

    def renew(self):
        """Nothing that was read is cached afterwards."""
        self.unmount()
        self.mount()

    def daemons(self):
        wanted, found = os.fsencode(self.mount_point), []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    if wanted in Path("/proc", entry, "cmdline").read_bytes().split(b"\0"):
                        found.append(int(entry))
                except OSError:
                    continue
        return found

    def note_memory(self, row):
        for pid in self.daemons() if self.kind != "plain" else []:
            self.memory = max(self.memory, (int(process_status(pid).get("VmRSS", "0").split()[0]), row))

    def cpu(self):
        """Seconds of CPU that the daemon, this program and its children have used."""
        seconds = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        for pid in self.daemons() if self.kind != "plain" else []:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds


KINDS = {"ours", "plain", "passthrough", "gocryptfs", "securefs", "encfs", "cryfs"}


def timed(action):
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def read_places(path, part, parts, count, seconds):
    """Reads this part of a file's blocks in random order, each once (from then on the kernel's cache would be measured), at most for some time.
    Returns how many a second."""
    places = list(range(count))
    random.Random(1).shuffle(places)
    places = places[part::parts]
    descriptor = os.open(path, os.O_RDONLY)
    began, done, elapsed = time.perf_counter(), 0, 0
    while done < len(places) and elapsed < seconds:
        for place in places[done:done + 16]:
            os.pread(descriptor, BLOCK, place * BLOCK)
        done += 16
        elapsed = time.perf_counter() - began
    os.close(descriptor)
    return done / elapsed


class Work:
    """What is done on each contender. Groups of rows share their files; each cold row begins with a new mount."""

    def __init__(self, arguments, scratch):
        self.size = arguments.size
        self.files = arguments.files
        self.seconds = arguments.seconds
        self.scratch = scratch
        self.data = os.urandom(MEBIBYTE)
        self.tree()

    def tree(self):
        """A source tree and a repository of it, the same at every run."""
        choice = random.Random(5)
        root = self.scratch / "tree"
        words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(2, 9))) for _ in range(3000)]
        for number in range(1200):
            folder = root / f"part-{number % 12}" / f"module-{number % 60}"
            folder.mkdir(parents=True, exist_ok=True)
            count = min(40000, int(choice.lognormvariate(6.3, 1.2)) + 5)
            (folder / f"source_file_{number}.txt").write_text(" ".join(choice.choices(words, k=count)))
        self.archive = self.scratch / "tree.tar"
        with tarfile.open(self.archive, "w") as archive:
            archive.add(root, "tree")
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@invalid", "-c", "init.defaultBranch=main"]
        run(["git", *identity, "-C", root, "init", "-q"])
        run(["git", "-C", root, "add", "."])
        run(["git", *identity, "-C", root, "commit", "-q", "-m", "tree"])
        self.repository = root

    def settle(self):
        """ext4 keeps from reusing the inodes of files removed in the last minutes, and looks at each of them again for every new file, as long as their
        blocks of the inode table are cached: after some rounds it would be the rows that remove files which decide how fast the next ones make them."""
        os.sync()
        try:
            Path("/proc/sys/vm/drop_caches").write_text("1")
        except PermissionError:
            print("not root: on ext4 files removed earlier slow down the making of new ones", file=sys.stderr)
        for folder, _, names in os.walk(self.scratch):
            for name in names:
                Path(folder, name).read_bytes()
        for program in ("git", "tar"):
            run([program, "--version"])

    # Each group is a list of steps; a step names its rows and yields their values.

    def groups(self):
        return {
            "large": [self.write, self.read, self.read_4k, self.random_read, self.random_read_4, self.random_write, self.random_write_sync],
            "small": [self.create, self.stat, self.read_small, self.unlink],
            "tree": [self.untar, self.grep, self.list, self.remove],
            "sqlite": [self.sqlite],
            "git": [self.git_clone, self.git_status],
        }

    MAKING = {"create", "untar", "git-clone"}  # rows that make many files
    ROWS_OF = {"write": ["write", "write-cpu"], "read": ["read", "read-cpu"]}

    @classmethod
    def rows_of(cls, step):
        name = step.__name__.replace("_", "-")
        return cls.ROWS_OF.get(name, [name])

    def write(self, on):
        def action():
            descriptor = os.open(on.mount_point / "large", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            for number in range(self.size):
                os.pwrite(descriptor, self.data, number * MEBIBYTE)
            os.fsync(descriptor)
            os.close(descriptor)
        before = on.cpu()
        seconds = timed(action)
        return {"write": self.size / seconds, "write-cpu": (on.cpu() - before) * 1024 / self.size}

    def sequence(self, on, piece):
        def action():
            descriptor = os.open(on.mount_point / "large", os.O_RDONLY)
            for number in range(self.size * MEBIBYTE // piece):
                os.pread(descriptor, piece, number * piece)
            os.close(descriptor)
        on.renew()
        before = on.cpu()
        seconds = timed(action)
        return self.size / seconds, (on.cpu() - before) * 1024 / self.size

    def read(self, on):
        speed, cpu = self.sequence(on, MEBIBYTE)
        return {"read": speed, "read-cpu": cpu}

    def read_4k(self, on):
        return {"read-4k": self.sequence(on, BLOCK)[0]}

    def random_read(self, on):
        on.renew()
        return {"random-read": read_places(on.mount_point / "large", 0, 1, self.size * 256, self.seconds)}

    def random_read_4(self, on):
        on.renew()
        # Not a multiprocessing.Pool: it ends its workers by signals, and one that held the lock of its queue kept a run waiting for ever.
        with ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
            jobs = [pool.submit(read_places, on.mount_point / "large", part, 4, self.size * 256, self.seconds) for part in range(4)]
            return {"random-read-4": sum(job.result() for job in jobs)}

    def places(self, on, synchronizes):
        places = random.Random(2)
        descriptor = os.open(on.mount_point / "large", os.O_RDWR)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < self.seconds:
            for _ in range(8):
                os.pwrite(descriptor, self.data[:BLOCK], places.randrange(self.size * 256) * BLOCK)
                if synchronizes:
                    os.fsync(descriptor)
            done += 8
        os.fsync(descriptor)
        speed = done / (time.perf_counter() - began)
        os.close(descriptor)
        return speed

    def random_write(self, on):
        return {"random-write": self.places(on, False)}

    def random_write_sync(self, on):
        return {"random-write-sync": self.places(on, True)}

    def path(self, on, number):
        return f"{on.mount_point}/small/{number // 100}/file-{number}.dat"

    def create(self, on):
        def action():
            for number in range(self.files):
                if number % 100 == 0:
                    os.makedirs(os.path.dirname(self.path(on, number)))
                descriptor = os.open(self.path(on, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                os.write(descriptor, self.data[:BLOCK])
                os.close(descriptor)
        return {"create": self.files / timed(action)}

    def stat(self, on):
        def action():
            for folder in os.scandir(on.mount_point / "small"):
                for entry in os.scandir(folder.path):
                    entry.stat()
        on.renew()
        return {"stat": self.files / timed(action)}

    def read_small(self, on):
        def action():
            for number in range(self.files):
                descriptor = os.open(self.path(on, number), os.O_RDONLY)
                if os.read(descriptor, BLOCK + 1) != self.data[:BLOCK]:
                    raise Failure(f"{on.name}: a file has other content than was written")
                os.close(descriptor)
        on.renew()
        return {"read-small": self.files / timed(action)}

    def unlink(self, on):
        return {"unlink": self.files / timed(lambda: shutil.rmtree(on.mount_point / "small"))}

    def untar(self, on):
        return {"untar": timed(lambda: run(["tar", "-xf", self.archive, "-C", on.mount_point]))}

    def grep(self, on):
        on.renew()
        return {"grep": timed(lambda: subprocess.run(["grep", "-rq", "zzz qqq 0", str(on.mount_point / "tree")], check=False))}

    def list(self, on):
        on.renew()
        return {"list": timed(lambda: run(["ls", "-lR", on.mount_point / "tree"]))}

    def remove(self, on):
        return {"remove": timed(lambda: run(["rm", "-rf", on.mount_point / "tree"]))}

    def sqlite(self, on):
        connection = sqlite3.connect(on.mount_point / "base.sqlite", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE rows(number INTEGER PRIMARY KEY, text TEXT)")

        def action():
            for number in range(2000):
                connection.execute("INSERT INTO rows(text) VALUES(?)", (f"{number:0200d}",))
        seconds = timed(action)
        connection.close()
        for leftover in on.mount_point.glob("base.sqlite*"):
            leftover.unlink()
        return {"sqlite": 2000 / seconds}

    def git_clone(self, on):
        return {"git-clone": timed(lambda: run(["git", "clone", "-q", "--no-hardlinks", self.repository, on.mount_point / "clone"]))}

    def git_status(self, on):
        on.renew()
        words = ["git", "-c", "safe.directory=*", "-C", on.mount_point / "clone", "status"]
        value = timed(lambda: run(words))
        shutil.rmtree(on.mount_point / "clone")
        return {"git-status": value}


def ratios(row, ours, other):
    """How many times better ours was in each round."""
    pairs = zip(ours.results.get(row, []), other.results.get(row, []))
    return [a / b if ROWS[row][1] else b / a for a, b in pairs]


def interval(values, seed=7):
    """95 % bootstrap interval of the median."""
    choice = random.Random(seed)
    medians = sorted(statistics.median(choice.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def is_wide(values):
    if len(values) < FEWEST:
        return True
    low, high = interval(values)
    middle = statistics.median(values)
    return high > middle * 1.1 or low < middle * 0.9


def spread(values):
    if len(values) < 4:
        return min(values), max(values)
    quartiles = statistics.quantiles(values, n=4)
    return quartiles[0], quartiles[2]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def report(contenders, rows):
    first, others = contenders[0], contenders[1:]
    lines = ["| row | rounds | " + " | ".join(c.name for c in contenders) + " | " + " | ".join(f"{first.name} / {c.name}" for c in others) + " |",
             "|" + "---|" * (2 + len(contenders) + len(others))]
    for row in rows:
        cells = []
        for contender in contenders:
            values = contender.results.get(row)
            cells.append(f"{number(statistics.median(values))} ({'–'.join(number(v) for v in spread(values))})" if values else "–")
        for other in others:
            values = ratios(row, first, other)
            text = f"{statistics.median(values):.2f}" if values else "–"
            if len(values) >= FEWEST:
                text += " [" + "–".join(f"{bound:.2f}" for bound in interval(values)) + "]"
            cells.append(text)
        lines.append(f"| {row}, {ROWS[row][0]} | {len(first.results.get(row, []))} | " + " | ".join(cells) + " |")
    means = []
    for other in others:
        values = [statistics.median(found) for row in rows if not row.endswith("-cpu") and (found := ratios(row, first, other))]
        means.append(f"{math.exp(statistics.fmean(map(math.log, values))):.2f}" if values else "–")
    if others:
        lines.append("| geometric mean without CPU | | " + " | ".join("" for _ in contenders) + " | " + " | ".join(means) + " |")
    return "\n".join(lines)


def picture(contenders, rows):
    """The ratios as an SVG: one line for each row, a dot with its interval for each other contender, a line at 1."""
    first, others = contenders[0], contenders[1:]
    colours = ["#1b6ca8", "#d1495b", "#2e8b57", "#8c6bb1", "#e08e0b", "#555555"]
    left, width, step = 150, 520, 10 + 8 * len(others)
    height = 60 + step * len(rows)
    place = lambda value: left + width * (math.log2(min(max(value, 0.125), 16)) + 3) / 7  # noqa: E731
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 20}" height="{height}" font-family="sans-serif" font-size="11">',
             f'<rect width="100%" height="100%" fill="white"/>']
    for value in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16):
        parts.append(f'<line x1="{place(value):.1f}" x2="{place(value):.1f}" y1="34" y2="{height - 10}" stroke="{"#000" if value == 1 else "#ddd"}"/>')
        parts.append(f'<text x="{place(value):.1f}" y="30" text-anchor="middle">{value:g}</text>')
    for index, other in enumerate(others):
        parts.append(f'<text x="{left + index * 120}" y="14" fill="{colours[index % len(colours)]}">● {first.name} / {other.name}</text>')
    for line, row in enumerate(rows):
        top = 44 + line * step
        parts.append(f'<text x="{left - 8}" y="{top + step / 2:.1f}" text-anchor="end">{row}</text>')
        for index, other in enumerate(others):
            values = ratios(row, first, other)
            if values:
                y, colour = top + 4 + 8 * index, colours[index % len(colours)]
                low, high = interval(values) if len(values) >= FEWEST else (statistics.median(values),) * 2
                parts.append(f'<line x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
                parts.append(f'<circle cx="{place(statistics.median(values)):.1f}" cy="{y}" r="3" fill="{colour}"/>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def one_round(work, contenders, wanted, turn):
    order = contenders[turn % len(contenders):] + contenders[:turn % len(contenders)]
    for steps in work.groups().values():
        needed = [step for step in steps if not wanted.isdisjoint(Work.rows_of(step))]
        if not needed:
            continue
        # The steps before a wanted one make its files; of those after it, only the last cleans up.
        last = max(steps.index(step) for step in needed)
        for step in steps[:last + 1]:
            if not Work.MAKING.isdisjoint(Work.rows_of(step)):
                work.settle()
            for contender in order:
                for row, value in step(contender).items():
                    if row in wanted:
                        contender.results.setdefault(row, []).append(value)
                contender.note_memory(step.__name__.replace("_", "-"))
        for contender in order:
            for leftover in contender.mount_point.iterdir():
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backing", default="/dev/shm", help="where the encrypted files stand")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--most", type=int, default=31, help="most rounds of a row whose interval stays wide")
    parser.add_argument("--minutes", type=float, default=600, help="no new round after so many")
    parser.add_argument("--rows", default="", help="only these")
    parser.add_argument("--size", type=int, default=512, help="MiB of the large file")
    parser.add_argument("--files", type=int, default=2000, help="small files")
    parser.add_argument("--seconds", type=float, default=2, help="duration of random access")
    parser.add_argument("--json")
    parser.add_argument("--svg")
    parser.add_argument("contenders", nargs="*")
    arguments = parser.parse_args()
    words = arguments.contenders or ["ours"] + [name for name in ("gocryptfs", "securefs", "encfs", "cryfs") if shutil.which(name)]
    rows = [row for row in ROWS if not arguments.rows or row in arguments.rows.split(",")]
    if set(arguments.rows.split(",")) - set(ROWS) - {""}:
        raise Failure("rows: " + ", ".join(ROWS))
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, lambda *_: sys.exit(1))

    base = Path(tempfile.mkdtemp(prefix="efs-bench-", dir=arguments.backing))
    scratch = Path(tempfile.mkdtemp(prefix="efs-bench-scratch-"))
    contenders = []
    try:
        (scratch / "passphrase").write_text(PASSPHRASE + "\n")
        (scratch / "passphrase").chmod(0o600)
        work = Work(arguments, scratch)
        for word in words:
            contenders.append(Contender(word, base, scratch))
            contenders[-1].prepare()
        deadline = time.monotonic() + arguments.minutes * 60
        for turn in range(max(arguments.rounds, arguments.most)):
            if turn > 0 and time.monotonic() > deadline:
                break
            wanted = set(rows)
            if turn >= arguments.rounds:
                wanted = {row for row in rows if any(is_wide(ratios(row, contenders[0], other)) for other in contenders[1:])}
            if not wanted:
                break
            one_round(work, contenders, wanted, turn)
            print(f"round {turn + 1}: {len(wanted)} rows", file=sys.stderr)
            if arguments.json:
                Path(arguments.json).write_text(json.dumps(
                    {"machine": f"{os.cpu_count()} CPUs, kernel {os.uname().release}", "backing": arguments.backing, "rounds": turn + 1,
                     "results": {c.name: c.results for c in contenders}}, indent=1))
        print(report(contenders, rows))
        print("\nMost resident memory of a daemon after a row: "
              + "; ".join(f"{c.name} {c.memory[0] / 1024:.0f} MiB after {c.memory[1]}" for c in contenders))
        if arguments.svg:
            Path(arguments.svg).write_text(picture(contenders, rows))
    finally:
        for contender in contenders:
            try:
                contender.unmount(by_force=True)
            except Failure as failure:
                print(f"left mounted: {failure}", file=sys.stderr)
        shutil.rmtree(base, ignore_errors=True)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED {failure}")
        sys.exit(1)
