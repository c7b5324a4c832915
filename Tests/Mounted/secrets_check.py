#!/usr/bin/python3
"""Nothing in the clear: planted markers are in no file, name, link, attribute, command line; own keys and fresh nonces on disk.

Looks at the stored bytes as Docs/FORMAT.md lays them out, without any key.
"""

import errno
import base64
import os
import secrets
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from vault import PASSPHRASE, Failure, Vault, mounts, run_self_as  # noqa: E402

BLOCK = 4096
TOKEN = secrets.token_hex(4)  # so that no other file of this machine, this one among them, holds a marker
NAME, DIRECTORY, TARGET, CONTENT, SMALL, VALUE, ATTRIBUTE = (
    f"{word}{TOKEN}" for word in ("QuokkaName", "WombatDirectory", "NumbatTarget", "BilbyContent", "PotorooSmall", "KowariValue", "DunnartAttribute"))
MARKERS = [word.encode() for word in (NAME, DIRECTORY, TARGET, CONTENT, SMALL, VALUE, ATTRIBUTE, PASSPHRASE)]


def forms(marker):
    """A marker as itself, in hex, and in base64 at each of the three alignments (the characters that depend on it alone)."""
    found = {marker, marker.hex().encode(), marker.hex().upper().encode(), marker.decode().encode("utf-16-le"), marker[::-1]}
    for alignment in range(3):
        encoded = base64.b64encode(b"\0" * alignment + marker)
        start = 0 if alignment == 0 else 4
        found.add(encoded[start:(alignment + len(marker)) // 3 * 4])
        found.add(encoded[start:(alignment + len(marker)) // 3 * 4].replace(b"+", b"-").replace(b"/", b"_"))
    return found


NEEDLES = {form: marker for marker in MARKERS for form in forms(marker)}


def found_in(data):
    return [marker for form, marker in NEEDLES.items() if form in data]


def search_file(path, hits):
    with open(path, "rb") as file:
        tail = b""
        while piece := file.read(8 << 20):
            hits += [(path, "content", marker) for marker in found_in(tail + piece)]
            tail = piece[-200:]


def search_tree(top, hits, newer_than=None, leave_out=()):
    """Names, link targets, attributes and contents below `top`; of other people's folders only what is new."""
    count = 0
    for folder, folders, files in os.walk(os.fsencode(str(top))):
        # Those of other tests: walked, they would be busy where somebody unmounts them, and damaged ones give errors. They come and go meanwhile.
        foreign = set(mounts(b"fuse."))
        if folder in foreign:
            folders.clear()
            continue
        foreign.update(leave_out)
        folders[:] = [name for name in folders if os.path.join(folder, name) not in foreign]
        for name in folders + files:
            path = os.path.join(folder, name)
            if path in leave_out:
                continue
            try:
                status = os.lstat(path)
                if newer_than and max(status.st_mtime, status.st_ctime) < newer_than:
                    continue
                count += 1
                hits += [(path, "name", marker) for marker in found_in(name)]
                if os.path.islink(path):
                    hits += [(path, "target", marker) for marker in found_in(os.readlink(path))]
                    continue
                for attribute in os.listxattr(path):
                    value = attribute.encode(errors="surrogateescape") + b"=" + os.getxattr(path, attribute)
                    hits += [(path, "attribute", marker) for marker in found_in(value)]
                if os.path.isfile(path):
                    search_file(path, hits)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # somebody else's mount, whose daemon was killed
                    raise
    return count


def search_processes(hits):
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        for what in ("cmdline", "comm"):
            try:
                data = Path("/proc", entry, what).read_bytes()
            except OSError:
                continue
            hits += [(f"/proc/{entry}/{what}", "process", marker) for marker in found_in(data)]


def search_everywhere(vault, started):
    own = {os.fsencode(str(vault.mount_point)), os.fsencode(str(vault.passphrase_file)), os.fsencode(str(vault.base / "control"))}
    hits = []
    count = search_tree(vault.base, hits, leave_out=own)
    if count < 10:
        raise Failure(f"only {count} objects were looked at below {vault.base}")
    own.add(os.fsencode(str(vault.base)))
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run"):
        search_tree(folder, hits, newer_than=started, leave_out=own)
    search_processes(hits)
    return hits


def control(vault):
    """The search itself finds each marker in each form, as content, name, target and attribute."""
    folder = vault.base / "control"
    folder.mkdir()
    for form in NEEDLES:
        (folder / "content").write_bytes(b"x" * 777 + form + b"y")
        hits = []
        search_tree(folder, hits)
        if not hits:
            raise Failure(f"the search does not find {form!r}")
    (folder / "content").write_bytes(b"")
    os.symlink(MARKERS[2], folder / "link")
    os.setxattr(folder / "content", "user.x", MARKERS[5])
    (folder / MARKERS[0].decode()).mkdir()
    hits = []
    search_tree(folder, hits)
    if {kind for _, kind, _ in hits} != {"target", "attribute", "name"}:
        raise Failure(f"the search finds only {hits}")


def plant(mount):
    folder = mount / DIRECTORY
    folder.mkdir()
    content = CONTENT.encode()
    (folder / NAME).write_bytes(content * 30000)
    (folder / "small").write_bytes(SMALL.encode() * 3)
    (mount / (NAME * 13)).write_bytes(b"long name")
    (mount / (DIRECTORY * 9)).mkdir()
    os.symlink(f"{TARGET}/" * 40, folder / "link")
    os.symlink(TARGET, folder / "short link")
    os.setxattr(folder / "small", f"user.{ATTRIBUTE}", VALUE.encode())
    os.setxattr(folder, f"user.{ATTRIBUTE}", VALUE.encode() * 10)
    with open(folder / "open and unlinked", "w+b") as file:
        file.write(content * 1000)
        file.flush()
        os.fsync(file.fileno())
        os.unlink(folder / "open and unlinked")
    with open(folder / "sparse", "wb") as file:
        file.seek(3 << 20)
        file.write(content)


# What is on the disk --------------------------------------------------------------------------------------------------

def regular_files(vault):
    """Backing files of the vault, without its own directory and the side files of long names."""
    found = set()
    for folder, folders, files in os.walk(vault.vault):
        folders[:] = [name for name in folders if name != ".envelopefs"]
        found |= {Path(folder, name) for name in files if not name.startswith("=") and not Path(folder, name).is_symlink()}
    return found


def stored(vault, name, data):
    """Writes a file in the mount, closes the mount, and returns where and what is stored; the mount is there again."""
    before = regular_files(vault)
    (vault.mount_point / name).write_bytes(data)
    vault.remount()
    (path,) = regular_files(vault) - before
    return path


def header(data):
    """(file id, wrapped key) of a stored file."""
    length = int.from_bytes(data[28:30], "little")
    if not 0 < length <= 448:
        raise Failure(f"wrapped key of {length} bytes: not a header of format 1")
    return data[12:28], data[30:30 + length]


def check_keys_and_nonces(vault):
    same = bytes(range(256)) * 16 * 20  # twenty equal blocks
    first, second = stored(vault, "equal one", same), stored(vault, "equal two", same)
    small = [stored(vault, f"equal small {n}", b"the same small text") for n in range(2)]
    contents = [path.read_bytes() for path in (first, second, *small)]
    identities = [header(data) for data in contents]
    for what, place in (("file ids", 0), ("wrapped keys", 1)):
        if len({identity[place] for identity in identities}) != len(identities):
            raise Failure(f"two files share {what}")
    blocks = [data[BLOCK * (1 + n):BLOCK * (2 + n)] for data in contents[:2] for n in range(20)]
    if len(set(blocks)) != 40:
        raise Failure("equal blocks are stored as equal bytes")
    if contents[2][512:] == contents[3][512:]:
        raise Failure("equal small files are stored alike")

    def slot(data, block):
        return data[1024 + 64 * block:1024 + 64 * block + 32]

    nonces = [slot(data, n)[:12] for data in contents[:2] for n in range(20)]
    if len(set(nonces)) != 40 or bytes(12) in nonces:
        raise Failure("a nonce is used twice, or is zero")
    before = first.read_bytes()
    with open(vault.mount_point / "equal one", "r+b") as file:
        file.seek(BLOCK * 7)
        file.write(same[:BLOCK])
    vault.remount()
    after = first.read_bytes()
    if slot(before, 7)[:12] == slot(after, 7)[:12] or before[BLOCK * 8:BLOCK * 9] == after[BLOCK * 8:BLOCK * 9]:
        raise Failure("a rewritten block kept its nonce or its bytes")
    if slot(before, 6) != slot(after, 6) or before[BLOCK * 7:BLOCK * 8] != after[BLOCK * 7:BLOCK * 8]:
        raise Failure("a block that was not written changed")
    if (vault.mount_point / "equal one").read_bytes() != same:
        raise Failure("the content changed")
    before_small = small[0].read_bytes()
    (vault.mount_point / "equal small 0").write_bytes(b"the same small text")
    vault.remount()
    if before_small[1024:1036] == small[0].read_bytes()[1024:1036]:
        raise Failure("a rewritten small file kept its nonce")
    noise = sum(bin(byte).count("1") for byte in contents[0][BLOCK:BLOCK * 21]) / (BLOCK * 20 * 8)
    if not 0.49 < noise < 0.51:
        raise Failure(f"stored blocks do not look random: {noise:.4f} of the bits are set")


def main():
    run_self_as("root" if os.geteuid() == 0 else "user")
    started = time.time() - 1
    with Vault() as vault:
        vault.require_encryption()
        control(vault)
        vault.init().mount()
        plant(vault.mount_point)
        for when in ("while mounted", "after the unmount"):
            if when == "after the unmount":
                vault.unmount()
            hits = search_everywhere(vault, started)
            if hits:
                raise Failure(f"in the clear {when}: {hits[:10]}")
        vault.mount()
        if (vault.mount_point / DIRECTORY / "small").read_bytes() != SMALL.encode() * 3:
            raise Failure("what was planted does not read back")
        check_keys_and_nonces(vault)
        vault.unmount()
    print(f"{len(NEEDLES)} forms of {len(MARKERS)} markers: none found; keys and nonces: fresh")
    print("2 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
