#!/usr/bin/python3
"""Counts what one operation on a mount costs the daemon: requests of the kernel, and system calls; then, in a second mount, what it asks of malloc,
memcpy and libcrypto (counting.c, preloaded): allocations, copies of 1 KiB or more, blocks and records sealed or opened. Counts do not depend on how busy a machine is.
Last, the memory that the daemon takes for a large file, and that it holds when idle after a burst.

    costs.py [--operations N]

Each row runs N operations while strace watches the daemon, and must stay within its bound. What depends on timing is left out: calls with which
the daemon waits (poll, futex, sched_yield, sleeps, reads that find no request), what starting a thread takes, and threads that serve no requests,
as the sealer. Reading a request and answering it are counted as the request.
"""

import argparse
import mmap
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Mounted"))

from vault import Failure, Vault, preloading, process_status  # noqa: E402

REQUESTS = {1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 4: "SETATTR", 8: "MKNOD", 9: "MKDIR", 10: "UNLINK", 11: "RMDIR", 14: "OPEN", 15: "READ",
            16: "WRITE", 17: "STATFS", 18: "RELEASE", 20: "FSYNC", 22: "GETXATTR", 25: "FLUSH", 26: "INIT", 27: "OPENDIR", 28: "READDIR",
            29: "RELEASEDIR", 34: "ACCESS", 35: "CREATE", 36: "INTERRUPT", 42: "BATCH_FORGET", 43: "FALLOCATE", 44: "READDIRPLUS"}
# Not waited for by any program, and sent whenever the kernel likes.
UNASKED = {"FORGET", "BATCH_FORGET", "INTERRUPT"}
WAITING = {"poll", "ppoll", "futex", "sched_yield", "clock_nanosleep", "nanosleep", "restart_syscall", "clock_gettime"}
STARTING = {"clone3", "rseq", "set_robust_list", "prctl", "rt_sigprocmask", "gettid", "exit", "madvise"}
LARGE = 128  # MiB
ALLOWED_BUSY = 64 << 10  # KiB
ALLOWED_THREADS = 4 + 3 * os.cpu_count()
ALLOWED_IDLE = 8 << 10  # KiB more than after mounting
CALL = re.compile(r"^(\d+)\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)(.*)$")


