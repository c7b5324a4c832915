#!/usr/bin/python3
"""Proves that the differential test can fail: plants one fault at a time on one of two plain directories and expects a report."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"

# Each fault is a patch of the class that acts on the mount's side, by name: (description, code with `Side` in scope).
FAULTS = {
    "one byte of a read is wrong": """
original = Side.pread
def pread(self, handle, offset, length):
    data = original(self, handle, offset, length)
    return data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 3000 else data
MountSide.pread = pread""",
    "a write moves no mtime": """
original = Side.pwrite
def pwrite(self, handle, offset, spec):
    before = os.fstat(self.handles[handle])
    count = original(self, handle, offset, spec)
    os.utime(self.handles[handle], ns=(before.st_atime_ns, before.st_mtime_ns))
    return count
MountSide.pwrite = pwrite""",
    "rename NOREPLACE replaces": """
original = Side.rename
MountSide.rename = lambda self, source, path, flags: original(self, source, path, 0 if flags == 1 else flags)""",
    "an attribute loses its last byte": """
original = Side.setxattr
MountSide.setxattr = lambda self, path, name, value, flags, follow: original(self, path, name, value[:-1] if len(value) > 250 else value, flags, follow)""",
    "a hard link is a copy": """
original = Side.link
def link(self, source, path):
    original(self, source, path)
    if os.path.isfile(self.root + path) and not os.path.islink(self.root + path):
        os.unlink(self.root + path)
        os.close(os.open(self.root + path, os.O_CREAT | os.O_WRONLY))
MountSide.link = link""",
    "growing a file leaves old bytes": """
original = Side.ftruncate
def ftruncate(self, handle, length):
    size = os.fstat(self.handles[handle]).st_size
    original(self, handle, length)
    if length > size + 10 and length < 1 << 20 and handle in self.writable:
        os.pwrite(self.handles[handle], b"x", size + 5)
MountSide.ftruncate = ftruncate""",
    "the mode of a directory ignores set-group-id": """
original = Side.chmod
MountSide.chmod = lambda self, path, mode: original(self, path, mode & ~0o2000)""",
    "a name with invalid UTF-8 is listed twice": """
original = Side.list
MountSide.list = lambda self, path: [entry for entry in original(self, path) for _ in range(2 if entry[0][:1] == b"\\x80" else 1)]""",
}

PROGRAM = """
import sys, os
sys.path[:0] = [{here!r}, {mounted!r}]
import operations, differential
from operations import Side
class MountSide(Side): pass
{fault}
class FaultyPair(differential.Pair):
    def __init__(self, plain_top, mount_top):
        super().__init__(plain_top, mount_top)
        self.mount = MountSide(mount_top + b"/" + differential.DEPTH)
differential.Pair = FaultyPair
sys.argv = ["differential.py", "--plain", {plain!r}, "--mount", {mount!r}, "--operations", "8000", "--readers", "0", "--seed", "planted", "--quiet",
            "--traces", {traces!r}]
differential.main()
"""


def attempt(fault):
    with tempfile.TemporaryDirectory(prefix="efs-tests-", dir="/tmp") as base:
        folders = {name: os.path.join(base, name) for name in ("plain", "mount", "traces")}
        for path in folders.values():
            os.mkdir(path)
        program = PROGRAM.format(here=str(HERE), mounted=str(HERE.parent / "Mounted"), fault=fault, **folders)
        return subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, timeout=600)


def main():
    failed = 0
    clean = attempt("pass")
    if clean.returncode != 0:
        print(f"two plain directories differ without a fault:\n{clean.stdout[-3000:]}{clean.stderr[-2000:]}")
        failed += 1
    for name, fault in FAULTS.items():
        done = attempt(fault)
        seen = done.returncode == 1 and "DIFFERENCE" in done.stdout and not done.stderr
        print(f"{'seen' if seen else 'NOT SEEN'}: {name}" + ("" if seen else f"\n{done.stdout[-1500:]}{done.stderr[-1500:]}"))
        failed += not seen
    print(f"{len(FAULTS) + 1 - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
