"""What stands in a directory, and the judge of what an operation leaves that failed half-way: each byte, name and attribute as before or as after."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Thing:
    """What stands at a name."""
    kind: int
    mode: int
    owner: tuple
    content: bytes
    attributes: dict


def look(top, flags=os.O_RDONLY | os.O_DIRECT, lenient=False):
    """Everything below `top`. O_DIRECT: what the daemon says, not what the kernel kept of a write that failed; only the size is the kernel's
    until it forgets the file. `lenient`: then sizes need not fit."""
    found = {}
    for base, directories, names in os.walk(top, onerror=_raise):
        for name in directories + names:
            path = Path(base, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content = b""
            if kind == stat.S_IFREG:
                descriptor = os.open(path, flags)
                try:
                    content = _read(descriptor)
                finally:
                    os.close(descriptor)
                if len(content) != status.st_size and not lenient:
                    raise OSError(errno.EBADMSG, f"{len(content)} bytes of {status.st_size}", str(path))
            elif kind == stat.S_IFLNK:
                content = os.fsencode(os.readlink(path))
            attributes = {}
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                attributes = {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("security.")}
            found[str(path.relative_to(top))] = Thing(kind, stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), content, attributes)
    return found


def _raise(error):
    raise error


def _read(descriptor):
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def judge(found, before, after, operation, done):
    """What is wrong with `found` after an operation that failed (or, `done`, that said it was done); a list of texts."""
    if done:
        return [f"{name!r} is not as after the operation: {difference(found.get(name), after.get(name))}"
                for name in {*found, *after} if difference(found.get(name), after.get(name))]
    wrong = [f"{name!r}: nobody has made it" for name in found if name not in before and name not in after]
    for old, new in operation.moves.items():
        stays, is_moved = not difference(found.get(new), before.get(new)), not difference(found.get(new), after.get(new))
        if not (stays if old in found else is_moved):
            wrong.append(f"{old!r} and {new!r}: there are {sorted(found)}")
    moved = {name for pair in operation.moves.items() for name in pair}
    for name in {*before, *after}:
        thing, old, new = found.get(name), before.get(name), after.get(name)
        if not difference(thing, old) or not difference(thing, new):
            continue
        if name in moved or thing is None or (old is None and thing.kind != stat.S_IFREG):
            wrong.append(f"{name!r}: {difference(thing, old)}; {difference(thing, new)}")
        elif old is not None and new is None:
            wrong.append(f"{name!r}: {difference(thing, old)}")
        else:
            if not (operation.empties and not thing.content):
                wrong += [f"{name!r}: {complaint}" for complaint in between(thing, old, new)]
    return wrong


def difference(one, two):
    if one is None or two is None:
        return None if one is two else f"{'is not there' if one is None else 'is there'}"
    if one.kind != two.kind:
        return "another kind"
    if one.content != two.content:
        same = next((i for i, (a, b) in enumerate(zip(one.content, two.content)) if a != b), min(len(one.content), len(two.content)))
        return f"content of {len(one.content)} differs from {len(two.content)} at {same}"
    if one.attributes != two.attributes:
        return f"attributes {sorted(one.attributes)} for {sorted(two.attributes)}"
    if (one.mode, one.owner) != (two.mode, two.owner):
        return f"mode {one.mode:o} of {one.owner} for {two.mode:o} of {two.owner}"
    return None


def between(thing, old, new):
    """A file of which each byte, attribute and the mode have to be old or new."""
    old = old or Thing(new.kind, new.mode, new.owner, b"", {})
    if len(thing.content) > max(len(old.content), len(new.content)):
        return [f"{len(thing.content)} bytes, longer than before ({len(old.content)}) and after ({len(new.content)})"]
    shorter = min(len(old.content), len(new.content))
    # Zeros that a write at a distance left before it failed may not be counted.
    if len(thing.content) < shorter and any(old.content[len(thing.content):shorter]):
        return [f"{len(thing.content)} bytes of {shorter}: something is lost"]
    wrong = []
    for place in range(0, len(thing.content), 4096):
        part, a, b = (whole[place:place + 4096] for whole in (thing.content, old.content, new.content))
        if part == a or part == b:
            continue
        a, b = a.ljust(len(part), b"\0"), b.ljust(len(part), b"\0")
        for i, byte in enumerate(part):
            if byte != a[i] and byte != b[i]:
                wrong.append(f"byte {place + i} is neither old nor new")
                break
        if wrong:
            break
    for name in {*thing.attributes, *old.attributes, *new.attributes}:
        if thing.attributes.get(name) not in (old.attributes.get(name), new.attributes.get(name)):
            wrong.append(f"attribute {name} is neither old nor new")
    if thing.mode not in (old.mode, new.mode) or thing.owner not in (old.owner, new.owner):
        wrong.append(f"mode {thing.mode:o}, owner {thing.owner}")
    return wrong
