"""The attacks on files: for each row of the table in Docs/SECURITY.md every class of offset, and what must come of it.

An attack has a kind of victim, a change, and the effect that the mount must show:
  FILE           the file is refused as a whole
  KEY            the same, where the wrapped key may now name another key: ENOKEY and EKEYREVOKED are right too
  [3, 4]         exactly these blocks are refused
  SAME           no effect: everything reads as before
  a function     not detected: content before -> content after
`finds` are the findings of `check`, one of which must be there; empty: none at all.
"""

import random
from dataclasses import dataclass
from typing import Any, Callable

from places import (BLOCK, ENTRY_FIELDS, HEAD, HEADER, HEADER_FIELDS, INLINE_CONTENT, INLINE_ENTRY, STATE_FIELDS, WRAPPED, cut, extend, flip, place, put, replace,
                    slot, stored_length, swap, take)

FILE, KEY, SAME = "file", "key", "same"
LARGE = 60 * BLOCK + 1234  # two groups of blocks, and a partial tail
SMALL = 1000
REFUSED, UNFINISHED = ("damaged-file",), ("unfinished-file",)
AGED = (9, 50)  # blocks that an aged file had otherwise before


@dataclass
class Attack:
    name: str
    kind: str  # large, small, sparse, aged, open, empty, gap
    change: Callable[[Any], None]
    effect: Any
    finds: tuple = REFUSED
    size: int = -1  # plain size afterwards, where that is not the size before


def attacks():
    """All of them; each gets victims of its own."""
    return [*bits(), *moves(), *lengths(), *zeros(), *ages(), *unsealed(), *planted()]


