"""Visitors of a vault's tree: one writes it as a plain directory, one only opens everything."""

import os

from .primitives import Refused


class Checker:
    """Opens everything: names, contents to the last block, targets, attributes."""

    def __init__(self, vault):
        self.vault = vault
        self.counts = {}
        self.unsealed = []

    def enter(self, path, item, fd):
        self._count("directory")
        self.vault.attributes(fd, self.vault.object_id(item), path)

    def leave(self, path, item, fd):
        pass

    def item(self, path, item):
        self._count(item.kind)
        if item.kind == "link":
            self.vault.target(item)
        if item.kind != "file":
            return
        fd = self.vault.open_file(item)
        try:
            content = self.vault.content(fd)
            self._count("of them " + content.form)
            if content.state is not None and not content.state.is_sealed:
                self.unsealed.append(path)
            for _, _, refusal in content.extents():
                if refusal is not None:
                    self.vault.problems.append((path, str(refusal)))
            self.vault.attributes(fd, content.file_id, path)
        finally:
            os.close(fd)

    def _count(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1


class Writer:
    """Writes the plain tree below *out*, a directory that is empty. A file with a block that does not open is left out,
    unless *salvage*: then its block reads as zeros. Modes, owners (for root), times, attributes, holes and hard links are kept."""

    def __init__(self, vault, out, salvage=False):
        self.vault, self.salvage = vault, salvage
        self._root = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
        self._stack = []
        self._linked = {}

    def enter(self, path, item, fd):
        if item is None:
            mine = self._root
        else:
            os.mkdir(item.name, 0o700, dir_fd=self._stack[-1])
            mine = os.open(item.name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._stack[-1])
        self._stack.append(mine)

    def leave(self, path, item, fd):
        mine = self._stack.pop()
        self._dress(mine, self.vault.attributes(fd, self.vault.object_id(item), path), os.fstat(fd), path)
        os.close(mine)

    def item(self, path, item):
        above, status = self._stack[-1], item.status
        inode = (status.st_dev, status.st_ino)
        if inode in self._linked:
            first_fd, first = self._linked[inode]
            os.link(first, item.name, src_dir_fd=first_fd, dst_dir_fd=above, follow_symlinks=False)
            return
        if item.kind == "link":
            os.symlink(self.vault.target(item), item.name, dir_fd=above)
        elif item.kind == "file":
            self._file(path, item, above)
        else:
            os.mknod(item.name, status.st_mode, status.st_rdev, dir_fd=above)
        if item.kind != "file":
            if os.geteuid() == 0:
                os.chown(item.name, status.st_uid, status.st_gid, dir_fd=above, follow_symlinks=False)
            if item.kind != "link":
                os.chmod(item.name, status.st_mode & 0o7777, dir_fd=above)
            os.utime(item.name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=above, follow_symlinks=False)
        if status.st_nlink > 1:
            self._linked[inode] = os.dup(above), item.name

    def _file(self, path, item, above):
        source = self.vault.open_file(item)
        try:
            content = self.vault.content(source)
            attributes = self.vault.attributes(source, content.file_id, path)
            fd = os.open(item.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=above)
            try:
                if copy(content, fd, lambda why: self.vault.problems.append((path, str(why)))) and not self.salvage:
                    os.unlink(item.name, dir_fd=above)
                    raise Refused("left out, because of the blocks named before")
                self._dress(fd, attributes, item.status, path)
            finally:
                os.close(fd)
        finally:
            os.close(source)

    def _dress(self, fd, attributes, status, path):
        """Owner, mode, attributes and times of the backing."""
        if os.geteuid() == 0:
            os.chown(fd, status.st_uid, status.st_gid)
        os.chmod(fd, status.st_mode & 0o7777)
        for name, value in attributes.items():
            try:
                os.setxattr(fd, name, value)
            except OSError as why:
                self.vault.foreign.append((path, f"attribute {os.fsdecode(name)} cannot be set here: {why.strerror}"))
        os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))

    def close(self):
        for fd, _ in self._linked.values():
            os.close(fd)


def copy(content, fd, report):
    """Writes the content into a new file, holes as holes; the number of blocks that were refused."""
    refused = 0
    for offset, data, refusal in content.extents():
        if refusal is not None:
            refused += 1
            report(refusal)
        elif data is not None:
            view = memoryview(data)
            while view:
                written = os.pwrite(fd, view, offset)
                view, offset = view[written:], offset + written
    os.ftruncate(fd, content.size)
    return refused
