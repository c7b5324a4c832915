#!/usr/bin/python3
"""Kills the daemon while programs write, mounts again, and looks for everything that had been acknowledged by fsync.

    crash.py [--rounds N] [--seconds S] [--seed S] [--as root|user]
"""

import argparse
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import mixture  # noqa: E402
from vault import PYTHON, Failure, Vault, run_self_as  # noqa: E402

BLOCK = 4096
BLOCKS = 200


def block(number, version):
    """A block that says which version of which block it is, in every 64 bytes."""
    return (struct.pack("<QQ", number, version) + hashlib.sha256(f"{number} {version}".encode()).digest() + bytes(16)) * 64


class Lines:
    """A log: a line is appended, fsynced, acknowledged. All acknowledged lines must stand, in order, whole."""

    def __init__(self, folder):
        self.path = folder / "log"

    @staticmethod
    def line(number):
        return f"line {number} ".encode() + b"-" * (number * 37 % 300) + b"\n"

    def steps(self):
        with open(self.path, "ab", buffering=0) as file:
            number = len(self.path.read_bytes().splitlines())
            while True:
                file.write(self.line(number))
                os.fsync(file.fileno())
                yield number
                number += 1

    def check(self, acknowledged):
        data = self.path.read_bytes()
        expected = b"".join(self.line(number) for number in range(max(acknowledged) + 1))
        if data[:len(expected)] != expected:
            raise Failure(f"log: of {len(expected)} acknowledged bytes {len(data)} are there or they differ")
        # what was not acknowledged is cut off, so that the next round starts with whole lines
        os.truncate(self.path, len(expected))


class Small:
    """New files of many sizes, each fsynced with its directory."""

    def __init__(self, folder):
        self.folder = folder / "small"

    @staticmethod
    def data(number):
        return hashlib.sha256(str(number).encode()).digest() * (1 + number * 7919 % 400)

    def steps(self):
        self.folder.mkdir(exist_ok=True)
        number = max((int(name.split(" ")[0]) for name in os.listdir(self.folder)), default=-1) + 1
        directory = os.open(self.folder, os.O_RDONLY)
        while True:
            with open(self.folder / self.name(number), "xb") as file:
                file.write(self.data(number))
                file.flush()
                os.fsync(file.fileno())
            os.fsync(directory)
            yield number
            number += 1

    @staticmethod
    def name(number):
        return f"{number} " + ("long " * 45 if number % 5 == 0 else "short")

    def check(self, acknowledged):
        for number in acknowledged:
            if (self.folder / self.name(number)).read_bytes() != self.data(number):
                raise Failure(f"small file {number} differs")
        for name in os.listdir(self.folder):
            if int(name.split(" ")[0]) not in acknowledged:
                os.unlink(self.folder / name)


class Overwrites:
    """Blocks of one file overwritten in place, fsynced: each is the acknowledged version or a later one, never a mixture."""

    def __init__(self, folder):
        self.path = folder / "blocks"

    def steps(self):
        choice = random.Random(time.time_ns())
        if not self.path.exists():
            self.path.write_bytes(b"".join(block(number, 0) for number in range(BLOCKS)))
        with open(self.path, "r+b", buffering=0) as file:
            version = time.time_ns()
            while True:
                number = choice.randrange(BLOCKS)
                version += 1
                os.pwrite(file.fileno(), block(number, version), number * BLOCK)
                os.fsync(file.fileno())
                yield number, version

    def check(self, acknowledged):
        newest = {}
        for number, version in acknowledged:
            newest[number] = max(version, newest.get(number, 0))
        data = self.path.read_bytes()
        if len(data) != BLOCKS * BLOCK:
            raise Failure(f"blocks: {len(data)} bytes")
        for number in range(BLOCKS):
            mine = data[number * BLOCK:(number + 1) * BLOCK]
            stands, version = struct.unpack_from("<QQ", mine)
            if stands != number or mine != block(number, version):
                raise Failure(f"block {number} is a mixture or foreign: {mine[:80].hex()}")
            if version < newest.get(number, 0):
                raise Failure(f"block {number}: version {newest[number]} was acknowledged, {version} is there")


