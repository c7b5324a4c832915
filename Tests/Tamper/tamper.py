#!/usr/bin/python3
"""Vault files that somebody without keys changed, against a mounted and an unmounted vault.

    tamper.py [--as root|user] [--when mounted|unmounted|both] [--share N]

Every row of the table of attacks (Docs/SECURITY.md) at every class of offset (attacks.py, names.py). Asserted for each: the promised errno,
one line in the log, no effect on other blocks, files and names; that `check` finds what is called detected and nothing else; and that what is
called not detected is read as the attacker left it. Then every bad block is written over as a whole, and reads. --share 3 takes every third attack.
"""

import errno
import json
import mmap
import os
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Mounted"), str(HERE)]

from attacks import AGED, FILE, KEY, LARGE, SAME, SMALL, attacks  # noqa: E402
from names import REFUSED, name_attacks  # noqa: E402
from places import BLOCK  # noqa: E402
from script import options, run  # noqa: E402
from vault import Vault, run_self_as  # noqa: E402

source = random.Random("what the files hold")
SIZES = {"large": LARGE, "small": SMALL, "aged": LARGE, "open": LARGE, "empty": 0, "sparse": LARGE, "gap": 3 * BLOCK}


class Victim:
    """A file of the vault: what it holds, where it is stored, what was there before, and others of its vault."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.content = self.before = source.randbytes(SIZES[kind])
        self.path = self.old = self.left = self.other = self.small = self.headed = None

    def write(self, top):
        if self.kind == "sparse":
            self.content = self.before = self.content[:10 * BLOCK] + bytes(30 * BLOCK) + self.content[40 * BLOCK:]
        elif self.kind == "gap":
            self.content = self.before = self.content[:100] + bytes(2 * BLOCK - 100) + self.content[2 * BLOCK:]
        with open(top / self.name, "wb", buffering=0) as file:
            if self.kind == "sparse":
                file.write(self.content[:10 * BLOCK])
                file.seek(40 * BLOCK)
                file.write(self.content[40 * BLOCK:])
            elif self.kind == "gap":
                file.write(self.content[:100])
                os.fsync(file.fileno())
                file.seek(2 * BLOCK)
                file.write(self.content[2 * BLOCK:])
            else:
                file.write(self.content)

    def overwrite(self, file):
        data = bytearray(self.content)
        for block in AGED:
            data[block * BLOCK:(block + 1) * BLOCK] = source.randbytes(BLOCK)
            os.pwrite(file, data[block * BLOCK:(block + 1) * BLOCK], block * BLOCK)
        self.content = bytes(data)


class Kit:
    def __init__(self, vault, share):
        self.vault = vault
        self.wrong = []
        self.chosen = [attack for number, attack in enumerate(attacks()) if number % share == 0]
        self.names = [attack for number, attack in enumerate(name_attacks()) if number % share == 0]
        self.count = 0

    def note(self, what):
        self.wrong.append(what)

    # making

    def stored(self, make, folder=None):
        """What `make` adds to a backing directory, but for side files."""
        folder = folder or self.vault.vault
        before = set(os.listdir(folder))
        make()
        (name,) = [name for name in set(os.listdir(folder)) - before if not name.startswith("=")]
        return folder / name

    def make(self):
        vault = self.vault
        top = vault.mount_point
        shared = {name: Victim(name, kind) for name, kind in (("other large", "large"), ("other small", "small"), ("headed", "empty"))}
        victims = [Victim(f"{number:03} {attack.kind}", attack.kind) for number, attack in enumerate(self.chosen)]
        for victim in [*shared.values(), *victims]:
            victim.path = self.stored(lambda: victim.write(top))
            victim.other = shared["other small" if victim.kind == "small" else "other large"].path
            victim.small, victim.headed = shared["other small"].path, shared["headed"].path if "headed" in shared else None
        os.setxattr(top / "headed", "user.a", b"so that it has a header")
        for victim in victims:
            victim.headed = shared["headed"].path
        folders = []
        for number, attack in enumerate(self.names):
            folder = self.stored(lambda: (top / f"names {number:03}").mkdir())
            entries, here = {}, top / f"names {number:03}"
            attack.make(here)
            for name in os.listdir(here):
                inode = os.lstat(here / name).st_ino
                entries[name] = next(folder / entry.name for entry in os.scandir(folder) if entry.inode() == inode)
            folders.append((here, folder, entries))
        vault.unmount()
        changing = [victim for victim in victims if victim.kind in ("aged", "open")]
        for victim in changing:
            victim.old = victim.path.read_bytes()
        vault.mount()
        files = []
        for victim in changing:
            files.append(os.open(top / victim.name, os.O_RDWR))
            victim.overwrite(files[-1])
            os.fsync(files[-1])
            # At once: it is sealed when it has been quiet for a while.
            victim.left = victim.path.read_bytes()
        for file in files:
            os.close(file)
        vault.unmount()
        for victim in changing:
            if victim.kind == "open":  # as a kill would have left it
                victim.path.write_bytes(victim.left)
        return shared, victims, folders

    # looking

    def errors(self, victim, since):
        """Lines of the log about a victim's damage since an offset of the log."""
        with open(self.vault.log_path, errors="replace") as log:
            log.seek(since)
            return [line for line in log if f"backing name {victim.path.name}:" in line and " error " in line]

    def log_size(self):
        return self.vault.log_path.stat().st_size

    def ask(self, victim):
        """Each block by one request of its own: bytes or errno; an errno alone when the file does not open."""
        try:
            file = os.open(self.vault.mount_point / victim.name, os.O_RDONLY | os.O_DIRECT)
        except OSError as error:
            return error.errno
        answers = []
        page = mmap.mmap(-1, BLOCK)
        try:
            for block in range((max(len(victim.content), 1) + BLOCK - 1) // BLOCK + 1):
                try:
                    answers.append(bytes(page[:os.preadv(file, [page], block * BLOCK)]))
                except OSError as error:
                    answers.append(error.errno)
        finally:
            os.close(file)
            page.close()
        return answers

    def judge(self, attack, victim, answers, lines):
        """What is wrong, or None."""
        keys = (errno.ENOKEY, errno.EKEYREVOKED)
        if attack.effect in (FILE, KEY):
            found = [answers] if isinstance(answers, int) else answers[:1]
            allowed = (errno.EIO,) + (keys if attack.effect == KEY else ())
            if found[0] not in allowed:
                return f"is not refused as it should be: {found[0] if isinstance(found[0], int) else 'reads'}"
            if found[0] == errno.EIO and len(lines) != 1:
                return f"{len(lines)} lines in the log: {lines[:3]}"
            return None
        if isinstance(answers, int):
            return f"does not open: {errno.errorcode.get(answers)}"
        if isinstance(attack.effect, list):
            for block, answer in enumerate(answers):
                due = victim.content[block * BLOCK:(block + 1) * BLOCK]
                if block in attack.effect:
                    if answer != errno.EIO:
                        return f"block {block} was changed, and gives {answer if isinstance(answer, int) else 'bytes'}"
                elif answer != due:
                    return f"block {block}, which nobody touched, gives {answer if isinstance(answer, int) else 'other bytes'}"
            return None if len(lines) == len(attack.effect) else f"{len(lines)} lines in the log for {len(attack.effect)} blocks: {lines[:3]}"
        due = victim.content if attack.effect == SAME else attack.effect(victim.content, victim)
        if any(isinstance(answer, int) for answer in answers):
            return f"is refused: {[errno.errorcode.get(answer) for answer in answers if isinstance(answer, int)][:3]}"
        if b"".join(answers) != due:
            return "reads other bytes than it should"
        return f"is logged: {lines[:2]}" if lines else None

    # phases

    def attack_files(self, victims):
        for attack, victim in zip(self.chosen, victims):
            attack.change(victim)

    def attack_names(self, folders):
        for attack, (_, folder, entries) in zip(self.names, folders):
            attack.change(folder, entries)

    def compare_check(self, victims, folders, when):
        done = self.vault.command("check", "--json", self.vault.vault, check=False, timeout=600)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            return self.note(f"check: exit {done.returncode}, no JSON: {done.stdout[-300:]}{done.stderr[-300:]}")
        if done.returncode != 110:
            self.note(f"check ends with {done.returncode}")
        found = {}
        for finding in report["findings"]:
            found.setdefault(finding["path"].split("/")[0], set()).add(finding["finding"])
        doubled = {path for path, kinds in found.items() if "doubled-file-id" in kinds}
        unchecked = 0
        for attack, victim in zip(self.chosen, victims):
            kinds = found.pop(victim.name, set())
            wanted = set(attack.finds)
            if when == "mounted":  # of a file that is open while somebody has the vault nobody knows more
                wanted.discard("left-open")
            if "left-open" not in attack.finds:
                kinds.discard("left-open")
            if "doubled-file-id" in wanted and doubled:
                kinds.add("doubled-file-id")
            if "not checked" in wanted and not kinds:
                unchecked += 1
            elif wanted and not kinds & wanted or kinds - wanted - {"doubled-file-id"}:
                self.note(f"{when}: {attack.name}: check finds {sorted(kinds)}, and should {sorted(wanted)}")
        for attack, (top, _, _) in zip(self.names, folders):
            kinds = found.pop(top.name, set())
            finds = set(attack.finds)
            if when == "mounted":  # a long name may be about to be made
                finds.discard("orphaned-side-file")
            if finds and not kinds & finds or not finds and kinds:
                self.note(f"{when}: {attack.name}: check finds {sorted(kinds)}, and should {sorted(finds)}")
        if sum(report["totals"]["summary"]["notChecked"].values()) != unchecked:
            self.note(f"{when}: not checked: {report['totals']['summary']['notChecked']}, {unchecked} were due")
        rest = {path: kinds - {"doubled-file-id"} for path, kinds in found.items() if kinds - {"doubled-file-id"}}
        if rest:
            self.note(f"{when}: check finds {rest} where nobody was")

    def compare_mount(self, shared, victims, folders, when):
        for attack, victim in zip(self.chosen, victims):
            self.count += 1
            since = self.log_size()
            answers = self.ask(victim)
            verdict = self.judge(attack, victim, answers, self.errors(victim, since))
            if verdict:
                self.note(f"{when}: {attack.name}: {verdict}")
        for attack, (top, _, _) in zip(self.names, folders):
            self.count += 1
            since = self.log_size()
            shown = sorted(os.listdir(top))
            if shown != sorted(attack.shown):
                self.note(f"{when}: {attack.name}: shows {shown}")
            if attack.ask:
                try:
                    answer = attack.ask(top)
                except OSError as error:
                    answer = errno.errorcode[error.errno]
                if answer != attack.answer:
                    self.note(f"{when}: {attack.name}: gives {answer!r}")
            if attack.logged != (self.log_size() > since):
                self.note(f"{when}: {attack.name}: {'nothing' if attack.logged else 'something'} was reported")
        for victim in shared.values():
            if (self.vault.mount_point / victim.name).read_bytes() != victim.content:
                self.note(f"{when}: {victim.name}, which nobody touched, differs")

    def overwrite(self, victims, when):
        """A block that does not authenticate can be written over as a whole."""
        mended = []
        for attack, victim in zip(self.chosen, victims):
            if not isinstance(attack.effect, list):
                continue
            data = bytearray(victim.content)
            try:
                with open(self.vault.mount_point / victim.name, "r+b", buffering=0) as file:
                    for block in attack.effect:
                        end = min((block + 1) * BLOCK, len(data))
                        data[block * BLOCK:end] = source.randbytes(end - block * BLOCK)
                        # The kernel reads a page of which only a part is written, the file's last one too: so that is written as a whole page, and cut.
                        os.pwrite(file.fileno(), data[block * BLOCK:end].ljust(BLOCK, b"x"), block * BLOCK)
                    os.truncate(file.fileno(), len(data))
                    os.fsync(file.fileno())
            except OSError as error:
                self.note(f"{when}: {attack.name}: writing over: {error}")
                continue
            mended.append((attack, victim, bytes(data)))
        self.vault.remount()
        for attack, victim, data in mended:
            try:
                if (self.vault.mount_point / victim.name).read_bytes() != data:
                    self.note(f"{when}: {attack.name}: differs after it was written over")
            except OSError as error:
                self.note(f"{when}: {attack.name}: after it was written over: {error}")
        for victim in victims:  # what is damaged can be removed
            os.unlink(self.vault.mount_point / victim.name)

    def run(self, when):
        self.vault.init()
        self.vault.mount()
        shared, victims, folders = self.make()
        if when == "unmounted":
            self.attack_files(victims)
            self.attack_names(folders)
            self.compare_check(victims, folders, when)
            self.vault.mount()
        else:
            self.vault.mount()
            self.attack_files(victims)
            self.attack_names(folders)
            time.sleep(0.1)
            self.compare_check(victims, folders, when)
        self.compare_mount(shared, victims, folders, when)
        self.overwrite(victims, when)
        self.vault.unmount()
        self.attack_configuration(when)

    def attack_configuration(self, when):
        """Row: change vault.json: the mount refuses, and so does check."""
        path = self.vault.vault / ".envelopefs" / "vault.json"
        whole = path.read_bytes()
        step = max(1, len(whole) // 24)
        changes = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in range(0, len(whole), step)]
        changes += [b"", whole[:-1], whole[: len(whole) // 2], whole + b"\n", whole.replace(b'"clean":true', b'"clean":false')]
        for change in changes:
            if change == whole:
                continue
            self.count += 1
            path.write_bytes(change)
            for words in (("mount", self.vault.vault, self.vault.mount_point), ("check", self.vault.vault)):
                done = self.vault.command(*words, check=False)
                if done.returncode not in (65, 68, 82, 84, 85, 86) or "Fatal" in done.stderr:
                    self.note(f"{when}: vault.json changed: {words[0]} ends with {done.returncode}: {done.stderr[-200:]}")
            if path.read_bytes() != change:
                self.note(f"{when}: vault.json was written to by somebody who refused it")
        path.write_bytes(whole)


def main():
    parser = options(__doc__, as_whom=True)
    parser.add_argument("--when", choices=["mounted", "unmounted", "both"], default="both")
    parser.add_argument("--share", type=int, default=1)
    settings = parser.parse_args()
    run_self_as(settings.who)
    wrong, count = [], 0
    for when in ("unmounted", "mounted") if settings.when == "both" else (settings.when,):
        with Vault() as vault:
            vault.require_encryption()
            kit = Kit(vault, settings.share)
            kit.run(when)
            wrong += kit.wrong
            count += kit.count
    for line in wrong:
        print("WRONG:", line)
    print(f"{count} attacks, {len(wrong)} wrong")
    return wrong


if __name__ == "__main__":
    run(main)
