"""FORMAT.md section 10: which files the journal's records change, and a file as it is after them, in memory; nothing on disk is changed."""

import os
import stat
from bisect import bisect_right

from .header import MAGIC, VERSION
from .journal import LENGTH, WRITE
from .layout import SECTOR
from .names import RESERVED, BackingName
from .primitives import Foreign, u16

DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
DISK, ZEROS = None, b""


def inode(status):
    """What two names of one file have in common."""
    return status.st_dev, status.st_ino


class Files:
    """What a replay must know of all files of the vault: their places and their ids, without any key."""

    def __init__(self, fd, root):
        self.places, self.ids = {}, {}
        self._walk(fd, root, True)

    def _walk(self, fd, directory, is_root=False):
        for backing in sorted(map(os.fsencode, os.listdir(fd))):
            if is_root and backing == RESERVED:
                continue
            try:
                name = BackingName(backing)
            except Foreign:
                continue
            status = os.stat(backing, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and name.is_directory:
                inside = os.open(backing, DIRECTORY_FLAGS, dir_fd=fd)
                try:
                    self._walk(inside, name.own)
                finally:
                    os.close(inside)
            elif stat.S_ISREG(status.st_mode) and not name.is_side_file:
                self._file(fd, directory, backing, inode(status))

    def _file(self, fd, directory, backing, number):
        self.places.setdefault((directory, backing), []).append(number)
        file = os.open(backing, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
        try:
            sector = os.pread(file, SECTOR, 0)
        finally:
            os.close(file)
        if sector[:8] == MAGIC and u16(sector, 8) == VERSION and len(sector) >= 28:
            self.ids.setdefault(sector[12:28], []).append(number)


def assign(records, files):
    """{inode: its records, in order}."""
    found = {}
    for record in reversed(records):
        known = files.ids.get(record.file_id, [])
        at_place = [number for number in _at(record, files) if number in known]
        if at_place:
            found.setdefault(record.file_id, at_place[0])
    changed = {}
    for record in records:
        number = found.get(record.file_id) or next(iter(files.ids.get(record.file_id, [])), None)
        if number is not None:
            changed.setdefault(number, []).append(record)
    return changed


def _at(record, files):
    """The regular files at the place that a record names."""
    return files.places.get((record.directory, record.name), []) if record.name else []


class Disk:
    """A backing file as it stands."""

    def __init__(self, fd):
        self._fd = fd
        self.length = os.fstat(fd).st_size

    def read(self, offset, count):
        parts = []
        while count:
            part = os.pread(self._fd, count, offset)
            if not part:
                break
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return b"".join(parts)


class Overlay:
    """A backing file after its records: a list of places where another source of bytes begins.

    INVARIANT: from `length` on the source is zeros, so that a growing file needs no change.
    """

    def __init__(self, fd, records):
        self._disk = Disk(fd)
        self.length = self._disk.length
        self._starts, self._sources = [0, self.length], [DISK, ZEROS]
        if self.length == 0:
            self._starts, self._sources = [0], [ZEROS]
        for record in records:
            for piece in record.pieces:
                self._apply(piece)

    def _apply(self, piece):
        if piece.kind == WRITE:
            self._put(piece.place, piece.place + piece.count, (piece.data, piece.place))
            if piece.count:
                self.length = max(self.length, piece.place + piece.count)
        elif piece.kind == LENGTH:
            if piece.place < self.length:
                self._put(piece.place, self.length, ZEROS)
            self.length = piece.place
        else:
            self._put(piece.place, min(piece.place + piece.count, self.length), ZEROS)

    def _put(self, begin, end, source):
        if begin >= end:
            return
        first, last = self._split(begin), None
        last = self._split(end)
        self._starts[first:last] = [begin]
        self._sources[first:last] = [source]

    def _split(self, at):
        """The index of the part that begins at that byte, which is made."""
        place = bisect_right(self._starts, at) - 1
        if self._starts[place] == at:
            return place
        self._starts.insert(place + 1, at)
        self._sources.insert(place + 1, self._sources[place])
        return place + 1

    def read(self, offset, count):
        """Those of the bytes that are inside the file."""
        end = min(offset + count, self.length)
        parts = []
        while offset < end:
            place = bisect_right(self._starts, offset) - 1
            stop = min(end, self._starts[place + 1]) if place + 1 < len(self._starts) else end
            source = self._sources[place]
            if source is DISK:
                part = self._disk.read(offset, stop - offset)
            elif source is ZEROS:
                part = b""
            else:
                data, base = source
                part = data[offset - base:stop - base]
            parts.append(part.ljust(stop - offset, b"\0"))
            offset = stop
        return b"".join(parts)


class Status:
    """The status of a file after its records: only its time of modification is another."""

    def __init__(self, status, records):
        self._status, self.st_mtime_ns = status, records[-1].mtime_ns

    def __getattr__(self, name):
        return getattr(self._status, name)
