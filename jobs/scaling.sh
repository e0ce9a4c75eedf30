#!/usr/bin/env bash
# A scaling study: one run on growing numbers of ranks, threads and nodes, each several times, and the table and plots of
# "apq study scaling".
#   jobs/scaling.sh [OPTION]... [SBATCH OPTION]... CONFIG --out DIR [APQ OPTION]...
#     --weak            the work grows with the ranks (default: strong, it stays the same)
#     --points=LIST     RANKSxTHREADS per node (default: 1x1,2x1)
#     --nodes=LIST      numbers of nodes, one job each (default: 1); SBATCH OPTIONs are for all of them
#     --repeats=N       of every point (default: 3), taking turns so that a slow hour does not hit one point alone
#     --local           on this machine with mpirun, without Slurm (default where there is no sbatch)
#   e.g. jobs/scaling.sh --nodes=1,2,4,8 --points=8x1 --exclusive configs/quickstart.yaml --out results/scaling
#        jobs/scaling.sh --local --points=1x1,2x1,1x2,2x2,4x1 configs/quickstart.yaml --out results/scaling
# Each point is a run of its own in DIR/strong or DIR/weak. Started again, or requeued, it takes the points that are
# missing; one that was interrupted is measured afresh, since a time in two parts is none.
#SBATCH --job-name=apq-scaling --output=apq-scaling.%j.out --open-mode=append
#SBATCH --time=4:00:00 --signal=B:USR1@120 --requeue
[[ $0 == */slurm_script ]] || APQ_JOBS=$(dirname "$(readlink -f "$0")")
: "${APQ_JOBS:=$(dirname "$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=\([^ ]*\).*/\1/p')")}"
# shellcheck source=jobs/job.sh
source "$APQ_JOBS/job.sh"

# Sets the study's settings, and sbatch_options, config, run (of the whole study) and options (for the program).
read_study() {
  study=strong points=1x1,2x1 nodes=1 repeats=3 local=
  [[ $0 == */slurm_script ]] || command -v sbatch >/dev/null || local=1
  local others=()
  while [[ ${1:-} == -* ]]; do
    case "$1" in
      --weak) study=weak ;;
      --strong) study=strong ;;
      --points=*) points=${1#*=} ;;
      --nodes=*) nodes=${1#*=} ;;
      --repeats=*) repeats=${1#*=} ;;
      --local) local=1 ;;
      *) others+=("$1") ;;
    esac
    shift
  done
  [[ $points =~ ^[0-9]+x[0-9]+(,[0-9]+x[0-9]+)*$ ]] || usage_error "--points=$points (expected RANKSxTHREADS,...)"
  [[ $nodes =~ ^[0-9]+(,[0-9]+)*$ ]] || usage_error "--nodes=$nodes (expected N,N,...)"
  [[ $repeats =~ ^[1-9][0-9]*$ ]] || usage_error "--repeats=$repeats (expected a number)"
  read_command_line "${others[@]}" "$@"
  read_job_arguments "$config" "${apq_options[@]}"
}

# setting KEY: its value in the configuration, e.g. search.islands.islands.
setting() {
  "$APQ_PROGRAM" dump-config "$config" "${options[@]}" | awk -v key="$1" '
    { match($0, /^ */); depth = RLENGTH / 2; name[depth] = $1; sub(/:.*/, "", name[depth])
      path = name[0]; for (i = 1; i <= depth; i++) path = path "." name[i]
      if (path == key) { print $2; exit } }'
}

# What makes the work of each of $1 ranks that of one rank: images to train on, networks to measure, islands.
weak_settings() {
  local key
  for key in supernet.epochs supernet.warmup_epochs pairs.fp32 pairs.int8 search.islands.islands finetune.epochs; do
    work+=(--set "$key=$(awk -v n="$1" -v v="$(setting "$key")" 'BEGIN { print n * v }')")
  done
}

