"""Changes backing files as an attacker or a bad disk would, and lets both programs say what they still read.

The two must agree on every file: refused as a whole, or the same size, and every block the same bytes or refused by both.
"""

import collections
import os
import random
import shutil

from comparing import BLOCK
from envelope.keystore import Keystore
from envelope.layout import block_offset, plain_size, slot_offset
from envelope.primitives import Refused
from envelope.vault import Vault
from filling import PUNCH_HOLE, KEEP_SIZE, fallocate, noise

SECTOR, STATE = 0, 512
SIZES = [1, 100, 3040, 3041, 4096, 4097, 12288, 20000, 47 * BLOCK, 48 * BLOCK, 48 * BLOCK + 5, 50 * BLOCK + 9]


def prepare(root, count, dice):
    """*count* files of every size, some with holes, some overwritten, every second one synced and left open; the descriptors."""
    fds = []
    for number in range(count):
        size = SIZES[number % len(SIZES)]
        fd = os.open(root + b"/%d" % number, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, noise(number, size), 0)
        if number // len(SIZES) % 3 == 1:
            os.ftruncate(fd, size + 2 * BLOCK + 100)
            fallocate(fd, PUNCH_HOLE | KEEP_SIZE, BLOCK, BLOCK)
        if dice.random() < 0.5:
            os.fsync(fd)
            os.pwrite(fd, noise(number + 1000, min(size, 2 * BLOCK)), 0)
            os.fsync(fd)
            fds.append(fd)
        else:
            os.close(fd)
    return fds


def lengths(length, dice):
    """Backing lengths at which something changes."""
    near = [0, 1023, 1024, 1025, 1056, 1057, 4095, 4096, 4097, 8192, 49 * BLOCK, 49 * BLOCK + 64, 50 * BLOCK, 50 * BLOCK + 1,
            length - 1, length + 1, length - BLOCK, length + BLOCK, dice.randrange(length + 1), dice.randrange(length + 1)]
    return max(0, dice.choice(near))


def damage(path, dice):
    """One change; what it was, for people."""
    length = os.path.getsize(path)
    if length == 0:
        os.truncate(path, dice.choice([1, 1024, 5000]))
        return "an empty file grown"
    with open(path, "r+b", buffering=0) as file:
        def put(at, data):
            if at + len(data) <= length:
                file.seek(at)
                file.write(data)

        def get(at, count):
            file.seek(at)
            return file.read(count)

        last = max(0, plain_size(length)[0] - 1 >> 12) if length > BLOCK else 0
        block = dice.choice([dice.randrange(last + 1), last])
        slot, place = slot_offset(block), block_offset(block)
        kind = dice.randrange(14)
        if kind <= 2:
            new = lengths(length, dice)
            file.truncate(new)
            return f"{length} bytes cut or grown to {new}"
        if kind == 3:
            at = dice.randrange(length)
            put(at, bytes([get(at, 1)[0] ^ 1 << dice.randrange(8)]))
            return f"a bit of byte {at}"
        if kind == 4:
            at = dice.randrange(min(length, 1088))
            put(at, bytes([get(at, 1)[0] ^ 1 << dice.randrange(8)]))
            return f"a bit of byte {at}"
        if kind == 5:
            put(slot, bytes(64))
            return f"slot {block} zeroed"
        if kind == 6:
            put(slot, bytes(32))
            return f"current entry {block} zeroed"
        if kind == 7:
            entries = get(slot, 64)
            put(slot, entries[32:] + entries[:32])
            return f"entries {block} exchanged"
        if kind == 8:
            put(place, bytes(min(BLOCK, max(0, length - place))))
            return f"block {block} zeroed"
        if kind == 9:
            put(slot, dice.randbytes(12) + get(slot + 12, 20) + get(slot, 32))
            return f"slot {block}: a new entry, the old one behind it, the block not written"
        if kind == 10:
            put(slot, dice.randbytes(12) + get(slot + 12, 20) + bytes(32))
            put(place, bytes(min(BLOCK, max(0, length - place))))
            return f"slot {block}: an entry, the block never written"
        if kind == 11:
            put(slot + 28, dice.choice([0, 1, 4095, 4096, 4097, 65535]).to_bytes(2, "little"))
            return f"slot {block}: another length"
        if kind == 12:
            put(dice.choice([SECTOR, STATE]), bytes(512))
            return "header or state zeroed"
        put(10, dice.choice([0, 1, 2, 0x8000]).to_bytes(2, "little"))
        return "header flags"


