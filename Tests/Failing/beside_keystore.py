"""A keystore on the vault's full disk: a verb that has no room changes nothing, and the mount goes on."""

from fullness import FULL
from operations import put, text


def beside_the_keystore(walk):
    vault = walk.vault
    before = vault.command("key", "list", "--json").stdout
    for room in (0, 8) if walk.settings.short else (0, 1, 2, 4, 8, 12):
        walk.dog.note(f"keystore, room for {room}")
        walk.filler.fill(room)
        for words in (("key", "create"), ("key", "rotate", "alias/default"), ("keystore", "add-slot", "recovery"), ("key", "list"), ("keystore", "verify")):
            done = vault.command(*words, check=False)
            walk.refused[" ".join(words)] += done.returncode != 0
            if done.returncode < 0 or done.returncode >= 128:
                walk.complain(f"{words}, room for {room}", f"exit {done.returncode}: {done.stderr[-300:]}")
        # The mount makes files meanwhile: their keys' uses wait for the audit log.
        try:
            put(vault.mount_point / f"beside {room}", 0, text(room, 500))
        except OSError as error:
            if error.errno not in FULL:
                walk.complain(f"keystore, room for {room}", f"a file beside it: {error}")
        walk.look_at_bystanders(f"keystore, room for {room}")
        walk.filler.empty()
        for words in (("keystore", "verify"), ("audit", "verify")):
            done = vault.command(*words, check=False)
            if done.returncode != 0:
                walk.complain(f"keystore, after room for {room}", f"{words}: exit {done.returncode}: {done.stderr[-300:]}")
    if len(vault.command("key", "list", "--json").stdout) < len(before):
        walk.complain("keystore", "a key is gone")
    # An unmount whose last entries of the audit log have no room.
    walk.filler.fill(0)
    walk.dog.note("unmount on a full disk")
    done = vault.command("unmount", vault.mount_point, check=False)
    vault._wait_for_daemon(30)
    walk.filler.empty()
    print(f"  unmount on a full disk: exit {done.returncode}")
    walk.check("unmount on a full disk")
    vault.mount()
    walk.look_at_bystanders("after an unmount on a full disk")
    for words in (("keystore", "verify"), ("audit", "verify")):
        if (done := vault.command(*words, check=False)).returncode != 0:
            walk.complain("after an unmount on a full disk", f"{words}: {done.stderr[-300:]}")
    walk.clear("keystore")
