#!/usr/bin/python3
"""Long and heavy work on a mount: fio with verification, stress-ng's file-system stressors, very many files.

    soak.py [--as root|user] [--short] fio|stress|many…       --short: the amounts of CI
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Mounted"))

from vault import Failure, Vault, run_self_as  # noqa: E402


class Watch(threading.Thread):
    """Samples the daemon's memory and descriptors; prints the highest of both."""

    def __init__(self, vault):
        super().__init__(daemon=True)
        self.vault, self.samples, self.done = vault, [], threading.Event()

    def run(self):
        while not self.done.wait(0.2):
            try:
                self.samples.append(self.vault.memory())
            except (OSError, KeyError, TypeError):
                continue

    def stop(self, what):
        self.done.set()
        self.join()
        if not self.samples:
            return
        memory = max(sample[0] for sample in self.samples)
        descriptors = max((sample[1] for sample in self.samples if sample[1] is not None), default=None)
        print(f"  daemon while {what}: memory at most {memory // 1024} MiB, at the end {self.samples[-1][0] // 1024} MiB; "
              f"descriptors at most {descriptors}, at the end {self.samples[-1][1]}; threads {self.samples[-1][2]}", flush=True)


def case_fio(vault, short):
    """Random writes and reads with verification: buffered, O_DIRECT and mmap; block sizes 512 B to 1 MiB; four jobs."""
    sizes = ["512", "16k", "1M"] if short else ["512", "1k", "4k", "7k", "16k", "64k", "128k", "1M"]
    for way, options in (("buffered", ["--ioengine=psync"]), ("direct", ["--ioengine=psync", "--direct=1"]), ("mmap", ["--ioengine=mmap"])):
        for size in sizes:
            folder = vault.mount_point / f"{way}-{size}"
            folder.mkdir()
            # A whole number of blocks: fio's verification fails on the cut last one, on a plain directory too.
            amount = "1M" if size == "512" else ("4M" if short else "28M" if size == "7k" else "32M")
            common = ["fio", "--name=job", f"--directory={folder}", *options, f"--bs={size}", f"--size={amount}", "--numjobs=4", "--thread",
                      "--verify=crc32c", "--verify_fatal=1", "--verify_dump=0", "--group_reporting", "--output-format=json", "--randseed=42",
                      "--fallocate=none"]
            for step in (["--rw=randwrite"], ["--rw=randread"]) if not short else (["--rw=randwrite"],):
                run_fio([*common, *step], f"{way}, {size}, {step[0]}")
            vault.remount()
            run_fio([*common, "--rw=randwrite", "--verify_only"], f"{way}, {size}, after the remount")
            subprocess.run(["rm", "-rf", str(folder)], check=True)
    print(f"  fio: 3 ways, {len(sizes)} block sizes, verified after remounts")


def run_fio(words, what):
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, cwd="/tmp")
    errors = []
    try:
        errors = [job["error"] for job in json.loads(done.stdout[done.stdout.index("{"):])["jobs"] if job["error"]]
    except ValueError:
        errors = ["no report"]
    if done.returncode or errors:
        raise Failure(f"fio {what}: exit {done.returncode}, errors {errors}\n{(done.stderr + done.stdout)[-1500:]}")


STRESSORS = ["access", "chdir", "chmod", "chown", "copy-file", "dentry", "dir", "dirdeep", "dirmany", "dup", "eventfd", "fallocate", "fcntl", "filename",
             "file-ioctl", "flock", "fpunch", "fstat", "getdent", "hdd", "io", "iomix", "lease", "link", "locka", "lockf", "lockofd", "mknod", "mmap",
             "msync", "open", "rename", "seek", "sendfile", "symlink", "sync-file", "touch", "utime", "xattr"]
SHORT_STRESSORS = ["chmod", "copy-file", "dentry", "fallocate", "filename", "hdd", "iomix", "link", "mmap", "rename", "xattr"]


def case_stress(vault, short):
    """Every file-system stressor; one that fails here and not in a plain directory is an error."""
    plain, inside = vault.base / "plain-stress", vault.mount_point / "stress"
    plain.mkdir()
    inside.mkdir()
    seconds = 1 if short else 4
    names = SHORT_STRESSORS if short else STRESSORS
    wrong = []
    for name in names:
        done = stress(inside, name, seconds)
        if done.returncode in (0, 3, 4):  # 3, 4: a resource or a feature that this machine does not have
            continue
        again = stress(plain, name, seconds)
        if again.returncode == 0:
            wrong.append(f"stress-ng --{name}: exit {done.returncode}\n{(done.stdout + done.stderr)[-800:]}")
    left = list(inside.iterdir())
    if left:
        wrong.append(f"left behind: {left[:5]}")
    if wrong:
        raise Failure("\n".join(wrong))
    print(f"  {len(names)} stressors, {seconds} s each")


