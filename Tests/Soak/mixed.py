#!/usr/bin/python3
"""One mount under mixed load for hours: random operations compared with a plain directory, fio with verification, git, SQLite, side by side.

    mixed.py --minutes 120 [--as root|user]

Each load works in a directory of its own, removes it, and begins again. The daemon's memory, descriptors and threads are sampled each second;
the highest of the second half must be at most 1.05 times the highest of the first. At the end: unmount, `check`, mount, and nothing is left.
"""

import argparse
import csv
import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

from realwork import GIT, history, run  # noqa: E402
from soak import run_fio  # noqa: E402
from vault import Failure, Vault, run_self_as  # noqa: E402

ALLOWED_GROWTH = 1.05


def differential(folder, plain, number):
    """Random operations, each compared."""
    traces = tempfile.mkdtemp(prefix="efs-tests-traces-")
    run("/usr/bin/python3", HERE.parent / "Differential" / "differential.py", "--plain", plain, "--mount", folder, "--seed", f"soak-{number}",
        "--operations", "6000", "--writers", "2", "--per-round", "1000", "--quiet", "--traces", traces, timeout=3600)
    shutil.rmtree(traces, ignore_errors=True)  # kept when it fails: its message names them


def fio(folder, _plain, number):
    """Random writes that are verified, of one way and block size after another."""
    way = (["--ioengine=psync"], ["--ioengine=psync", "--direct=1"], ["--ioengine=mmap"])[number % 3]
    size = ("4k", "1k", "7k", "64k", "512", "1M")[number % 6]
    amount = {"512": "1M", "7k": "7M"}.get(size, "16M")
    words = ["fio", "--name=job", f"--directory={folder}", *way, f"--bs={size}", f"--size={amount}", "--numjobs=2", "--thread", "--verify=crc32c",
             "--verify_fatal=1", "--verify_dump=0", "--group_reporting", "--output-format=json", f"--randseed={number}", "--fallocate=none"]
    run_fio([*words, "--rw=randwrite"], f"{way[-1]}, {size}, round {number}")
    run_fio([*words, "--rw=randwrite", "--verify_only"], f"{way[-1]}, {size}, round {number}, again")


def git(folder, plain, number):
    """A history is imported, checked out, changed, packed and cloned; the clone is compared."""
    environment = dict(os.environ, **GIT, HOME=str(plain))

    def do(where, *words, data=None):
        run("git", *words, folder=where, environment=environment, data=data, timeout=3600)

    source, clone = folder / "source", folder / "clone"
    do(folder, "init", "--quiet", "--initial-branch=main", str(source))
    do(source, "fast-import", "--quiet", data=history(200 + number % 5 * 50))
    do(source, "checkout", "--quiet", "--force", "main")
    for path in sorted(source.glob("src/*/*.txt"))[:number % 40 + 10]:
        path.write_text(path.read_text() + f"round {number}\n")
    do(source, "commit", "--quiet", "--all", "--message", f"round {number}")
    do(source, "gc", "--quiet")
    do(source, "fsck", "--strict", "--no-progress")
    do(folder, "clone", "--quiet", "--no-hardlinks", str(source), str(clone))
    run("diff", "--recursive", "--no-dereference", "--exclude=.git", source, clone)


def sqlite(folder, _plain, number):
    """Transactions in one journal mode after another, some rolled back; the rows are those that were committed."""
    mode = ("wal", "delete", "truncate", "persist")[number % 4]
    dice, expected, path = random.Random(number), {}, folder / "base.db"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute(f"PRAGMA journal_mode={mode}")
    base.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, sum TEXT, data BLOB)")
    for _ in range(400):
        base.execute("BEGIN IMMEDIATE")
        rows = {dice.randrange(300): dice.randbytes(dice.randrange(3000)) for _ in range(dice.randrange(1, 8))}
        base.executemany("INSERT OR REPLACE INTO t VALUES (?, ?, ?)", [(key, hashlib.sha256(data).hexdigest(), data) for key, data in rows.items()])
        if dice.random() < 0.1:
            base.execute("ROLLBACK")
        else:
            base.execute("COMMIT")
            expected.update(rows)
    base.execute("VACUUM")
    base.close()
    base = sqlite3.connect(path)
    if base.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
        raise Failure(f"integrity_check after {mode}, round {number}")
    if dict(base.execute("SELECT id, data FROM t")) != expected:
        raise Failure(f"other rows than were committed: {mode}, round {number}")
    base.close()


