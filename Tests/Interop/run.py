#!/usr/bin/env python3
"""Lets the binary write and the Python decryptor read, and compares byte for byte.

    run.py [everything] [killed] [refuses] [golden] [damaged] [journal] [safe]      all cases if none is named; exit status 1 if one failed
"""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import traceback

import damaging
import golden
import journals
from envelope.keystore import Keystore
from envelope.primitives import Refused
from envelope.safe import Safe
from comparing import BLOCK, differences, snapshot
from filling import fill, noise, write
from harness import Lab, binary


def same(left, right, what, ignore=()):
    """Fails with a list of what differs."""
    for facts in list(left.values()) + list(right.values()):
        for fact in ignore:
            facts.pop(fact, None)
    lines = differences(left, right)
    if lines:
        raise AssertionError(what + ":\n  " + "\n  ".join(lines))


def everything():
    """One of everything: the mount shows what a plain directory shows, and the decryptor what the mount showed."""
    with Lab() as lab:
        lab.init()
        plain, out = lab.path("plain"), lab.path("out")
        os.mkdir(plain, 0o700)
        os.chmod(plain, 0o700)
        lab.mount()
        for root in (plain, lab.mount_point):
            fill(os.fsencode(root))
        same(snapshot(plain, times=False), snapshot(lab.mount_point, times=False), "plain directory / mount")
        lab.unmount()
        lab.mount("--read-only")
        shown = snapshot(lab.mount_point)
        lab.unmount()
        lab.decrypt("tree", lab.vault, out)
        same(shown, snapshot(out), "mount / decryptor")
        said = lab.decrypt("check", lab.vault, recovery=True).stdout.decode()
        assert "left clean" in said and "unsealed" not in said, said
        ours = lab.decrypt("keystore", lab.keystore, recovery=True).stdout
        assert ours == lab.decrypt("keystore", lab.keystore).stdout
        key = lab.run("key", "list", "--keystore", lab.keystore, "--passphrase-file", lab.passphrase_file).stdout.split()[0]
        assert key.encode() in ours, f"{key} is not in {ours}"
        for path in "names/two\nlines\t\x01\x7f", "sizes/458753", "holes/parts 3":
            with open(os.path.join(plain, path), "rb") as file:
                assert lab.decrypt("cat", lab.vault, path).stdout == file.read(), path
        return f"{len(shown)} objects"


def killed():
    """The daemon dies by SIGKILL after fsync: what was synced is read from files that are OPEN, by Python and by the binary."""
    with Lab() as lab:
        lab.init()
        lab.mount()
        dice, files, synced, descriptors = random.Random(7), {}, {}, []
        for number, size in enumerate([1, 100, 3040, 3041, 4096, 4097, 10000, 48 * BLOCK, 48 * BLOCK + 1, 113 * BLOCK + 77, 300000]):
            name = b"file %d" % number
            fd = os.open(os.fsencode(lab.mount_point) + b"/" + name, os.O_RDWR | os.O_CREAT, 0o644)
            descriptors.append(fd)
            files[name] = bytearray(noise(size, size))
            os.pwrite(fd, files[name], 0)
            os.fsync(fd)
            for _ in range(number * 3):
                at = dice.randrange(size)
                data = dice.randbytes(min(dice.randrange(1, 9000), dice.choice([size - at, 9000])))
                files[name][at:at + len(data)] = data
                os.pwrite(fd, data, at)
            if number % 3 == 1:
                cut = dice.randrange(1, len(files[name]) + 1)
                del files[name][cut:]
                os.ftruncate(fd, cut)
            os.fsync(fd)
            synced[name] = bytes(files[name])
        # changed after the last fsync: each block may be the old or the new one
        loose = os.open(os.fsencode(lab.mount_point) + b"/loose", os.O_RDWR | os.O_CREAT, 0o644)
        descriptors.append(loose)
        old, new = noise(1, 100 * BLOCK), noise(2, 100 * BLOCK)
        os.pwrite(loose, old, 0)
        os.fsync(loose)
        os.pwrite(loose, new, 0)
        time.sleep(0.2)
        lab.kill()
        for fd in descriptors:
            try:
                os.close(fd)
            except OSError:
                pass
        said = lab.decrypt("check", lab.vault).stdout.decode()
        assert "left unclean" in said and said.count("unsealed:") >= 8, f"expected unsealed files:\n{said}"
        out = lab.path("out")
        lab.decrypt("tree", lab.vault, out)
        for name, content in synced.items():
            with open(os.path.join(os.fsencode(out), name), "rb") as file:
                assert file.read() == content, f"{name!r} is not what was synced"
        with open(os.path.join(out, "loose"), "rb") as file:
            read = file.read()
        assert len(read) == len(old)
        mixed = sum(read[i:i + BLOCK] not in (old[i:i + BLOCK], new[i:i + BLOCK]) for i in range(0, len(old), BLOCK))
        assert not mixed, f"{mixed} blocks are neither old nor new"
        ours = snapshot(out)
        shutil.copytree(lab.vault, lab.path("copy"), symlinks=True)
        lab.mount("--read-only")
        same(ours, snapshot(lab.mount_point), "decryptor / binary, read-only, after a kill")
        lab.unmount()
        lab.mount()
        lab.wait_for_recovery()
        same(ours, snapshot(lab.mount_point), "decryptor / binary, after recovery")
        lab.unmount()
        again = lab.path("again")
        lab.decrypt("tree", lab.vault, again)
        same(ours, snapshot(again), "decryptor before / after recovery")
        said = lab.decrypt("check", lab.vault).stdout.decode()
        assert "unsealed" not in said and "left clean" in said, said
        return f"{said.count(chr(10))} lines of check"


