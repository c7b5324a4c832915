#!/usr/bin/python3
"""Vault files that somebody without keys cut, grew, zeroed, swapped or flipped; foreign files in the vault's directory.

    tamper.py [--as root|user]

The rule for every case: each byte read through the mount is right or the read is refused; the other files still read; the
daemon stays. Which of the two, per attack, is the table of the threat model (Docs/SECURITY.md).
"""

import argparse
import errno
import os
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from vault import Failure, Vault, run_self_as  # noqa: E402

BLOCK = 4096
LARGE = 60 * BLOCK + 1234  # two groups of blocks, and a partial tail
SMALL = 1000
source = random.Random("what the files hold")


def place(block):
    """Offset of a block in the stored file (FORMAT.md: page 0, 48 blocks, a page of slots, 64 blocks, …)."""
    group, number = (block + 16) >> 6, (block + 16) & 63
    return (1 + block) * BLOCK if group == 0 else (49 + 65 * (group - 1) + 1 + number) * BLOCK


def slot(block):
    """Offset of a block's slot."""
    group, number = (block + 16) >> 6, (block + 16) & 63
    return 64 * number if group == 0 else (49 + 65 * (group - 1)) * BLOCK + 64 * number


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


def put(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def take(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def swap(path, one, other, length):
    first, second = take(path, one, length), take(path, other, length)
    put(path, one, second)
    put(path, other, first)


def extend(path, data):
    with open(path, "ab") as file:
        file.write(data)


# name: (which file, change(path of it, path of another of its kind), what must be refused: "file", blocks, or nothing)
ATTACKS = {
    "large cut by one byte": ("large", lambda p, _: os.truncate(p, p.stat().st_size - 1), "file"),
    "large cut by the tail block": ("large", lambda p, _: os.truncate(p, place(60)), "file"),
    "large cut by ten blocks": ("large", lambda p, _: os.truncate(p, place(51)), "file"),
    "large cut inside a slot page": ("large", lambda p, _: os.truncate(p, 49 * BLOCK + 100), "file"),
    "large cut to the header": ("large", lambda p, _: os.truncate(p, 1024), "any"),
    "large cut to one page": ("large", lambda p, _: os.truncate(p, BLOCK), "file"),
    "large cut to 600 bytes": ("large", lambda p, _: os.truncate(p, 600), "file"),
    "large extended by one byte": ("large", lambda p, _: extend(p, b"x"), "file"),
    "large extended by zeros": ("large", lambda p, _: extend(p, bytes(BLOCK * 2)), "file"),
    "large extended by a copy of its last block": ("large", lambda p, _: extend(p, take(p, place(59), BLOCK)), "file"),
    "a block zeroed": ("large", lambda p, _: put(p, place(7), bytes(BLOCK)), [7]),
    "a slot zeroed": ("large", lambda p, _: put(p, slot(7), bytes(64)), [7]),
    "a block and its slot zeroed": ("large", lambda p, _: (put(p, place(7), bytes(BLOCK)), put(p, slot(7), bytes(64))), [7]),
    "a bit of a block": ("large", lambda p, _: flip(p, place(50) + 77), [50]),
    "a bit of the last block": ("large", lambda p, _: flip(p, place(60) + 3), [60]),
    "a bit of a nonce": ("large", lambda p, _: flip(p, slot(50) + 1), [50]),
    "a bit of a tag": ("large", lambda p, _: flip(p, slot(0) + 20), [0]),
    "a bit of a length": ("large", lambda p, _: flip(p, slot(1) + 28), [1]),
    "a bit of a salt": ("large", lambda p, _: flip(p, slot(2) + 30), [2]),
    "a bit of the magic": ("large", lambda p, _: flip(p, 0), "file"),
    "a bit of the version": ("large", lambda p, _: flip(p, 8), "file"),
    "a bit of the flags": ("large", lambda p, _: flip(p, 10), "file"),
    "a bit of the file id": ("large", lambda p, _: flip(p, 20), "file"),
    "a bit of the wrapped key": ("large", lambda p, _: flip(p, 100), "file"),
    "a reserved byte of the header": ("large", lambda p, _: put(p, 511, b"\1"), "file"),
    "a bit of the state": ("large", lambda p, _: flip(p, 512 + 20), "file"),
    "a reserved byte of the state": ("large", lambda p, _: put(p, 1023, b"\1"), "file"),
    "the header zeroed": ("large", lambda p, _: put(p, 0, bytes(512)), "file"),
    "the whole file zeroed": ("large", lambda p, _: put(p, 0, bytes(p.stat().st_size)), "file"),
    "two blocks swapped": ("large", lambda p, _: swap(p, place(3), place(4), BLOCK), [3, 4]),
    "two blocks swapped with their slots": ("large", lambda p, _: (swap(p, place(3), place(50), BLOCK), swap(p, slot(3), slot(50), 64)), [3, 50]),
    "a block from another file": ("large", lambda p, o: put(p, place(9), take(o, place(9), BLOCK)), [9]),
    "a block and slot from another file": ("large", lambda p, o: (put(p, place(9), take(o, place(9), BLOCK)), put(p, slot(9), take(o, slot(9), 64))), [9]),
    "a foreign header": ("large", lambda p, o: put(p, 0, take(o, 0, 512)), "file"),
    "a foreign header and state": ("large", lambda p, o: put(p, 0, take(o, 0, 1024)), range(61)),
    "small: a bit of the content": ("small", lambda p, _: flip(p, 1056 + 500), "file"),
    "small: a bit of the entry": ("small", lambda p, _: flip(p, 1024 + 3), "file"),
    "small: a bit of the header": ("small", lambda p, _: flip(p, 100), "file"),
    "small: a foreign header": ("small", lambda p, o: put(p, 0, take(o, 0, 512)), "file"),
    "small cut by one byte": ("small", lambda p, _: os.truncate(p, p.stat().st_size - 1), "file"),
    "small cut to the state": ("small", lambda p, _: os.truncate(p, 1024), "any"),
    "small cut to 1040 bytes": ("small", lambda p, _: os.truncate(p, 1040), "file"),
    "small cut to one byte": ("small", lambda p, _: os.truncate(p, 1), "file"),
    "small extended": ("small", lambda p, _: extend(p, b"x" * 100), "size"),
    "small zeroed": ("small", lambda p, _: put(p, 0, bytes(p.stat().st_size)), "file"),
    "garbage instead of a file": ("small", lambda p, _: p.write_bytes(random.Random(5).randbytes(9000)), "file"),
}
REFUSALS = (errno.EIO, errno.ENOKEY, errno.EKEYREVOKED)


def read_by_blocks(path, size):
    """For each block the bytes, or the errno that its read gave; an int alone when the file does not open."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        return error.errno
    answers = []
    try:
        for block in range((size + BLOCK - 1) // BLOCK):
            try:
                answers.append(os.pread(descriptor, BLOCK, block * BLOCK))
            except OSError as error:
                answers.append(error.errno)
        try:
            answers.append(os.pread(descriptor, BLOCK, max(size, len(answers) * BLOCK)))
        except OSError as error:
            answers.append(error.errno)
    finally:
        os.close(descriptor)
    return answers


def judge(expected, answers, refused):
    """None or what is wrong: wrong bytes always; a refusal where none is due, or none where one is due."""
    if isinstance(answers, int):
        if answers not in REFUSALS:
            return f"open gives {errno.errorcode.get(answers)}"
        return None if refused in ("file", "any") else "the whole file is refused"
    if refused == "size":
        # The length outside says the size until the file is opened; what is read is the content and nothing behind it.
        return None if all(isinstance(a, bytes) for a in answers) and b"".join(answers) == expected else "the content differs"
    everything = "file" == refused
    any_refusal = False
    for number, answer in enumerate(answers):
        due = expected[number * BLOCK:(number + 1) * BLOCK]
        if isinstance(answer, int):
            any_refusal = True
            if answer not in REFUSALS:
                return f"block {number}: {errno.errorcode.get(answer)}"
            if not everything and refused != "any" and number not in refused:
                return f"block {number} is refused, though nobody touched it"
        elif refused == "any":
            if answer not in (due, b""):
                return f"block {number} reads wrong bytes"
        elif answer != due:
            return f"block {number} reads WRONG BYTES ({len(answer)} of {len(due)})"
        elif not everything and number in refused:
            return f"block {number} was changed and still reads as before"
    if everything and not any_refusal:
        return "the change is not noticed"
    return None


def new_backing(vault, before):
    return [path for path in backing(vault) if path not in before]


def backing(vault):
    return {Path(folder, name) for folder, _, names in os.walk(vault.vault) for name in names
            if ".envelopefs" not in folder and not name.startswith("=")}


def make_files(vault):
    """Two files for each attack, in the mount; returns name -> (content, backing path)."""
    made = {}
    for name, (kind, _, _) in ATTACKS.items():
        for which in ("", " other"):
            before = backing(vault)
            data = source.randbytes(LARGE if kind == "large" else SMALL)
            (vault.mount_point / (name + which)).write_bytes(data)
            (stored,) = new_backing(vault, before)
            made[name + which] = data, stored
    return made


def check_attacks(vault, made):
    wrong = []
    for name, (kind, change, _) in ATTACKS.items():
        change(made[name][1], made[name + " other"][1])
    vault.mount()
    for name, (kind, _, refused) in ATTACKS.items():
        data = made[name][0]
        verdict = judge(data, read_by_blocks(vault.mount_point / name, len(data)), refused)
        if verdict:
            wrong.append(f"{name}: {verdict}")
        if refused == "size" and (size := os.stat(vault.mount_point / name).st_size) != len(data):
            wrong.append(f"{name}: the size is {size} also after it was opened")
        if (vault.mount_point / (name + " other")).read_bytes() != made[name + " other"][0]:
            wrong.append(f"{name}: the other file differs")
    # a bad block can be written over (field-notes: gocryptfs 208), and the file read from then on
    for name in ("a bit of a block", "a block zeroed"):
        block = ATTACKS[name][2][0]
        fresh = source.randbytes(BLOCK)
        try:
            with open(vault.mount_point / name, "r+b", buffering=0) as file:
                os.pwrite(file.fileno(), fresh, block * BLOCK)
                os.fsync(file.fileno())
            vault.remount()
            data = bytearray(made[name][0])
            data[block * BLOCK:(block + 1) * BLOCK] = fresh
            if (vault.mount_point / name).read_bytes() != bytes(data):
                wrong.append(f"{name}: differs after the bad block was written over")
        except OSError as error:
            wrong.append(f"{name}: writing over the bad block: {error}")
    for name in ATTACKS:  # what is damaged can be removed
        os.unlink(vault.mount_point / name)
    vault.remount()
    return wrong


def check_names(vault):
    """Foreign files, flipped names, targets and attributes, and moved files: refused, not shown, left alone."""
    top = vault.mount_point / "names"
    stored = {}
    before = set(os.listdir(vault.vault))
    top.mkdir()
    (inside,) = [vault.vault / name for name in set(os.listdir(vault.vault)) - before]

    def make(name, maker):
        known = set(os.listdir(inside))
        maker(top / name)
        stored[name] = inside / (set(os.listdir(inside)) - known).pop()

    make("kept", lambda path: path.write_bytes(b"kept"))
    make("flipped", lambda path: path.write_bytes(b"flipped"))
    make("moved", lambda path: path.write_bytes(b"moved"))
    make("link", lambda path: os.symlink("target", path))
    make("attribute", lambda path: (path.write_bytes(b"x"), os.setxattr(path, "user.a", b"value")))
    make("folder", lambda path: path.mkdir())
    make("other folder", lambda path: path.mkdir())
    (top / "folder" / "below").write_bytes(b"below")
    vault.unmount()

    def change_one(text):
        return ("B" if text[3] == "A" else "A").join((text[:3], text[4:]))

    stored["flipped"].rename(inside / change_one(stored["flipped"].name))
    target = os.readlink(stored["link"])
    stored["link"].unlink()
    os.symlink(change_one(target), stored["link"])
    for attribute in os.listxattr(stored["attribute"]):
        value = bytearray(os.getxattr(stored["attribute"], attribute))
        value[-1] ^= 1
        os.setxattr(stored["attribute"], attribute, bytes(value))
    stored["moved"].rename(stored["other folder"] / stored["moved"].name)
    foreign = {inside / "README.txt": b"not ours", inside / "AAAA": b"", vault.vault / "photo.jpg": b"\xff\xd8", vault.vault / ".DS_Store": b"x"}
    for path, data in foreign.items():
        path.write_bytes(data)
    (vault.vault / "lost+found").mkdir()
    log_before = len(vault.log_tail(1 << 20))
    vault.mount()
    wrong = []
    shown = sorted(os.listdir(top))
    if shown != ["attribute", "folder", "kept", "link", "other folder"]:
        wrong.append(f"the directory shows {shown}")
    if "names" not in os.listdir(vault.mount_point) or set(os.listdir(vault.mount_point)) & {"photo.jpg", ".DS_Store", "lost+found"}:
        wrong.append(f"the root shows {sorted(os.listdir(vault.mount_point))[-8:]}")
    if os.listdir(top / "other folder"):
        wrong.append("a file that was moved from another directory is shown")
    for what, act in (("readlink", lambda: os.readlink(top / "link")), ("getxattr", lambda: os.getxattr(top / "attribute", "user.a"))):
        try:
            wrong.append(f"{what} of what was changed gives {act()!r}")
        except OSError as error:
            if error.errno not in REFUSALS:
                wrong.append(f"{what}: {errno.errorcode.get(error.errno)}")
    if (top / "kept").read_bytes() != b"kept" or (top / "folder" / "below").read_bytes() != b"below":
        wrong.append("a file that nobody touched differs")
    time.sleep(0.2)
    log = vault.log_tail(1 << 20)[log_before:]
    if len(log.strip()) == 0:
        wrong.append("nothing was reported")
    (top / "README.txt").write_bytes(b"ours")  # the plain name is free, whatever foreign file lies there
    vault.remount()
    if (top / "README.txt").read_bytes() != b"ours":
        wrong.append("a plain name beside a foreign file of that name is lost")
    vault.unmount()
    for path, data in foreign.items():
        if path.read_bytes() != data:
            wrong.append(f"the foreign file {path.name} was changed")
    if not (vault.vault / "lost+found").is_dir():
        wrong.append("a foreign directory was removed")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    settings = parser.parse_args()
    run_self_as(settings.who)
    with Vault() as vault:
        vault.require_encryption()
        vault.init().mount()
        made = make_files(vault)
        vault.unmount()
        wrong = check_attacks(vault, made)
        wrong += check_names(vault)
        if wrong:
            print("daemon's log, its end:\n" + vault.log_tail(3000))
    for line in wrong:
        print("WRONG:", line)
    print(f"{len(ATTACKS) + 12 - len(wrong)} passed, {len(wrong)} failed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
