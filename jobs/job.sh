#!/usr/bin/env bash
# What makes a script of this folder a Slurm job: on the login node it submits itself; in the job it launches the program
# on all ranks, saves before the time limit, goes back to the queue, and continues there. A job script has its resources
# and one line, "job COMMAND", where COMMAND is one of the program's.
set -euo pipefail

# The folder of the scripts. What they run in, and what relative paths start from, is the checkout or, for scripts made by
# "apq jobs init", that folder itself: its run.env says so, and names the site and the program.
: "${APQ_JOBS:?the folder of job.sh}"
APQ_ROOT=$(dirname "$APQ_JOBS")
if [[ -f $APQ_JOBS/run.env ]]; then
  # shellcheck source=/dev/null
  source "$APQ_JOBS/run.env"
  APQ_ROOT=$APQ_JOBS
fi
export APQ_JOBS APQ_ROOT
# shellcheck source=jobs/lib.sh
source "$APQ_JOBS/lib.sh"

say() { echo "$(date +%FT%T) ${SLURM_JOB_NAME:-$(basename "$0")}: $*"; }
usage_error() { say "$*" >&2; exit 2; }

read_site() {
  export APQ_SITE=${APQ_SITE:-default}
  local file=$APQ_JOBS/sites/$APQ_SITE.env
  [[ -f $file ]] || usage_error "no site file $file (APQ_SITE=$APQ_SITE) copy default.env"
  # shellcheck source=jobs/sites/default.env
  source "$file"
}

# --- on the login node

# The lines at the top of a script are its help.
help() { awk 'NR > 1 && !/^# / { exit } NR > 1 { print substr($0, 3) }' "$0"; exit 0; }

# Splits "[SBATCH OPTION]... CONFIG [APQ OPTION]..." into sbatch_options, config and apq_options.
read_command_line() {
  sbatch_options=()
  while [[ ${1:-} == -* ]]; do
    [[ $1 != -h && $1 != --help ]] || help
    sbatch_options+=("$1")
    shift
  done
  [[ -f ${1:-} ]] || usage_error "no configuration file '${1:-}' (SBATCH OPTIONs are written --name=value, see --help)"
  config=$(readlink -f "$1")
  apq_options=("${@:2}")
}

submit() {
  local sbatch_options config apq_options
  read_command_line "$@"
  cd "$APQ_ROOT"
  exec sbatch "${sbatch_options[@]}" "$(readlink -f "$0")" "$config" "${apq_options[@]}"
}

# --- in the job

# "CONFIG [APQ OPTION]...": sets config, run (--out, or what the program takes by default), from and options (all others).
read_job_arguments() {
  config=$1 from='' options=()
  run=results/$(basename "${1%.*}")
  shift
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --out) run=${2:?--out needs a folder}; shift ;;
      --out=*) run=${1#--out=} ;;
      --from) from=${2:?--from needs a run folder}; shift ;;
      --from=*) from=${1#--from=} ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  [[ ! $from ]] || options+=(--from "$from")
}

# Sets threads, and launch: the command that starts the program on all ranks. Reads APQ_LAUNCHER and APQ_BINDING.
set_launch() {
  threads=${SLURM_CPUS_PER_TASK:-1}
  export OMP_NUM_THREADS=$threads OMP_PLACES=cores
  case "$APQ_BINDING" in
    core) export OMP_PROC_BIND=close ;;
    none) export OMP_PROC_BIND=false ;;
    *) usage_error "APQ_BINDING is '$APQ_BINDING' (known: core, none)" ;;
  esac
  local map=slot
  [[ ! ${SLURM_NTASKS_PER_NODE:-} ]] || map=ppr:$SLURM_NTASKS_PER_NODE:node
  case "$APQ_LAUNCHER-$APQ_BINDING" in
    # -K1: without it, a rank that is killed leaves the others waiting until the time limit.
    # -c: since Slurm 22.05 a step does not take over --cpus-per-task by itself.
    srun-core) launch=(srun -K1 --mpi=pmix -c "$threads" --cpu-bind=cores) ;;
    srun-none) launch=(srun -K1 --mpi=pmix -c "$threads" --cpu-bind=none) ;;
    # PE: without it, mpirun puts a rank and all its threads on one core.
    mpirun-core) launch=(mpirun --map-by "$map:PE=$threads" --bind-to core) ;;
    mpirun-none) launch=(mpirun --map-by "$map" --bind-to none) ;;
    *) usage_error "APQ_LAUNCHER is '$APQ_LAUNCHER' (known: srun, mpirun)" ;;
  esac
  # mpirun starts its daemons with srun: this variable would give each of them, and so all ranks of a node, that many cores.
  unset SRUN_CPUS_PER_TASK
  [[ $(id -u) != 0 ]] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# The program stops by itself before this time, even if no signal reaches it. Slurm sets the variable itself since version
