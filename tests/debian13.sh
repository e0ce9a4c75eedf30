#!/usr/bin/env bash
# Builds the program and runs its unit tests on Debian 13, in a folder beside the running system (debootstrap, about
# 2 GB, kept in ${APQ_DEBIAN13_ROOT:-/var/tmp/apq-debian13} for the next time). The last line reads "N passed, N failed".
# Needs root and debootstrap. Mounts are made in a private namespace, so nothing stays mounted. The lint tests do not
# run there: they belong to the clang-format of Debian 12.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
system=${APQ_DEBIAN13_ROOT:-/var/tmp/apq-debian13}
mirror=${APQ_DEBIAN_MIRROR:-http://deb.debian.org/debian}
data=${APQ_SHARED_DATA:-$root/../shared/data}

fail() { echo "tests/debian13.sh: $*" >&2; echo "0 passed, 1 failed"; exit 1; }

make_system() {
  [[ ! -d $system ]] || return 0
  echo "making a Debian 13 system in $system"
  rm -rf "$system.part"
  debootstrap --variant=minbase --include=ca-certificates trixie "$system.part" "$mirror" || return 1
  mv "$system.part" "$system"
}

# inside COMMAND...: runs it in the system with the sources at /apq, read-only.
inside() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --pid --ipc --fork --kill-child bash -euo pipefail -c '
    system=$1 source=$2 data=$3; shift 3
    mount --bind "$system" "$system"
    mount -t proc proc "$system/proc"
    # Package scripts may set kernel parameters; those are of the running system.
    mount --bind "$system/proc/sys" "$system/proc/sys"
    mount -o remount,bind,ro "$system/proc/sys"
    mount -t sysfs -o ro sysfs "$system/sys"
    mount --rbind /dev "$system/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$system/dev/shm"
    mkdir -p "$system/apq" "$system/data"
    mount --bind "$source" "$system/apq"
    mount -o remount,bind,ro "$system/apq"
    if [[ -d $data ]]; then mount --bind "$data" "$system/data"; mount -o remount,bind,ro "$system/data"; fi
    cp /etc/resolv.conf "$system/etc/resolv.conf"
    exec chroot "$system" /usr/bin/env -i HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
      APQ_SHARED_DATA=/data "$@"
  ' inside "$system" "$root" "$data" "$@"
}

[[ $(id -u) == 0 ]] || fail "needs root (chroot and mounts) run it as root"
command -v debootstrap >/dev/null || fail "debootstrap is missing (apt-get install debootstrap)"
make_system || fail "debootstrap failed (see above and $system.part/debootstrap/debootstrap.log)"
inside /apq/tests/run.sh --unit --preset release --build /var/tmp/build
