"""Vaults with a journal that was not replayed, made in Python: names as they are now, files as they were before, and the records between the two.

Nothing here knows what the daemon writes into its journal; any records that are right by FORMAT.md section 10 will do, and must be read as such.
"""

import hashlib
import hmac
import json
import os
import random
import shutil
import stat
import subprocess

from comparing import BLOCK, differences, snapshot
from envelope.journal import LENGTH, WRITE, ZERO, Piece, journal_key, seal_record
from envelope.keys import VaultKeys, vault_context
from envelope.keystore import Keystore
from envelope.names import RESERVED, BackingName
from envelope.primitives import from_base64url
from filling import KEEP_SIZE, PUNCH_HOLE, fallocate, noise, write
from harness import Lab

PIECES_MAX = 200000
GONE = b"\x67" * 16


def vault_key(lab):
    with open(lab.passphrase_file, "rb") as file:
        keystore = Keystore(lab.keystore, passphrase=file.read().rstrip(b"\n"))
    first = first_line(lab.vault)
    return keystore.unwrap(from_base64url(first["wrappedVaultKey"].encode()), vault_context(bytes.fromhex(first["vault"])))


def first_line(vault):
    with open(os.path.join(vault, ".envelopefs", "vault.json"), encoding="utf-8") as file:
        return json.loads(file.readline())


def write_vault_json(vault, key, **members):
    """Changes members of vault.json, and its tag."""
    path = os.path.join(vault, ".envelopefs", "vault.json")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()[:-1]
    lines[0] = json.dumps(json.loads(lines[0]) | members, ensure_ascii=False, separators=(",", ":"))
    body = "".join(line + "\n" for line in lines)
    tag = hmac.new(VaultKeys(key).vault_json, body.encode(), hashlib.sha256).hexdigest()
    with open(path, "w", encoding="utf-8") as file:
        file.write(body + '{"tag":"' + tag + '"}\n')


class Files:
    """The regular files below a vault by their inode: places as (path, directory id, backing name), bytes, time of modification."""

    def __init__(self, vault):
        self.places, self.bytes, self.mtimes = {}, {}, {}
        self._walk(os.fsencode(vault), bytes.fromhex(first_line(vault)["rootDirectory"]))

    def _walk(self, path, directory):
        for name in sorted(os.listdir(path)):
            status = os.lstat(path + b"/" + name)
            if stat.S_ISDIR(status.st_mode) and name != RESERVED:
                self._walk(path + b"/" + name, BackingName(name).own)
            elif stat.S_ISREG(status.st_mode) and not BackingName(name).is_side_file:
                self.places.setdefault(status.st_ino, []).append((path + b"/" + name, directory, name))
                self.mtimes[status.st_ino] = status.st_mtime_ns
                with open(path + b"/" + name, "rb") as file:
                    self.bytes[status.st_ino] = file.read()


def difference(before, after, dice):
    """Groups of pieces that make one file of the other, with detours."""
    groups, group = [], []
    if dice.random() < 0.3:
        cut = min(len(before), len(after), dice.choice([0, 700, 1024, BLOCK, dice.randrange(len(after) + 1)]))
        before = before[:cut]
        groups.append([Piece(LENGTH, cut, 0)])
    if dice.random() < 0.5 and after:
        at, count = dice.randrange(len(after)), dice.choice([1, 600, 9000])
        data = dice.randbytes(count)
        before = before.ljust(at, b"\0")[:at] + data + before[at + count:]
        groups.append([Piece(WRITE, at, count, data)])
    if len(before) > len(after) or dice.random() < 0.3:
        group.append(Piece(LENGTH, len(after), 0))
        before = before[:len(after)].ljust(len(after), b"\0")
    begin = 0
    while begin < len(after):
        count = min(dice.choice([512, BLOCK, 7 * BLOCK, 9999]), len(after) - begin)
        part = after[begin:begin + count]
        if before[begin:begin + count] != part:
            is_zero = not any(part) and begin + count <= len(before)
            group.append(Piece(ZERO, begin, count) if is_zero else Piece(WRITE, begin, count, part))
            before = before.ljust(begin + count, b"\0")
        if sum(piece.count + 24 for piece in group) > PIECES_MAX or dice.random() < 0.1:
            groups.append(group)
            group = []
        begin += count
    return groups + [group]


