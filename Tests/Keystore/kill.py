#!/usr/bin/env python3
"""Kills `envelopefs` at random moments of random verbs that change a keystore, and looks at what is left.

    Tests/Keystore/kill.py [--kills 500] [--seed N] [--binary PATH]

The verbs are those of keys, slots, the root key, backups and the password safe. After each kill the keystore opens, every row, key, secret and audit entry is whole
(`keystore verify`), and what it holds is either what it held before the verb, or what the verb makes of it: never anything between. Every secret gives the value of its
version, and every backup that is there opens. Exit code 0 if all of that is so.
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
        # s0 and s1 are taken below.
        self.serial = 1
        self.values = {}
        made = self.run("keystore", "init")
        if made.returncode:
            sys.exit(f"no keystore: {made.stderr}")
        # The safe and its key are made at its first use, the key as a change of its own.
        for name in ("s0", "s1"):
            self.values[name, 1] = os.urandom(40)
            if self.run("safe", "import", name, data=self.values[name, 1]).returncode:
                sys.exit("no secret can be kept")

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
        """What a user sees of the keystore, and its generation. Asking for the secrets adds an entry to the audit log, before that is counted."""
        secrets = self.ask("safe", "list", "--deleted")["secrets"]
        keys = self.ask("key", "list")
        if isinstance(keys, dict):
            keys = keys["keys"]
        slots = [(slot["slot"], slot["kind"]) for slot in self.ask("keystore", "slots")]
        whole = self.ask("keystore", "verify")
        seen = {
            "keys": sorted((key["keyID"], key["state"], key["currentVersion"], tuple(sorted(key["aliases"])), key["description"]) for key in keys), "slots": slots,
            "secrets": {s["name"]: (s["currentVersion"], s.get("previousVersion"), s.get("destroyedAt") is not None) for s in secrets},
        }
        return whole["generation"], seen, whole["auditEntries"]

    def verb_of_keys(self, seen):
        """Of one of the keys that no secret is under."""
        keys = [key for key in seen["keys"] if "alias/safe" not in key[3]]
        key = self.rng.choice(keys)
        identity, state, version, aliases, text = key
        moves = {"Enabled": ["disable", "retire", "rotate", "schedule-deletion", "set-description", "alias"],
                 "Disabled": ["enable", "retire", "schedule-deletion"], "DecryptOnly": ["enable", "disable"], "PendingDeletion": ["cancel-deletion"]}
        verb = self.rng.choice(moves[state])
        results = {
            "disable": ("Disabled", version, aliases, text), "enable": ("Enabled", version, aliases, text), "retire": ("DecryptOnly", version, aliases, text),
            "rotate": (state, version + 1, aliases, text), "schedule-deletion": ("PendingDeletion", version, aliases, text),
            "cancel-deletion": ("Disabled", version, aliases, text), "set-description": (state, version, aliases, f"text {self.serial}"),
            "alias": (state, version, tuple(sorted((*aliases, f"alias/a{self.serial}"))), text),
        }
        words = ["key", verb, identity]
        if verb == "set-description":
            words.append(f"text {self.serial}")
        if verb == "alias":
            words = ["key", "alias", "create", f"alias/a{self.serial}", identity]
        wanted = sorted([other for other in seen["keys"] if other != key] + [(identity, *results[verb])])
        return words, lambda b, a: a == {**b, "keys": wanted}

    def verb_of_the_safe(self, seen):
        """A verb of the password safe; what it writes is noted, to be asked for afterwards."""
        usable = [name for name, (_, _, is_deleted) in seen["secrets"].items() if not is_deleted]
        deleted = [name for name, (_, _, is_deleted) in seen["secrets"].items() if is_deleted]
        verbs = (["put", "delete", "generate"] if usable else []) + (["restore"] if deleted else []) + (["import"] if len(seen["secrets"]) < 8 else [])
        verb = self.rng.choice(verbs)
        if verb == "import":
            name, value = f"s{self.serial}", os.urandom(self.rng.choice([1, 40, 5000]))
            self.values[name, 1] = value
            return ["safe", "import", name, "--in", self.file(value)], lambda b, a: a == {**b, "secrets": {**b["secrets"], name: (1, None, False)}}
        name = self.rng.choice(deleted if verb == "restore" else usable)
        current, previous, _ = seen["secrets"][name]
        if verb in ("delete", "restore"):
            return ["safe", verb, name], lambda b, a: a == {**b, "secrets": {**b["secrets"], name: (current, previous, verb == "delete")}}
        words = ["safe", "generate", "--save", name]
        value = None
        if verb == "put":
            value = os.urandom(40)
            words = ["safe", "put", name, "--in", self.file(value)]

        def put(b, a):
            number = a["secrets"][name][0]
            if number > current:
                self.values[name, number] = value
            return number > current and a == {**b, "secrets": {**b["secrets"], name: (number, current, False)}}
        return words, put

    def file(self, value):
        with open(os.path.join(self.directory, "value"), "wb") as file:
            file.write(value)
        return "value"

    def check_values(self, seen):
        """Every secret that is not deleted gives the value of its version; generated ones are known from the first time on. How many entries of the log that makes."""
        asked = [(name, version) for name, (version, _, is_deleted) in seen["secrets"].items() if not is_deleted]
        for name, version in asked:
            got = self.run("safe", "get", name, "--reason", "kill")
            if got.returncode:
                raise Broken(f"the secret {name} is lost: {got.stderr.decode()}")
            if self.values.get((name, version)) is None:
                self.values[name, version] = got.stdout
            if got.stdout != self.values[name, version]:
                raise Broken(f"the secret {name}, version {version}, has another value")
        return len(asked)

    def verb(self, state):
        """A random verb that succeeds when it is not killed, and whether `after` may be what it makes of `before`."""
        _, seen, _ = state
        self.serial += 1
        family = self.rng.randrange(3)
        if family == 0:
            return self.verb_of_the_safe(seen)
        if family == 1 and len(seen["keys"]) > 1:
            return self.verb_of_keys(seen)
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
            return ["keystore", "remove-slot", str(number)], lambda b, a: a == {**b, "slots": [s for s in b["slots"] if s[0] != number]}
        if verb == "replace-slot":
            number = self.rng.choice(extra)

            def replaced(b, a):
                rest = [s for s in b["slots"] if s[0] != number]
                return a == {**b, "slots": a["slots"]} and a["slots"][:-1] == rest and a["slots"][-1][1] == "recovery" and len(a["slots"]) == len(b["slots"])
            return ["keystore", "add-slot", "recovery", "--replace", str(number)], replaced
        if verb == "rotate-root":
            others = [word for number, kind in seen["slots"] if number != 1 and kind != "recovery" for word in ("--drop", str(number))]
            gone = {int(word) for word in others[1::2]}
            return ["keystore", "rotate-root", *others], lambda b, a: a == {**b, "slots": [s for s in b["slots"] if s[0] not in gone]}
        return ["keystore", "backup", f"backup{self.serial}"], lambda b, a: a == b


class Broken(Exception):
    pass


def grown(before, after, what, fits):
    """One thing more, which fits; all else as it was."""
    added = [thing for thing in after[what] if thing not in before[what]]
    others = [other for other in before if other != what]
    return all(after[other] == before[other] for other in others) and len(added) == 1 and fits(added[0]) and [thing for thing in after[what] if thing in before[what]] == before[what]


def round_of(keystore, before, cache, counts, log):
    """One verb, killed or not. The state after it."""
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
        # Looking at the secrets is one entry.
        if after[2] != before[2] + 1 and not is_backup:
            raise Broken(f"{name}: nothing was changed, and {after[2] - before[2] - 1} entries were audited")
    elif grew == 1 and fits(before[1], after[1]):
        outcome = "after"
        # The entry of a change is written with it.
        if after[2] != before[2] + 2:
            raise Broken(f"{name}: changed, with {after[2] - before[2] - 1} audit entries")
    else:
        raise Broken(f"{name}: neither before nor after, generation +{grew}\nbefore {before[1]}\nafter  {after[1]}")
    if child.returncode == 0 and outcome == "before" and not is_backup:
        raise Broken(f"{name}: said that it was done, and nothing is changed")
    if is_backup and os.path.exists(os.path.join(keystore.directory, words[2])):
        drilled = keystore.run("keystore", "drill", "--backup", words[2])
        if drilled.returncode:
            raise Broken(f"{name}: there is a backup that does not open: {drilled.stderr.decode()}")
    gets = keystore.check_values(after[1]) if words[0] == "safe" else 0
    if child.returncode == -signal.SIGKILL:
        counts["killed"] += 1
    counts[outcome] += 1
    log.append(f"{'killed' if child.returncode else 'ended '} after {wait or 0:.3f} s: {name} -> {outcome}")
    return after[0], after[1], after[2] + gets


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
        state = keystore.state()
        while counts["killed"] < arguments.kills:
            state = round_of(keystore, state, cache, counts, log)
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
