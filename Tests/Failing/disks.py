"""Small disks of a test, in a mount namespace of its own: they are gone when the test is, however it ends."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Mounted")]

from vault import Failure, Vault  # noqa: E402


def in_own_namespace():
    """Runs this program again where its mounts are nobody else's. As root."""
    if os.geteuid() != 0:
        raise Failure("disks are mounted by root: run this as root")
    if os.environ.get("EFS_TESTS_NAMESPACE") != "1":
        os.environ["EFS_TESTS_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    # The copies of others' mounts would keep those alive here after they were unmounted there.
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind = line.split()[:3]
        if kind.startswith("fuse."):
            subprocess.run(["umount", "--lazy", target.encode().decode("unicode_escape")], check=False)


def make(kind, at, size):
    """Mounts a new disk: ext4 or tmpfs of so many MiB; larger ones with few inodes; btrfs with a quota of as much."""
    at.mkdir()
    image = at.with_suffix(".image")
    if kind == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", f"size={size}m,mode=755", "none", at)
    elif kind == "tmpfs-inodes":
        run("mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=150,mode=755", "none", at)
    elif kind in ("ext4", "ext4-inodes"):
        size, inodes = (f"{size}M", "4096") if kind == "ext4" else ("32M", "160")
        run("truncate", "-s", size, image)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-N", inodes, image)
        run("mount", "-o", "loop,user_xattr,acl", image, at)
    elif kind == "btrfs-quota":
        run("truncate", "-s", "256M", image)
        run("mkfs.btrfs", "-q", image)
        run("mount", "-o", "loop", image, at)
        run("btrfs", "quota", "enable", at)
        run("btrfs", "subvolume", "create", at / "limited")
        run("btrfs", "qgroup", "limit", f"{size}M", at / "limited")
    else:
        raise Failure(f"no disk of kind {kind}")


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}: {done.stderr}")


class DiskVault(Vault):
    """A vault on a disk of its own; keystore and log elsewhere, or with `keystore_too` on the same disk."""

    def __init__(self, kind, size=16, keystore_too=False, **more):
        super().__init__(**more)
        self.disk = self.base / "disk"
        make(kind, self.disk, size)
        if kind == "btrfs-quota":
            self.disk = self.disk / "limited"
        self.vault = self.disk / "vault"
        if keystore_too:
            self.keystore = self.disk / "keystore" / "keystore.db"
            self.keystore.parent.mkdir(mode=0o700)
        self.more_environment = {}

    @property
    def environment(self):
        return {**super().environment, **self.more_environment}

    def close(self):
        if os.getpid() != self.owner_pid:
            return
        disk = self.base / "disk"
        if os.path.ismount(self.mount_point):
            try:
                self.unmount(timeout=60)
            except Exception as failure:
                print(f"while cleaning up: {failure}", file=sys.stderr)
        if self._is_running():
            self.kill()
        if self.keep:
            # The namespace goes with the test, and the disk with it.
            subprocess.run(["cp", "-a", str(disk), str(self.base / "kept")], check=False)
        if os.path.ismount(disk):
            subprocess.run(["umount", "-l", str(disk)], check=False)
        super().close()