def backing_id(data):
    return data[12:28] if data[:8] == b"ENVELOPE" else None


def wind_back(lab, old, dice, epoch):
    """Gives the files of the vault the bytes that they have in *old*, and writes what lies between into its journal; how many files, how many records."""
    key, now = journal_key(vault_key(lab), epoch), Files(lab.vault)
    queues = []
    for number, after in sorted(now.bytes.items()):
        before = old.bytes.get(number, b"")
        path, directory, name = dice.choice(now.places[number])
        moved = [place for place in old.places.get(number, []) if place[2] != name]
        # A header never gets another id while the journal has records of the file.
        if backing_id(before) is None or backing_id(before) != backing_id(after) or before == after and dice.random() < 0.8:
            continue
        with open(path, "r+b", buffering=0) as file:
            file.truncate(0)
            file.write(before)
        os.utime(path, ns=(0, dice.randrange(1 << 60)))
        groups = [pieces for pieces in difference(before, after, dice) if pieces]
        # A file is known by its id, also under a name of former times, or none.
        wrong = [(old_place[1], old_place[2]) for old_place in moved] + [(directory, b"")]
        queue = [[backing_id(after), pieces, dice.choice([(directory, name)] + wrong), 0] for pieces in groups] or [[backing_id(after), [], (directory, name), 0]]
        queue[-1][3] = now.mtimes[number]
        queues.append(queue)
    files = len(queues)
    # What was removed: nobody has its id any more, and other files stand at its places, one of them empty.
    for some in dice.choice(sorted(now.places)), dice.choice(sorted(number for number, data in now.bytes.items() if not data)):
        queues.append([[GONE, [Piece(WRITE, 0, 5000, bytes(5000))], now.places[some][0][1:], 1]])
    records, sequence = [], dice.randrange(1 << 40)
    while queues:
        queue = dice.choice(queues)
        file_id, pieces, (directory, name), mtime = queue.pop(0)
        records.append(seal_record(key, sequence + len(records), pieces, directory, name, file_id, mtime))
        queues = [queue for queue in queues if queue]
    write_journal(lab.vault, records, dice)
    return files, len(records)


def write_journal(vault, records, dice):
    """Some records into each of the two files, the later ones into either; behind them stands what a reader must not take."""
    at = dice.choice([0, len(records), dice.randrange(len(records) + 1)])
    parts = [records[:at], records[at:]]
    if dice.random() < 0.5:
        parts.reverse()
    for number, part in enumerate(parts):
        older = dice.choice([b"", bytes(4096), dice.randbytes(300), b"".join(part[:1])])
        with open(os.path.join(vault, ".envelopefs", f"journal-{number}"), "wb") as file:
            file.write(b"".join(part) + older)


SIZES = [0, 1, 100, 3040, 3041, 4096, 4097, 12288, 20000, 48 * BLOCK, 48 * BLOCK + 5, 113 * BLOCK + 9]


