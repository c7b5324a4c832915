"""The attacks on names, links, attributes and vault.json: what is shown afterwards, and what `check` finds.

Each attack has a directory of its own. `make` fills it through the mount, `change` gets the backing directory and the entries by plain name.
"""

import os
import shutil
from dataclasses import dataclass
from typing import Any, Callable

from places import extend

REFUSED = "EIO"


@dataclass
class NameAttack:
    name: str
    make: Callable[[Any], None]
    change: Callable[[Any, dict], None]
    shown: list  # names in the directory afterwards
    finds: tuple  # findings of `check` below the directory: one of them, or none if empty
    ask: Callable[[Any], Any] = None  # reads something
    answer: Any = None  # what that gives; REFUSED: EIO
    logged: bool = True  # whether the mount says something


def other(character):
    return "B" if character == "A" else "A"


def changed(text, index):
    index %= len(text)
    return text[:index] + other(text[index]) + text[index + 1:]


def make_file(top, name="one", content=b"content of one"):
    (top / name).write_bytes(content)


def two_files(top):
    make_file(top, "one", b"content of one")
    make_file(top, "two", b"content of two")


def rename(path, new):
    path.rename(path.parent / new)


def two_directories(top):
    for name in ("a", "b"):
        (top / name).mkdir()
        (top / name / "inside").write_bytes(name.encode())


def relink(path, target):
    path.unlink()
    os.symlink(target, path)


def set_value(path, change):
    for name in os.listxattr(path):
        if name.startswith("user.efs."):
            os.setxattr(path, name, change(os.getxattr(path, name)))


def with_attribute(top):
    two_files(top)
    os.setxattr(top / "one", "user.a", b"value of one")
    os.setxattr(top / "two", "user.a", b"value of two")


def empty_with_attribute(top):
    (top / "one").touch()
    os.setxattr(top / "one", "user.a", b"value of one")


def two_attributes(top):
    make_file(top)
    os.setxattr(top / "one", "user.a", b"value of a")
    os.setxattr(top / "one", "user.b", b"value of b")


def swap_attributes(path):
    first, second = [name for name in os.listxattr(path) if name.startswith("user.efs.")]
    one, two = os.getxattr(path, first), os.getxattr(path, second)
    os.setxattr(path, first, two)
    os.setxattr(path, second, one)


def rename_attribute(path):
    (name,) = [name for name in os.listxattr(path) if name.startswith("user.efs.")]
    os.setxattr(path, changed(name, -3), os.getxattr(path, name))
    os.removexattr(path, name)


def swap_names(one, two):
    middle = one.parent / "middle"
    one.rename(middle)
    two.rename(one)
    middle.rename(two)


def swap_targets(one, two):
    first, second = os.readlink(one), os.readlink(two)
    relink(one, second)
    relink(two, first)


LONG = "n" * 220
side = lambda path: path.parent / ("=" + path.name[1:44])  # noqa: E731
read = lambda name: (lambda top: (top / name).read_bytes())  # noqa: E731
ONE, TWO = b"content of one", b"content of two"


