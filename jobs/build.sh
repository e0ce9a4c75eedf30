#!/usr/bin/env bash
# Installs missing packages, then configures and builds the program.
#   jobs/build.sh [PRESET [FOLDER]]      PRESET: release (default), debug, ci, asan, tsan; FOLDER: build/PRESET
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")

# As many compilers as cores, but no more than one for every 1.5 GB of free memory.
jobs() {
  local by_memory may
  by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  may=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)  # which nproc heeds
  local count=$((may < by_memory ? may : by_memory))
  echo $((count > 0 ? count : 1))
}

case "${1:-}" in
  -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
esac
preset=${1:-release}
build=${2:-$root/build/$preset}

"$root/jobs/install-packages.sh"
cd "$root"
cmake --preset "$preset" -B "$build"
cmake --build "$build" -j "$(jobs)"
