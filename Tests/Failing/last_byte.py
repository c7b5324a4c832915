"""A mount that fills its disk to the last byte, in several ways."""

import errno
import os
from pathlib import Path

from fullness import FULL
from operations import LONG, MARK, put, text


class LastByte:
    def __init__(self, walk):
        self.walk, self.vault = walk, walk.vault

    def run(self):
        ways = {
            "new small files": lambda top, n: put(top / str(n), 0, text(n, 900)), "new files": lambda top, n: put(top / str(n), 0, text(n, 70_000)),
            "one file, by a byte": lambda top, n: put(top / "a", n, text(n, 1)), "one file, by 10,000 bytes": lambda top, n: put(top / "a", n * 10_000, text(n, 10_000)),
            "directories": lambda top, n: (top / str(n)).mkdir(), "long names": lambda top, n: put(top / (str(n) + LONG), 0, b""), "directories with long names": lambda top, n: (top / (str(n) + LONG)).mkdir(),
            "links": lambda top, n: os.symlink("t" * 2000, top / str(n)), "attributes": lambda top, n: (put(top / str(n), 0, b"x"), os.setxattr(top / str(n), MARK, text(n, 1500))), "allocation": lambda top, n: allocate_file(top / str(n)),
            "small files that grow": lambda top, n: (put(top / str(n), 0, text(n, 3000)), put(top / str(n), 3000, text(n, 2000)))}
        if self.walk.settings.short:
            ways = {name: ways[name] for name in ("new files", "directories with long names", "small files that grow")}
        if self.walk.settings.disk == "tmpfs":
            ways.pop("directories", None)  # they take no room there
        for name, way in ways.items():
            if self.walk.settings.names and not any(word in name for word in self.walk.settings.names):
                continue
            top = self.vault.mount_point / "filling"
            top.mkdir()
            self.walk.dog.note(name)
            # A little room, so that it ends soon.
            self.walk.filler.fill(0 if self.walk.filler.of_inodes else 300)
            if self.walk.filler.of_inodes:
                self.walk.filler.count(40)
            count, answer = 0, 0
            while count < 20_000:
                self.walk.dog.note(name)
                try:
                    way(top, count)
                except OSError as error:
                    answer = error.errno
                    break
                count += 1
            if answer not in FULL and not (count == 20_000 and "byte" in name or self.walk.filler.of_inodes and name.startswith("one file")):
                self.walk.complain(name, f"ended after {count} with {errno.errorcode.get(answer)}")
            self.walk.look_at_bystanders(f"{name}, with the disk full")
            done = self.filled(top, name, count)
            self.walk.filler.empty()
            self.walk.dog.note(f"unmounting after {name}")
            self.vault.unmount()
            self.walk.check(name)
            self.vault.mount()
            if self.filled(top, name, count) < done:
                self.walk.complain(name, "something is gone after the remount")
            self.walk.look_at_bystanders(f"{name}, after the remount")
            self.walk.clear(name)
            print(f"  {name}: {count} until it was full", flush=True)

    def filled(self, top, name, count):
        """How many of the files that were written and synchronised read right."""
        right = 0
        try:
            entries = {entry.name: entry for entry in os.scandir(top)}
            if "one file" in name:
                step = 1 if name.endswith("a byte") else 10_000
                data = (top / "a").read_bytes() if "a" in entries else b""
                right = sum(data[n * step:(n + 1) * step] == text(n, step) for n in range(count))
                if right < count:
                    self.walk.complain(name, f"{count - right} of {count} parts that were synchronised do not read right")
                return right
            missing = [n for n in range(count) if str(n) not in entries and str(n) + LONG not in entries]
            if missing:
                self.walk.complain(name, f"{len(missing)} of {count} are not there, {missing[0]} first")
            size = {"new small files": 900, "new files": 70_000}.get(name)
            for n in range(count) if size else ():
                if (top / str(n)).read_bytes() != text(n, size):
                    self.walk.complain(name, f"{n} does not read right")
            for entry in entries.values():
                os.lstat(entry.path)
                if entry.is_file(follow_symlinks=False):
                    Path(entry.path).read_bytes()
            right = count - len(missing)
        except OSError as error:
            self.walk.complain(name, f"what was written before does not read: {error}")
        return right


def allocate_file(path):
    with open(path, "wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 50_000)
