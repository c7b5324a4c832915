"""The vault of one test: a temporary directory with keystore, passphrase, vault and mount point, the binary, and the decryptor."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
RECOVERED = re.compile(r"recovery: looked at \d+ files$", re.MULTILINE)
CODE = re.compile(r"\b(?:[0-9A-Z]{6}-){7}[0-9A-Z]{6}\b")


def binary():
    given = os.environ.get("ENVELOPEFS_BINARY")
    if given:
        return given
    for kind in "release", "debug":
        path = os.path.join(REPOSITORY, ".build", kind, "envelopefs")
        if os.access(path, os.X_OK):
            return path
    sys.exit("no binary: set ENVELOPEFS_BINARY")


class Lab:
    """Use with `with`: leaves no mount, daemon or file behind."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="envelopefs-interop-")
        self.keystore, self.vault, self.mount_point = self.path("keystore.db"), self.path("vault"), self.path("mount")
        self.passphrase_file, self.code_file, self.log = self.path("passphrase"), self.path("code"), self.path("log")
        os.mkdir(self.mount_point)

    def path(self, name):
        return os.path.join(self.directory, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if os.path.ismount(self.mount_point) or self._is_dead():
            pid = self.daemon()
            subprocess.run(["fusermount3", "-u", "-z", self.mount_point], stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 20
            while pid and os.path.exists(f"/proc/{pid}/exe") and time.monotonic() < deadline:
                time.sleep(0.1)
        for _ in range(20):
            try:
                shutil.rmtree(self.directory)
                return
            except OSError:
                time.sleep(0.2)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _is_dead(self):
        try:
            os.stat(self.mount_point)
            return False
        except OSError:
            return True

    def run(self, *arguments, expect=0):
        done = subprocess.run([binary(), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"envelopefs {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
        return done

    def secrets(self):
        return ["--keystore", self.keystore, "--passphrase-file", self.passphrase_file]

    def init(self):
        with open(self.passphrase_file, "w", encoding="utf-8") as file:
            file.write("a passphrase, Grüße\n")
        done = self.run("init", self.vault, *self.secrets())
        with open(self.code_file, "w", encoding="ascii") as file:
            file.write(CODE.search(done.stderr).group(0) + "\n")
        return done.stdout.strip()

    def mount(self, *options, vault=None):
        # Begun anew: what it says is of this mount.
        with open(self.log, "w", encoding="utf-8"):
            pass
        self.run("mount", vault or self.vault, self.mount_point, *self.secrets(), "--log-file", self.log, *options)

    def wait_for_recovery(self):
        """Until every file was looked at after a mount that did not end in order: an unmount before that rightly leaves the vault unclean."""
        deadline = time.monotonic() + 60
        while True:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                said = file.read()
            if RECOVERED.search(said):
                return
            assert time.monotonic() < deadline, f"the recovery does not come to its end:\n{said[-3000:]}"
            time.sleep(0.05)

    def unmount(self):
        self.run("unmount", self.mount_point, "--wait", "60s")

    def daemon(self):
        """The pid of the daemon behind the mount, or None."""
        import json
        done = self.run("status", self.mount_point, "--json", expect=None)
        try:
            return json.loads(done.stdout)["daemon"]
        except (ValueError, KeyError, TypeError):
            return None

    def kill(self):
        """kill -9, and the dead mount is taken away."""
        pid = self.daemon()
        assert pid, "no daemon"
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while self._lives(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        subprocess.run(["fusermount3", "-u", "-z", self.mount_point], check=False, stderr=subprocess.DEVNULL)

    @staticmethod
    def _lives(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def decrypt(self, command, *arguments, recovery=False, keystore=None, expect=0):
        secret = ["--recovery-code-file", self.code_file] if recovery else ["--passphrase-file", self.passphrase_file]
        where = [] if command == "keystore" else ["--keystore", keystore or self.keystore]
        done = subprocess.run([sys.executable, os.path.join(HERE, "decrypt.py"), command, *secret, *where, *arguments], capture_output=True)
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"decrypt.py {command}: exit {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}")
        return done
