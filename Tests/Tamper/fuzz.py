#!/usr/bin/python3
"""Changes a vault's files at random, under `check` and under a mount: nothing crashes or hangs, and nothing reads wrong bytes.

    fuzz.py [--rounds N] [--seed S] [--as root|user] [--keep]

A round changes some files, names, targets, attributes, side files of a sealed vault, then: `check` must end with one of its exit codes and a JSON
document; a mount must show, read, write to and remove everything with no answer but right bytes or an errno, within a time, with the daemon alive; every
file of the vault that nobody changed must read as before. 100 changes a round: --rounds 1000 is 100,000.
"""

import argparse
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

from places import BLOCK  # noqa: E402
from vault import Failure, Vault, run_self_as  # noqa: E402

CHANGES = 100
# 0 nothing, 110 to 112 as documented; the vault's own file is not changed here
CHECK_CODES = (0, 110, 111, 112)
LIMIT = 120
ALLOWED = {errno.EIO, errno.ENOKEY, errno.EKEYREVOKED, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.EACCES, errno.ENXIO,
           errno.ENODATA, errno.EINVAL, errno.ESTALE, errno.EFBIG, errno.ENAMETOOLONG, errno.EEXIST, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSPC}


class Round:
    def __init__(self, vault, template, dice):
        self.vault, self.template, self.dice = vault, template, dice
        self.touched = set()  # backing paths that were changed, from the vault's root
        self.wrong = []

    # changing

    def entries(self):
        found = []
        for folder, folders, names in os.walk(self.vault.vault):
            if Path(folder) == self.vault.vault:
                folders.remove(".envelopefs")
            found += [Path(folder, name) for name in folders + names]
        return found

    def change(self):
        for _ in range(CHANGES):
            entries = self.entries()
            if not entries:
                return
            path = self.dice.choice(entries)
            self.touched.add(path.relative_to(self.vault.vault).parts[0])
            try:
                self.change_one(path, entries)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ENOENT, errno.ENXIO, errno.EPERM):
                    raise

    def change_one(self, path, entries):
        dice = self.dice
        kind = dice.randrange(20)
        if kind == 0:
            path.rename(path.with_name(self.new_name(path.name)))
        elif kind == 1:
            target = dice.choice([entry for entry in entries if entry.is_dir() and not entry.is_symlink()] or [self.vault.vault])
            if path not in target.parents and path != target:
                path.rename(target / path.name)
        elif kind == 2:
            self.exchange(path, dice.choice(entries))
        elif path.is_symlink():
            text = self.new_name(os.readlink(path)) or "x"
            path.unlink()
            os.symlink(text, path)
        elif path.is_dir():
            if kind < 8:
                (path / self.new_name(path.name)).write_bytes(dice.randbytes(dice.randrange(5000)))
            elif kind < 12:
                self.change_attribute(path)
        elif path.is_file():
            self.change_attribute(path) if kind == 3 else self.change_bytes(path, entries)

    def new_name(self, name):
        data = bytearray(os.fsencode(name))
        for _ in range(self.dice.choice((1, 1, 2, 5))):
            place = self.dice.randrange(len(data)) if data else 0
            kind = self.dice.randrange(4)
            if kind == 0 and data:
                data[place] ^= 1 << self.dice.randrange(7)
            elif kind == 1 and data:
                data[place] = self.dice.choice(b"ABCabc019-_.+=~")
            elif kind == 2 and len(data) > 1:
                del data[place:place + self.dice.randrange(1, 4)]
            else:
                data[place:place] = bytes([self.dice.choice(b"AQgw.+=x")])
        name = bytes(data).replace(b"/", b"_").replace(b"\0", b"_")[:255]
        return os.fsdecode(name if name not in (b"", b".", b"..") else b"x")

    def exchange(self, one, two):
        if one == two or one in two.parents or two in one.parents:
            return
        self.touched.add(two.relative_to(self.vault.vault).parts[0])
        middle = one.with_name("middle of an exchange")
        one.rename(middle)
        two.rename(one)
        middle.rename(two)

    def change_attribute(self, path):
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith("user."):
                value = os.getxattr(path, name)
                os.setxattr(path, name, self.changed(value))
                return
        os.setxattr(path, "user.efs." + self.dice.choice(("AAAA", "x" * 30)), self.dice.randbytes(20))

    def changed(self, data):
        data = bytearray(data)
        for _ in range(self.dice.choice((1, 1, 3))):
            place = self.dice.randrange(len(data)) if data else 0
            if data and self.dice.random() < 0.8:
                data[place] ^= 1 << self.dice.randrange(8)
            else:
                data[place:place + self.dice.randrange(3)] = self.dice.randbytes(self.dice.randrange(4))
        return bytes(data)

    def change_bytes(self, path, entries):
        dice = self.dice
        mode = path.stat().st_mode
        os.chmod(path, 0o600)
        length = path.stat().st_size
        place = dice.choice((0, dice.randrange(64), dice.randrange(1200), dice.randrange(length + 1), dice.randrange(length // 4096 + 1) * 4096))
        with open(path, "r+b") as file:
            kind = dice.randrange(12)
            if kind == 0:
                file.truncate(min(place, length))
            elif kind == 1:
                file.truncate(dice.choice((0, 1, 512, 1023, 1024, 1056, 1057, 4095, 4096, 4097, 200704, 200705, length + 1, length + 4096, 1 << dice.randrange(20, 42))))
            elif kind == 2:
                file.seek(0, 2)
                file.write(dice.randbytes(dice.choice((1, 100, 4096))))
            elif kind in (3, 4):
                file.seek(place // 64 * 64)
                file.write(bytes(dice.choice((16, 32, 64, 512, 4096))))
            elif kind in (5, 6):
                other = dice.choice(entries)
                data = other.read_bytes()[:300000] if other.is_file() and not other.is_symlink() and other.stat().st_size < 1 << 22 else b"x"
                unit = dice.choice((32, 64, 512, 1024, 4096))
                start = dice.randrange(len(data) // unit + 1) * unit
                file.seek(place // unit * unit)
                file.write(data[start:start + unit])
            else:
                file.seek(min(place, max(length - 1, 0)))
                byte = file.read(1) or b"\0"
                file.seek(min(place, max(length - 1, 0)))
                file.write(bytes([byte[0] ^ 1 << dice.randrange(8)]))
        os.chmod(path, mode & 0o7777)

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
            if stored in self.touched:
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
                if time.monotonic() - begin > LIMIT:
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
        self.wrong.append(f"no answer within {2 * LIMIT} s; the daemon is killed")
        os.kill(self.vault.pid, signal.SIGKILL)

    def run(self, contents):
        shutil.rmtree(self.vault.vault)
        subprocess.run(["cp", "-a", self.template, self.vault.vault], check=True)
        self.change()
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
        watchdog = threading.Timer(2 * LIMIT, self.bite)
        watchdog.start()
        try:
            self.use(contents)
        finally:
            watchdog.cancel()
        if not self.vault._is_running():
            self.wrong.append("the daemon has died")
            self.vault.kill()
        else:
            try:
                self.vault.unmount(timeout=LIMIT)
            except (Failure, subprocess.TimeoutExpired) as failure:
                self.wrong.append(f"unmount: {failure}")
        return self.wrong


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    parser.add_argument("--keep", action="store_true", help="keep the vault of the first round that fails")
    settings = parser.parse_args()
    run_self_as(settings.who)
    failed, begin = 0, time.monotonic()
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
            wrong = Round(vault, template, random.Random(f"{settings.seed}/{number}")).run(contents)
            for line in wrong:
                print(f"WRONG: seed {settings.seed}, round {number}: {line}", flush=True)
            failed += bool(wrong)
            if wrong and settings.keep:
                vault.keep = True
                break
        if failed:
            print("daemon's log, its end:\n" + vault.log_tail(3000))
    print(f"{settings.rounds * CHANGES} changes in {settings.rounds} rounds, {time.monotonic() - begin:.0f} s, {failed} rounds failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