def prepare(root):
    os.mkdir(root + b"/directory")
    os.mkdir(root + b"/" + b"long" * 50)
    for number in range(48):
        size = SIZES[number % len(SIZES)]
        place = root + [b"/%d", b"/directory/%d", b"/" + b"long" * 50 + b"/%d", b"/%d " + b"long" * 60][number // len(SIZES)] % number
        write(place, noise(number, size))
        if number % 5 == 0:
            os.link(place, root + b"/directory/link %d" % number)


def change(root, dice):
    """Every file changed in one of many ways, some renamed or removed; some are new."""
    os.rename(root + b"/directory", root + b"/renamed directory")
    paths = [os.path.join(base, name) for base, _, names in os.walk(root) for name in names]
    for path in sorted(paths):
        size, mood = os.path.getsize(path), dice.randrange(8)
        if mood == 0:
            os.truncate(path, dice.choice([0, size // 2, max(0, size - 3), size + 5000]))
        elif mood == 1:
            os.truncate(path, 0)
            write(path, noise(size + 7, dice.choice([20, 4000, 50 * BLOCK])))
        elif mood == 2:
            write(path, dice.randbytes(dice.choice([10, 5000, 20 * BLOCK])), size)
        elif mood in (3, 4):
            write(path, dice.randbytes(dice.choice([1, 5000, BLOCK])), dice.randrange(size + 1))
        elif mood == 5 and size > 2 * BLOCK:
            fd = os.open(path, os.O_RDWR)
            fallocate(fd, PUNCH_HOLE | KEEP_SIZE, BLOCK, dice.choice([BLOCK, 30 * BLOCK, 5000]))
            os.close(fd)
        if dice.random() < 0.15:
            os.rename(path, root + b"/renamed %d" % dice.randrange(1 << 30) + dice.choice([b"", b"long" * 50]))
        elif dice.random() < 0.05:
            os.unlink(path)
    for number, size in enumerate(SIZES):
        write(root + b"/new %d" % number, noise(size + 3, size))


def journal_round(lab, seed):
    """A vault whose changes stand in the journal alone: the decryptor reads it as it was made, and so does a binary that knows journals."""
    dice = random.Random(seed)
    lab.init()
    lab.mount()
    prepare(os.fsencode(lab.mount_point))
    lab.unmount()
    old = Files(lab.vault)
    lab.mount()
    change(os.fsencode(lab.mount_point), dice)
    lab.unmount()
    lab.mount("--read-only")
    shown = snapshot(lab.mount_point)
    lab.unmount()
    epoch, key = dice.randrange(1 << 64), vault_key(lab)
    files, records = wind_back(lab, old, dice, epoch)
    feature = {"features": ["JOURNAL"], "journalEpoch": f"{epoch:016x}", "clean": False}
    write_vault_json(lab.vault, key, **feature)
    before = subprocess.run(["tar", "-c", "--sort=name", "-C", lab.vault, "."], capture_output=True, check=True).stdout
    expect(lab, shown, "a vault with a journal")
    assert subprocess.run(["tar", "-c", "--sort=name", "-C", lab.vault, "."], capture_output=True, check=True).stdout == before, "the decryptor changed the vault"
    # Each of these makes the records count for nothing; the files are not what was shown then.
    for other in {"clean": True}, {"features": []}, {"journalEpoch": f"{epoch ^ 1:016x}"}:
        write_vault_json(lab.vault, key, **feature | other)
        read = lab.path("unread")
        lab.decrypt("tree", lab.vault, read, expect=None)
        assert differences(shown, snapshot(read)), f"the journal is read in spite of {other}"
        shutil.rmtree(read)
    write_vault_json(lab.vault, key, **feature)
    said = "decryptor"
    if "--no-journal" in lab.run("init", "--help").stdout:
        for option in ("--read-only",), ():
            lab.mount(*option)
            lines = differences(shown, snapshot(lab.mount_point))
            assert not lines, f"by the binary {option}:\n  " + "\n  ".join(lines)
            if not option:
                lab.wait_for_recovery()
            lab.unmount()
        expect(lab, shown, "after a replay by the binary")
        assert first_line(lab.vault)["clean"], "not clean after a replay"
        said += " and binary"
    return f"seed {seed}: {files} files by {records} records, {said}"


def expect(lab, shown, what):
    out = lab.path("out")
    lab.decrypt("tree", lab.vault, out)
    lines = differences(shown, snapshot(out))
    assert not lines, f"{what}:\n  " + "\n  ".join(lines)
    shutil.rmtree(out)


def journal():
    """What stands in the journal alone is read, by the decryptor and by a binary that knows journals."""
    seed = int(os.environ.get("INTEROP_SEED", "0")) or random.randrange(1, 1 << 30)
    with Lab() as lab:
        try:
            return journal_round(lab, seed)
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from problem
