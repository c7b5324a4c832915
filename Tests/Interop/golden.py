#!/usr/bin/env python3
"""The golden vault of format 1: made once by the binary of that time, and to be opened for ever.

    golden.py make      makes Tests/Golden/v1; refuses if it is there: golden files are never made anew

Tests/Golden/v1 holds keystore.db, passphrase, recovery-code, vault.tar (left clean), killed.tar (the daemon was killed: two files are OPEN), and
manifest.json: what the plain trees are. Names, targets and attributes stand in it in hex.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

import filling
from comparing import snapshot
from filling import noise, write
from harness import HERE, Lab

GOLDEN = os.path.join(os.path.dirname(HERE), "Golden", "v1")
VAULTS = "vault", "killed"
TAR = ["tar", "--format=pax", "--xattrs", "--xattrs-include=user.*", "--sparse", "--sort=name", "--numeric-owner"]


def manifest(root):
    """{plain path in hex: facts}, with contents by SHA-256 of the plain bytes."""
    out = {}
    for path, facts in snapshot(os.fsencode(root)).items():
        entry = {"mode": facts["mode"], "mtime": facts["mtime"]}
        if facts.get("xattrs"):
            entry["xattrs"] = {name.hex(): value.hex() for name, value in sorted(facts["xattrs"].items())}
        if "target" in facts:
            entry["target"] = facts["target"].hex()
        if "same file as" in facts:
            entry["same file as"] = facts["same file as"].hex()
        if "size" in facts:
            with open(os.fsencode(root) + path, "rb") as file:
                entry["size"], entry["sha256"] = facts["size"], hashlib.sha256(file.read()).hexdigest()
        out[path.hex()] = entry
    return out


def fill(root):
    """Small, but with every form of name, file, link and attribute."""
    for size in (0, 1, 100, 3040, 3041, 4096, 4097, 10000):
        write(root + b"/%d bytes" % size, noise(size, size))
    for name in (b"n" * 175, b"n" * 176, b"n" * 255, b"\xff\xfe no UTF-8", b"two\nlines", "Grüße".encode()):
        write(root + b"/" + name, b"content of " + name)
    for name in (b"d" * 166, b"d" * 167, b"directory"):
        os.mkdir(root + b"/" + name)
        write(root + b"/" + name + b"/inside", b"inside " + name)
        os.symlink(b"../" + name, root + b"/" + name + b"/link")
    os.symlink(b"t" * 3000, root + b"/long link")
    os.link(root + b"/10000 bytes", root + b"/directory/hard link")
    os.mkfifo(root + b"/fifo")
    write(root + b"/sparse", b"start")
    for at in (48 << 12, (112 << 12) + 1000, (1 << 24) - 4):
        write(root + b"/sparse", b"far", at)
    write(root + b"/punched", noise(3, 10 << 12))
    fd = os.open(root + b"/punched", os.O_RDWR)
    filling.fallocate(fd, filling.PUNCH_HOLE | filling.KEEP_SIZE, 2 << 12, 3 << 12)
    os.close(fd)
    write(root + b"/cut", noise(4, 9000))
    os.truncate(root + b"/cut", 5000)
    write(root + b"/cut and grown", noise(5, 9000))
    os.truncate(root + b"/cut and grown", 100)
    os.truncate(root + b"/cut and grown", 20000)
    for name in (b"0 bytes", b"100 bytes", b"4097 bytes", b"directory"):
        os.setxattr(root + b"/" + name, "user.comment", b"attribute of " + name)
        os.setxattr(root + b"/" + name, "user.empty", b"")
    os.setxattr(root, "user.root", b"attribute of the root")
    os.chmod(root + b"/1 bytes", 0o4711)


def leave_open(root):
    """Two files that are written and synced, and open when the daemon dies; the descriptors."""
    fds = []
    for name, size in ((b"open", 10000), (b"open and small", 200)):
        fd = os.open(root + b"/" + name, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(fd, noise(size, size), 0)
        os.fsync(fd)
        os.pwrite(fd, b"overwritten", 5000 % size)
        os.fsync(fd)
        fds.append(fd)
    return fds


def make():
    if os.path.exists(GOLDEN):
        sys.exit("the golden vault is there; it is never made anew")
    with Lab() as lab:
        lab.init()
        root, trees = os.fsencode(lab.mount_point), {}
        lab.mount()
        fill(root)
        lab.unmount()
        lab.mount("--read-only")
        trees["vault"] = manifest(lab.mount_point)
        lab.unmount()
        os.makedirs(GOLDEN)
        subprocess.run([*TAR, "-cf", os.path.join(GOLDEN, "vault.tar"), "-C", lab.directory, "vault"], check=True)
        lab.mount()
        for name in os.listdir(root):
            if name not in (b"directory", b"100 bytes"):
                path = root + b"/" + name
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        fds = leave_open(root)
        time.sleep(0.5)
        trees["killed"] = manifest(lab.mount_point)
        lab.kill()
        for fd in fds:
            try:
                os.close(fd)
            except OSError:
                pass
        subprocess.run([*TAR, "-cf", os.path.join(GOLDEN, "killed.tar"), "-C", lab.directory, "--transform", "s,^vault,killed,", "vault"], check=True)
        assert not os.path.exists(lab.keystore + "-wal") or os.path.getsize(lab.keystore + "-wal") == 0, "the keystore has a log"
        for source, name in ((lab.keystore, "keystore.db"), (lab.passphrase_file, "passphrase"), (lab.code_file, "recovery-code")):
            shutil.copyfile(source, os.path.join(GOLDEN, name))
        with open(os.path.join(GOLDEN, "manifest.json"), "w", encoding="ascii") as file:
            json.dump(trees, file, indent=1, sort_keys=True)
            file.write("\n")
        print(*sorted(os.listdir(GOLDEN)))


def unpack(lab):
    """The golden vaults in a lab, whose keystore and secrets become the golden ones; the manifest."""
    for name, path in (("keystore.db", lab.keystore), ("passphrase", lab.passphrase_file), ("recovery-code", lab.code_file)):
        shutil.copyfile(os.path.join(GOLDEN, name), path)
    os.chmod(lab.keystore, 0o600)
    for name in VAULTS:
        subprocess.run([*TAR, "--same-permissions", "-xf", os.path.join(GOLDEN, name + ".tar"), "-C", lab.directory], check=True)
    with open(os.path.join(GOLDEN, "manifest.json"), encoding="ascii") as file:
        return json.load(file)


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make()
    else:
        sys.exit(__doc__)
