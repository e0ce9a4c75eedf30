#!/usr/bin/env bash
# jobs/search.sbatch without Slurm: sbatch, srun, squeue and scontrol are small scripts that note how they were called, and
# the program is one that ends as told. Checked: what is submitted, when a run is resumed, when a job is requeued.
# shellcheck disable=SC2016  # the small scripts expand their own variables
set -euo pipefail

source_dir=${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}
lab=$(mktemp -d)
trap 'rm -rf "$lab"' EXIT
mkdir -p "$lab/bin" "$lab/checkout/configs"
cp -r "$source_dir/jobs" "$lab/checkout/jobs"
cp "$lab/checkout/jobs/search.sbatch" "$lab/slurm_script"  # the name Slurm gives its copy
touch "$lab/checkout/configs/small.yaml"

command_file() { cat >"$lab/bin/$1"; chmod +x "$lab/bin/$1"; }

command_file sbatch <<<'#!/bin/bash
echo "$PWD partition=${SBATCH_PARTITION:-} $*" >"$LAB/submitted"'
command_file srun <<<'#!/bin/bash
echo "threads=$OMP_NUM_THREADS end=${SLURM_JOB_END_TIME:-} $*" >"$LAB/launched"
while [[ $1 == -* ]]; do [[ $1 != -c ]] || shift; shift; done
exec "$@"'
command_file squeue <<<'#!/bin/bash
if [[ $* == *%e ]]; then echo "${JOB_END:-N/A}"; else echo "${JOB_STATE:-RUNNING}"; fi'
command_file scontrol <<<'#!/bin/bash
if [[ $1 == show ]]; then echo "   Command=$LAB/checkout/jobs/search.sbatch configs/small.yaml"; exit; fi
echo "$*" >"$LAB/requeued"
kill -KILL "$PPID"  # as Slurm ends the script'
command_file mpirun <<<'#!/bin/bash
echo "srun=${SRUN_CPUS_PER_TASK:-} $*" >"$LAB/launched"
while [[ $1 != apq ]]; do shift; done
exec "$@"'
# apq run CONFIG --out FOLDER ...: ends with $CODE, having written $STATE by its own $CLOCK; waits for USR2 first when $WAIT is set.
command_file apq <<<'#!/bin/bash
[[ ! ${STATE:-} ]] || { mkdir -p "$4"; echo "{\"state\": \"$STATE\", \"code\": 0}" >"$4/status.json"; }
[[ ! ${CLOCK:-} ]] || touch -d "$CLOCK" "$4/status.json"
if [[ ${WAIT:-} ]]; then
  trap "exit $CODE" USR2
  touch "$LAB/waiting"
  for _ in {1..300}; do sleep 0.1; done
fi
exit "$CODE"'
export LAB=$lab PATH=$lab/bin:$PATH APQ_PROGRAM=apq
unset APQ_SITE APQ_LAUNCHER APQ_BINDING APQ_PARTITION APQ_ACCOUNT APQ_ROOT APQ_JOBS SLURM_RESTART_COUNT

# job VARIABLE=VALUE... -- ARGUMENT...: runs the script as Slurm would.
job() {
  local variables=()
  while [[ $1 != -- ]]; do variables+=("$1"); shift; done
  shift
  rm -f "$lab/launched" "$lab/requeued" "$lab/waiting"
  code=0
  {
    env SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1 SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=3 SLURM_SUBMIT_DIR="$lab/checkout" \
      "${variables[@]}" bash "$lab/slurm_script" "$@" >"$lab/out" 2>&1 || code=$?
  } 2>/dev/null  # bash's own notice that the script was killed
}

failures=0
expect() {
  local text=$1
  shift
  if "$@"; then echo "ok    $text"; return; fi
  echo "WRONG $text (exit code $code)"
  cat "$lab/out"
  failures=$((failures + 1))
}
holds() { grep -qE -- "$2" "$lab/$1" 2>/dev/null; }
requeued() { [[ -f $lab/requeued ]]; }
not_requeued() { ! requeued && [[ $code == "$1" ]]; }
fresh() { rm -rf "$lab/checkout/results"; }

code=0
(cd / && APQ_PARTITION=long bash "$lab/checkout/jobs/search.sbatch" --nodes=2 "$lab/checkout/configs/small.yaml" --set seed=2) \
  >"$lab/out" 2>&1 || code=$?
expect "it submits itself from the checkout with the site's partition" holds submitted \
  '/checkout partition=long --nodes=2 /.*/checkout/jobs/search.sbatch /.*/small.yaml --set seed=2$'
