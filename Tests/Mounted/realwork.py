#!/usr/bin/python3
"""A day's work in a mount, compared with a plain copy after unmount and a new mount.

    realwork.py [--as root|user] [--short] CASE…      cases: git sqlite postgres rsync tar copying swiftbuild (not in "all")
"""

import argparse
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Differential")]

import comparison  # noqa: E402
import planted  # noqa: E402
from vault import Failure, Vault, run_self_as, user_prefix  # noqa: E402

comparison.START = 1 << 63  # copies keep their times: every mtime is compared to the nanosecond


def run(*words, folder=None, check=True, timeout=600, prefix=(), environment=None, data=None):
    """Runs a program of the system; a failure shows what it said."""
    done = subprocess.run([*prefix, *map(str, words)], cwd=folder, timeout=timeout, capture_output=True, input=data,
                          env=environment or os.environ)
    if check and done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace")[-3000:]
        raise Failure(f"{' '.join(map(str, words))[:300]}: exit {done.returncode}\n{said}")
    return done.stdout.decode(errors="replace")


def same_trees(plain, mount, when):
    wrong = comparison.tree_difference(plain, mount)
    if wrong:
        raise Failure(f"{when}: {wrong}")


# git ----------------------------------------------------------------------------------------------------------------

def history(commits):
    """A `git fast-import` stream: `commits` commits that add, change, rename and remove files in forty directories."""
    lines = []
    for number in range(1, commits + 1):
        folder, name = f"src/part{number % 40}", f"file{number % 211}.txt"
        text = "".join(f"line {k} of commit {number} {hashlib.sha256(f'{number}/{k}'.encode()).hexdigest()}\n" for k in range(number % 90 + 1))
        lines.append(f"blob\nmark :{2 * number}\ndata {len(text)}\n{text}")
        message = f"Change {name} ({number})"
        lines.append(f"commit refs/heads/main\nmark :{2 * number + 1}\ncommitter A <a@example.org> {1500000000 + number * 60} +0000\n"
                     f"data {len(message)}\n{message}")
        if number > 1:
            lines.append(f"from :{2 * number - 1}")
        mode = "100755" if number % 17 == 0 else "120000" if number % 97 == 0 else "100644"
        lines.append(f"M {mode} :{2 * number} {folder}/{name}" if mode != "120000"
                     else f"M 120000 inline links/link{number}\ndata 9\nsrc/part1")
        if number % 400 == 0:
            lines.append(f"D src/part{number % 40}")
        lines.append("")
    return "\n".join(lines).encode()


GIT = dict(GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org", GIT_COMMITTER_NAME="A",
           GIT_COMMITTER_EMAIL="a@example.org", GIT_TERMINAL_PROMPT="0")


def case_git(vault, short):
    environment = dict(os.environ, HOME=str(vault.base), **GIT)
    origin, plain, mine = vault.base / "origin.git", vault.base / "plain", vault.mount_point / "clone"

    def git(folder, *words, **more):
        return run("git", *words, folder=folder, environment=environment, **more)

    run("git", "init", "-q", "--bare", "-b", "main", origin, environment=environment)
    git(origin, "fast-import", "--quiet", data=history(1200))
    git(vault.base, "clone", "-q", origin, plain)
    git(vault.mount_point, "clone", "-q", "--no-local", f"file://{origin}", mine)

    def examine(when):
        status = git(mine, "status", "--porcelain")
        if status:
            raise Failure(f"{when}: git status is not clean:\n{status[:1000]}")
        git(mine, "fsck", "--full", "--strict")
        count = git(mine, "rev-list", "--count", "HEAD").strip()
        if int(count) < 1200:
            raise Failure(f"{when}: {count} commits")
        for path in (plain, mine):
            sums = git(path, "ls-files", "-s")
            if path == plain:
                expected = sums
            elif sums != expected:
                raise Failure(f"{when}: the index differs from the plain clone's")

    examine("after the clone")
    git(mine, "gc", "-q", "--aggressive" if not short else "--auto", "--prune=now")
    git(mine, "checkout", "-q", "HEAD~300")
    git(mine, "checkout", "-q", "main")
    examine("after gc and checkouts")
    vault.remount()
    examine("after the remount")
    for number in range(30):
        for path in (plain, mine):
            (path / f"new{number}").write_text(f"new {number}\n" * 400)
            git(path, "add", ".")
            git(path, "commit", "-q", "--date=2020-01-01T00:00:00Z", "-m", f"new {number}")
    git(mine, "gc", "-q", "--prune=now")
    vault.remount()
    examine("after commits, gc and a second remount")
    for path in git(plain, "ls-files", "-z").split("\0"):
        if path and not (plain / path).is_symlink() and (plain / path).read_bytes() != (mine / path).read_bytes():
            raise Failure(f"{path} differs from the plain clone")


