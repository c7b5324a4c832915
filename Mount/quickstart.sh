#!/usr/bin/env bash
# Builds EnvelopeFS, mounts a vault in a temporary place, lets real tools work in it, and shows what the disk holds.
# Needs Debian 12 and Swift 6.3; installs the Debian packages that are missing. Leaves nothing behind but the build and those packages (and, as root, /dev/fuse with mode 0666).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. Mount/packages.sh

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

step "Packages"
install_packages "${ENVELOPEFS_PACKAGES[@]}"
require_swift
make_fuse_usable

step "Build (release)"
if [ -n "${ENVELOPEFS_BINARY:-}" ]; then
    envelopefs=$(realpath -- "$ENVELOPEFS_BINARY")
    echo "using $envelopefs"
else
    swift build -c release --product envelopefs
    envelopefs=$(swift build -c release --show-bin-path)/envelopefs
fi

# From the root and without links, as the list of mounts has it.
place=$(mktemp -d -- "${TMPDIR:-/tmp}/envelopefs-quickstart.XXXXXX")
place=$(realpath -- "$place")
vault=$place/vault mount=$place/mount
export ENVELOPEFS_KEYSTORE=$place/keystore.db ENVELOPEFS_PASSPHRASE_FILE=$place/passphrase XDG_STATE_HOME=$place/state

is_mounted() { findmnt --noheadings --mountpoint "$mount" >/dev/null; }
clean_up() {
    local status=$?
    trap - EXIT
    trap '' HUP INT TERM
    cd /
    if is_mounted; then "$envelopefs" unmount "$mount" --force || status=1; fi
    # Only an empty mount point is removed; what is still mounted is never walked into.
    if is_mounted; then echo "still mounted: $mount" >&2; else rm -rf --one-file-system -- "$place"; fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

umask 077
mkdir "$mount"
head -c 24 /dev/urandom | base64 > "$place/passphrase"
# A word that must be nowhere on the disk afterwards: in a name, a content, and a link target.
marker="marker$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"

step "A keystore, a key, a vault"
"$envelopefs" init "$vault" 2>"$place/init.txt" >"$place/vault-id.txt" || { cat "$place/init.txt" >&2; exit 1; }
echo "vault $(cat "$place/vault-id.txt")  (the recovery code was printed once, and is not shown here)"
"$envelopefs" key list

step "Mount"
"$envelopefs" mount "$vault" "$mount"
"$envelopefs" status "$mount"

step "Real tools inside"
cd "$mount"
mkdir "notes-$marker"
printf 'The %s stands here in the clear, inside the mount.\n' "$marker" > "notes-$marker/$marker.txt"
ln -s "$marker.txt" "notes-$marker/link"
git init -q project
git -C project config user.name quickstart
git -C project config user.email quickstart@localhost
for n in 1 2 3; do
    seq "$n" 20000 > project/numbers.txt
    git -C project add numbers.txt
    git -C project commit -q -m "numbers from $n"
done
git -C project gc -q
git -C project fsck --strict
[ -z "$(git -C project status --porcelain)" ] || fail "git status is not clean"
echo "git: $(git -C project rev-list --count HEAD) commits, fsck and gc passed"
sqlite3 accounts.db >/dev/null <<'SQL'
PRAGMA journal_mode=WAL; PRAGMA mmap_size=268435456;
CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<10000) INSERT INTO account SELECT i, i*7 FROM n;
UPDATE account SET balance = balance + 1 WHERE id % 3 = 0;
SQL
echo "sqlite3 (WAL, mmap): $(sqlite3 accounts.db 'SELECT count(*) FROM account') rows, integrity $(sqlite3 accounts.db 'PRAGMA integrity_check')"
rsync -aHAX --checksum /usr/include/linux/ include/
again=$(rsync -aHAX --checksum --itemize-changes /usr/include/linux/ include/)
[ -z "$again" ] || fail "a second rsync found differences: $again"
tar -C include -cf headers.tar .
tar -df headers.tar -C include
echo "rsync, tar: $(find include -type f | wc -l) files in and out, nothing left to do"
find . -type f -print0 | sort -z | xargs -0 sha256sum > "$place/before.sha256"
[ "$(grep -rlF "$marker" notes-* | wc -l)" = 1 ] || fail "the marker is not where it was planted"
cd "$place"

step "Unmount (waits until everything is sealed)"
"$envelopefs" unmount "$mount"

step "What the disk holds"
ls -l "$vault" | sed -n '1,8p'
file=$(find "$vault" -path '*/.envelopefs' -prune -o -type f -size +4k -print -quit)
echo "the first bytes of $(basename "$file"), a magic number, the wrapped key, then nothing readable:"
hexdump -C -n 192 "$file"
"$envelopefs" info "$file"
found=$(grep -rlaF "$marker" "$vault" "$place/keystore.db" || true; find "$vault" -name "*$marker*" -o -lname "*$marker*")
[ -z "$found" ] || fail "the marker $marker is on the disk in the clear: $found"
echo "the marker '$marker' is nowhere in the vault or the keystore: no name, no content, no link target"

step "Mount again, compare"
"$envelopefs" mount "$vault" "$mount"
cd "$mount"
sha256sum --quiet -c "$place/before.sha256"
[ "$(readlink "notes-$marker/link")" = "$marker.txt" ] || fail "the link changed"
git -C project fsck --strict
[ "$(sqlite3 accounts.db 'PRAGMA integrity_check')" = ok ] || fail "the database is damaged"
echo "$(wc -l < "$place/before.sha256") files read back as they were"
cd "$place"
"$envelopefs" unmount "$mount"

step "One mount for one job"
"$envelopefs" run "$vault" -- sh -c 'echo "the job sees: $(ls | tr "\n" " ")"'

printf '\nquickstart: everything agreed\n'
