"""A vault of one test: made, mounted, unmounted, killed and always cleaned up, through the built binary.

Environment:
  ENVELOPEFS_BINARY      the binary under test; default: the newest of .build/{release,debug}/envelopefs
  ENVELOPEFS_SUBSTITUTE  path of a compiled passthrough_ll: the scripts then run against a mount without encryption
                         (to develop the tests; cases that look at the vault's bytes refuse to run)
  ENVELOPEFS_TEST_DIR    where temporary directories are made; default /tmp
  ENVELOPEFS_PATIENCE    how many times longer than usual to wait for an answer: for a daemon that is slow by nature, as under a sanitizer
"""

import atexit
import grp
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PYTHON = "/usr/bin/python3"
USER = "efstest"
PASSPHRASE = "planted-passphrase-" + secrets.token_hex(8)  # another one in each run: searched for in secrets_check.py
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = float(os.environ.get("ENVELOPEFS_PATIENCE", "1"))


class Failure(Exception):
    """What a test found wrong; the text is for a person."""

# A test runner's threads may block signals, and what they start inherits that: stress-ng's workers never saw the alarm that ends them.
signal.pthread_sigmask(signal.SIG_SETMASK, [])


def binary_path(kinds=("release", "debug")):
    """The newest binary of these builds, unless ENVELOPEFS_BINARY names one."""
    named = os.environ.get("ENVELOPEFS_BINARY")
    if named:
        return named
    built = [REPOSITORY / ".build" / kind / "envelopefs" for kind in kinds]
    built = [path for path in built if path.exists()]
    if not built:
        raise Failure(f"no envelopefs binary ({' or '.join(kinds)}): build it, or set ENVELOPEFS_BINARY")
    return str(max(built, key=lambda path: path.stat().st_mtime))


def ordinary_user():
    """The ordinary user of the tests, created when missing (root only)."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/bash", USER],
                       check=True)
        return pwd.getpwnam(USER)


def prepare_fuse_for_users():
    """/dev/fuse as Debian's udev rule makes it; containers and small machines lack the rule."""
    if os.geteuid() == 0 and os.stat("/dev/fuse").st_mode & 0o666 != 0o666:
        os.chmod("/dev/fuse", 0o666)


def user_prefix(name=USER):
    """The words before a command that make it run as user `name`, with that user's groups and `users`."""
    if name == USER:
        ordinary_user()
    record = pwd.getpwnam(name)
    groups = ",".join(str(g) for g in (record.pw_gid, grp.getgrnam("users").gr_gid))
    return ["setpriv", f"--reuid={record.pw_uid}", f"--regid={record.pw_gid}", f"--groups={groups}"]


def run_self_as(who):
    """Re-executes this program as the ordinary user when `who` is "user" and we are root; else checks that we are `who`."""
    if who == "user" and os.geteuid() == 0:
        prepare_fuse_for_users()
        home = tempfile.mkdtemp(prefix="efs-tests-home-", dir="/tmp")
        record = ordinary_user()
        os.chown(home, record.pw_uid, record.pw_gid)
        environment = dict(os.environ, HOME=home, USER=USER, LOGNAME=USER, TMPDIR=os.environ.get("TMPDIR", "/tmp"))
        child = None

        def pass_on(number, _frame):
            if child:
                child.send_signal(number)

        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, pass_on)
        child = subprocess.Popen(user_prefix() + [PYTHON, *sys.argv], env=environment)
        status = child.wait()
        shutil.rmtree(home, ignore_errors=True)
        sys.exit(status if status >= 0 else 128 - status)
    if who == "root" and os.geteuid() != 0:
        raise Failure("this case runs as root")


def mounts(kind=b""):
    """Mount points of this namespace, as bytes; of file systems whose type begins with `kind`."""
    points = []
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            fields = line.split(b" ")
            # The type follows a hyphen, before which stands any number of fields.
            if fields[fields.index(b"-", 6) + 1].startswith(kind):
                points.append(fields[4].replace(b"\\040", b" ").replace(b"\\011", b"\t").replace(b"\\012", b"\n")
                              .replace(b"\\134", b"\\"))
    return points


def is_mounted(path):
    return os.fsencode(str(path)) in mounts()


def _exit_on_signal(number, _frame):
    sys.exit(128 + number)


def process_status(pid):
    """The fields of /proc/PID/status, as text."""
    return {key: value.strip() for key, _, value in (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())}


