#!/usr/bin/python3
"""Corners of POSIX that random operations do not reach, as a named list: each is done in a mount and in a plain directory, and must give the same.

    corners.py [--as root|user] [--alone] [--list] [NAME…]

As root: a mount with --allow-other, in which root and two ordinary users act; --alone: root's own mount, in which the kernel checks no permissions.
As user: an ordinary user's own mount. In both of these one user acts alone.
What is expected to differ (MOUNTING.md) is not looked at. The cases are in corner_cases.py and corner_times.py.
"""

import grp
import os
import pickle
import pwd
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import corner_cases  # noqa: E402
import corner_times  # noqa: E402
from script import options, run  # noqa: E402
from vault import USER, Failure, Vault, ordinary_user, run_self_as  # noqa: E402

OTHER = USER + "2"


def other_user():
    try:
        return pwd.getpwnam(OTHER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/bash", OTHER], check=True)
        return pwd.getpwnam(OTHER)


class Person:
    """Somebody who acts: calling it runs a function as that user, in a process of its own, and returns what it returns."""

    def __init__(self, record):
        self.uid, self.gid = record.pw_uid, record.pw_gid
        self.groups = [record.pw_gid, grp.getgrnam("users").gr_gid]

    def __call__(self, work, *more, **named):
        if self.uid == os.geteuid():
            return work(*more, **named)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(self.groups)
                os.setresgid(self.gid, self.gid, self.gid)
                os.setresuid(self.uid, self.uid, self.uid)
                try:
                    answer = (True, work(*more, **named))
                except OSError as error:
                    answer = (False, error.errno)
                os.write(writing, pickle.dumps(answer))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(writing)
        with open(reading, "rb") as pipe:
            data = pipe.read()
        if os.waitpid(child, 0)[1] != 0:
            raise Failure("somebody's process failed: see above")
        is_done, answer = pickle.loads(data)
        if is_done:
            return answer
        raise OSError(answer, os.strerror(answer))


class Corner:
    """What a case needs: an empty directory, people, and a place for what is seen."""

    def __init__(self, top, people):
        self.top, self.seen = top, []
        self.root, self.a, self.b = people
        self.is_root = os.geteuid() == 0

    def say(self, label, work):
        """Notes what `work` gives: a value, or the name of its errno."""
        try:
            self.seen.append((label, "done" if (value := work()) is None else value))
        except OSError as error:
            self.seen.append((label, corner_cases.errno_name(error)))


def cases(are_several):
    found = {}
    for module in (corner_cases, corner_times):
        for name, case in vars(module).items():
            if name.startswith("corner_") and callable(case) and (are_several or not getattr(case, "of_several", False)):
                found[name.removeprefix("corner_").replace("_", " ")] = case
    return found


def see(case, top, people):
    top.mkdir()
    os.chmod(top, 0o755)
    corner = Corner(top, people)
    before = os.umask(0o022)
    try:
        case(corner)
    finally:
        os.umask(before)
    return corner.seen


def main():
    parser = options(__doc__, as_whom=True)
    parser.add_argument("--alone", action="store_true", help="as root: without other users")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    settings = parser.parse_args()
    are_several = settings.who == "root" and not settings.alone
    if settings.list:
        return print("\n".join(cases(are_several)))
    run_self_as(settings.who)
    if are_several:
        people = (Person(pwd.getpwuid(0)), Person(ordinary_user()), Person(other_user()))
    else:
        people = (None, Person(pwd.getpwuid(os.geteuid())), None)
    begin, looked, wrong = time.monotonic(), 0, 0
    with Vault(allow_other=are_several) as vault:
        vault.init().mount()
        # Who owns the top the kernel only learns when somebody asks for its status.
        os.stat(vault.mount_point)
        os.chmod(vault.mount_point, 0o755)
        plain = vault.base / "plain"
        plain.mkdir()
        for name, case in cases(are_several).items():
            if settings.names and not any(word in name for word in settings.names):
                continue
            expected = see(case, plain / name, people)
            seen = see(case, vault.mount_point / name, people)
            looked += len(expected)
            for one, two in zip(expected, seen):
                if one != two:
                    wrong += 1
                    print(f"WRONG: {name}: {one[0]}: {two[1] if one[0] == two[0] else two}, in a plain directory {one[1]}", flush=True)
            if len(expected) != len(seen):
                wrong += 1
                print(f"WRONG: {name}: {len(seen)} things seen, in a plain directory {len(expected)}", flush=True)
        # An ordinary user's check reads only what he may.
        subprocess.run(["chmod", "-R", "u+rwX", vault.mount_point], check=True)
        vault.unmount()
        done = vault.command("check", vault.vault, check=False)
        if done.returncode != 0:
            wrong += 1
            print(f"WRONG: check: exit {done.returncode}\n{done.stdout[-800:]}")
    print(f"{len(cases(are_several))} corners, {looked} things compared, {time.monotonic() - begin:.0f} s, {wrong} differ")
    if looked == 0:
        raise Failure("nothing was compared")
    return wrong


if __name__ == "__main__":
    run(main)