# 23; up to 22.05 it is asked for.
set_end_time() {
  local end
  end=$(date -d "$(squeue -h -j "$SLURM_JOB_ID" -o %e)" +%s 2>/dev/null) || return 0  # no limit
  export SLURM_JOB_END_TIME=$end
}

# Slurm tells this script only (--signal=B:); srun and mpirun hand USR2 on to every rank, and the program saves and ends
# with 75.
# shellcheck disable=SC2317  # called by the traps
pass_on() {
  signalled=1
  say "$1 (time limit, preemption or end): asking the program to save and stop"
  kill -USR2 "$pid" 2>/dev/null || true
}

# A trapped signal ends wait early; then wait again.
wait_for_program() {
  while :; do
    signalled=
    code=0
    wait "$pid" || code=$?
    [[ $signalled && $code -gt 128 ]] || break
  done
}

# Back to the queue, unless somebody cancelled the job or it has been there too often.
requeue() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  if [[ $restarts -ge $APQ_MAX_RESTARTS ]]; then
    say "not requeued (restarted $restarts times, APQ_MAX_RESTARTS is $APQ_MAX_RESTARTS) submit again to continue"
  elif [[ $(squeue -h -j "$SLURM_JOB_ID" -o %T) != RUNNING ]]; then
    say "not requeued by this script (the job was cancelled, or preempted: then Slurm starts it again)"
  elif scontrol requeue "$SLURM_JOB_ID"; then
    say "requeued"
    sleep 120  # until Slurm ends this script; if it ended first, the job would count as over
  fi
}

# Changes whenever the program writes status.json. Whether it is newer than something else tells nothing: clocks differ
# between nodes and file servers, and jump.
status_mark() { stat -c '%i %y' "$run/status.json" 2>/dev/null || true; }

# Why the run should go on in another start of this job; nothing when it is over. What counts is the result: a
# launcher that lost a rank or a node may end with any code, even 0. Final are the program's own errors (2 to 8, or a
# state it wrote itself) and a program that cannot be executed (13 from srun, 126, 127).
why_again() {
  local state=
  [[ $code != 0 && $(status_mark) == "$before" ]] || state=$(run_state "$run")
  case "$code-$state" in
    75-*) echo "stopped early, state saved" ;;
    *-"done" | *-failed | [2-8]-* | 13-* | 126-* | 127-*) ;;
    *-) echo "the program was not started" ;;
    205-* | 137-* | 143-*) echo "a rank, a node or its network link was lost" ;;
    *) echo "ended without a result" ;;
  esac
}

# launch_run COMMAND ARGUMENT...: runs the program in the run folder $run, on all ranks, until it ends or has to save. Sets
# code, and why: the reason to go on in another start; nothing when the run is over.
launch_run() {
  local before pid signalled
  before=$(status_mark)
  trap 'pass_on USR1' USR1
  trap 'pass_on TERM' TERM
  "${launch[@]}" "$APQ_PROGRAM" "$@" &
  pid=$!
  wait_for_program
  trap - USR1 TERM
  why=$(why_again)
  say "exit code $code${why:+ ($why)}"
}

# run_job COMMAND CONFIG [APQ OPTION]...
run_job() {
  local command=$1 config run from options launch resume=() code why
  shift
  read_job_arguments "$@"
  [[ ! -f $run/status.json ]] || resume=(--resume)
  set_end_time
  set_launch
  say "job $SLURM_JOB_ID, restart ${SLURM_RESTART_COUNT:-0}, on $SLURM_JOB_NODELIST:" \
    "$SLURM_NTASKS ranks of $threads threads, run folder $run ${resume[*]}"
  launch_run "$command" "$config" --out "$run" --set "threads=$threads" "${options[@]}" "${resume[@]}"
  if [[ $why ]]; then
    requeue
    [[ $code != 0 ]] || code=1
  fi
  if [[ $code == 0 && $command == finetune ]]; then "$APQ_PROGRAM" report --from "$run"; fi
  [[ $code == 0 ]] || say "$command did not finish (exit code $code): what was to start after it will not"
  exit "$code"
}

# job COMMAND ARGUMENT...: the one line of a job script. Slurm runs its own copy of that script, named slurm_script.
job() {
  read_site
  if [[ $(basename "$0") != slurm_script ]]; then submit "${@:2}"; fi
  cd "$APQ_ROOT"
  run_job "$@"
}
