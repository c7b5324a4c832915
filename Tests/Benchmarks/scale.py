#!/usr/bin/python3
"""What does not show in a comparison of speeds: large directories, memory for each inode, mounting, two clients, room on disk.

    scale.py [--files 1000000] [--backing DIR] [--json FILE] [ROW…]      rows: directory memory mounting clients room

Figures are of this machine; each row says what it did. Nothing here passes or fails: Docs/PERFORMANCE.md has the aims.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Mounted"))

from vault import Failure, Vault, binary_path  # noqa: E402

BLOCK = 4096


def forget_inodes():
    """The kernel drops what it knows of names and status (root only)."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("2")


def make(folder, first, count):
    """Empty files; returns how many a second."""
    began = time.perf_counter()
    for number in range(first, first + count):
        os.close(os.open(f"{folder}/file {number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    return count / (time.perf_counter() - began)


def look(folder, names):
    """Status of each by name, unknown to the kernel before; returns how many a second."""
    forget_inodes()
    os.stat(folder)
    began = time.perf_counter()
    for name in names:
        os.stat(f"{folder}/{name}")
    return len(names) / (time.perf_counter() - began)


def row_directory(vault, settings):
    """Creating and asking for status in one directory of very many files, against one of 1,000."""
    small, large = vault.mount_point / "small", vault.mount_point / "large"
    small.mkdir()
    large.mkdir()
    make(large, 0, settings.files)
    make(small, 0, 1000)
    vault.remount()
    began = time.perf_counter()
    make(large, settings.files, 1)
    first = time.perf_counter() - began
    names = [f"file {number * (settings.files // 1000)}" for number in range(1000)]
    rates = {"create": ([], []), "stat": ([], [])}
    for turn in range(7):
        for index, (folder, start) in enumerate(((small, 1000), (large, settings.files + 1))):
            make(folder, start + turn * 301, 1)  # its list is warm from here on
            rates["create"][index].append(make(folder, start + turn * 301 + 1, 300))
            rates["stat"][index].append(look(folder, [f"file {number}" for number in range(1000)] if index == 0 else names))
    result = {"files": settings.files, "first create after mounting, s": first, "resident MiB afterwards": vault.memory()[0] / 1024}
    for what, (few, many) in rates.items():
        result |= {f"{what} among 1000, 1/s": statistics.median(few), f"{what} among all, 1/s": statistics.median(many),
                   f"{what}, ratio": statistics.median(b / a for a, b in zip(few, many))}
    return result


def row_memory(vault, settings):
    """Resident memory for each inode that the kernel knows."""
    count = min(settings.files, 200_000)
    for folder in range(count // 1000):
        (vault.mount_point / f"{folder}").mkdir()
        make(vault.mount_point / f"{folder}", 0, 1000)
    vault.remount()
    before = vault.memory()[0]
    known = sum(1 for path in vault.mount_point.rglob("*") if path.lstat())
    after = vault.memory()[0]
    forget_inodes()
    return {"inodes": known, "resident KiB before": before, "with all known": after, "bytes for each": (after - before) * 1024 / known,
            "resident KiB when they are forgotten": vault.memory()[0]}


def row_mounting(vault, settings):
    """Mounting, less what a verb takes that only opens the keystore: a vault with little in it, and one with many files."""
    def duration(action):
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    result = {}
    for files in (10, min(settings.files, 200_000)):
        for folder in range(max(1, files // 1000)):
            (vault.mount_point / f"{files}-{folder}").mkdir()
            make(vault.mount_point / f"{files}-{folder}", 0, min(files, 1000))
        vault.unmount()
        mounting, opening = [], []
        for _ in range(7):
            opening.append(duration(lambda: vault.command("key", "list")))
            mounting.append(duration(vault.mount))
            vault.unmount()
        vault.mount()
        result[f"ms more than opening the keystore, {files} files"] = statistics.median(a - b for a, b in zip(mounting, opening)) * 1000
        result[f"ms for mounting in all, {files} files"] = statistics.median(mounting) * 1000
    return result


# Each says that it is ready, waits for the start, works for the time that is named and prints how much it has done by then.
SEQUENTIAL = """
import os, sys, time
file = os.open(sys.argv[1] + "/large", os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
done, end = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    count = len(os.read(file, 1 << 20))
    if count == 0: sys.exit("the file has come to its end")
    done += count / 2**20
print(done)
"""
SMALL = """
import os, sys, time
print("ready", flush=True)
sys.stdin.readline()
done, end = 0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    file = os.open(f"{sys.argv[1]}/{done}", os.O_RDONLY)
    os.read(file, 4096)
    os.close(file)
    done += 1
print(done)
"""
CLIENT_SECONDS = 0.4


def busy():
    """Seconds that all CPUs have worked since the machine began."""
    words = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(words) - words[3] - words[4]) / os.sysconf("SC_CLK_TCK")


def row_clients(vault, settings):
    """Two programs against one, cold, while all of them are at work: reading in sequence (MiB a second), or files of 4 KiB (files a second).
    No more is possible than the CPUs allow that one leaves."""
    for name in ("one", "two"):
        folder = vault.mount_point / name
        folder.mkdir()
        with open(folder / "large", "wb") as file:
            for _ in range(1024):
                file.write(os.urandom(1 << 20))
        for number in range(12000):
            (folder / f"{number}").write_bytes(os.urandom(4096))

    def run(script, names):
        """(done a second, CPUs busy meanwhile)"""
        vault.remount()
        readers = [subprocess.Popen([sys.executable, "-c", script, str(vault.mount_point / name), str(CLIENT_SECONDS)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True) for name in names]
        for reader in readers:
            reader.stdout.readline()
        worked = busy()
        for reader in readers:
            reader.stdin.write("\n")
            reader.stdin.flush()
        time.sleep(CLIENT_SECONDS)
        worked = busy() - worked
        done = [reader.communicate()[0] for reader in readers]
        if any(reader.returncode for reader in readers):
            raise Failure("a reader failed")
        return sum(map(float, done)) / CLIENT_SECONDS, worked / CLIENT_SECONDS

    result = {"CPUs": os.cpu_count()}
    for what, script in (("in sequence", SEQUENTIAL), ("small files", SMALL)):
        rounds = [(run(script, ["one"]), run(script, ["one", "two"])) for _ in range(9)]
        result |= {f"{what}: with one": statistics.median(one[0] for one, _ in rounds),
                   f"{what}: throughput of two against one": statistics.median(two[0] / one[0] for one, two in rounds),
                   f"{what}: CPUs busy with one": statistics.median(one[1] for one, _ in rounds),
                   f"{what}: with two": statistics.median(two[1] for _, two in rounds)}
    return result


def blocks(folder):
    """Bytes that a tree takes on disk."""
    return sum(path.lstat().st_blocks * 512 for path in [folder, *folder.rglob("*")])


def row_room(vault, settings):
    """Room on disk for a source tree, directories and side files counted, against gocryptfs and the tree itself."""
    tree = Path("/usr/lib/python3")
    subprocess.run(["cp", "-a", str(tree), str(vault.mount_point)], check=True)
    vault.unmount()
    ours = blocks(vault.vault)
    with tempfile.TemporaryDirectory(prefix="efs-tests-room-", dir=vault.base) as other:
        store, mount = Path(other, "store"), Path(other, "mount")
        store.mkdir()
        mount.mkdir()
        words = ["gocryptfs", "-q", "-passfile", str(vault.passphrase_file)]
        subprocess.run([*words, "-init", "-scryptn", "10", str(store)], check=True)
        subprocess.run([*words, str(store), str(mount)], check=True)
        try:
            subprocess.run(["cp", "-a", str(tree), str(mount)], check=True)
        finally:
            subprocess.run(["fusermount3", "-u", str(mount)], check=True)
        theirs = blocks(store)
    vault.mount()
    return {"tree": str(tree), "tree MiB": blocks(tree) / 2**20, "ours MiB": ours / 2**20, "gocryptfs MiB": theirs / 2**20,
            "ours / gocryptfs": ours / theirs}


ROWS = {name[4:]: function for name, function in list(globals().items()) if name.startswith("row_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--backing", help="where the vault stands (default /tmp)")
    parser.add_argument("--json")
    parser.add_argument("rows", nargs="*")
    settings = parser.parse_args()
    os.environ["ENVELOPEFS_BINARY"] = binary_path(["release"])
    if settings.backing:
        os.environ["ENVELOPEFS_TEST_DIR"] = settings.backing
    results = {}
    for name in settings.rows or ROWS:
        with Vault() as vault:
            vault.init().mount()
            results[name] = ROWS[name](vault, settings)
            vault.unmount()
        print(f"{name}: {ROWS[name].__doc__}")
        for what, value in results[name].items():
            print(f"  {what}: {value:.4g}" if isinstance(value, float) else f"  {what}: {value}", flush=True)
    if settings.json:
        Path(settings.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