code=0
bash "$lab/checkout/jobs/search.sbatch" configs/nowhere.yaml >"$lab/out" 2>&1 || code=$?
expect "a missing configuration is not submitted" test "$code" = 2
code=0
APQ_SITE=nowhere bash "$lab/checkout/jobs/search.sbatch" "$lab/checkout/configs/small.yaml" >"$lab/out" 2>&1 || code=$?
expect "a missing site file is an error" test "$code" = 2

fresh
job CODE=0 STATE=done -- configs/small.yaml
expect "a finished run ends the job" not_requeued 0
expect "srun gets -K1, PMIx and the threads" holds launched '^threads=3 end= -K1 --mpi=pmix -c 3 .* apq run configs/small.yaml --out results/small --set threads=3$'
job CODE=0 -- configs/small.yaml
expect "a run finished earlier, which the program leaves alone, ends the job too" not_requeued 0
job CODE=0 STATE=done JOB_END=2030-01-01T00:00:00 -- configs/small.yaml
expect "the program is told the end of the job" holds launched "end=$(date -d 2030-01-01T00:00:00 +%s) "
job CODE=0 STATE=done -- configs/small.yaml --from results/base
expect "with --from only the search is run" holds launched 'apq search configs/small.yaml --out results/small --set threads=3 --from results/base --resume$'
job CODE=0 STATE=done APQ_LAUNCHER=mpirun APQ_BINDING=core SLURM_NTASKS_PER_NODE=2 SRUN_CPUS_PER_TASK=3 -- configs/small.yaml
expect "mpirun puts each rank on its cores, and its daemons are not confined" holds launched \
  'srun= --map-by ppr:2:node:PE=3 --bind-to core apq run'

fresh
job CODE=75 STATE=stopped -- configs/small.yaml --out=results/other --set seed=2
expect "a run that stopped early goes back to the queue" requeued
job CODE=0 STATE=done SLURM_RESTART_COUNT=1 -- configs/small.yaml --out=results/other --set seed=2
expect "and is resumed in its folder" holds launched 'apq run configs/small.yaml --out results/other --set threads=3 --set seed=2 --resume$'

fresh
job CODE=75 STATE=stopped SLURM_RESTART_COUNT=20 -- configs/small.yaml
expect "but not more often than allowed" not_requeued 75
job CODE=75 STATE=stopped JOB_STATE=CANCELLED -- configs/small.yaml
expect "nor when the job was cancelled" not_requeued 75

for lost in 14 137 143 205; do
  fresh
  job CODE=$lost STATE=running -- configs/small.yaml
  expect "a launcher that ends with $lost is requeued" requeued
done
fresh
job CODE=0 STATE=running -- configs/small.yaml
expect "a launcher that ends with 0 but no result is requeued" requeued
fresh
job CODE=1 -- configs/small.yaml
expect "a program that never started is requeued" requeued
for error in 1 2 3 4 5 6 7 8; do
  fresh
  job CODE=$error STATE=failed -- configs/small.yaml
  expect "the program's own error $error is final" not_requeued $error
done

fresh
job CODE=1 STATE=failed CLOCK='-1 hour' -- configs/small.yaml
expect "an error is final, too, where the file server's clock is behind" not_requeued 1
job CODE=75 STATE=stopped CLOCK='+1 hour' -- configs/small.yaml
job CODE=1 -- configs/small.yaml
expect "a state of an earlier start from the future is not taken for a new one" requeued

for broken in 13 126 127; do
  fresh
  job CODE=$broken -- configs/small.yaml
  expect "a program that cannot be executed ($broken) is final" not_requeued $broken
done

# The signal near the wall limit reaches this script only, and the program as USR2.
fresh
rm -f "$lab/waiting" "$lab/requeued"
env SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1 SLURM_NTASKS=2 SLURM_SUBMIT_DIR="$lab/checkout" CODE=75 STATE=stopped WAIT=1 \
  bash "$lab/slurm_script" configs/small.yaml >"$lab/out" 2>&1 &
script=$!
for _ in {1..100}; do [[ ! -f $lab/waiting ]] || break; sleep 0.1; done
kill -USR1 "$script"
code=0
wait "$script" 2>/dev/null || code=$?
expect "USR1 is passed on as USR2, and the job requeued" requeued

# Scripts decide by the number of cores how ranks are placed; OMP_NUM_THREADS, which nproc heeds, is no such number.
same_cores() { [[ $(env -u OMP_NUM_THREADS bash -c ". $source_dir/jobs/lib.sh; cores") == "$(OMP_NUM_THREADS=1 bash -c ". $source_dir/jobs/lib.sh; cores")" ]]; }
expect "OMP_NUM_THREADS does not change the number of cores" same_cores

echo "job_script: $failures wrong"
[[ $failures == 0 ]]
