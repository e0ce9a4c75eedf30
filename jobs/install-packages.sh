#!/usr/bin/env bash
# Installs the Debian packages of jobs/packages.txt that are not there yet; does nothing when none is missing.
#   jobs/install-packages.sh [--tests]      --tests: also what only the tests need
set -euo pipefail

list=$(dirname "$(readlink -f "$0")")/packages.txt

say() { echo "install-packages: $*"; }
fail() { say "$*" >&2; exit 1; }

# Names from the list; those below the line "# tests" only when asked for.
wanted() {
  awk -v tests="$1" '/^# tests$/ { if (!tests) exit } /^[^#]/ { print $1 }' "$list"
}

missing() {
  local name
  for name in $(wanted "$1"); do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null) == ?i* ]] || echo "$name"
  done
}

as_root() {
  if [[ $(id -u) == 0 ]]; then env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null; then sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else fail "cannot run '$*' (neither root nor sudo) ask an administrator to install: ${packages[*]}"
  fi
}

known_to_apt() { apt-cache show "$@" >/dev/null 2>&1; }
update() { say "apt-get update"; as_root apt-get -qq update; }
# The tests' Slurm is started by the tests alone: no package may start a daemon of its own meanwhile.
install() {
  local policy=/usr/sbin/policy-rc.d made='' code=0
  if [[ $tests && ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod 755 "$policy" && made=1
  fi
  as_root apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" || code=$?
  [[ ! $made ]] || as_root rm -f "$policy"
  return "$code"
}

tests=
case "${1:-}" in
  '') ;;
  --tests) tests=1 ;;
  -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
  *) say "unknown option '$1' (known: --tests)" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this system has no dpkg and apt-get; by other means it needs what these Debian packages hold:" >&2
  wanted "$tests" >&2
  exit 1
fi

mapfile -t packages < <(missing "$tests")
if [[ ${#packages[@]} == 0 ]]; then
  say "nothing is missing"
  exit 0
fi

say "missing: ${packages[*]}"
update_failed() { fail "apt-get update failed (see above) check the network and /etc/apt/sources.list*"; }
install_failed() { fail "apt-get install failed (see above) not installed: ${packages[*]}"; }
if known_to_apt "${packages[@]}"; then
  # An old package index names files that the mirror no longer has: then once more with a new one.
  install "${packages[@]}" || { update || update_failed; install "${packages[@]}" || install_failed; }
else
  update || update_failed
  install "${packages[@]}" || install_failed
fi
say "installed ${#packages[@]} packages"
