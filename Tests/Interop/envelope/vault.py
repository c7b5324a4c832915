"""FORMAT.md sections 3 and 4: the tree of a vault. Directories are held open by descriptor, so that no path gets too long."""

import os
import stat

from . import journal, names
from .content import Content
from .keys import file_context
from .primitives import Foreign, Refused, require
from .replay import DIRECTORY_FLAGS, Disk, Files, Overlay, Status, assign, inode
from .vaultfile import FILE_MAX, VaultFile

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}
JOURNAL_MAX = 1 << 30


class Item:
    """One thing of the plain tree: its plain name, and where its backing stands."""

    def __init__(self, name, backing, parent_fd, status, own):
        self.name = name
        self.backing = backing
        self.parent_fd = parent_fd
        self.status = status
        self.own = own
        self.kind = KINDS[stat.S_IFMT(status.st_mode)]


def read_small(name, parent_fd, most):
    """The whole of a regular file that is at most *most* bytes long; never through a link, never waiting for a fifo."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent_fd)
    try:
        status = os.fstat(fd)
        require(stat.S_ISREG(status.st_mode) and status.st_size <= most, f"{os.fsdecode(name)} is no file of ours")
        return Disk(fd).read(0, most + 1)
    finally:
        os.close(fd)


class Vault:
    """An opened vault. *keystore* has `unwrap(wrapped, context)`.

    `problems` gets (plain path, what is wrong) of everything that was refused, `foreign` of every name that is none of ours.
    """

    def __init__(self, path, keystore):
        self._keystore = keystore
        self.problems, self.foreign = [], []
        self.fd = os.open(path, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
        inside = os.open(names.RESERVED, DIRECTORY_FLAGS, dir_fd=self.fd)
        try:
            self.file = VaultFile(read_small(b"vault.json", inside, FILE_MAX))
            self._open(inside)
        finally:
            os.close(inside)

    def _open(self, inside):
        """Keys, and what the journal makes of files; *inside* is the directory `.envelopefs`."""
        keystore = self._keystore
        identity = getattr(keystore, "identity", None)
        require(identity is None or identity == self.file.keystore,
                f"the vault belongs to the keystore {self.file.keystore.hex()}, not to {(identity or b'').hex()}")
        vault_key = keystore.unwrap(self.file.wrapped_vault_key, self.file.context())
        self.keys = self.file.verify(vault_key)
        self.records, self._changed = [], {}
        if self.file.counts_journal:
            key = journal.journal_key(vault_key, self.file.journal_epoch)
            self.records = journal.join(*(journal.read_records(self._journal(name, inside), key) for name in journal.FILES))
        if self.records:
            self._changed = assign(self.records, Files(self.fd, self.file.root))

    @staticmethod
    def _journal(name, inside):
        try:
            return read_small(name, inside, JOURNAL_MAX)
        except FileNotFoundError:
            return b""

    def close(self):
        os.close(self.fd)

    def items(self, fd, directory_id, path):
        """Yields the items of one directory, sorted by plain name; what is refused goes to `problems`."""
        found = {}
        for backing in sorted(map(os.fsencode, os.listdir(fd))):
            if backing == names.RESERVED and directory_id == self.file.root:
                continue
            try:
                item = self._item(fd, directory_id, backing)
                if item is not None:
                    found.setdefault(item.name, []).append(item)
            except Foreign as why:
                self.foreign.append((path + b"/" + backing, str(why)))
            except (Refused, OSError) as why:
                self.problems.append((path + b"/<" + backing + b">", str(why)))
        shown = [item for name in found for item in self._shown(found[name], path)]
        return sorted(shown, key=lambda item: item.name)

    def _shown(self, items, path):
        """Which of the things with one plain name are shown (section 4): a file before a directory, a directory with content before
        one without, and of two with content both, the second under another name."""
        if len(items) == 1:
            return items
        shown = [item for item in items if item.own is None][:1]
        if not shown:
            shown = [item for item in items if self._has_content(item)] or [max(items, key=lambda item: item.status.st_ctime_ns)]
            shown.sort(key=lambda item: item.own.hex())
            for item in shown[1:]:
                item.name += b".double-" + item.own.hex().encode()
        for item in items:
            if item not in shown:
                self.problems.append((path + b"/<" + item.backing + b">", "another thing has its plain name"))
        return shown

    @staticmethod
    def _has_content(item):
        fd = os.open(item.backing, DIRECTORY_FLAGS, dir_fd=item.parent_fd)
        try:
            return any(not name.startswith("=") for name in os.listdir(fd))
        finally:
            os.close(fd)

    def _item(self, fd, directory_id, backing):
        name = names.BackingName(backing)
        if name.is_side_file:
            return None
        status = os.stat(backing, dir_fd=fd, follow_symlinks=False)
        is_directory = stat.S_ISDIR(status.st_mode)
        require(name.is_directory == is_directory,
                "a directory under a file's name" if is_directory else "no directory under a directory's name")
        text = name.text
        if name.is_long:
            try:
                text = read_small(name.side_name(), fd, names.TEXT_MAX)
            except FileNotFoundError:
                raise Refused("a long name without its side file") from None
            names.check_side_text(name, text)
        if inode(status) in self._changed:
            status = Status(status, self._changed[inode(status)])
        return Item(names.open_name(self.keys, directory_id, name.own, text), backing, fd, status, name.own)

    def walk(self, visitor):
        """Calls the visitor's `enter(path, item, fd)`, `item(path, item)` and `leave(path, item, fd)`; the root's item is None."""
        visitor.enter(b"", None, self.fd)
        self._walk(visitor, self.fd, self.file.root, b"")
        visitor.leave(b"", None, self.fd)

    def _walk(self, visitor, fd, directory_id, path):
        for item in self.items(fd, directory_id, path):
            below = path + b"/" + item.name
            try:
                if item.kind != "directory":
                    visitor.item(below, item)
                    continue
                inside = os.open(item.backing, DIRECTORY_FLAGS, dir_fd=fd)
            except (Refused, OSError) as why:
                self.problems.append((below, str(why)))
                continue
            try:
                visitor.enter(below, item, inside)
                self._walk(visitor, inside, item.own, below)
                visitor.leave(below, item, inside)
            finally:
                os.close(inside)

    def find(self, path):
        """The item of a plain path, with open descriptors of the directories above it: (item, [fds])."""
        fd, directory_id, item, fds = self.fd, self.file.root, None, []
        for name in [part for part in path.split(b"/") if part]:
            if item is not None:
                require(item.kind == "directory", "no directory on the way")
                fd, directory_id = os.open(item.backing, DIRECTORY_FLAGS, dir_fd=fd), item.own
                fds.append(fd)
            item = next((i for i in self.items(fd, directory_id, b"") if i.name == name), None)
            require(item is not None, f"no {os.fsdecode(name)!r} in the vault")
        return item, fds

    def open_file(self, item):
        """A descriptor of the backing file; the caller closes it."""
        return os.open(item.backing, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=item.parent_fd)

    def content(self, fd):
        """Section 5: the content behind an open backing file, as it is after the journal's records of it."""
        records = self._changed.get(inode(os.fstat(fd)))
        return Content(Overlay(fd, records) if records else Disk(fd), lambda wrapped, file_id: self._keystore.unwrap(wrapped, file_context(self.file.vault_id, file_id)))

    def target(self, item):
        """Section 7."""
        return names.open_target(self.keys, os.readlink(item.backing, dir_fd=item.parent_fd))

    def attributes(self, fd, object_id, path):
        """Section 8: sealed attributes opened, and what stands in the clear, as {name: value}."""
        out = {}
        for name in map(os.fsencode, os.listxattr(fd)):
            if name.startswith((b"system.posix_acl_", b"security.")):
                out[name] = os.getxattr(fd, name)
            elif name.startswith(names.ATTRIBUTE_PREFIX):
                try:
                    require(object_id is not None, "a sealed attribute on a file without an id")
                    plain = names.open_attribute_name(self.keys, name)
                    out[plain] = names.open_attribute_value(self.keys, object_id, name, os.getxattr(fd, name))
                except Refused as why:
                    self.problems.append((path, f"attribute {os.fsdecode(name)}: {why}"))
            elif name.startswith(b"user."):
                self.foreign.append((path, f"attribute {os.fsdecode(name)}"))
        return out

    def object_id(self, item):
        """What sealed attributes of a directory are bound to; the root's item is None."""
        return (self.file.root if item is None else item.own) + bytes(8)
