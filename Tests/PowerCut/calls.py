"""What strace saw a daemon do to its vault, as a list of calls on paths below the vault."""

import re
from dataclasses import dataclass, field

# Everything that changes bytes, names or attributes on a file system, or makes them durable. Opening tells who made a file.
CALLS = ("openat,open,creat,pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,fsync,fdatasync,syncfs,sync,msync,"
         "rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,"
         "setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,copy_file_range,sendfile,splice,io_uring_setup")
SYNCS = ("fsync", "sync")
LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(.*)$", re.S)
DESCRIPTOR = re.compile(r"^(AT_FDCWD|-?\d+)(?:<([^>]*)>(\(deleted\))?)?$")
BY_NUMBER = re.compile(rb"^/proc/(?:self|thread-self|\d+)/fd/(\d+)$")


class Unreadable(Exception):
    """A line of the trace that this program does not understand: nothing may be concluded from the rest."""


@dataclass
class Call:
    """`kind` with paths relative to the vault (bytes; None outside it). `began` and `ended` are seconds of the system's clock."""
    kind: str
    began: float
    ended: float
    path: bytes = None
    to: bytes = None
    offset: int = 0
    data: bytes = b""
    count: int = 0
    flags: str = ""
    is_directory: bool = False
    extra: dict = field(default_factory=dict)

    @property
    def moment(self):
        return self.ended if self.kind in SYNCS else self.began


def text(quoted):
    """The bytes of a string as `strace -xx` prints it."""
    if not quoted.startswith('"') or not quoted.endswith('"'):
        raise Unreadable(f"no whole string: {quoted[:80]}")
    return bytes.fromhex(quoted[1:-1].replace("\\x", ""))


