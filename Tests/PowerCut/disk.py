"""A disk that keeps what was synced, and of the rest whatever it likes: the states that a power cut may leave.

What is assumed of the file system and the device, and nothing more:
- name operations (create, rename, link, unlink, mkdir, attributes) come to disk in the order in which they were made, as a journalling
  file system's do; those before an fsync of a directory or a sync are there. An fsync of a file makes its content and its making durable.
- of one file, truncations and punched holes come to disk in their order. Pages come in any order, each in any version that it had
  since the last fsync; the length in any that it had. So a write may be missing, later ones be there, and new length may hold zeros.
- a page that was being written may be torn between two of its versions, at 512 bytes.
"""

import os

PAGE, SECTOR = 4096, 512


class Inode:
    """One file: bytes that are certain, and what was done since, as (index of the call, kind, offset, count, data)."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        self.length = len(durable)
        self.changes = []

    def change(self, index, kind, offset, count, data=b""):
        if kind == "write":
            self.length = max(self.length, offset + count)
        elif kind == "truncate":
            self.length = offset
        self.changes.append((index, kind, offset, count, data))

    def now(self, changes=None):
        """The bytes after these changes (all of them, unless told)."""
        content = bytearray(self.durable)
        self._apply(content, self.changes if changes is None else changes)
        return content

    @staticmethod
    def _apply(content, changes):
        for _, kind, offset, count, data in changes:
            if kind == "write":
                content.extend(bytes(max(0, offset + count - len(content))))
                content[offset:offset + count] = data
            elif kind == "truncate":
                del content[offset:]
                content.extend(bytes(offset - len(content)))
            else:
                end = min(offset + count, len(content))
                content[offset:end] = bytes(max(0, end - offset))

    def synced(self, before):
        """Changes that began before that call are certain from now on."""
        certain = [change for change in self.changes if change[0] < before]
        self._apply(self.durable, certain)
        self.changes = self.changes[len(certain):]

    def some(self, choice):
        """One state that the disk may be in."""
        if not self.changes or choice.random() < 0.1:
            return self.durable if choice.random() < 0.5 else self.now()
        shaping = [place for place, change in enumerate(self.changes) if change[1] != "write"]
        kept = choice.randint(0, len(shaping))
        # Everything up to the last shaping that came to disk, and nothing from the first that did not, as far as it covers a page.
        lengths = self._lengths(shaping, kept)
        length = choice.choice([lengths[0], lengths[-1], choice.choice(lengths)])
        content = self.durable[:length].ljust(length, b"\0")
        for start in self._touched(length):
            versions = self._versions(start, shaping, kept)
            mood = choice.random()
            first = versions[0] if mood < 0.3 else versions[-1] if mood < 0.6 else choice.choice(versions)
            page = bytearray(first)
            if choice.random() < 0.25 and len(versions) > 1:
                other = choice.choice(versions)
                for at in range(0, PAGE, SECTOR):
                    if choice.random() < 0.5:
                        page[at:at + SECTOR] = other[at:at + SECTOR]
            content[start:start + PAGE] = page[:length - start]
        return content

    def _touched(self, length):
        """Where the pages begin that may be another than the durable one."""
        pages, end = set(), len(self.durable)
        for _, kind, offset, count, _ in self.changes:
            stop = max(end, offset) if kind == "truncate" else offset + count
            end = max(end, stop)
            pages.update(range(offset // PAGE * PAGE, min(stop, length), PAGE))
        return sorted(page for page in pages if page < length)

    def _lengths(self, shaping, kept):
        begin = shaping[kept - 1] if kept else -1
        end = shaping[kept] if kept < len(shaping) else len(self.changes)
        length = len(self.now(self.changes[:begin + 1]))
        lengths = [length]
        for _, kind, offset, count, _ in self.changes[begin + 1:end]:
            length = max(length, offset + count)
            lengths.append(length)
        return lengths

    def _versions(self, start, shaping, kept):
        """The versions of the page at `start` that may stand on disk when the first `kept` shapings do."""
        def covers(place):
            _, kind, offset, count, _ = self.changes[place]
            return offset < start + PAGE and (kind == "truncate" or offset + count > start)
        begin = max((place for place in shaping[:kept] if covers(place)), default=-1)
        end = min((place for place in shaping[kept:] if covers(place)), default=len(self.changes))
        page = bytearray(self.durable[start:start + PAGE].ljust(PAGE, b"\0"))
        versions = [] if begin >= 0 else [bytes(page)]
        for place, (_, kind, offset, count, data) in enumerate(self.changes[:end]):
            low, high = max(offset, start), min(offset + count, start + PAGE)
            if kind == "write" and low < high:
                page[low - start:high - start] = data[low - offset:high - offset]
            elif kind == "truncate" and offset < start + PAGE:
                page[max(0, offset - start):] = bytes(PAGE - max(0, offset - start))
            elif kind == "punch" and low < high:
                page[low - start:high - start] = bytes(high - low)
            else:
                continue
            if place >= begin:
                versions.append(bytes(page))
        return versions


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
            self._sync(call.extra["before"], path)
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

    def _sync(self, before, path):
        """Makes durable what began before that call."""
        found = self.unnamed.get(path, look(self.names, path))
        if isinstance(found, int):
            self.inodes[found].synced(before)
            made = [place for place, (_, operation) in enumerate(self.waiting) if operation[0] == "place" and operation[2] == found]
            if made and self.waiting[made[0]][0] < before:
                self._keep_names(self.waiting[made[0]][0] + 1)
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
