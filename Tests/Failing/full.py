#!/usr/bin/python3
"""A full disk: every operation on a vault whose disk has no room left, or only a little, or no inodes.

    full.py [--disk ext4|tmpfs|ext4-inodes|tmpfs-inodes|btrfs-quota] [--rooms 0,1,2,…] [--short] [--keep] [NAME…]

Beside the vault stands a file that takes what is left of the disk, but for so many blocks of 4096 bytes (--rooms); each operation of operations.py is done so.
It must be done, or give ENOSPC (EDQUOT under a quota) and leave what was there before or what it was to make, byte by byte; what else is in the mount reads.
Removing files in the mount must make room again. Then the mount itself fills the disk to its last byte, with operations of each kind until one does not fit.
Last, a keystore on the same full disk: a verb that does not fit changes nothing, and the mount goes on. After each part: unmount, `check`, mount, and a look at all.
Kernels with quotas for ext4 or tmpfs are rare; a quota group of btrfs gives a real EDQUOT (package btrfs-progs). The keystore is not on that one.
"""

import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Mounted")]

from beside_keystore import beside_the_keystore  # noqa: E402
from disks import DiskVault, in_own_namespace  # noqa: E402
from fullness import Fullness  # noqa: E402
from last_byte import LastByte  # noqa: E402
from script import options, run  # noqa: E402


def main():
    parser = options(__doc__)
    parser.add_argument("--disk", choices=["ext4", "tmpfs", "ext4-inodes", "tmpfs-inodes", "btrfs-quota"], default="ext4")
    parser.add_argument("--rooms", default="0,1,2,3,5,8,13,21,40")
    parser.add_argument("--short", action="store_true", help="fill the disk in few ways, and the keystore with few rooms")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("names", nargs="*")
    settings = parser.parse_args()
    in_own_namespace()
    begin = time.monotonic()
    # Where btrfs has no room for its copy of a page, the kernel kills who writes to it through a mapping, as SQLite does beside its log.
    is_keystore_there = settings.disk in ("ext4", "tmpfs")
    with DiskVault(settings.disk, keystore_too=is_keystore_there, keep=settings.keep) as vault:
        vault.require_encryption()
        vault.init().mount()
        walk = Fullness(vault, settings)
        walk.fill()
        # "allocation" of a few is enough where it is inodes that run out.
        chosen = walk.chosen()
        expected = {operation.name: operation.expected() for operation in chosen}
        rooms = [int(room) for room in settings.rooms.split(",")]
        for room in rooms if chosen else []:
            if walk.filler.of_inodes:
                for start in range(0, len(chosen), 12):
                    walk.round(room, chosen[start:start + 12], expected)
            else:
                walk.round(room, chosen, expected)
        LastByte(walk).run()
        if is_keystore_there and (not settings.names or "keystore" in settings.names):
            beside_the_keystore(walk)
        vault.unmount()
        if walk.wrong:
            print("daemon's log, its end:\n" + vault.log_tail(2000))
    print(f"refused for want of room: {sum(walk.refused.values())} of {len(rooms) * len(chosen)}; never refused: {sorted(o.name for o in chosen if not walk.refused[o.name] and o.grows)}")
    if walk.is_copying:
        print(f"mounted again after a failed sync of the journal: {walk.renewed}")
    print(f"refused though they need none: {dict(walk.needless)}; left for the next mount: {dict(walk.leftovers)}")
    print(f"{settings.disk}: {len(chosen)} operations, {len(rooms)} rooms, {time.monotonic() - begin:.0f} s, {walk.wrong} wrong")
    return walk.wrong or walk.dog.has_bitten


if __name__ == "__main__":
    run(main)
