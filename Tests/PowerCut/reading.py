"""How a state reads: by the decryptor, and through a mount."""

import json
import os

from envelope.primitives import Refused
from envelope.vault import Vault as Decrypted
from expectation import BLOCK
from vault import Failure


class Reader:
    """A file as it reads: `blocks` {number: bytes, None where refused}."""

    def __init__(self, size=0, refusal=None):
        self.size, self.refusal, self.blocks = size, refusal, {}


class Tree(dict):
    """Visits a vault with the decryptor: plain path to what stands there. `records`: how many its journal has; `torn`: set by who judges."""

    torn = False

    def __init__(self, path, keystore):
        super().__init__()
        vault = Decrypted(os.fsencode(str(path)), keystore)
        try:
            self._vault = vault
            vault.walk(self)
            self.problems = [(path, why) for path, why in vault.problems if path not in (b"/" + os.fsencode(own) for own in self)]
            self.records = len(vault.records)
        finally:
            vault.close()

    def enter(self, path, item, fd):
        if item is not None:
            self[os.fsdecode(path[1:])] = "directory"

    def leave(self, path, item, fd):
        pass

    def item(self, path, item):
        path = os.fsdecode(path[1:])
        if item.kind == "link":
            self[path] = ("link", self._vault.target(item))
        elif item.kind == "file":
            self[path] = self._file(item)

    def _file(self, item):
        fd = self._vault.open_file(item)
        try:
            content = self._vault.content(fd)
            reader = Reader(content.size)
            for offset, data, refusal in content.extents():
                width = min(BLOCK, content.size - offset)
                reader.blocks[offset // BLOCK] = None if refusal is not None else bytes(width) if data is None else data
            return reader
        except Refused as why:
            return Reader(refusal=str(why))
        finally:
            os.close(fd)


def through_check(lab, state, tree, what):
    """Nothing in a state is damaged. What the decryptor refuses was never synced, as was judged before: check says of what it is left, and names the bytes."""
    done = lab.command("check", state, "--json", "--key-file", lab.base / "key", check=False)
    findings = json.loads(done.stdout)["findings"] if done.returncode in (0, 110, 111, 112) else []
    if done.returncode not in (0, 111):
        damage = [f for f in findings if f["weight"] == "damage"]
        raise Failure(f"{what}, by check: exit {done.returncode}: {damage[:3]}{done.stderr[-300:]}")
    told = [f.get("lost") for f in findings if f["finding"].startswith("unfinished-")]
    for path, reader in tree.items():
        if not isinstance(reader, Reader):
            continue
        lost = ranges(reader)
        if reader.refusal is not None and not told or lost and lost not in told:
            raise Failure(f"{what}, by check: {path} cannot be read ({reader.refusal or lost}), and the findings are {findings[:5]}")


def ranges(reader):
    """The bytes that cannot be read, as check prints them."""
    lost = []
    for number in sorted(number for number, found in reader.blocks.items() if found is None):
        begin, end = number * BLOCK, min((number + 1) * BLOCK, reader.size)
        if lost and lost[-1][1] == begin:
            lost[-1][1] = end
        else:
            lost.append([begin, end])
    return lost


def through_mount(lab, state, tree, promise):
    """Mounts a state: it must mount, read as the decryptor says, take new files, and be whole after the unmount."""
    vault, lab.vault = lab.vault, state
    try:
        lab.mount()
        try:
            for path, reader in tree.items():
                if isinstance(reader, Reader):
                    compare(lab.mount_point / path, path, reader)
            (lab.mount_point / "after the cut").write_bytes(b"x" * 5000)
            if (lab.mount_point / "after the cut").read_bytes() != b"x" * 5000:
                raise Failure("a new file does not read back")
        finally:
            lab.unmount()
        if promise == "journal":
            through_check(lab, state, tree, "after mount and unmount")
    finally:
        lab.vault = vault


def compare(place, path, reader):
    try:
        with open(place, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if reader.refusal is not None:
                # The daemon opens inline content when it is read.
                os.pread(file.fileno(), BLOCK, 0)
                raise Failure(f"{path}: reads, and the decryptor refuses it: {reader.refusal}")
            if size != reader.size:
                raise Failure(f"{path}: {size} bytes, and the decryptor finds {reader.size}")
            for number, expected in reader.blocks.items():
                try:
                    found = os.pread(file.fileno(), BLOCK, number * BLOCK)
                except OSError:
                    found = None
                if found != expected:
                    raise Failure(f"{path}: block {number} reads as {found and found[:32]}, the decryptor has {expected and expected[:32]}")
    except OSError as error:
        if reader.refusal is None:
            raise Failure(f"{path}: {error}, and the decryptor opens it") from error