class Load(threading.Thread):
    """Does one kind of work again and again until `end`."""

    def __init__(self, work, vault, end, stop):
        super().__init__(name=work.__name__, daemon=True)
        self.work, self.vault, self.deadline, self.stop_all = work, vault, end, stop
        self.rounds, self.failure = 0, None

    def run(self):
        try:
            while time.monotonic() < self.deadline and not self.stop_all.is_set():
                plain, folder = (top / f"{self.name}-{self.rounds}" for top in (self.vault.base / "plain", self.vault.mount_point))
                plain.mkdir(parents=True)
                folder.mkdir()
                self.work(folder, plain, self.rounds)
                for path in (plain, folder):
                    subprocess.run(["rm", "-rf", str(path)], check=True)
                self.rounds += 1
        except Exception as failure:
            self.failure = failure
            self.stop_all.set()


def sample(vault, loads, minutes, path):
    """Samples each second until all loads have ended; returns [(seconds, KiB, descriptors or None, threads)]."""
    samples, begin, told = [], time.monotonic(), 0
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["seconds", "resident KiB", "descriptors", "threads"])
        while any(load.is_alive() for load in loads):
            row = (round(time.monotonic() - begin, 1), *vault.memory())
            samples.append(row)
            table.writerow(row)
            if row[0] >= told:
                file.flush()
                print(f"  {row[0] / 60:4.0f} min: {row[1] / 1024:.1f} MiB, {row[2]} descriptors, {row[3]} threads; rounds "
                      + ", ".join(f"{load.name} {load.rounds}" for load in loads), flush=True)
                told += max(60, minutes * 60 / 24)
            time.sleep(1)
    return samples


def judge(samples, minutes):
    """What grew from the first half to the second."""
    half, wrong = minutes * 30, []
    first, second = ([row for row in samples if low <= row[0] < high] for low, high in ((0, half), (half, 2 * half)))
    for column, what in ((1, "resident KiB"), (2, "descriptors"), (3, "threads")):
        if samples[0][column] is None:
            print(f"  {what}: not to be seen by this user")
            continue
        before, after = (max((row[column] for row in part), default=0) for part in (first, second))
        if not before or not after:
            wrong.append("it ended before its time")
            break
        print(f"  {what}: at most {before} in the first half, {after} in the second: {after / before:.3f}")
        if after > before * ALLOWED_GROWTH:
            wrong.append(f"{what} grew from {before} to {after}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--samples", default="/dev/null", help="where the samples go, as CSV")
    settings = parser.parse_args()
    run_self_as(settings.who)
    with Vault() as vault:
        vault.init().mount()
        stop, end = threading.Event(), time.monotonic() + settings.minutes * 60
        loads = [Load(work, vault, end, stop) for work in (differential, fio, git, sqlite)]
        for load in loads:
            load.start()
        wrong = judge(sample(vault, loads, settings.minutes, settings.samples), settings.minutes)
        wrong += [f"{load.name}, round {load.rounds}: {load.failure}" for load in loads if load.failure]
        if not stop.is_set():
            vault.remount()
            left = list(vault.mount_point.iterdir())
            vault.unmount()
            check = vault.command("check", str(vault.vault), check=False)
            if left or check.returncode != 0:
                wrong.append(f"left behind: {left[:5]}; check ends with {check.returncode}\n{check.stdout}{check.stderr}")
        if wrong:
            print("daemon's log, its end:\n" + vault.log_tail(2000))
    print(f"mixed load of {settings.minutes:g} minutes as {settings.who}: " + ("FAILED: " + "\n".join(wrong) if wrong else "ok, rounds "
          + ", ".join(f"{load.name} {load.rounds}" for load in loads)), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