class Replacement:
    """A file replaced by rename of a synced new one: always a whole version, at least the acknowledged one."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "replaced"

    @staticmethod
    def data(number):
        return struct.pack("<Q", number) + hashlib.sha256(str(number).encode()).digest() * (1 + number % 900)

    def steps(self):
        number = struct.unpack_from("<Q", self.path.read_bytes())[0] + 1 if self.path.exists() else 0
        directory = os.open(self.folder, os.O_RDONLY)
        while True:
            new = self.folder / "replaced.new"
            with open(new, "wb") as file:
                file.write(self.data(number))
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, self.path)
            os.fsync(directory)
            yield number
            number += 1

    def check(self, acknowledged):
        data = self.path.read_bytes()
        number = struct.unpack_from("<Q", data)[0]
        if data != self.data(number) or number < max(acknowledged):
            raise Failure(f"replaced: version {number}, {len(data)} bytes; acknowledged {max(acknowledged)}")


WRITERS = {kind.__name__: kind for kind in (Lines, Small, Overwrites, Replacement)}


def write_forever(name, folder, acknowledgements):
    """The child's part: works until the mount is gone; each acknowledgement goes to a plain file."""
    log = os.open(acknowledgements, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for step in WRITERS[name](Path(folder)).steps():
            os.write(log, (repr(step) + "\n").encode())
    except OSError as error:
        print(f"{name} ends: {error}")


def round_of(vault, round_number, seconds, seed):
    children, beginnings = [], {}
    for name in WRITERS:
        beginnings[vault.base / f"ack-{name}"] = size_of(vault.base / f"ack-{name}")
        children.append(subprocess.Popen([PYTHON, __file__, "--writer", name, str(vault.mount_point), str(vault.base / f"ack-{name}")],
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    folder, log = vault.mount_point / f"mixture {round_number}", vault.base / "mixture.log"
    folder.mkdir()
    log.unlink(missing_ok=True)
    beginnings[log] = 0
    mixed = subprocess.Popen([PYTHON, __file__, "--mixture", str(folder), str(seed), str(log)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # On a busy machine a program may need seconds to begin: the kill comes when all are at work.
    deadline = time.monotonic() + 60
    while any(size_of(path) <= size for path, size in beginnings.items()):
        if time.monotonic() > deadline:
            raise Failure("a writer does not begin")
        time.sleep(0.02)
    time.sleep(seconds * random.uniform(0.1, 1.5))
    vault.kill()
    said, _ = mixed.communicate(timeout=60)
    if "mixture ends: " not in said:
        raise Failure(f"the mixture ended by itself: {said[-1500:]}")
    for name, child in zip(WRITERS, children):
        said, _ = child.communicate(timeout=60)
        if "ends: " not in said:
            raise Failure(f"{name} ended by itself: {said[-1500:]}")
    # A journal is replayed by the mount after the kill: that one may be killed too, and again.
    interrupted = 0
    while random.random() < 0.4:
        interrupted += vault.kill_while_mounting(random.uniform(0.3, 1.2))
    vault.mount()
    wrong, total = mixture.judge(folder, log)
    if wrong:
        raise Failure(f"round {round_number}, mixture with seed {seed}: " + "; ".join(wrong[:5]))
    shutil.rmtree(folder)
    for name, kind in WRITERS.items():
        acknowledged = acknowledgements(vault.base / f"ack-{name}")
        if not acknowledged:
            raise Failure(f"{name} came to nothing in {seconds} s")
        total += len(acknowledged)
        try:
            kind(vault.mount_point).check(acknowledged)
        except OSError as error:
            raise Failure(f"round {round_number}, {name}: {error}") from error
        except Failure as failure:
            raise Failure(f"round {round_number}, {failure}") from failure
    print(f"round {round_number}: {total} acknowledged steps stand" + f", {interrupted} mounts killed" * (interrupted > 0), flush=True)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def acknowledgements(path):
    lines = path.read_text().splitlines() if path.exists() else []
    values = []
    for line in lines:
        values.append(tuple(map(int, line.strip("()").split(", "))) if line.startswith("(") else int(line))
    return values


def forgotten_inode(vault):
    """A file that waits for the sealer, whose inode the kernel has forgotten, is opened again and written; then the kill (BUGS T7)."""
    path = vault.mount_point / "forgotten"
    path.write_bytes(b"x" * 20000)
    if os.geteuid() == 0:
        Path("/proc/sys/vm/drop_caches").write_text("2")
    data = bytearray(b"x" * 20000)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        os.write(descriptor, b"line\n" * 20)
        os.fsync(descriptor)
        data += b"line\n" * 20
        time.sleep(0.005)
    vault.kill()
    try:
        os.close(descriptor)
    except OSError:
        pass  # the mount is gone
    vault.mount()
    try:
        if path.read_bytes() != bytes(data):
            raise Failure("forgotten inode: the acknowledged lines differ")
    except OSError as error:
        raise Failure(f"forgotten inode: {error}") from error
    print("an inode forgotten between close and open: all lines stand", flush=True)


def rounds_of_one_vault(numbers, seconds, first):
    with Vault() as vault:
        vault.init().mount()
        try:
            for round_number in numbers:
                round_of(vault, round_number, seconds, first + round_number)
            forgotten_inode(vault)
            vault.remount()
            for name, kind in WRITERS.items():
                kind(vault.mount_point).check(acknowledgements(vault.base / f"ack-{name}"))
            vault.unmount()
        except Failure:
            print("daemon's log, its end:\n" + vault.log_tail())
            raise


def main():
    if sys.argv[1:2] == ["--writer"]:
        return write_forever(*sys.argv[2:5])
    if sys.argv[1:2] == ["--mixture"]:
        return mixture.forever(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--renew", type=int, default=40, help="rounds after which a new vault is taken: looking at all that was done takes longer with each")
    parser.add_argument("--seed", type=int, help="of the mixture")
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    settings = parser.parse_args()
    run_self_as(settings.who)
    first = settings.seed if settings.seed is not None else random.randrange(1 << 30)
    for begin in range(0, settings.rounds, settings.renew):
        rounds_of_one_vault(range(begin + 1, min(begin + settings.renew, settings.rounds) + 1), settings.seconds, first)
    print(f"{settings.rounds} kills survived\n1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
