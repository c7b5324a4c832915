"""A disk that keeps what was synced, and of the rest whatever it likes: the states that a power cut may leave.

What is assumed of the file system and the device, and nothing more:
- name operations (create, rename, link, unlink, mkdir, attributes) come to disk in the order in which they were made, as a journalling
  file system's do; those before an fsync of a directory or a sync are there. An fsync of a file makes its content and its making durable,
  and (not fdatasync) its attributes.
- of one file, truncations and punched holes come to disk in their order. Pages come in any order, each in any version that it had
  since the last fsync; the length in any that it had. So a write may be missing, later ones be there, and new length may hold zeros.
- a page that was being written may be torn between two of its versions, at 512 bytes.
"""

import os

from inode import Inode


class Directory(dict):
    """Names to Inode, Directory, or bytes (a link's target). `mode` is not modelled; `attributes` of files are."""


class Disk:
    """Takes the calls of a trace one by one; `states` are what a power cut right now may leave."""

    def __init__(self, vault=None):
        self.inodes = {}
        self.attributes = {}
        # What is certain of the names, the calls since then, and all of them applied.
        self.certain, self.names = Directory(), Directory()
        self.waiting = []
        self.unnamed = {}
        if vault is not None:
            self._load(os.fsencode(str(vault)), self.certain)
            self.names = clone(self.certain)

    def _load(self, path, directory):
        for entry in os.scandir(path):
            name = os.fsdecode(entry.name)
            if entry.is_symlink():
                directory[name] = os.readlink(entry.path)
            elif entry.is_dir():
                directory[name] = Directory()
                self._load(entry.path, directory[name])
            elif entry.is_file():
                with open(entry.path, "rb") as file:
                    number = self._new(file.read())
                directory[name] = number
                self.attributes[number] = {name: os.getxattr(entry.path, name) for name in os.listxattr(entry.path) if name.startswith("user.")}

    def _new(self, content=b""):
        number = len(self.inodes)
        self.inodes[number] = Inode(content)
        return number

    def _number(self, path):
        if path in self.unnamed:
            return self.unnamed[path]
        found = look(self.names, path)
        return found if isinstance(found, int) else None

    def apply(self, index, call):
        path = call.path
        if call.kind == "create":
            if path.endswith(b" (deleted)"):
                self.unnamed[path] = self._new()
            elif look(self.names, path) is None:
                self._name(index, ("place", path, self._new()))
        elif call.kind in ("write", "truncate", "fallocate"):
            self._content(index, call)
        elif call.kind == "fsync":
            self._sync(call.extra["before"], path, call.flags == "fsync")
        elif call.kind == "sync":
            for inode in self.inodes.values():
                inode.synced(call.extra["before"])
            self._keep_names(call.extra["before"])
        elif call.kind == "mkdir":
            self._name(index, ("place", path, Directory()))
        elif call.kind == "symlink":
            self._name(index, ("place", path, call.data))
        elif call.kind == "unlink":
            self._name(index, ("remove", path))
        elif call.kind == "link":
            number = self._number(path)
            self._name(index, ("place", call.to, number))
        elif call.kind == "rename":
            self._name(index, ("exchange" if "EXCHANGE" in call.flags else "rename", path, call.to))
        elif call.kind == "attribute":
            number = self._number(path)
            if number is not None:
                self._name(index, ("attribute", number, call.extra["name"], call.data))
        else:
            raise AssertionError(call.kind)

    def _content(self, index, call):
        number = self._number(call.path)
        if number is None:
            return  # a file that has no name any more
        inode = self.inodes[number]
        if call.kind == "write":
            offset = inode.length if call.offset < 0 else call.offset
            inode.change(index, "write", offset, len(call.data), call.data)
        elif call.kind == "truncate":
            inode.change(index, "truncate", call.count, 0)
        elif "COLLAPSE" in call.flags or "INSERT" in call.flags or "UNSHARE" in call.flags:
            raise AssertionError(f"fallocate of a kind that is not modelled: {call.flags}")
        else:
            if "PUNCH_HOLE" in call.flags or "ZERO_RANGE" in call.flags:
                inode.change(index, "punch", call.offset, call.count)
            if "KEEP_SIZE" not in call.flags and call.offset + call.count > inode.length:
                inode.change(index, "truncate", call.offset + call.count, 0)

    def _sync(self, before, path, with_attributes):
        """Makes durable what began before that call."""
        found = self.unnamed.get(path, look(self.names, path))
        if isinstance(found, int):
            self.inodes[found].synced(before)
            made = [place for place, (_, operation) in enumerate(self.waiting) if operation[0] == "place" and operation[2] == found]
            if made and self.waiting[made[0]][0] < before:
                self._keep_names(self.waiting[made[0]][0] + 1)
            set_before = [index for index, operation in self.waiting if with_attributes and operation[:2] == ("attribute", found) and index < before]
            if set_before:
                self._keep_names(set_before[-1] + 1)
        elif found is not None:
            self._keep_names(before)

    def _name(self, index, operation):
        self.waiting.append((index, operation))
        self._do(self.names, operation)

    def _keep_names(self, before):
        while self.waiting and self.waiting[0][0] < before:
            _, operation = self.waiting.pop(0)
            self._do(self.certain, operation)
            if operation[0] == "attribute":
                self._attribute(self.attributes, operation)

    @staticmethod
    def _attribute(attributes, operation):
        _, number, name, value = operation
        mine = dict(attributes.get(number, {}))
        if value is None:
            mine.pop(os.fsdecode(name), None)
        else:
            mine[os.fsdecode(name)] = value
        attributes[number] = mine

    @staticmethod
    def _do(names, operation):
        kind = operation[0]
        if kind == "place":
            thing = operation[2]
            put(names, operation[1], Directory() if isinstance(thing, Directory) else thing)
        elif kind == "remove":
            take(names, operation[1])
        elif kind == "rename":
            thing = take(names, operation[1])
            put(names, operation[2], thing)
        elif kind == "exchange":
            one, other = take(names, operation[1]), take(names, operation[2])
            put(names, operation[1], other)
            put(names, operation[2], one)

    def write_state(self, target, choice):
        """Makes the directory `target` one of the states that a power cut now may leave."""
        names, attributes = clone(self.certain), dict(self.attributes)
        kept = choice.choice([0, len(self.waiting), choice.randint(0, len(self.waiting))])
        for _, operation in self.waiting[:kept]:
            self._do(names, operation)
            if operation[0] == "attribute":
                self._attribute(attributes, operation)
        contents = {}
        self._write(os.fsencode(str(target)), names, attributes, contents, choice)

    def _write(self, path, names, attributes, contents, choice):
        os.mkdir(path, 0o700)
        for name, thing in names.items():
            place = path + b"/" + os.fsencode(name)
            if isinstance(thing, Directory):
                self._write(place, thing, attributes, contents, choice)
            elif isinstance(thing, int):
                if thing in contents:
                    os.link(contents[thing], place)
                    continue
                contents[thing] = place
                with open(place, "wb") as file:
                    file.write(self.inodes[thing].some(choice))
                for attribute, value in attributes.get(thing, {}).items():
                    os.setxattr(place, attribute, value)
            else:
                os.symlink(thing, place)


def clone(directory):
    return Directory((name, clone(thing) if isinstance(thing, Directory) else thing) for name, thing in directory.items())


def parts(path):
    return [os.fsdecode(part) for part in path.split(b"/") if part]


def look(directory, path):
    for part in parts(path):
        if not isinstance(directory, Directory) or part not in directory:
            return None
        directory = directory[part]
    return directory


def put(directory, path, thing):
    *above, name = parts(path)
    for part in above:
        directory = directory[part]
    directory[name] = thing


def take(directory, path):
    *above, name = parts(path)
    for part in above:
        directory = directory[part]
    return directory.pop(name)
