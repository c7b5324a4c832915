#!/usr/bin/env python3
"""Kills `envelopefs` at random moments of random verbs that change a keystore, and looks at what is left.

    Tests/Keystore/kill.py [--kills 500] [--seed N] [--binary PATH]

After each kill the keystore opens, every row, key and audit entry is whole (`keystore verify`), and what it holds is either what it held before the verb, or what the
verb makes of it: never anything between. Blobs that were printed before the kill still open: a key version is durable before it is used. Exit code 0 if all of that is so.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time


class Keystore:
    def __init__(self, binary, directory, rng):
        self.binary, self.directory, self.rng = binary, directory, rng
        self.path = os.path.join(directory, "keystore.db")
        self.key_file = os.path.join(directory, "key-file")
        self.serial = 0
        made = self.run("keystore", "init")
        if made.returncode:
            sys.exit(f"no keystore: {made.stderr}")

    def command(self, words):
        return [self.binary, *words, "--keystore", self.path, "--key-file", self.key_file]

    def run(self, *words, data=None):
        return subprocess.run(self.command(words), input=data, capture_output=True, cwd=self.directory)

    def ask(self, *words):
        """The JSON that a reading command prints; it must succeed, whatever was killed before."""
        answer = self.run(*words, "--json")
        if answer.returncode:
            raise Broken(f"{' '.join(words)} ends with {answer.returncode}: {answer.stderr.decode()}")
        return json.loads(answer.stdout)

    def state(self):
        """What a user sees of the keystore, and its generation."""
        whole = self.ask("keystore", "verify")
        keys = self.ask("key", "list")
        if isinstance(keys, dict):
            keys = keys["keys"]
        slots = [(slot["slot"], slot["kind"]) for slot in self.ask("keystore", "slots")]
        seen = {"keys": sorted((key["keyID"], key["state"], key["currentVersion"], tuple(sorted(key["aliases"])), key["description"]) for key in keys), "slots": slots}
        return whole["generation"], seen, whole["auditEntries"]

    def verb(self, state):
        """A random verb that succeeds when it is not killed, and whether `after` may be what it makes of `before`."""
        _, seen, _ = state
        self.serial += 1
        choices = ["create", "add-slot", "add-recovery", "rotate-root", "backup"]
        extra = [number for number, kind in seen["slots"] if number != 1]
        if extra:
            choices += ["remove-slot", "replace-slot"]
        verb = self.rng.choice(choices) if len(seen["slots"]) < 14 else "remove-slot"
        if verb == "create":
            alias = f"alias/k{self.serial}"
            return ["key", "create", "--alias", alias, "--tag", "a=b"], lambda b, a: grown(b, a, "keys", lambda key: key[1:] == ("Enabled", 1, (alias,), ""))
        if verb == "add-slot":
            return ["keystore", "add-slot", "key-file", f"kf{self.serial}"], lambda b, a: grown(b, a, "slots", lambda slot: slot[1] == "key-file")
        if verb == "add-recovery":
            return ["keystore", "add-slot", "recovery"], lambda b, a: grown(b, a, "slots", lambda slot: slot[1] == "recovery")
        if verb == "remove-slot":
            number = self.rng.choice(extra)
            return ["keystore", "remove-slot", str(number)], lambda b, a: a["keys"] == b["keys"] and a["slots"] == [s for s in b["slots"] if s[0] != number]
        if verb == "replace-slot":
            number = self.rng.choice(extra)

            def replaced(b, a):
                rest = [s for s in b["slots"] if s[0] != number]
                return a["keys"] == b["keys"] and a["slots"][:-1] == rest and a["slots"][-1][1] == "recovery" and len(a["slots"]) == len(b["slots"])
            return ["keystore", "add-slot", "recovery", "--replace", str(number)], replaced
        if verb == "rotate-root":
            others = [word for number, kind in seen["slots"] if number != 1 and kind != "recovery" for word in ("--drop", str(number))]
            gone = {int(word) for word in others[1::2]}
            return ["keystore", "rotate-root", *others], lambda b, a: a["keys"] == b["keys"] and a["slots"] == [s for s in b["slots"] if s[0] not in gone]
        return ["keystore", "backup", f"backup{self.serial}"], lambda b, a: a == b


class Broken(Exception):
    pass


def grown(before, after, what, fits):
    """One thing more, which fits; all else as it was."""
    added = [thing for thing in after[what] if thing not in before[what]]
    other = "slots" if what == "keys" else "keys"
    return after[other] == before[other] and len(added) == 1 and fits(added[0]) and [thing for thing in after[what] if thing in before[what]] == before[what]


def round_of(keystore, cache, counts, log):
    before = keystore.state()
    words, fits = keystore.verb(before)
    # A verb's first run, and one of eight, is left alone: it says how long the verb takes.
    usual = cache.get(" ".join(words[:2]))
    wait = None if usual is None or keystore.rng.random() < 0.125 else keystore.rng.uniform(0, 1.3 * usual)
    started = time.monotonic()
    child = subprocess.Popen(keystore.command(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=keystore.directory)
    try:
        child.wait(timeout=wait)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
    if child.returncode == 0:
        cache[" ".join(words[:2])] = time.monotonic() - started
    elif child.returncode != -signal.SIGKILL:
        raise Broken(f"{' '.join(words)} failed with {child.returncode} by itself")
    after = keystore.state()
    name = " ".join(words)
    grew = after[0] - before[0]
    is_backup = words[1] == "backup"
    if grew == 0 and after[1] == before[1]:
        outcome = "before"
        if after[2] != before[2] and not is_backup:
            raise Broken(f"{name}: nothing was changed, and {after[2] - before[2]} entries were audited")
    elif grew == 1 and fits(before[1], after[1]):
        outcome = "after"
        # The entry of a change is written with it.
        if after[2] != before[2] + 1:
            raise Broken(f"{name}: changed, with {after[2] - before[2]} audit entries")
    else:
        raise Broken(f"{name}: neither before nor after, generation +{grew}\nbefore {before[1]}\nafter  {after[1]}")
    if child.returncode == 0 and outcome == "before" and not is_backup:
        raise Broken(f"{name}: said that it was done, and nothing is changed")
    if is_backup and os.path.exists(os.path.join(keystore.directory, words[2])):
        drilled = keystore.run("keystore", "drill", "--backup", words[2])
        if drilled.returncode:
            raise Broken(f"{name}: there is a backup that does not open: {drilled.stderr.decode()}")
    if child.returncode == -signal.SIGKILL:
        counts["killed"] += 1
    counts[outcome] += 1
    log.append(f"{'killed' if child.returncode else 'ended '} after {wait or 0:.3f} s: {name} -> {outcome}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser.add_argument("--binary", default=os.environ.get("ENVELOPEFS_BINARY", os.path.join(root, ".build/debug/envelopefs")))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    for name in [name for name in os.environ if name.startswith("ENVELOPEFS_") or name == "CREDENTIALS_DIRECTORY"]:
        del os.environ[name]
    directory = tempfile.mkdtemp(prefix="envelopefs-kill-")
    counts, log, cache = {"killed": 0, "before": 0, "after": 0}, [], {}
    try:
        keystore = Keystore(arguments.binary, directory, random.Random(arguments.seed))
        while counts["killed"] < arguments.kills:
            round_of(keystore, cache, counts, log)
            if counts["killed"] % 50 == 0 and counts["killed"]:
                print(f"{counts}", flush=True)
            left = [name for name in os.listdir(directory) if ".backup-" in name]
            for name in left:
                shutil.rmtree(os.path.join(directory, name))
    except Broken as why:
        print("\n".join(log[-10:]))
        print(f"FAILED after {counts}: {why}\nthe keystore is {directory}")
        return 1
    shutil.rmtree(directory)
    print(f"ok: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