def refuses():
    """What somebody changed is named, and everything else still opens."""
    with Lab() as lab:
        lab.init()
        lab.mount()
        for number in range(6):
            write(os.fsencode(lab.mount_point) + b"/%d" % number, noise(number, 20000))
        lab.unmount()
        files = sorted(f for f in os.listdir(lab.vault) if f != ".envelopefs")
        with open(os.path.join(lab.vault, files[0]), "r+b") as file:
            file.seek(4096 + 5000)
            file.write(b"\0\0")
        os.truncate(os.path.join(lab.vault, files[1]), 12288)
        os.rename(os.path.join(lab.vault, files[2]), os.path.join(lab.vault, "A" + files[2][1:]) if files[2][0] != "A" else
                  os.path.join(lab.vault, "B" + files[2][1:]))
        with open(os.path.join(lab.vault, "foreign file"), "wb"):
            pass
        done = lab.decrypt("tree", lab.vault, lab.path("out"), expect=1)
        said = done.stderr.decode()
        assert "block 1 does not open" in said and "whose length says" in said and "the name does not open" in said and "foreign:" in said, said
        left = os.listdir(lab.path("out"))
        assert len(left) == 3, left
        for name in left:
            with open(os.path.join(lab.path("out"), name), "rb") as file:
                assert file.read() == noise(int(name), 20000)
        with open(os.path.join(lab.vault, ".envelopefs", "vault.json"), "r+b") as file:
            text = file.read().replace(b'"clean":true', b'"clean":false')
            file.seek(0)
            file.write(text)
        lab.decrypt("check", lab.vault, expect=2)
        with open(lab.passphrase_file, "ab") as file:
            file.write(b"wrong")
        lab.decrypt("check", lab.vault, expect=2)
        return "refused what had to be"


def golden_vault():
    """The golden vaults open, with the decryptor and with the binary, and hold what they always held."""
    with Lab() as lab:
        trees = golden.unpack(lab)
        for name in golden.VAULTS:
            for recovery in (False, True):
                out = lab.path(f"{name} {recovery}")
                lab.decrypt("tree", lab.path(name), out, recovery=recovery)
                expect(trees[name], golden.manifest(out), f"{name}, by the decryptor")
            for option in ("--read-only",), ():
                lab.mount(*option, vault=lab.path(name))
                expect(trees[name], golden.manifest(lab.mount_point), f"{name}, by the binary {option}")
                lab.unmount()
        return f"{sum(map(len, trees.values()))} objects"


def damaged():
    """Whatever is changed in files, sealed or open: the binary and the decryptor read the same, and refuse the same."""
    seed = int(os.environ.get("INTEROP_SEED", "0")) or random.randrange(1, 1 << 30)
    with Lab() as lab:
        lines, counts = damaging.one_round(lab, seed)
        if lines:
            raise AssertionError(f"seed {seed}, {len(lines)} disagreements:\n  " + "\n  ".join(lines[:30]))
        return f"seed {seed}: {counts}"


