#!/usr/bin/env bash
# From a fresh checkout to a result: installs what is missing, builds, runs configs/quickstart.yaml on two ranks.
#   jobs/quickstart.sh [--fresh] [APQ RUN OPTION]...      e.g. --set seed=2
#     --fresh    moves an earlier results/quickstart aside (to results/quickstart.TIME) and starts anew
# Without --fresh an unfinished run is continued, and a finished one is only shown again.
set -euo pipefail

root=$(dirname "$(dirname "$(readlink -f "$0")")")
run=results/quickstart
apq=build/release/apq
# shellcheck source=jobs/lib.sh
source "$root/jobs/lib.sh"

say() { echo "quickstart: $*"; }

headline() {
  "$apq" report --from "$run" --headline
  say "everything is in $root/$run (report.html, pareto.csv, best.yaml, summary.json)"
}

run_apq() {
  local placement=(--bind-to core)
  [[ $(cores) -ge 2 ]] || placement=(--oversubscribe --bind-to none)
  if [[ $(id -u) == 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  mpirun -n 2 "${placement[@]}" "$apq" run configs/quickstart.yaml --out "$run" "$@"
}

fresh=
options=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --fresh) fresh=1 ;;
    --out | --out=*) say "--out cannot be given here (this script always writes $run) use apq run" >&2; exit 2 ;;
    -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
    *) options+=("$1") ;;
  esac
  shift
done

cd "$root"
jobs/build.sh release

if [[ $fresh && -e $run ]]; then
  aside=$run.$(date +%Y%m%d-%H%M%S)
  mv -T "$run" "$aside"
  say "the earlier run is now in $aside"
fi

if [[ $(run_state "$run") == "done" ]]; then
  [[ ${#options[@]} == 0 ]] || say "not used, because $run is finished: ${options[*]}" >&2
  say "$run is finished; --fresh runs it again"
  headline
  exit 0
fi
if [[ -d $run && -n $(ls -A "$run") ]]; then
  say "continuing the unfinished run in $run"
  options+=(--resume)
fi

code=0
run_apq "${options[@]}" || code=$?
if [[ $code == 75 ]]; then
  say "stopped early, its state is saved; run this script again to continue"
elif [[ $code != 0 ]]; then
  say "apq ended with exit code $code, see the lines above and $run/log.txt" >&2
fi
[[ $code == 0 ]] || exit "$code"
headline
