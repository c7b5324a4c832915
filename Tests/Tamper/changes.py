"""Random changes of a vault's files, names, targets, attributes and side files, as somebody may make them who has no keys."""

import errno
import os
from pathlib import Path


class Changes:
    def __init__(self, top, dice):
        self.top, self.dice = top, dice
        self.touched = set()  # what was changed, by its place in the vault's root

    def entries(self):
        found = []
        for folder, folders, names in os.walk(self.top):
            if Path(folder) == self.top:
                folders.remove(".envelopefs")
            found += [Path(folder, name) for name in folders + names]
        return found

    def make(self, count):
        for _ in range(count):
            entries = self.entries()
            if not entries:
                return
            path = self.dice.choice(entries)
            self.touched.add(path.relative_to(self.top).parts[0])
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
            target = dice.choice([entry for entry in entries if entry.is_dir() and not entry.is_symlink()] or [self.top])
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
        self.touched.add(two.relative_to(self.top).parts[0])
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
