#!/usr/bin/python3
"""Changes a vault's files at random, under `check` and under a mount: nothing crashes or hangs, and nothing reads wrong bytes.

    fuzz.py [--rounds N] [--seed S] [--as root|user] [--keep]

A round changes some files, names, targets, attributes, side files of a sealed vault, then: `check` must end with one of its exit codes and a JSON
document; a mount must show, read, write to and remove everything with no answer but right bytes or an errno, within a time, with the daemon alive; every
file of the vault that nobody changed must read as before. 100 changes a round: --rounds 1000 is 100,000.
"""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Mounted"), str(HERE)]

from changes import Changes  # noqa: E402
from script import options, run  # noqa: E402
from stacks import stacks  # noqa: E402
from vault import PATIENCE, Failure, Vault, run_self_as  # noqa: E402

CHANGES = 100
# 0 nothing, 110 to 112 as documented; the vault's own file is not changed here
CHECK_CODES = (0, 110, 111, 112)
LIMIT = 120
LONG = 30  # an unmount that takes longer is told, with what the daemon waited for
ALLOWED = {errno.EIO, errno.ENOKEY, errno.EKEYREVOKED, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.EACCES, errno.ENXIO,
           errno.ENODATA, errno.EINVAL, errno.ESTALE, errno.EFBIG, errno.ENAMETOOLONG, errno.EEXIST, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSPC}


