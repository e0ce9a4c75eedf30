#!/usr/bin/env bash
# Installs what is missing, builds and runs the tests; the last line reads "N passed, N failed".
#   tests/run.sh [--unit] [--without-slurm] [--preset NAME] [--build FOLDER]
#     --unit            only the unit tests
#     --without-slurm   not the job scripts on a Slurm of the test's own (tests/slurm), which needs root, network
#                       namespaces and a machine without other load
#     --preset          CMake preset (default: ci, which makes warnings errors)
#     --build           build folder (default: build/PRESET)
#   tests/run.sh --debian13      the unit tests on Debian 13 instead, see tests/debian13.sh. Not part of a plain
#                                run because it downloads a second system and needs root.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
preset=ci
build=
select=()
without=()

usage() { sed -n '2,10s/^# //p' "$0"; }

while [[ $# -gt 0 ]]; do
  case "$1" in
    --unit) select+=(-L '^unit$') ;;
    --without-slurm) without=(-LE '^slurm$') ;;
    --preset) preset=${2:?--preset needs a name}; shift ;;
    --build) build=${2:?--build needs a folder}; shift ;;
    --debian13) exec "$root/tests/debian13.sh" ;;
    -h | --help) usage; exit 0 ;;
    *) echo "tests/run.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
  shift
done
build=${build:-$root/build/$preset}

# A test that could not be started counts as failed, and so does a run without any test.
summary() {
  local total passed
  total=$(grep -c '<testcase ' "$1" || true)
  passed=$(grep -c '<testcase .*status="run"' "$1" || true)
  [[ $total != 0 ]] || total=1
  echo "$passed passed, $((total - passed)) failed"
  [[ $passed == "$total" ]]
}

report=$build/tests.xml
rm -f "$report"
if ! { "$root/jobs/install-packages.sh" --tests && "$root/jobs/build.sh" "$preset" "$build"; }; then
  echo "tests/run.sh: the program does not build, no test was run" >&2
  echo "0 passed, 1 failed"
  exit 1
fi
ctest --test-dir "$build" --output-on-failure --output-junit "$report" "${select[@]}" "${without[@]}" || true
[[ -f $report ]] || : >"$report"
summary "$report"