def lives(pid):
    """Whether a thread of a process lives: after a kill the first thread is a zombie while others still hold files."""
    while True:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] not in "ZX":
                        return True
            return False
        except (FileNotFoundError, ProcessLookupError):
            # A thread has ended while we looked; or the whole process.
            if not os.path.exists(f"/proc/{pid}/task"):
                return False


def preloading(source, folder):
    """Builds a C file into a library in `folder`; returns what a program's environment needs to load it before all others."""
    library = folder / f"{source.stem}.so"
    built = subprocess.run([shutil.which("cc") or "clang", "-O2", "-fno-builtin", "-shared", "-fPIC", "-o", library, source, "-ldl"], capture_output=True, text=True)
    if built.returncode != 0:
        raise Failure(f"{source.name}: {built.stderr}")
    others = os.environ.get("LD_PRELOAD")
    return {"LD_PRELOAD": f"{others}:{library}" if others else str(library)}


class Vault:
    """One vault with its keystore, passphrase file and mount point in a temporary directory of its own."""

    def __init__(self, allow_other=False, options=(), keep=False, prefix="efs-tests-", wrapper=()):
        self.substitute = os.environ.get("ENVELOPEFS_SUBSTITUTE")
        self.binary = self.substitute or binary_path()
        parent = os.environ.get("ENVELOPEFS_TEST_DIR", "/tmp")
        self.base = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        os.chmod(self.base, 0o755)
        self.vault = self.base / "vault"
        self.mount_point = self.base / "mount"
        self.keystore = self.base / "keystore" / "keystore.db"
        self.passphrase_file = self.base / "passphrase"
        self.log_path = self.base / "daemon.log"
        self.allow_other = allow_other
        self.options = list(options)
        self.keep = keep
        self.wrapper = list(wrapper)  # words before the mount command, as `prlimit --nofile=…`
        self.pid = None
        self.mount_point.mkdir()
        self.passphrase_file.write_text(PASSPHRASE + "\n")
        self.passphrase_file.chmod(0o600)
        self.owner_pid = os.getpid()
        atexit.register(self.close)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, _exit_on_signal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def environment(self):
        return dict(os.environ, ENVELOPEFS_KEYSTORE=str(self.keystore),
                    ENVELOPEFS_PASSPHRASE_FILE=str(self.passphrase_file),
                    HOME=str(self.base), XDG_DATA_HOME=str(self.base / "data"), XDG_RUNTIME_DIR=str(self.base / "runtime"))

    def command(self, *words, check=True, timeout=300, **more):
        """Runs `envelopefs words…`; returns the completed process with text output."""
        done = subprocess.run([self.binary, *map(str, words)], env=self.environment, timeout=timeout * PATIENCE, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, errors="replace", **more)
        if check and done.returncode != 0:
            raise Failure(f"envelopefs {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def init(self, *options):
        if self.substitute:
            self.vault.mkdir()
            return self
        (self.base / "runtime").mkdir(mode=0o700, exist_ok=True)
        (self.base / "keystore").mkdir(mode=0o700, exist_ok=True)
        self.command("init", self.vault, *options)
        return self

    def _mount_words(self, more_options):
        options = self.options + list(more_options)
        if self.substitute:
            words = [self.binary, "-o", f"source={self.vault},xattr,default_permissions," + os.environ.get("ENVELOPEFS_SUBSTITUTE_OPTIONS", "writeback,cache=always")
                     + (",allow_other" if self.allow_other else ""), str(self.mount_point)]
        else:
            words = [self.binary, "mount", str(self.vault), str(self.mount_point), "--log-file", str(self.log_path), *options]
            if self.allow_other:
                words.append("--allow-other")
        return self.wrapper + words

    def mount(self, *more_options):
        """Mounts and waits until the kernel has the mount."""
        words = self._mount_words(more_options)
        with open(self.log_path, "ab") as log:
            done = subprocess.run(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120 * PATIENCE)
        if done.returncode != 0:
            raise Failure(f"mount: exit {done.returncode}\n{self.log_tail()}")
        if not is_mounted(self.mount_point):
            raise Failure(f"mount returned 0 but {self.mount_point} is not mounted\n{self.log_tail()}")
        self.pid = self.find_daemon()
        return self

    def kill_while_mounting(self, delay):
        """A mount that is killed `delay` seconds after its begin: before it, while it replays and recovers, or after it. Whether a process was left to be killed."""
        with open(self.log_path, "ab") as log:
            command = subprocess.Popen(self._mount_words([]), env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(delay)
        killed = set()
        while found := self.find_daemons():
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                except ProcessLookupError:
                    pass  # it has ended meanwhile
            command.wait(timeout=60)
        # Without a command line it may still hold the vault's lock.
        deadline = time.monotonic() + 60 * PATIENCE
        while any(map(lives, killed)):
            if time.monotonic() > deadline:
                raise Failure("a killed mount does not die")
            time.sleep(0.01)
        self._clear_mount(time.monotonic() + 30)
        return bool(killed)

    def find_daemons(self):
        """The processes that serve our mount point or are about to, by their command line."""
        wanted, found = str(self.mount_point).encode(), []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in words and os.path.basename(words[0]) == os.path.basename(self.binary).encode():
                found.append(int(entry))
        return found

    def find_daemon(self):
        found = self.find_daemons()
        if not found:
            raise Failure(f"no process serves {self.mount_point}\n{self.log_tail()}")
        return found[0]

    def unmount(self, timeout=120):
        """Unmounts and waits until the daemon has ended, so that the vault is free for the next mount."""
        if self.substitute:
            done = subprocess.run(["fusermount3", "-u", str(self.mount_point)], capture_output=True, text=True, timeout=timeout)
        else:
            done = self.command("unmount", self.mount_point, check=False, timeout=timeout)
        if done.returncode != 0:
            raise Failure(f"unmount: exit {done.returncode}\n{done.stdout}{done.stderr}{self.log_tail()}")
        if is_mounted(self.mount_point):
            raise Failure("unmount returned 0 but the mount is still there")
        self._wait_for_daemon(timeout)

    def _wait_for_daemon(self, timeout):
        deadline = time.monotonic() + timeout * PATIENCE
        while self._is_running():
            if time.monotonic() > deadline:
                raise Failure(f"daemon {self.pid} still runs {timeout} s after the unmount\n{self.log_tail()}")
            time.sleep(0.01)
        self.pid = None

    def _is_running(self):
        """Whether a thread of the daemon lives."""
        return self.pid is not None and lives(self.pid)

    def remount(self):
        self.unmount()
        self.mount()

    def kill(self, number=signal.SIGKILL):
        """Kills the daemon and clears the dead mount, as a crash and its user would."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:  # it has died by itself
            pass
        deadline = time.monotonic() + 30
        while self._is_running():
            if time.monotonic() > deadline:
                raise Failure("the daemon does not die")
            time.sleep(0.01)
        self.pid = None
        self._clear_mount(deadline)

    def _clear_mount(self, deadline):
        while is_mounted(self.mount_point):
            subprocess.run(["fusermount3", "-u", "-q", str(self.mount_point)], stderr=subprocess.DEVNULL)
            if is_mounted(self.mount_point):
                subprocess.run(["fusermount3", "-u", "-z", "-q", str(self.mount_point)], stderr=subprocess.DEVNULL)
            if time.monotonic() > deadline:
                raise Failure("the dead mount cannot be cleared")

    def log_tail(self, count=4000):
        try:
            return self.log_path.read_text(errors="replace")[-count:]
        except OSError:
            return ""

    def memory(self):
        """(resident KiB, open descriptors, threads) of the daemon; descriptors None where we may not look."""
        fields = process_status(self.pid)
        try:
            descriptors = len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            descriptors = None
        return int(fields["VmRSS"].split()[0]), descriptors, int(fields["Threads"])

    def require_encryption(self):
        if self.substitute:
            raise Failure("this case looks at the vault's bytes; the substitute has none")

    def close(self):
        if os.getpid() != self.owner_pid:
            return
        atexit.unregister(self.close)
        if self.keep:
            print(f"kept: {self.base}", file=sys.stderr)
            return
        if is_mounted(self.mount_point):
            try:
                self.unmount(timeout=60)
            except Exception:
                subprocess.run(["fusermount3", "-u", "-z", "-q", str(self.mount_point)], stderr=subprocess.DEVNULL)
        if self._is_running():
            os.kill(self.pid, signal.SIGKILL)
        if is_mounted(self.mount_point):
            subprocess.run(["umount", "-l", str(self.mount_point)], stderr=subprocess.DEVNULL)
        if is_mounted(self.mount_point):
            raise Failure(f"{self.mount_point} could not be unmounted: left in place")
        subprocess.run(["chmod", "-R", "u+rwx", str(self.base)], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.base, ignore_errors=True)
