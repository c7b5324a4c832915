"""Real programs whose power is cut: git and SQLite. What they have acknowledged must be in every state, and nothing in it be broken."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from envelope.output import Writer
from envelope.vault import Vault as Decrypted
from reading import Tree
from transactions import sync_all

HERE = Path(__file__).resolve().parent
GIT = ["git", "-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync", "-c", "core.logAllRefUpdates=false", "-c", "user.name=n", "-c", "user.email=e@example.org",
       "-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-c", "maintenance.auto=false"]


class Program:
    """A workload that keeps its own promises: `look(folder, acknowledged, begun)` says what is wrong with the plain tree."""

    def judge(self, state, keystore, history, end, promise):
        folder = state.with_name("plain")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        vault = Decrypted(os.fsencode(str(state)), keystore)
        try:
            # What no program has synced may be torn. What it has it will look for, and find zeros or nothing.
            writer = Writer(vault, folder, salvage=True)
            vault.walk(writer)
            writer.close()
        finally:
            vault.close()
        events = [event for event in history.events if event.kind == "transaction" and event.began < end]
        acknowledged = max((event.count for event in events if event.ended < end), default=0)
        begun = max((event.count for event in events), default=0)
        wrong = self.look(folder, acknowledged, begun) if acknowledged else []
        shutil.rmtree(folder)
        return wrong, Tree(state, keystore)

    def end(self):
        pass


class Git(Program):
    """Commits with everything synced. The last one's reference may be lost with its rename (git syncs no directory), no earlier one's."""

    def work(self, history, choice):
        folder = Path(history.mount_point, "repository")
        history.do("begin", lambda: self._git(folder.parent, "init", "-q", str(folder)))
        history.do("begin", lambda: sync_all(folder.parent))
        for number in range(1, 6):
            for _ in range(3):
                with open(folder / f"file {choice.randrange(6)}", "a") as file:
                    file.write("line\n" * choice.choice([1, 50, 3000]))
            history.do("transaction", lambda: (self._git(folder, "add", "-A"), self._git(folder, "commit", "-q", "-m", f"commit {number}")), count=number)
            if number == 3:
                history.do("begin", lambda: self._git(folder, "repack", "-q", "-a", "-d"))

    @staticmethod
    def _git(folder, *words, check=True):
        environment = dict(os.environ, HOME="/nonexistent", GIT_CONFIG_NOSYSTEM="1")
        done = subprocess.run([*GIT, *words], cwd=folder, env=environment, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise OSError(f"git {words}: {done.stderr}")
        return done

    def look(self, folder, acknowledged, begun):
        repository = folder / "repository"
        done = self._git(repository, "fsck", "--full", "--no-dangling", check=False)
        wrong = [f"git fsck: exit {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"] if done.returncode != 0 else []
        log = self._git(repository, "log", "--format=%s", check=False)
        commits = log.stdout.split("\n")[:-1]
        if not acknowledged - 1 <= len(commits) <= begun:
            wrong.append(f"git log: {commits}, and {acknowledged} commits were acknowledged: {log.stderr[-300:]}")
        return wrong


class SQLite(Program):
    """Transactions in one mode of the journal; the database opens, is whole, and has every acknowledged one."""

    def __init__(self, mode):
        self.mode, self.child = mode, None

    def work(self, history, choice):
        self.child = subprocess.Popen([sys.executable, str(HERE / "transactions.py"), self.mode, history.mount_point, str(choice.randrange(1 << 30))], stdout=subprocess.PIPE, text=True)
        began = {}
        for line in self.child.stdout:
            what, number, moment = line.split()
            if what == "end":
                break
            if what == "began":
                began[int(number)] = float(moment)
            else:
                history.add("transaction", began[int(number)], float(moment), count=int(number))
        else:
            raise OSError("the program with the database has failed")

    def end(self):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.stdout.close()
            self.child.wait()

    def look(self, folder, acknowledged, begun):
        (folder / "database-shm").unlink(missing_ok=True)
        try:
            database = sqlite3.connect(folder / "database")
            whole = database.execute("PRAGMA integrity_check").fetchall()
            rows = database.execute("SELECT n, data, sum FROM log ORDER BY n").fetchall()
            states = {n for (n,) in database.execute("SELECT n FROM state")}
            database.close()
        except sqlite3.Error as error:
            return [f"the database: {type(error).__name__} {error}"]
        wrong = [f"integrity_check: {whole[:3]}"] if whole != [("ok",)] else []
        last = len(rows)
        if [n for n, _, _ in rows] != list(range(1, last + 1)) or states != {last}:
            wrong.append(f"rows {[n for n, _, _ in rows]}, state {states}: half a transaction")
        if any(hashlib.sha256(data).hexdigest() != total for _, data, total in rows):
            wrong.append("a row that nobody has written")
        if not acknowledged <= last <= begun:
            wrong.append(f"{last} transactions, and {acknowledged} were acknowledged")
        return wrong


PROGRAMS = {"git": Git} | {"sqlite-" + mode.lower(): (lambda mode=mode: SQLite(mode)) for mode in ("DELETE", "TRUNCATE", "PERSIST", "WAL")}
