#!/usr/bin/python3
"""`check` beside a mount that is in use: whatever programs are doing to files, directories and names meanwhile, nothing of it is called damaged.

    live.py [--seconds N] [--as root|user]
"""

import json
import os
import random
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Mounted"), str(HERE)]

from script import options, run  # noqa: E402
from vault import Vault, run_self_as  # noqa: E402


class Worker(threading.Thread):
    """Makes, writes, cuts, renames and removes files and directories until it is stopped."""

    def __init__(self, top, seed):
        super().__init__(daemon=True)
        self.top, self.dice, self.stop, self.failure, self.steps = top, random.Random(seed), threading.Event(), None, 0
        top.mkdir()

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
                self.steps += 1
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def name(self):
        name = self.dice.choice("abcdefgh")
        return name * 200 if self.dice.random() < 0.2 else name

    def step(self):
        dice = self.dice
        path = self.top / self.name()
        kind = dice.randrange(8)
        try:
            if kind < 3:
                with open(path, "ab" if kind else "wb") as file:
                    file.write(dice.randbytes(dice.choice((10, 3000, 50000, 400000))))
                    if dice.random() < 0.3:
                        os.fsync(file.fileno())
            elif kind == 3:
                with open(path, "r+b") as file:
                    file.seek(dice.randrange(200000))
                    file.write(dice.randbytes(5000))
            elif kind == 4:
                os.truncate(path, dice.randrange(100000))
            elif kind == 5:
                path.rename(self.top / self.name())
            elif kind == 6:
                path.unlink()
            else:
                folder = self.top / ("folder " + self.name())
                other = self.top / ("folder " + self.name())
                folder.mkdir(exist_ok=True)
                (folder / "file").write_bytes(b"content")
                os.setxattr(folder / "file", "user.a", b"value")
                if dice.random() < 0.5:
                    (folder / "file").unlink()
                    folder.rename(other) if dice.random() < 0.5 else folder.rmdir()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, FileExistsError):
            pass
        except OSError as error:
            if error.errno != 39:  # ENOTEMPTY
                raise


def main():
    parser = options(__doc__, as_whom=True)
    parser.add_argument("--seconds", type=int, default=20)
    settings = parser.parse_args()
    run_self_as(settings.who)
    wrong, runs, used = [], 0, 0
    with Vault() as vault:
        vault.require_encryption()
        vault.init().mount()
        workers = [Worker(vault.mount_point / f"worker {number}", number) for number in range(3)]
        for worker in workers:
            worker.start()
        end = time.monotonic() + settings.seconds
        while time.monotonic() < end:
            done = vault.command("check", "--json", vault.vault, check=False, timeout=300)
            runs += 1
            report = json.loads(done.stdout)
            used += report["totals"]["summary"]["inUse"]
            bad = [finding for finding in report["findings"] if finding["weight"] != "note"]
            if bad or done.returncode not in (0, 112):
                wrong.append(f"exit {done.returncode}: {bad[:5]} {done.stderr[-300:]}")
        refused = vault.command("check", "--repair", vault.vault, check=False)
        if refused.returncode != 69:
            wrong.append(f"--repair of a mounted vault ends with {refused.returncode}")
        for worker in workers:
            worker.stop.set()
            worker.join(60)
            if worker.failure:
                wrong.append(f"a program in the mount failed: {worker.failure!r}")
        vault.unmount()
        done = vault.command("check", vault.vault, check=False)
        if done.returncode:
            wrong.append(f"afterwards: exit {done.returncode}: {done.stdout}{done.stderr}")
        if used == 0:
            wrong.append("no check ever met a file that was being written: this run says nothing")
    for line in wrong:
        print("WRONG:", line)
    print(f"{runs} checks beside {sum(worker.steps for worker in workers)} steps, {used} files in use, {len(wrong)} wrong")
    return wrong


if __name__ == "__main__":
    run(main)