def by_python(lab):
    """{name: "refused" or (size, [block's bytes or None])} by the decryptor."""
    with open(lab.passphrase_file, "rb") as file:
        keystore = Keystore(lab.keystore, passphrase=file.read().rstrip(b"\n"))
    vault, out = Vault(os.fsencode(lab.vault), keystore), {}
    for item in vault.items(vault.fd, vault.file.root, b""):
        fd = vault.open_file(item)
        try:
            content = vault.content(fd)
            blocks = []
            for offset, data, refusal in content.extents():
                width = min(BLOCK, content.size - offset)
                if data is not None and len(data) > BLOCK:
                    raise AssertionError("a piece of more than one block")
                blocks.append(None if refusal else (data if data is not None else bytes(width)))
            out[item.name] = content.size, blocks
        except Refused as why:
            out[item.name] = f"refused: {why}"
        finally:
            os.close(fd)
    vault.close()
    return out


def by_binary(lab):
    """The same by the binary, through a mount that only reads."""
    out = {}
    lab.mount("--read-only")
    root = os.fsencode(lab.mount_point)
    for name in os.listdir(root):
        try:
            fd = os.open(root + b"/" + name, os.O_RDONLY)
        except OSError as why:
            out[name] = f"refused: errno {why.errno}"
            continue
        try:
            size = os.fstat(fd).st_size
            blocks = []
            for at in range(0, size, BLOCK):
                try:
                    blocks.append(os.pread(fd, BLOCK, at))
                except OSError:
                    blocks.append(None)
            out[name] = size, blocks
        except OSError as why:
            out[name] = f"refused: errno {why.errno}"
        finally:
            os.close(fd)
    lab.unmount()
    return out


def disagreements(ours, theirs, what):
    """Lines for people."""
    lines = []
    for name in sorted(set(ours) | set(theirs)):
        a, b = ours.get(name), theirs.get(name)
        if isinstance(a, str) and (isinstance(b, str) or b is not None and b[0] > 0 and not any(b[1])):
            continue
        if a == b:
            continue
        lines.append(f"{name!r} ({what.get(name)}): Python {told(a)}, binary {told(b)}")
    return lines


def told(answer):
    if answer is None or isinstance(answer, str):
        return str(answer)
    size, blocks = answer
    refused = [i for i, block in enumerate(blocks) if block is None]
    return f"{size} bytes, refused {refused}, digest {hash(tuple(blocks)) & 0xffffff:06x}"


def one_round(lab, seed, count=48):
    """A killed vault, every file changed once; lines of disagreement, and what became of the files."""
    dice = random.Random(seed)
    lab.init()
    lab.mount()
    fds = prepare(os.fsencode(lab.mount_point), count, dice)
    lab.kill()
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass
    before = by_python(lab)
    whole = [name for name, answer in before.items() if isinstance(answer, str) or None in answer[1]]
    assert len(before) == count and not whole, f"not whole before anything was changed: {[(n, before[n]) for n in whole]}"
    backing, out, counts = plain_names(lab), [], collections.Counter()
    pristine = lab.path("pristine")
    os.rename(lab.vault, pristine)
    for turn in range(4):
        shutil.copytree(pristine, lab.vault)
        what = {name: damage(os.path.join(lab.vault, file), dice) for name, file in backing.items()}
        ours = by_python(lab)
        theirs = by_binary(lab)
        out += disagreements(ours, theirs, what)
        counts.update(outcome(ours[name], before[name]) for name in ours)
        shutil.rmtree(lab.vault)
    assert len(counts) == 4, f"damage that does not do what it should: {counts}"
    return out, ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def outcome(answer, before):
    """What became of a file."""
    if isinstance(answer, str):
        return "refused"
    if None in answer[1]:
        return "in part"
    return "unchanged" if answer == before else "other content"


def plain_names(lab):
    """{plain name: backing name} of the root."""
    with open(lab.passphrase_file, "rb") as file:
        vault = Vault(os.fsencode(lab.vault), Keystore(lab.keystore, passphrase=file.read().rstrip(b"\n")))
    names = {item.name: os.fsdecode(item.backing) for item in vault.items(vault.fd, vault.file.root, b"")}
    vault.close()
    return names