class Round:
    def __init__(self, vault, template, dice):
        self.vault, self.template, self.dice = vault, template, dice
        self.changes = Changes(vault.vault, dice)
        self.wrong = []
        self.unmounting = 0.0  # seconds

    # looking

    def check(self, *words):
        try:
            done = self.vault.command("check", "--json", *words, self.vault.vault, check=False, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return self.wrong.append(f"check {words} does not end")
        try:
            report = json.loads(done.stdout)
        except ValueError:
            return self.wrong.append(f"check {words}: exit {done.returncode}, no JSON: {done.stdout[-200:]} {done.stderr[-500:]}")
        if done.returncode not in CHECK_CODES or report["totals"]["exitCode"] != done.returncode:
            self.wrong.append(f"check {words}: exit {done.returncode}: {done.stderr[-500:]}")
        return report

    def use(self, contents):
        """Everything through the mount; `contents` is what each untouched file has to hold."""
        top = self.vault.mount_point
        for name, (stored, data) in contents.items():
            if stored in self.changes.touched:
                continue
            try:
                if (top / name).read_bytes() != data:
                    self.wrong.append(f"{name}, which nobody touched, differs")
            except OSError as error:
                self.wrong.append(f"{name}, which nobody touched: {error}")
        begin = time.monotonic()
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                self.use_one(Path(folder, name))
                if time.monotonic() - begin > LIMIT * PATIENCE:
                    return self.wrong.append("the mount is too slow to be walked")

    def use_one(self, path):
        dice = self.dice
        try:
            status = os.lstat(path)
            os.listxattr(path, follow_symlinks=False)
            if path.is_symlink():
                os.readlink(path)
            elif path.is_file():
                with open(path, "rb", buffering=0) as file:
                    for place in {0, dice.randrange(status.st_size + 1), max(0, status.st_size - 5000)}:
                        os.pread(file.fileno(), 20000, place)
                kind = dice.randrange(6)
                if kind == 0:
                    with open(path, "r+b", buffering=0) as file:
                        os.pwrite(file.fileno(), dice.randbytes(5000), dice.randrange(100000))
                        if dice.random() < 0.5:
                            os.fsync(file.fileno())
                elif kind == 1:
                    os.truncate(path, dice.randrange(100000))
                elif kind == 2:
                    path.unlink()
                elif kind == 3:
                    path.rename(path.with_name("renamed"))
                elif kind == 4:
                    os.setxattr(path, "user.fuzz", b"value")
            for name in os.listxattr(path, follow_symlinks=False):
                os.getxattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in ALLOWED:
                self.wrong.append(f"{path.name}: {errno.errorcode.get(error.errno)}")

    def bite(self):
        self.wrong.append(f"no answer within {2 * LIMIT * PATIENCE:.0f} s; the daemon is killed\n{stacks(self.vault.pid)}")
        os.kill(self.vault.pid, signal.SIGKILL)

    def run(self, contents):
        shutil.rmtree(self.vault.vault)
        subprocess.run(["cp", "-a", self.template, self.vault.vault], check=True)
        self.changes.make(CHANGES)
        self.check()
        if self.dice.random() < 0.3:
            before = self.check("--repair")
            after = self.check()
            if before and after and after["totals"]["summary"]["damage"] > before["totals"]["summary"]["damage"]:
                self.wrong.append("a repair made damage")
        if self.dice.random() < 0.2:
            out = self.vault.base / "saved"
            self.check("--salvage", out)
            subprocess.run(["chmod", "-R", "u+rwx", out], check=False)
            shutil.rmtree(out, ignore_errors=True)
        self.vault.mount()
        # A program that waits for a daemon which does not answer can only be freed by the daemon's end.
        watchdog = threading.Timer(2 * LIMIT * PATIENCE, self.bite)
        watchdog.start()
        try:
            self.use(contents)
        finally:
            watchdog.cancel()
        if not self.vault._is_running():
            self.wrong.append("the daemon has died")
            self.vault.kill()
        else:
            self.unmount()
        return self.wrong

    def unmount(self):
        begin, pid = time.monotonic(), self.vault.pid
        watchdog = threading.Timer(LONG, lambda: print(f"an unmount takes over {LONG} s:\n{stacks(pid)}", flush=True))
        watchdog.start()
        try:
            self.vault.unmount(timeout=LIMIT)
        except (Failure, subprocess.TimeoutExpired) as failure:
            self.wrong.append(f"unmount: {failure}")
        finally:
            watchdog.cancel()
        self.unmounting = time.monotonic() - begin


def fill(top, dice):
    """A small vault with one of everything; name -> content of what stands in the root."""
    contents = {}
    for number, size in enumerate((0, 1, 40, 3040, 3041, 4096, 5000, 100000, 250000, 300001)):
        for copy in range(3):
            name = f"{number} {copy}"
            contents[name] = dice.randbytes(size)
            (top / name).write_bytes(contents[name])
    for name in ("n" * 200, "m" * 255):
        contents[name] = dice.randbytes(500)
        (top / name).write_bytes(contents[name])
    with open(top / "sparse", "wb") as file:
        file.write(dice.randbytes(5000))
        file.truncate(2_000_000)
    contents["sparse"] = (top / "sparse").read_bytes()
    for folder in ("a", "a/b", "d" * 200, "empty"):
        (top / folder).mkdir()
        if folder != "empty":
            for number in range(4):
                (top / folder / f"{number}").write_bytes(dice.randbytes(number * 2000))
            os.symlink("../target", top / folder / "link")
            os.setxattr(top / folder, "user.a", b"of a directory")
    os.symlink("t" * 1000, top / "link")
    os.setxattr(top / "1 0", "user.a", b"value")
    os.setxattr(top / "7 0", "user.b", dice.randbytes(1000))
    os.mkfifo(top / "fifo")
    os.link(top / "2 0", top / "linked")
    contents["linked"] = contents["2 0"]
    return contents


def main():
    parser = options(__doc__, as_whom=True, seed=1)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--keep", action="store_true", help="keep the vault of the first round that fails")
    settings = parser.parse_args()
    run_self_as(settings.who)
    failed, longest, begin = 0, 0.0, time.monotonic()
    with Vault() as vault:
        vault.require_encryption()
        vault.init().mount()
        dice = random.Random(settings.seed)
        data = fill(vault.mount_point, dice)
        stored = {entry.inode(): entry.name for entry in os.scandir(vault.vault)}
        contents = {name: (stored[os.lstat(vault.mount_point / name).st_ino], content) for name, content in data.items()}
        names = {name: {entry.name for entry in os.scandir(vault.vault) if entry.inode() == os.lstat(vault.mount_point / name).st_ino} for name in contents}
        contents = {name: pair for name, pair in contents.items() if len(names[name]) == 1 and not pair[0].startswith("+")}
        vault.unmount()
        template = vault.base / "template"
        subprocess.run(["cp", "-a", vault.vault, template], check=True)
        for number in range(settings.rounds):
            round = Round(vault, template, random.Random(f"{settings.seed}/{number}"))
            wrong = round.run(contents)
            longest = max(longest, round.unmounting)
            for line in wrong:
                print(f"WRONG: seed {settings.seed}, round {number}: {line}", flush=True)
            failed += bool(wrong)
            if wrong and settings.keep:
                vault.keep = True
                break
        if failed:
            print("daemon's log, its end:\n" + vault.log_tail(3000))
    print(f"{settings.rounds * CHANGES} changes in {settings.rounds} rounds, {time.monotonic() - begin:.0f} s, longest unmount {longest:.1f} s, {failed} rounds failed")
    return failed


if __name__ == "__main__":
    run(main)