def bits():
    """Row: flip any bit of a block, slot, header, state."""
    for field, offsets in HEADER_FIELDS.items():
        for offset in offsets:
            yield Attack(f"bit of the header: {field} at {offset}", "large", lambda v, o=offset: flip(v.path, o), FILE)
            yield Attack(f"small: bit of the header: {field} at {offset}", "small", lambda v, o=offset: flip(v.path, o), FILE)
    # What names the key and version inside the wrapped key: then another key is asked for. Not checked, never called damaged.
    for offset in range(0, 134, 3):
        yield Attack(f"bit of the wrapped key at {offset}", "large", lambda v, o=offset: flip(v.path, WRAPPED + o), KEY, REFUSED + ("not checked",))
    for field, offsets in STATE_FIELDS.items():
        for offset in offsets:
            yield Attack(f"bit of the state record: {field} at {offset}", "large", lambda v, o=offset: flip(v.path, o), FILE)
    for block, what in ((0, "first of group 0"), (47, "last of group 0"), (48, "first of group 1"), (60, "partial tail")):
        for field, offsets in ENTRY_FIELDS.items():
            for offset in offsets:
                yield Attack(f"bit of a slot: {field} at {offset}, {what}", "large", lambda v, b=block, o=offset: flip(v.path, slot(b) + o), [block], ("damaged-blocks",))
        length = LARGE - 60 * BLOCK if block == 60 else BLOCK
        for offset in (0, length // 2, length - 1):
            yield Attack(f"bit of a block at {offset}, {what}", "large", lambda v, b=block, o=offset: flip(v.path, place(b) + o), [block], ("damaged-blocks",))
    for mask in (1, 0x80):
        yield Attack(f"bit {mask:#x} of a block", "large", lambda v, m=mask: flip(v.path, place(20) + 99, m), [20], ("damaged-blocks",))
    for field, offsets in ENTRY_FIELDS.items():
        for offset in offsets:
            yield Attack(f"small: bit of the entry: {field} at {offset}", "small", lambda v, o=offset: flip(v.path, INLINE_ENTRY + o), FILE, REFUSED + ("damaged-blocks",))
    for offset in (0, SMALL // 2, SMALL - 1):
        yield Attack(f"small: bit of the content at {offset}", "small", lambda v, o=offset: flip(v.path, INLINE_CONTENT + o), FILE, ("damaged-blocks",))
    # "no effect in an unused previous entry or past the end"
    for offset in (32, 44, 63):
        yield Attack(f"bit of a previous entry at {offset}", "aged", lambda v, o=offset: flip(v.path, slot(AGED[0]) + o), SAME, ())
        yield Attack(f"bit of a previous entry that is not there, at {offset}", "large", lambda v, o=offset: flip(v.path, slot(5) + o), SAME, ())
    yield Attack("bit of a slot past the end", "large", lambda v: flip(v.path, slot(61) + 5), SAME, ())
    yield Attack("bit behind a partial block", "gap", lambda v: flip(v.path, place(0) + 2000), SAME, ())


def moves():
    """Row: swap or copy blocks, inside a file or between files; foreign header; header planted on blocks."""
    both = ("damaged-blocks",)
    yield Attack("two blocks swapped", "large", lambda v: swap(v.path, place(3), place(4), BLOCK), [3, 4], both)
    yield Attack("two blocks swapped with their slots", "large", lambda v: (swap(v.path, place(3), place(50), BLOCK), swap(v.path, slot(3), slot(50), 64)), [3, 50], both)
    yield Attack("two slots swapped", "large", lambda v: swap(v.path, slot(3), slot(50), 64), [3, 50], both)
    yield Attack("a block copied in the file", "large", lambda v: put(v.path, place(9), take(v.path, place(8), BLOCK)), [9], both)
    yield Attack("a block and slot copied in the file", "large",
                 lambda v: (put(v.path, place(9), take(v.path, place(8), BLOCK)), put(v.path, slot(9), take(v.path, slot(8), 64))), [9], both)
    yield Attack("a block from another file", "large", lambda v: put(v.path, place(9), take(v.other, place(9), BLOCK)), [9], both)
    yield Attack("a block and slot from another file", "large",
                 lambda v: (put(v.path, place(9), take(v.other, place(9), BLOCK)), put(v.path, slot(9), take(v.other, slot(9), 64))), [9], both)
    yield Attack("a foreign header", "large", lambda v: put(v.path, 0, take(v.other, 0, HEADER)), FILE)
    yield Attack("a foreign state record", "large", lambda v: put(v.path, HEADER, take(v.other, HEADER, HEADER)), FILE)
    yield Attack("a foreign header and state record", "large", lambda v: put(v.path, 0, take(v.other, 0, HEAD)), list(range(61)), both)
    yield Attack("small: a foreign header", "small", lambda v: put(v.path, 0, take(v.other, 0, HEADER)), FILE)
    yield Attack("small: a foreign header and state record", "small", lambda v: put(v.path, 0, take(v.other, 0, HEAD)), FILE, ("damaged-blocks",))
    yield Attack("small: foreign content", "small", lambda v: put(v.path, HEAD, take(v.other, HEAD, 4096)), FILE, ("damaged-blocks",))
    yield Attack("a small file's header on blocks", "large", lambda v: put(v.path, 0, take(v.small, 0, HEADER)), FILE)
    yield Attack("a small file's first page on blocks", "large", lambda v: put(v.path, 0, take(v.small, 0, HEAD)), FILE)
    yield Attack("garbage instead of a file", "small", lambda v: replace(v.path, random.Random(5).randbytes(9000)), FILE)


def lengths():
    """Row: cut (but not to 0) or grow a sealed file at any length."""
    whole = stored_length(LARGE)
    for length in (1, 100, 511, 512, 600, 1023, 1024, 1025, 1056, 1057, 2000, BLOCK - 1, BLOCK, BLOCK + 1, place(1), place(20) + 7, place(47) + BLOCK,
                   slot(48) + 1, slot(48) + 64, place(48), place(48) + 1, place(60), whole - 1):
        yield Attack(f"cut to {length}", "large", lambda v, l=length: cut(v.path, l), FILE)
    for more in (1, 100, BLOCK - 1234, BLOCK, 3 * BLOCK, 70 * BLOCK):
        yield Attack(f"grown by {more} zeros", "large", lambda v, m=more: cut(v.path, stored_length(LARGE) + m), FILE)
    yield Attack("grown by a copy of a block", "large", lambda v: extend(v.path, take(v.path, place(59), BLOCK)), FILE)
    for length in (1, 511, 512, 1023, 1024, 1025, 1056, 1057, INLINE_CONTENT + SMALL - 1):
        yield Attack(f"small: cut to {length}", "small", lambda v, l=length: cut(v.path, l), FILE)
    for more in (1, 100, 2000, 4096, 100000):
        yield Attack(f"small: grown by {more}", "small", lambda v, m=more: extend(v.path, b"x" * m), SAME, ("behind-inline",))
    # Row: cut a file to zero bytes: reads as empty, not detected
    yield Attack("cut to zero", "large", lambda v: cut(v.path, 0), lambda before, v: b"", ())
    yield Attack("small: cut to zero", "small", lambda v: cut(v.path, 0), lambda before, v: b"", ())


def zeros():
    """Row: zero a block or slot of a sealed file that is not SPARSE; the same in one that is."""
    for block in (0, 7, 47, 48, 60):
        length = 1234 if block == 60 else BLOCK
        yield Attack(f"block {block} zeroed", "large", lambda v, b=block, l=length: put(v.path, place(b), bytes(l)), [block], ("damaged-blocks",))
        yield Attack(f"slot {block} zeroed", "large", lambda v, b=block: put(v.path, slot(b), bytes(64)), [block], ("damaged-blocks",))
        yield Attack(f"block {block} and its slot zeroed", "large", lambda v, b=block, l=length: (put(v.path, place(b), bytes(l)), put(v.path, slot(b), bytes(64))),
                     [block], ("damaged-blocks",))
    yield Attack("current entry zeroed", "aged", lambda v: put(v.path, slot(AGED[0]), bytes(32)), [AGED[0]], ("damaged-blocks",))
    yield Attack("header zeroed", "large", lambda v: put(v.path, 0, bytes(HEADER)), FILE, UNFINISHED)
    yield Attack("state record zeroed", "large", lambda v: put(v.path, HEADER, bytes(HEADER)), FILE, UNFINISHED)
    yield Attack("all zeroed", "large", lambda v: put(v.path, 0, bytes(stored_length(LARGE))), FILE, UNFINISHED)
    yield Attack("small: all zeroed", "small", lambda v: put(v.path, 0, bytes(INLINE_CONTENT + SMALL)), FILE, UNFINISHED)
    yield Attack("sparse: a block zeroed", "sparse", lambda v: put(v.path, place(3), bytes(BLOCK)), [3], ("damaged-blocks",))
    yield Attack("sparse: a block and its slot zeroed", "sparse", lambda v: (put(v.path, place(3), bytes(BLOCK)), put(v.path, slot(3), bytes(64))),
                 lambda before, v: before[:3 * BLOCK] + bytes(BLOCK) + before[4 * BLOCK:], ())
    yield Attack("sparse: bytes in a hole", "sparse", lambda v: put(v.path, place(20), b"x" * BLOCK), SAME, ())


def older(v, *blocks):
    """The content with these blocks as they were before."""
    data = bytearray(v.content)
    for block in blocks:
        data[block * BLOCK:(block + 1) * BLOCK] = v.before[block * BLOCK:(block + 1) * BLOCK]
    return bytes(data)


def ages():
    """Rows: put back an older block, with and without its slot, here and elsewhere; an older whole file, state record."""
    block = AGED[0]
    yield Attack("older block without its slot", "aged", lambda v: put(v.path, place(block), v.old[place(block):place(block) + BLOCK]), [block], ("damaged-blocks",))
    yield Attack("older block without its slot, elsewhere", "aged", lambda v: put(v.path, place(10), v.old[place(block):place(block) + BLOCK]), [10], ("damaged-blocks",))
    yield Attack("older slot without its block", "aged", lambda v: put(v.path, slot(block), v.old[slot(block):slot(block) + 64]), [block], ("damaged-blocks",))
    yield Attack("older block with its slot", "aged",
                 lambda v: (put(v.path, place(block), v.old[place(block):place(block) + BLOCK]), put(v.path, slot(block), v.old[slot(block):slot(block) + 64])),
                 lambda before, v: older(v, block), ())
    yield Attack("older whole file", "aged", lambda v: replace(v.path, v.old), lambda before, v: v.before, ())
    yield Attack("older state record", "aged", lambda v: put(v.path, HEADER, v.old[HEADER:HEAD]), SAME, ())


def unsealed():
    """Row: the same on a file left OPEN: not detected. Each of these is told as left open; what does not open is called unfinished, as if a power cut had left it."""
    left = ("left-open",)
    yield Attack("open: nothing done", "open", lambda v: None, SAME, left)
    yield Attack("open: older block without its slot", "open", lambda v: put(v.path, place(AGED[0]), v.old[place(AGED[0]):place(AGED[0]) + BLOCK]),
                 lambda before, v: older(v, AGED[0]), left)
    yield Attack("open: a block and its slot zeroed", "open", lambda v: (put(v.path, place(3), bytes(BLOCK)), put(v.path, slot(3), bytes(64))),
                 lambda before, v: before[:3 * BLOCK] + bytes(BLOCK) + before[4 * BLOCK:], left)
    yield Attack("open: cut behind a block", "open", lambda v: cut(v.path, place(40)), lambda before, v: before[:40 * BLOCK], left)
    yield Attack("open: a bit of a block inside", "open", lambda v: flip(v.path, place(20) + 9), [20], ("unfinished-blocks",))
    yield Attack("open: INLINE set", "open", lambda v: flip(v.path, 10, 1), FILE, UNFINISHED)
    yield Attack("open: a bit of the state record", "open", lambda v: flip(v.path, 530), FILE)


def planted():
    """A header planted on an empty file: no effect."""
    yield Attack("empty: an empty file's header planted", "empty", lambda v: put(v.path, 0, take(v.headed, 0, HEAD)), SAME, ("doubled-file-id",))
    for count in (1, 512, 1023):
        yield Attack(f"empty: {count} bytes planted", "empty", lambda v, c=count: put(v.path, 0, take(v.small, 0, c)), FILE)
    yield Attack("empty: the head of a small file planted", "empty", lambda v: put(v.path, 0, take(v.small, 0, HEAD)), FILE)