# SQLite -------------------------------------------------------------------------------------------------------------

def fill(path, transactions):
    base = sqlite3.connect(path, isolation_level=None)
    mode = base.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    base.execute("PRAGMA mmap_size=268435456")
    base.execute("PRAGMA synchronous=NORMAL")
    if mode != "wal":
        raise Failure(f"journal_mode is {mode}, not wal")
    base.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")
    base.execute("CREATE INDEX IF NOT EXISTS i ON t (a)")
    for number in range(transactions):
        base.execute("BEGIN IMMEDIATE")
        base.execute("INSERT INTO t VALUES (?, ?, ?)", (number, hashlib.sha256(str(number).encode()).hexdigest(), bytes([number % 251]) * (number % 700)))
        if number % 7 == 3:
            base.execute("UPDATE t SET a = a || 'x' WHERE id = ?", (number // 2,))
        if number % 11 == 5:
            base.execute("DELETE FROM t WHERE id = ?", (number // 3,))
        base.execute("COMMIT")
    base.close()


def examine_database(path, expected):
    base = sqlite3.connect(path)
    base.execute("PRAGMA mmap_size=268435456")
    verdict = base.execute("PRAGMA integrity_check").fetchall()
    if verdict != [("ok",)]:
        raise Failure(f"integrity_check: {verdict[:5]}")
    digest = hashlib.sha256()
    for row in base.execute("SELECT * FROM t ORDER BY id"):
        digest.update(repr(row).encode())
    base.close()
    if expected and digest.hexdigest() != expected:
        raise Failure("the rows differ from those of the plain database")
    return digest.hexdigest()


READER = """
import sqlite3, sys, time
base = sqlite3.connect(sys.argv[1], timeout=30)
base.execute("PRAGMA mmap_size=268435456")
last = 0
while True:
    try:
        count, top = base.execute("SELECT count(*), max(id) FROM t").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error): time.sleep(0.01); continue
        raise
    assert (top or 0) >= last, (top, last)
    last = top or 0
    if last >= int(sys.argv[2]) - 1: break
    time.sleep(0.01)
assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
"""


def case_sqlite(vault, short):
    count = 2000 if short else 10000
    plain, mine = vault.base / "plain.db", vault.mount_point / "mine.db"
    fill(plain, count)
    expected = examine_database(plain, None)
    reader = subprocess.Popen(["/usr/bin/python3", "-c", READER, str(mine), str(count)], stderr=subprocess.PIPE)
    try:
        started = time.monotonic()
        fill(mine, count)
        print(f"  {count} transactions in {time.monotonic() - started:.1f} s, with a reader beside them")
        _, said = reader.communicate(timeout=120)
    finally:
        reader.kill()
        reader.wait()
    if reader.returncode != 0:
        raise Failure(f"the reader: {said.decode()[-1000:]}")
    examine_database(mine, expected)
    vault.remount()
    examine_database(mine, expected)


# PostgreSQL ---------------------------------------------------------------------------------------------------------

def case_postgres(vault, short):
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if not programs:
        raise Failure("PostgreSQL is not installed (apt-get install postgresql)")
    root = os.geteuid() == 0
    prefix = user_prefix("postgres") if root else []
    data, sockets = vault.mount_point / "postgres", vault.base / "sockets"
    if root:
        vault.mount_point.chmod(0o755)  # a vault belongs to who made it, and is closed to others
    for folder in (data, sockets):
        folder.mkdir(mode=0o700)
        if root:
            shutil.chown(folder, "postgres", "postgres")

    environment = dict(os.environ, HOME=str(sockets), PGHOST=str(sockets), LC_ALL="C.UTF-8")

    def tool(name, *words, **more):
        return run(programs / name, *words, prefix=prefix, folder="/", environment=environment, **more)

    def start():
        tool("pg_ctl", "-D", data, "-w", "-l", sockets / "log", "-o", f"-k {sockets} -c listen_addresses=''", "start", timeout=120)

    def stop():
        tool("pg_ctl", "-D", data, "-w", "-m", "fast", "stop", timeout=120)

    def ask(question):
        return tool("psql", "-XAtqc", question, "bench").strip()

    tool("initdb", "-D", data, "-A", "trust", "-k", "-U", "bench", "-E", "UTF8", "--locale=C.UTF-8")
    environment["PGUSER"] = "bench"
    start()
    try:
        tool("createdb", "bench")
        tool("pgbench", "-i", "-q", "-s", "1" if short else "5", "bench")
        result = tool("pgbench", "-c", "4", "-j", "2", "-t", "100" if short else "1000", "bench")
        print("  " + next(line for line in result.splitlines() if line.startswith("tps")))
        before = ask("SELECT sum(abalance), count(*) FROM pgbench_accounts"), ask("SELECT sum(delta), count(*) FROM pgbench_history")
    finally:
        stop()
    vault.remount()
    tool("pg_checksums", "--check", "-D", data)
    start()
    try:
        after = ask("SELECT sum(abalance), count(*) FROM pgbench_accounts"), ask("SELECT sum(delta), count(*) FROM pgbench_history")
        if before != after or before[0].split("|")[0] != before[1].split("|")[0]:
            raise Failure(f"before the remount {before}, after it {after}")
        tool("pg_amcheck", "--install-missing", "bench")
        tool("pgbench", "-c", "2", "-t", "50", "bench")
        if "was not properly shut down" in run("cat", sockets / "log"):
            raise Failure("PostgreSQL found that it was not properly shut down")
    finally:
        stop()


# Copying trees ------------------------------------------------------------------------------------------------------

def case_rsync(vault, short):
    root = os.geteuid() == 0
    plain, mine, back = vault.base / "planted", vault.mount_point / "copy", vault.base / "back"
    planted.plant(plain, root)
    options = ["-aHAXS", "--checksum"]
    if not root:  # rsync cannot read these either
        for name in ("mode 0", "mode 200"):
            (plain / "rights" / name).unlink()
        # rsync takes two times of one second for equal, whatever their nanoseconds: the folder's must not be of now
        os.utime(plain / "rights", ns=(1500000000123456789,) * 2)
    run("rsync", *options, f"{plain}/", f"{mine}/")

    def examine(when):
        again = run("rsync", *options, "--itemize-changes", "--delete", f"{plain}/", f"{mine}/")
        if again.strip():
            raise Failure(f"{when}: a second rsync had something to do:\n{again[:2000]}")
        same_trees(plain, mine, when)

    examine("after the copy")
    vault.remount()
    examine("after the remount")
    used = (mine / "sizes" / "sparse").stat().st_blocks * 512
    if used > 4 << 20:
        raise Failure(f"the sparse file of 64 MiB with 20 KB in it takes {used} bytes")
    run("rsync", *options, f"{mine}/", f"{back}/")
    same_trees(plain, back, "copied out again")


def case_tar(vault, short):
    source = Path("/usr/include/linux" if short else "/usr/include")
    plain, mine, back = vault.base / "plain", vault.mount_point / "tar", vault.base / "back"
    for folder in (plain, mine, back):
        folder.mkdir()
    archive = vault.base / "include.tar"
    run("tar", "-cf", archive, "-C", source.parent, source.name)
    for folder in (plain, mine):
        run("tar", "-xpf", archive, "-C", folder)
    os.utime(mine, ns=(plain.stat().st_mtime_ns,) * 2)
    same_trees(plain, mine, "after tar -x")
    vault.remount()
    same_trees(plain, mine, "after the remount")
    inside = vault.mount_point / "again.tar"
    run("tar", "-cf", inside, "-C", mine, source.name)
    vault.remount()
    run("tar", "-df", inside, "-C", mine)
    run("tar", "-xpf", inside, "-C", back)
    os.utime(back, ns=(plain.stat().st_mtime_ns,) * 2)
    same_trees(plain, back, "out of the archive that was made in the mount")
    run("rm", "-rf", mine)
    if mine.exists():
        raise Failure("rm -rf left something")


def case_copying(vault, short):
    """`cp` of a file that another program still writes: lseek must not call unwritten pages a hole (filesystem.md)."""
    path, copy = vault.mount_point / "growing", vault.base / "copy"
    data = os.urandom(700000)
    with open(path, "wb", buffering=0) as file:
        for round_number in range(40):
            file.write(data[:100000 + round_number])
            for sparse in ("auto", "always"):
                run("cp", f"--sparse={sparse}", path, copy)
                run("cmp", path, copy)
                run("cp", "--reflink=never", path, vault.mount_point / "copy")
                run("cmp", path, vault.mount_point / "copy")
    expected = b"".join(data[:100000 + n] for n in range(40))
    vault.remount()
    for name in ("growing", "copy"):
        if (vault.mount_point / name).read_bytes() != expected:
            raise Failure(f"{name} differs after the remount")


def case_swiftbuild(vault, short):
    """The project builds inside its own mount (long)."""
    sources = vault.mount_point / "project"
    shutil.copytree(HERE.parents[1], sources, symlinks=True, ignore=shutil.ignore_patterns(".build*", ".git"))
    environment = dict(os.environ, HOME=str(vault.base))
    # packages may come from a mirror on this machine that belongs to somebody else, which git refuses to read
    (vault.base / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    # dependencies that were fetched before; for an ordinary user name a folder that he may read
    fetched = Path(os.environ.get("ENVELOPEFS_SWIFTPM_CACHE", Path.home() / ".cache/org.swift.swiftpm"))
    cache = []
    if fetched.is_dir():
        shutil.copytree(fetched, vault.base / "swiftpm", symlinks=True)
        cache = ["--cache-path", vault.base / "swiftpm"]
    started = time.monotonic()
    run("swift", "build", *cache, folder=sources, environment=environment, timeout=3000)
    print(f"  swift build in {time.monotonic() - started:.0f} s")
    vault.remount()
    said = run("swift", "build", *cache, folder=sources, environment=environment, timeout=3000)
    # SwiftPM compiles the plugins of packages again at every build, on a plain directory too
    if any("Compiling" in line and "Compiling plugin" not in line for line in said.splitlines()):
        raise Failure(f"after the remount a second build had something to do:\n{said[-2000:]}")
    run(sources / ".build/debug/envelopefs", "--version")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as", dest="who", choices=["root", "user"], default="root" if os.geteuid() == 0 else "user")
    parser.add_argument("--short", action="store_true", help="smaller amounts, for CI")
    parser.add_argument("cases", nargs="*", default=["all"])
    settings = parser.parse_args()
    run_self_as(settings.who)
    names = [name for name in CASES if name != "swiftbuild"] if settings.cases == ["all"] else settings.cases
    failed = 0
    for name in names:
        started = time.monotonic()
        try:
            with Vault(allow_other=os.geteuid() == 0) as vault:
                vault.init().mount()
                try:
                    CASES[name](vault, settings.short)
                except Exception:
                    print("daemon's log, its end:\n" + vault.log_tail(2000))
                    raise
                vault.unmount()
            print(f"{name} as {settings.who}: ok, {time.monotonic() - started:.1f} s", flush=True)
        except (Failure, OSError, subprocess.TimeoutExpired, sqlite3.Error) as failure:
            failed += 1
            print(f"{name} as {settings.who}: FAILED: {failure!r}" if not isinstance(failure, Failure)
                  else f"{name} as {settings.who}: FAILED: {failure}", flush=True)
    print(f"{len(names) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
