#!/usr/bin/env bash
# For tests/e2e: run the program under mpirun, count what holds.
set -euo pipefail

: "${APQ:?set it to the program}" "${APQ_SOURCE_DIR:?set it to the source folder}"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
if [[ $(id -u) == 0 ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
export tiny=$APQ_SOURCE_DIR/tests/support/tiny.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

ranks() {
  local n=$1
  shift
  mpirun --oversubscribe --bind-to none -n "$n" "$APQ" "$@"
}

# quietly COMMAND...: what a test stands on; without it there is nothing to check.
quietly() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }; }

# same_search RUN OTHER: two searches have the same results, byte for byte.
same_search() {
  local file
  for file in history.csv pareto.csv pairs_int8.csv predictor.json journal/search.txt; do
    cmp "$1/$file" "$2/$file" || return 1
  done
}

# check TEXT COMMAND...: the command must succeed.
check() {
  local text=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then
    echo "holds: $text"
  else
    echo "FAILS: $text"
    sed 's/^/    /' "$work/check.log" | tail -n 20
    failed=1
  fi
}

# refused TEXT CODE PATTERN COMMAND...: ends with this exit code and one line on standard error that matches.
refused() {
  local text=$1 code=$2 pattern=$3 got=0
  shift 3
  "$@" >"$work/out.log" 2>"$work/err.log" || got=$?
  if [[ $got == "$code" ]] && grep -qE "$pattern" "$work/err.log"; then
    echo "holds: $text (exit $got)"
  else
    echo "FAILS: $text (exit $got, expected $code with /$pattern/)"
    sed 's/^/    /' "$work/err.log" | tail -n 20
    failed=1
  fi
}

finish() { exit "$failed"; }