def stress(folder, name, seconds):
    extra = {"hdd": ["--hdd-bytes", "16M"], "iomix": ["--iomix-bytes", "16M"], "fallocate": ["--fallocate-bytes", "16M"],
             "copy-file": ["--copy-file-bytes", "16M"], "seek": ["--seek-size", "16M"], "mmap": ["--mmap-file", "--mmap-bytes", "8M"],
             "sync-file": ["--sync-file-bytes", "16M"], "dirmany": ["--dirmany-filsize", "0"]}.get(name, [])
    try:
        return subprocess.run(["stress-ng", f"--{name}", "2", *extra, "--timeout", str(seconds), "--temp-path", str(folder), "--verify", "--oomable"],
                              capture_output=True, text=True, timeout=seconds + 120)
    except subprocess.TimeoutExpired as expired:
        raise Failure(f"{expired}\n{who_waits_for_what()}") from expired


def who_waits_for_what():
    """What each thread of stress-ng and of a daemon is doing, for a run that does not end: whether it waits for us, or we for it."""
    lines = []
    for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        try:
            if not (task.parent.parent / "comm").read_text().startswith(("stress-ng", "envelopefs")):
                continue
            state = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            stack = (task / "stack").read_text().split() if os.geteuid() == 0 else []
            lines.append(f"{task.name} of {task.parent.parent.name} {state['Name']}: {state['State']}, in {(task / 'wchan').read_text()}, system call "
                         f"{(task / 'syscall').read_text().split()[0]}, blocked {state['SigBlk']}, pending {state['SigPnd']} {state['ShdPnd']}, "
                         f"switches {state.get('voluntary_ctxt_switches')} {' '.join(stack[1::2])}")
        except (OSError, KeyError):
            continue
    waiting = [f"{path.parent.name}: {path.read_text().strip()}" for path in Path("/sys/fs/fuse/connections").glob("*/waiting") if os.access(path, os.R_OK)]
    return "\n".join([*sorted(lines), f"requests that FUSE connections wait for: {waiting}"])


def case_many(vault, short):
    """Files by the hundred thousand, walked twice and removed, while the daemon may open few descriptors."""
    folders, each = (20, 150) if short else (200, 1000)
    watch = Watch(vault)
    watch.start()
    try:
        started = time.monotonic()
        for number in range(folders):
            folder = vault.mount_point / f"folder {number}"
            folder.mkdir()
            for file in range(each):
                with open(folder / f"file {file} of {number}", "wb") as new:
                    new.write(b"%d/%d" % (number, file))
        print(f"  {folders * each} files in {time.monotonic() - started:.1f} s")
        vault.remount()
        sizes = []
        for walk in range(3):
            count = sum(1 for _ in subprocess.run(["find", str(vault.mount_point), "-type", "f", "-size", "-2"], check=True,
                                                  stdout=subprocess.PIPE).stdout.splitlines())
            if count != folders * each:
                raise Failure(f"find sees {count} of {folders * each} files")
            sizes.append(vault.memory()[0])
        digest = subprocess.run(f"grep -r -h -c . {vault.mount_point!s} | sort | uniq -c", shell=True, capture_output=True, text=True, check=True)
        if digest.stdout.split() != [str(folders * each), "1"]:
            raise Failure(f"grep -r: {digest.stdout[:300]}{digest.stderr[:300]}")
        if sizes[2] > sizes[1] * 1.15 + 8192:
            raise Failure(f"memory grows with each walk: {sizes} KiB")
        done = subprocess.run(["rm", "-rf", *map(str, vault.mount_point.iterdir())], capture_output=True, text=True)
        if done.returncode or list(vault.mount_point.iterdir()):
            raise Failure(f"rm -rf: {done.returncode} {done.stderr[:500]}")
        print(f"  memory after the walks: {[size // 1024 for size in sizes]} MiB, after rm -rf {vault.memory()[0] // 1024} MiB")
    finally:
        watch.stop("walking and removing")
    left = [path for path in vault.vault.rglob("*") if ".envelopefs" not in path.parts]
    if left and not vault.substitute:
        raise Failure(f"the vault still holds {left[:3]}")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("cases", nargs="*", default=["fio", "stress", "many"])
    settings = parser.parse_args()
    run_self_as(settings.who)
    failed = 0
    for name in settings.cases:
        started = time.monotonic()
        limit = ["prlimit", f"--nofile={1024 if settings.short else 4096}"] if name == "many" else []
        try:
            with Vault(wrapper=limit) as vault:
                vault.init().mount()
                try:
                    CASES[name](vault, settings.short)
                except Exception:
                    print("daemon's log, its end:\n" + vault.log_tail(2000))
                    raise
                vault.unmount()
            print(f"{name} as {settings.who}: ok, {time.monotonic() - started:.1f} s", flush=True)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            failed += 1
            print(f"{name} as {settings.who}: FAILED: {failure}", flush=True)
    print(f"{len(settings.cases) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