def arguments(inside):
    """Splits at the commas outside brackets and strings (in `-xx` output no string holds a comma or a quote)."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(inside):
        if character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(inside[start:place].strip())
            start = place + 1
    parts.append(inside[start:].strip())
    return parts


class Trace:
    """Reads a file that `strace -f -ttt -y -xx` has written."""

    def __init__(self, path, vault):
        self.root = str(vault).encode()
        self.calls = []
        self._opened = {}
        self._pending = {}
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                self._line(line.rstrip("\n"))
        # What changes something may have happened as soon as it began; what makes durable has done so when it ended,
        # and only for what began before it.
        self.calls.sort(key=lambda call: call.moment)
        for call in self.calls:
            if call.kind in SYNCS:
                call.extra["before"] = next((place for place, other in enumerate(self.calls)
                                             if other.moment >= call.began), len(self.calls))

    def _line(self, line):
        match = LINE.match(line)
        if not match:
            raise Unreadable(line[:120])
        thread, time, rest = match[1], float(match[2]), match[3]
        if rest.startswith(("+++", "---")) or rest.endswith("<detached ...>"):
            return
        if rest.endswith("<unfinished ...>"):
            self._pending[thread] = (time, rest[:-len("<unfinished ...>")].rstrip())
            return
        began = time
        resumed = RESUMED.match(rest)
        if resumed:
            began, head = self._pending.pop(thread)
            rest = head + resumed[2]
        match = CALL.match(rest)
        if not match:
            if " = ?" in rest:
                return self._killed(rest, began)
            raise Unreadable(rest[:120])
        if int(match[3]) >= 0:
            self._call(match[1], arguments(match[2]), int(match[3]), match[4], began, time)

    def _killed(self, rest, began):
        """A call that the kill came into: it may have happened or not; as if not, for nothing was acknowledged after it."""

    def _inside(self, path):
        if path is None:
            return None
        if path == self.root:
            return b""
        return path[len(self.root) + 1:] if path.startswith(self.root + b"/") else None

    def _descriptor(self, word):
        match = DESCRIPTOR.match(word)
        if not match:
            raise Unreadable(f"no descriptor: {word[:120]}")
        if match[2] is None:
            return None
        path = bytes.fromhex(match[2].replace("\\x", ""))
        # An unlinked file has no name to come back under; an unnamed one (O_TMPFILE) is known by its number's last open.
        return self._unnamed(path) if match[3] or path.endswith(b" (deleted)") else path

    @staticmethod
    def _unnamed(path):
        return path.removesuffix(b" (deleted)") + b" (deleted)"

    def _at(self, directory, name):
        """The path of a name beside a descriptor of a directory."""
        name = text(name)
        number = BY_NUMBER.match(name)
        if number:
            return self._opened.get(int(number[1]))
        if name.startswith(b"/"):
            return name
        base = self._descriptor(directory)
        return None if base is None else base + b"/" + name

    def _add(self, kind, began, ended, path, **more):
        path = self._inside(path)
        to = self._inside(more.pop("to", None))
        if path is not None or to is not None or kind == "sync":
            self.calls.append(Call(kind, began, ended, path, to, **more))

    def _call(self, name, words, result, more, began, ended):
        if name in ("open", "creat"):
            name, words = "openat", ["AT_FDCWD", *words]
        if name == "openat":
            return self._open(words, result, more, began, ended)
        if name in ("write", "writev", "pwrite64", "pwritev", "pwritev2"):
            return self._write(name, words, result, began, ended)
        if name in ("ftruncate", "truncate"):
            path = self._descriptor(words[0]) if name == "ftruncate" else self._at("AT_FDCWD", words[0])
            return self._add("truncate", began, ended, path, count=int(words[1]))
        if name == "fallocate":
            return self._add("fallocate", began, ended, self._descriptor(words[0]), flags=words[1], offset=int(words[2]), count=int(words[3]))
        if name in ("fsync", "fdatasync", "syncfs", "sync"):
            if name in ("syncfs", "sync"):
                return self._add("sync", began, ended, None)
            return self._add("fsync", began, ended, self._descriptor(words[0]), flags=name)
        if name in ("rename", "renameat", "renameat2"):
            if name == "rename":
                words = ["AT_FDCWD", words[0], "AT_FDCWD", words[1]]
            flags = words[4] if len(words) > 4 else "0"
            return self._add("rename", began, ended, self._at(words[0], words[1]), to=self._at(words[2], words[3]), flags=flags)
        if name in ("mkdir", "mkdirat"):
            return self._add("mkdir", began, ended, self._at(*(words[:2] if name == "mkdirat" else ["AT_FDCWD", words[0]])))
        if name in ("unlink", "unlinkat", "rmdir"):
            return self._add("unlink", began, ended, self._at(*(words[:2] if name == "unlinkat" else ["AT_FDCWD", words[0]])))
        if name == "linkat":
            return self._add("link", began, ended, self._at(words[0], words[1]), to=self._at(words[2], words[3]))
        if name == "symlinkat":
            return self._add("symlink", began, ended, self._at(words[1], words[2]), data=text(words[0]))
        if name in ("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"):
            path = self._descriptor(words[0]) if name.startswith("f") else self._at("AT_FDCWD", words[0])
            value = text(words[2])[:int(words[3])] if "set" in name else None
            return self._add("attribute", began, ended, path, data=value, extra={"name": text(words[1])})
        if any(self._inside(self._maybe(word)) is not None for word in words):
            raise Unreadable(f"the daemon uses {name} on its vault, which this test does not model")

    def _maybe(self, word):
        match = DESCRIPTOR.match(word)
        return self._descriptor(word) if match and match[2] else None

    def _open(self, words, result, more, began, ended):
        # The kernel says what was opened: links and /proc/self/fd are followed.
        opened = self._descriptor(f"{result}{more.strip()}")
        self._opened[result] = opened
        flags = words[2].split("|")
        if self._inside(opened) is not None and {"O_SYNC", "O_DSYNC"} & set(flags):
            raise Unreadable("the daemon opens a file of its vault for synchronous writes, which this test does not model")
        if "O_CREAT" in flags or "O_TMPFILE" in flags:
            self._add("create", began, ended, opened)
        if "O_TRUNC" in flags:
            self._add("truncate", began, ended, opened, count=0)

    def _write(self, name, words, result, began, ended):
        path = self._descriptor(words[0])
        if self._inside(path) is None:
            return
        if name == "pwritev2" and words[-1] != "0":
            raise Unreadable(f"a write with flags {words[-1]}, which this test does not model")
        if name == "write" or name == "pwrite64":
            data = text(words[1])
        else:
            data = b"".join(text(part) for part in re.findall(r'iov_base=("[^"]*")', words[1]))
        offset = {"pwrite64": 3, "pwritev": 3, "pwritev2": 3}.get(name)
        self._add("write", began, ended, path, data=data[:result], offset=-1 if offset is None else int(words[offset]))
