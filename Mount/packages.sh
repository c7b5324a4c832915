# Installs the Debian packages that are missing; sourced by quickstart.sh and Tests/run.sh.
# shellcheck shell=bash

# What the program is built with and needs at run time, and the tools that the quickstart lets loose on a mount.
ENVELOPEFS_PACKAGES=(libfuse3-dev fuse3 libssl-dev libsqlite3-dev pkg-config git sqlite3 rsync bsdextrautils)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages PACKAGE…: asks dpkg what is missing, and only then for root.
install_packages() {
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing: ${missing[*]}" >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}" >&2
}

# require_swift: says what is missing instead of failing in the middle of a build.
require_swift() {
    command -v swift >/dev/null || { echo "no swift in PATH: install Swift 6.3 from https://www.swift.org/install/linux/" >&2; exit 1; }
}

# make_fuse_usable: where no udev sets the modes (containers, minimal machines), root does.
make_fuse_usable() {
    [ "$(id -u)" = 0 ] || return 0
    [ -e /dev/fuse ] || mknod /dev/fuse c 10 229 || { echo "no /dev/fuse, and it cannot be made: is the kernel's fuse module loaded?" >&2; exit 1; }
    chmod 0666 /dev/fuse
}
