#!/usr/bin/env bash
# Every test: installs packages, builds the release binary that the mounted tests run, then `swift test`.
# Swift Testing's own summary is the last thing printed, and the exit status is its status.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. Mount/packages.sh

# Beside what the program needs: the tools that mounted tests let loose on a mount, and what the Python decryptor needs.
install_packages "${ENVELOPEFS_PACKAGES[@]}" acl attr python3 python3-cryptography fio strace stress-ng postgresql util-linux e2fsprogs
require_swift
make_fuse_usable

swift build -c release --product envelopefs
ENVELOPEFS_BINARY=$(swift build -c release --show-bin-path)/envelopefs
export ENVELOPEFS_BINARY
exec swift test --disable-xctest "$@"