def name_attacks():
    for index in (0, 5, -1):
        yield NameAttack(f"name of a file, character {index}", two_files, lambda d, s, i=index: rename(s["one"], changed(s["one"].name, i)), ["two"], ("damaged-name",))
        yield NameAttack(f"long name, character {index}", lambda top: (make_file(top), make_file(top, LONG)),
                         lambda d, s, i=index: rename(s[LONG], changed(s[LONG].name, i)), ["one"], ("damaged-name", "name-without-side-file"))
        yield NameAttack(f"content of a side file, character {index}", lambda top: (make_file(top), make_file(top, LONG)),
                         lambda d, s, i=index: side(s[LONG]).write_text(changed(side(s[LONG]).read_text(), i)), ["one"], ("damaged-name",))
        yield NameAttack(f"target of a link, character {index}", lambda top: os.symlink("target", top / "link"),
                         lambda d, s, i=index: relink(s["link"], changed(os.readlink(s["link"]), i)), ["link"], ("damaged-link",), lambda top: os.readlink(top / "link"), REFUSED)
    for index in (0, 5, -13, -11, -1):
        yield NameAttack(f"name of a directory, character {index}", two_directories, lambda d, s, i=index: rename(s["a"], changed(s["a"].name, i)), ["b"],
                         ("damaged-name", "foreign"))
    yield NameAttack("name with a character that is none of ours", two_files, lambda d, s: rename(s["one"], s["one"].name[:3] + "!" + s["one"].name[4:]), ["two"],
                     ("damaged-name",))
    yield NameAttack("side file taken away", lambda top: (make_file(top), make_file(top, LONG)), lambda d, s: side(s[LONG]).unlink(), ["one"], ("name-without-side-file",))
    yield NameAttack("side file emptied", lambda top: (make_file(top), make_file(top, LONG)), lambda d, s: os.truncate(side(s[LONG]), 0), ["one"], ("damaged-name",))
    yield NameAttack("side file without its name", lambda top: (make_file(top), make_file(top, LONG)), lambda d, s: s[LONG].unlink(), ["one"], ("orphaned-side-file",), logged=False)
    yield NameAttack("target that is no base64", lambda top: os.symlink("target", top / "link"), lambda d, s: relink(s["link"], "/etc/passwd"), ["link"], ("damaged-link",),
                     lambda top: os.readlink(top / "link"), REFUSED)
    # moved, or with another's id
    yield NameAttack("file moved to another directory", lambda top: (two_files(top), two_directories(top)), lambda d, s: s["one"].rename(s["a"] / s["one"].name),
                     ["a", "b", "two"], ("damaged-name",), lambda top: sorted(os.listdir(top / "a")), ["inside"])
    yield NameAttack("directory moved to another", two_directories, lambda d, s: s["a"].rename(s["b"] / s["a"].name), ["b"], ("damaged-name",),
                     lambda top: sorted(os.listdir(top / "b")), ["inside"])
    yield NameAttack("directory with another's id", two_directories, lambda d, s: rename(s["a"], s["a"].name[:-12] + s["b"].name[-12:]), ["b"], ("damaged-name",))
    yield NameAttack("file in a directory's name", two_directories, lambda d, s: (shutil.rmtree(s["a"]), s["a"].write_bytes(b"x")), ["b"], ("wrong-type",))
    yield NameAttack("directory in a file's name", two_files, lambda d, s: (s["one"].unlink(), s["one"].mkdir()), ["two"], ("wrong-type",))
    # foreign
    yield NameAttack("foreign file", two_files, lambda d, s: (d / "README.txt").write_bytes(b"not ours"), ["one", "two"], ("foreign",))
    yield NameAttack("foreign directory", two_files, lambda d, s: (d / "lost+found").mkdir(), ["one", "two"], ("foreign",))
    yield NameAttack("reserved name in a directory", two_files, lambda d, s: (d / ".envelopefs").mkdir(), ["one", "two"], ("foreign",), logged=False)
    # attributes
    ask = lambda top: os.getxattr(top / "one", "user.a")  # noqa: E731
    for index in (0, 20, -1):
        yield NameAttack(f"value of an attribute, byte {index}", with_attribute,
                         lambda d, s, i=index: set_value(s["one"], lambda v: v[:i % len(v)] + bytes([v[i] ^ 4]) + v[i % len(v) + 1:]), ["one", "two"], ("damaged-attribute",), ask, REFUSED)
    yield NameAttack("value of an attribute of another file", with_attribute, lambda d, s: set_value(s["one"], lambda v: os.getxattr(s["two"], os.listxattr(s["two"])[0])),
                     ["one", "two"], ("damaged-attribute",), ask, REFUSED)
    yield NameAttack("values of two attributes swapped", two_attributes, lambda d, s: swap_attributes(s["one"]), ["one"], ("damaged-attribute",), ask, REFUSED)
    yield NameAttack("name of an attribute", with_attribute, lambda d, s: rename_attribute(s["one"]), ["one", "two"], ("damaged-attribute",), lambda top: os.listxattr(top / "one"), [])
    yield NameAttack("file with attributes cut to nothing", with_attribute, lambda d, s: os.truncate(s["one"], 0), ["one", "two"], ("attributes-without-header",), ask, REFUSED)
    for more in (1, 3000, 4096, 20000):
        yield NameAttack(f"empty file with attributes grown by {more}", empty_with_attribute, lambda d, s, m=more: extend(s["one"], b"x" * m), ["one"], ("behind-inline",),
                         lambda top: ((top / "one").read_bytes(), ask(top)), (b"", b"value of one"))
    # not detected, and documented
    yield NameAttack("names of two files swapped", two_files, lambda d, s: swap_names(s["one"], s["two"]), ["one", "two"], (), read("one"), TWO, False)
    yield NameAttack("targets of two links swapped", lambda top: (os.symlink("x", top / "one"), os.symlink("y", top / "two")), lambda d, s: swap_targets(s["one"], s["two"]),
                     ["one", "two"], (), lambda top: os.readlink(top / "one"), "y", False)
    yield NameAttack("a link in the place of a file", lambda top: (two_files(top), os.symlink("x", top / "link")), lambda d, s: relink(s["one"], os.readlink(s["link"])),
                     ["link", "one", "two"], (), lambda top: os.readlink(top / "one"), "x", False)
    # not detected by a mount, but `check` sees the id twice
    yield NameAttack("a file copied over another", two_files, lambda d, s: shutil.copy(s["two"], s["one"]), ["one", "two"], ("doubled-file-id",), read("one"), TWO, False)
    yield NameAttack("a file removed", two_files, lambda d, s: s["one"].unlink(), ["two"], (), logged=False)