def expect(tree, found, what):
    lines = differences(tree, found)
    if lines:
        raise AssertionError(what + ":\n  " + "\n  ".join(lines))


def safe():
    """Secrets and the audit log that the binary wrote are read and checked here, after changes of keys and of the root key too; what somebody changed is refused."""
    with Lab() as lab:
        lab.init()
        with open(lab.code_file, encoding="ascii") as file:
            code = file.read().strip()

        def read():
            keystore = Keystore(lab.keystore, recovery_code=code)
            return Safe(keystore), keystore.check_audit()

        def use(*words, value=b""):
            done = subprocess.run([binary(), *words, "--keystore", lab.keystore, "--recovery-code-file", lab.code_file], input=value, capture_output=True)
            assert done.returncode == 0, f"{words}: {done.stderr.decode()}"
            return done.stdout

        assert read()[0].secrets == {}
        dice, values = random.Random(11), {}
        for number in range(40):
            name = f"dienst {number} Grüße"
            values[name] = [dice.randbytes(size) for size in ([1, 59, 60, 61, 65536][number % 5], 7)]
            use("safe", "import", name, "--account", f"me{number}", "--description", "two\nlines", "--tag", "b=2", "--tag", "a=ä", value=values[name][0])
            if number % 2:
                if number == 21:
                    use("key", "rotate", "alias/safe")
                use("safe", "put", name, value=values[name][1])
        use("safe", "delete", "dienst 2 Grüße")
        use("keystore", "rotate-root", "--also-passphrase-file", lab.passphrase_file)
        with open(lab.passphrase_file, encoding="utf-8") as file:
            passphrase = file.read().rstrip("\n").encode()
        keystore = Keystore(lab.keystore, passphrase=passphrase)
        entries, found = keystore.check_audit(), Safe(keystore)
        assert sorted(found.secrets) == sorted(values)
        for name, (first, second) in values.items():
            account, description, tags, row, versions = found.secrets[name]
            number = int(name.split()[1])
            assert (account, description, tags) == (f"me{number}", "two\nlines", {"a": "ä", "b": "2"}), name
            assert (row["deletes_at"] is not None) == (number == 2) and len(versions) == 1 + number % 2
            assert found.value(name, 1) == first and found.value(name) == (second if number % 2 else first), name
        # Each of these is refused by the reader, so none is refused for want of looking.
        secret_id = found.secrets["dienst 7 Grüße"][-2]["secret_id"].hex()
        changes = [
            f"UPDATE secret SET current_version = 1 WHERE secret_id = x'{secret_id}'", f"DELETE FROM secret WHERE secret_id = x'{secret_id}'",
            f"DELETE FROM secret_version WHERE secret_id = x'{secret_id}' AND version = 1", "UPDATE secret_version SET created_at = 1 WHERE version = 2",
            "DELETE FROM safe_node WHERE number = (SELECT min(number) FROM safe_node)", "UPDATE safe SET secret_count = 39",
            "UPDATE audit_entry SET reason = 'x' WHERE number = 5", "DELETE FROM audit_entry WHERE number = (SELECT max(number) FROM audit_entry)",
        ]
        for change in changes:
            copy = lab.path("copy.db")
            shutil.copyfile(lab.keystore, copy)
            database = sqlite3.connect(copy)
            assert database.execute(change).rowcount > 0, change
            database.commit()
            database.close()
            try:
                changed = Keystore(copy, passphrase=passphrase)
                changed.check_audit()
                Safe(changed)
            except Refused:
                continue
            raise AssertionError(f"not refused: {change}")
        return f"{len(values)} secrets, {entries} audit entries, {len(changes)} changes refused"


CASES = {"everything": everything, "killed": killed, "refuses": refuses, "golden": golden_vault, "damaged": damaged, "journal": journals.journal, "safe": safe}


def main():
    failed = 0
    for name in sys.argv[1:] or CASES:
        started = time.monotonic()
        try:
            said = CASES[name]()
            print(f"{name}: ok: {said} ({time.monotonic() - started:.1f} s)", flush=True)
        except AssertionError as problem:
            failed += 1
            print(f"{name}: FAILED: {problem}", flush=True)
        except Exception:
            failed += 1
            print(f"{name}: FAILED:", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