set_local_launch() {
  export OMP_NUM_THREADS=$threads
  if [[ $((ranks * threads)) -le $(cores) ]]; then launch=(mpirun -n "$ranks" --map-by "slot:PE=$threads" --bind-to core)
  else  # threads that spin while they wait take the cores from those they wait for
    launch=(mpirun -n "$ranks" --oversubscribe --bind-to none -x OMP_WAIT_POLICY=passive)
  fi
  [[ $(id -u) != 0 ]] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
}

# measure_point RANKSxTHREADS NODES REPEAT: ranks and threads of each node.
measure_point() {
  local ranks=${1%x*} threads=${1#*x} run launch code why work=()
  run=$study_folder/n$2-r$1.$3
  [[ ! -f $run/point.json ]] || return 0
  [[ ! -f $run/status.json ]] || rm -rf "$run"
  [[ $study == strong ]] || weak_settings $((ranks * $2))
  if [[ $local ]]; then set_local_launch
  else SLURM_CPUS_PER_TASK=$threads SLURM_NTASKS_PER_NODE=$ranks set_launch
    [[ $APQ_LAUNCHER != srun ]] || launch+=(--ntasks-per-node="$ranks" -n $((ranks * $2)))
  fi
  say "$study: $2 nodes, $ranks ranks of $threads threads on each, repeat $3"
  launch_run run "$config" --out "$run" --set "threads=$threads" "${work[@]}" "${options[@]}" >>"$study_folder/log" 2>&1
  if [[ $why ]]; then
    [[ $local ]] || requeue
    say "stopped at $run ($why); start it again to go on"
    exit $((code ? code : 1))
  fi
  [[ $code == 0 ]] || { tail -n 5 "$study_folder/log" >&2; exit "$code"; }
  printf '{"study": "%s", "nodes": %d, "cores": %d, "repeat": %d}\n' \
    "$study" "$2" $(($2 * ${SLURM_CPUS_ON_NODE:-$(cores)})) "$3" >"$run/point.json"
}

# measure_points NODES: all points on that many nodes, and the network between their first two ranks.
measure_points() {
  local list point repeat study_folder=$run/$study
  IFS=, read -ra list <<<"$points"
  mkdir -p "$study_folder"
  for ((repeat = 1; repeat <= repeats; repeat++)); do
    for point in "${list[@]}"; do measure_point "$point" "$1" "$repeat"; done
  done
}

# The network between two ranks: on two nodes where there are two, else within one.
measure_network() {
  local launch ranks=2 threads=1 per_node=$((2 / ($1 < 2 ? 1 : 2)))
  if [[ $local ]]; then set_local_launch
  else SLURM_CPUS_PER_TASK=1 SLURM_NTASKS_PER_NODE=$per_node set_launch
    [[ $APQ_LAUNCHER != srun ]] || launch+=(-N $((2 / per_node)) -n 2)
    [[ $APQ_LAUNCHER != mpirun ]] || launch+=(-n 2)
  fi
  "${launch[@]}" "$APQ_PROGRAM" study network --out "$run/network-n$1.json"
}

submit_points() {
  local list count most=0 threads=1 point
  IFS=, read -ra list <<<"$points"
  for point in "${list[@]}"; do
    [[ ${point%x*} -le $most ]] || most=${point%x*}
    [[ ${point#*x} -le $threads ]] || threads=${point#*x}
  done
  for count in ${nodes//,/ }; do
    sbatch --nodes="$count" --ntasks-per-node="$most" --cpus-per-task="$threads" "${sbatch_options[@]}" "$(readlink -f "$0")" \
      --"$study" --points="$points" --nodes="$count" --repeats="$repeats" "$config" --out "$run" "${options[@]}"
  done
  say "when all are done: $APQ_PROGRAM study scaling --from $run --out $run/report"
}

read_site
read_study "$@"
cd "$APQ_ROOT"
if [[ ! $local && $0 != */slurm_script ]]; then
  submit_points
  exit 0
fi
mkdir -p "$run"
[[ $local ]] || set_end_time
measure_points "$nodes"
measure_network "$nodes" >>"$run/$study/log" 2>&1
if [[ $local ]]; then "$APQ_PROGRAM" study scaling --from "$run" --out "$run/report"; fi