class Watch:
    """strace on the daemon, from entering to leaving the `with`."""

    def __init__(self, pid):
        self.pid = pid
        self.requests = Counter()
        self.calls = Counter()
        self.notices = 0
        links = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        self.channels = {fd for fd, target in links.items() if target == "/dev/fuse"}
        if not self.channels:
            raise Failure("the daemon has no descriptor of /dev/fuse")

    def __enter__(self):
        self.output = tempfile.NamedTemporaryFile(prefix="efs-costs-", suffix=".strace")
        self.tracer = subprocess.Popen(["strace", "-f", "-xx", "-s", "8", "-o", self.output.name, "-p", str(self.pid)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = self.tracer.stderr.readline()
        if "attached" not in line:
            raise Failure(f"strace: {line}")
        time.sleep(0.2)
        self.idle_threads = set()
        self.look_at_threads()
        return self

    def look_at_threads(self):
        """Remembers the threads that serve no requests."""
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                if not (task / "comm").read_text().startswith("serve "):
                    self.idle_threads.add(task.name)
            except FileNotFoundError:  # it has just ended
                continue

    def __exit__(self, kind, *_):
        time.sleep(0.1)
        self.look_at_threads()
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.communicate(timeout=60)
        if kind is None:
            with open(self.output.name, encoding="ascii", errors="replace") as lines:
                for line in lines:
                    self.count(line)
        self.output.close()

    def count(self, line):
        """A call that another thread's line cut in two is counted where it began; a request where its bytes are."""
        found = CALL.match(line)
        if not found or "unfinished ...>" in line and found.group(2) == "read":
            return
        thread, name, rest = found.groups()
        if thread in self.idle_threads:
            return
        resumed = "resumed>" in line
        number = re.match(r"(\d+)", rest)
        on_channel = resumed if name == "read" else bool(number) and int(number.group(1)) in self.channels
        if name == "read" and not resumed:
            on_channel = bool(number) and int(number.group(1)) in self.channels
        if name == "read" and on_channel:
            data = re.search(r'"((?:\\x[0-9a-f]{2}){8})"', rest)
            if data:
                opcode = int.from_bytes(bytes.fromhex(data.group(1).replace("\\x", ""))[4:8], sys.byteorder)
                self.requests[REQUESTS.get(opcode, str(opcode))] += 1
            return
        if name == "writev" and on_channel:
            # An answer begins with its length and minus the errno; in a notice the second is its kind, which is more than zero.
            data = re.search(r'"((?:\\x[0-9a-f]{2}){8})"', rest)
            if data and int.from_bytes(bytes.fromhex(data.group(1).replace("\\x", ""))[4:8], sys.byteorder, signed=True) > 0:
                self.notices += 1
        if resumed or on_channel or name in WAITING or name in STARTING:
            return
        self.calls[name] += 1


class CountingVault(Vault):
    """A vault whose daemon counts what it asks of its libraries."""

    INSIDE = "allocations", "copies", "seals and openings"

    def __init__(self, **named):
        super().__init__(**named)
        self.file = open(self.base / "counts", "w+b")
        self.file.truncate(8 * len(self.INSIDE))
        self.loaded = preloading(HERE / "counting.c", self.base) | {"EFS_COUNTS": self.file.name}
        self.numbers = mmap.mmap(self.file.fileno(), 8 * len(self.INSIDE))

    @property
    def environment(self):
        return super().environment | self.loaded

    def counted(self):
        """So far, in the order of `INSIDE`, when the daemon has done what it does after an answer."""
        time.sleep(0.1)
        return struct.unpack(f"{len(self.INSIDE)}Q", self.numbers)


def write(path, data):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(descriptor, data)
    os.close(descriptor)


def read(path, count):
    descriptor = os.open(path, os.O_RDONLY)
    data = os.read(descriptor, count)
    os.close(descriptor)
    if len(data) != count:
        raise Failure(f"{path}: {len(data)} of {count} bytes")


class Rows:
    """The operations, each with what is done before it is watched."""

    def __init__(self, vault, count):
        self.vault = vault
        self.count = count
        self.folder = vault.mount_point / "folder"
        self.failures = []
        self.block = os.urandom(4096)
        self.mebibyte = os.urandom(1 << 20)

    def remount(self):
        self.vault.unmount()
        self.vault.mount("-o", "noawake")
        os.stat(self.folder)

    def measure(self, title, requests, calls, inside, operation, count=None):
        """Runs operation(i) `count` times; `requests`, `calls` and, for a vault that counts it, `inside` are the bounds of their number for one.
        The compiler saves a release build many of the allocations that a debug build makes: their bound is a pair."""
        count = count or self.count
        if isinstance(self.vault, CountingVault):
            before = self.vault.counted()
            for number in range(count):
                operation(number)
            (release, debug), *others = inside
            bounds = [debug if "debug" in Path(self.vault.binary).parts else release, *others]
            for what, bound, first, last in zip(CountingVault.INSIDE, bounds, before, self.vault.counted()):
                each = (last - first) / count
                print(f"{title:32} {each:7.2f} {what} (bound {bound})")
                if each > bound:
                    self.failures.append(f"{title}: {each:.2f} {what}, bound {bound}")
            return
        with Watch(self.vault.pid) as watch:
            for number in range(count):
                operation(number)
        asked = {name: number for name, number in watch.requests.items() if name not in UNASKED}
        for what, bound, counter in (("requests", requests, asked), ("system calls", calls, watch.calls)):
            each = sum(counter.values()) / count
            parts = ", ".join(f"{name} {number / count:.2f}" for name, number in sorted(counter.items(), key=lambda item: -item[1])
                              if number / count >= 0.01)
            print(f"{title:32} {each:7.2f} {what:12} (bound {bound}): {parts}")
            if each > bound:
                self.failures.append(f"{title}: {each:.2f} {what}, bound {bound}")
            # On a busy machine another thread of the daemon may take over for a moment, and then has to be allowed for.
            if what == "requests" and watch.notices > 0.1 * count:
                self.failures.append(f"{title}: {watch.notices} notices, and nobody but this program is told anything")
            if what == "requests" and each == 0:
                self.failures.append(f"{title}: no request was seen")

    def run(self):
        self.folder.mkdir()
        path = lambda number: self.folder / f"file-{number}"  # noqa: E731
        write(self.folder / "first", self.block)
        self.measure("create, write 4 KiB, close", 7.1, 9.8, ((130, 250), 1.1, 3.1), lambda number: write(path(number), self.block))
        self.remount()
        self.measure("stat, cold", 1.1, 1.5, ((9, 53), 0.1, 0.1), lambda number: os.stat(path(number)))
        self.measure("open, read 4 KiB, close", 4.2, 5.5, ((110, 145), 1.1, 3.1), lambda number: read(path(number), 4096))
        self.remount()
        listing = ["ls", "-l", self.folder]
        names = len(os.listdir(self.folder))
        self.remount()
        self.measure("ls -l, cold", 1.3, 2.5, ((16, 55), 0.1, 0.1), lambda number: number or subprocess.run(listing, stdout=subprocess.DEVNULL, check=True), names)
        large = self.folder / "large"
        write(large, self.mebibyte * 16)
        descriptor = os.open(large, os.O_RDWR)
        os.fsync(descriptor)

        def overwrite(data, offset):
            os.pwrite(descriptor, data, offset)
            os.fdatasync(descriptor)

        overwrite(self.block, 0)
        self.measure("4 KiB over 4 KiB, fdatasync", 3.2, 10.8, ((18, 65), 5.5, 3.3), lambda number: overwrite(self.block, (number * 37 % 4096) << 12))
        self.measure("1 MiB over 1 MiB, fdatasync", 4.2, 36, ((400, 14000), 600, 280), lambda number: overwrite(self.mebibyte, (number % 16) << 20), 16)
        os.close(descriptor)
        self.remount()
        descriptor = os.open(large, os.O_RDONLY)
        self.measure("1 MiB read in sequence", 1.5, 14, ((20, 600), 0.2, 270), lambda number: os.pread(descriptor, 1 << 20, number << 20), 16)
        os.close(descriptor)
        self.remount()
        self.measure("unlink, cold", 3.2, 3.6, ((18, 110), 0.1, 0.1), lambda number: os.unlink(path(number)))

    def busy_memory(self):
        """A large file, written and made durable: no threads are started that only wait for each other, each with its buffers."""
        self.remount()
        # The most resident memory begins anew: opening the keystore takes more than all that follows.
        Path(f"/proc/{self.vault.pid}/clear_refs").write_text("5")
        with open(self.folder / "transfer", "wb", buffering=0) as file:
            for _ in range(LARGE):
                file.write(self.mebibyte)
            os.fsync(file.fileno())
        fields = process_status(self.vault.pid)
        most, threads = int(fields["VmHWM"].split()[0]), int(fields["Threads"])
        print(f"resident at most, {LARGE} MiB written: {most / 1024:.1f} MiB (bound {ALLOWED_BUSY / 1024:.0f}), {threads} threads (bound {ALLOWED_THREADS})")
        if most > ALLOWED_BUSY or threads > ALLOWED_THREADS:
            self.failures.append(f"the daemon took {most / 1024:.1f} MiB and {threads} threads to write a large file")

    def idle_memory(self):
        """What eight programs make the daemon take, it gives back when it has nothing to do."""
        self.remount()
        before = self.vault.memory()[0]
        writers = [subprocess.Popen(["dd", "if=/dev/urandom", f"of={self.folder}/burst-{number}", "bs=1M", "count=16", "status=none"]) for number in range(8)]
        if any([writer.wait() for writer in writers]):
            raise Failure("a writer failed")
        held, _, threads = self.vault.memory()
        deadline = time.monotonic() + 30
        while (left := self.vault.memory()[0] - before) > ALLOWED_IDLE and time.monotonic() < deadline:
            time.sleep(0.2)
        print(f"resident after 8 writers: {(held - before) / 1024:.1f} MiB more, {threads} threads; when idle {left / 1024:.1f} MiB "
              f"(bound {ALLOWED_IDLE / 1024:.0f})")
        if left > ALLOWED_IDLE:
            self.failures.append(f"the idle daemon holds {left / 1024:.1f} MiB more than before")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=200)
    arguments = parser.parse_args()
    with Vault(prefix="efs-costs-") as vault:
        # Whether CPUs are kept awake depends on the time between requests.
        vault.init().mount("-o", "noawake")
        rows = Rows(vault, arguments.operations)
        rows.run()
        rows.busy_memory()
        rows.idle_memory()
        vault.unmount()
    with CountingVault(prefix="efs-costs-") as vault:
        vault.init().mount("-o", "noawake")
        inside = Rows(vault, arguments.operations)
        inside.run()
        vault.unmount()
    failures = rows.failures + inside.failures
    for failure in failures:
        print(f"FAILED {failure}")
    print("costs: " + ("FAILED" if failures else "every row within its bound"))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED {failure}")
        sys.exit(1)
