#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2317  # functions are called by check, within and traps; bash -c has dollars of its own
# The job scripts under a real Slurm of four nodes on this machine (cluster.sh): what "apq jobs init" writes is submitted,
# interrupted in every way a cluster knows, and must end with the bytes of an undisturbed run. As root, about four minutes.
#   APQ=PROGRAM APQ_SOURCE_DIR=FOLDER tests/slurm/run.sh      APQ_KEEP=1 keeps logs and runs
set -euo pipefail

: "${APQ:?set it to the program}" "${APQ_SOURCE_DIR:?set it to the source folder}"
here=$APQ_SOURCE_DIR/tests/slurm
unset APQ_SITE APQ_LAUNCHER APQ_BINDING APQ_PARTITION APQ_ACCOUNT APQ_PROGRAM APQ_JOBS
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# What a killed earlier test left behind; one that is still running is left alone.
for left in /tmp/apq-slurm.??????; do
  [[ -f $left/owner ]] || continue
  read -r pid start <"$left/owner"
  [[ $(started "$pid" || true) != "$start" ]] || continue
  echo "removing what an earlier test left in $left"
  [[ ! -f $left/c/run/prefix ]] || "$here/cluster.sh" "$left/c" stop || true
  rm -rf "$left"
done

work=$(mktemp -d /tmp/apq-slurm.XXXXXX)
chmod 755 "$work"
echo "$$ $(started $$)" >"$work/owner"
cluster=$work/c jobs=$work/jobs failed=0 begin=$SECONDS
finish() {
  [[ ! ${limited:-} ]] || kill "$limited" 2>/dev/null || true
  [[ ! -f $cluster/run/prefix ]] || "$here/cluster.sh" "$cluster" stop || true
  if [[ ${APQ_KEEP:-} ]]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

host() { "$here/cluster.sh" "$cluster" on "$@"; }
ctl() { host ctl "$@"; }

# check TEXT COMMAND...: the command must succeed; otherwise what the job said is shown ($output).
output=/dev/null
check() {
  local text=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then
    echo "holds: $text [$((SECONDS - begin)) s]"
  else
    echo "FAILS: $text [$((SECONDS - begin)) s] ($*)"
    sed 's/^/    /' "$work/check.log" | tail -n 10
    sed 's/^/    job: /' "$output" | tail -n 25
    failed=1
  fi
}

patience=300  # seconds for a job to end on a busy machine
# within SECONDS COMMAND...: waits until the command succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep 0.2
  done
}
says() { grep -qE -- "$2" "$1" 2>/dev/null; }
# In the subshells of tests that run beside others.
field() { ctl scontrol show job "$1" -o 2>/dev/null | grep -oE "(^| )$2=[^ ]*" | head -n 1 | cut -d= -f2; }
state() { field "$1" JobState; }
over() { [[ $(state "$1") == @(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|PREEMPTED|OUT_OF_MEMORY) ]]; }
ends_as() { within "$3" over "$1" && [[ $(state "$1") == "$2" ]]; }
restarted() { [[ $(field "$1" Restarts) == "$2" ]]; }
all_idle() { [[ $(ctl sinfo -h -p main -t idle -o %D) == 4 ]]; }

# submit SCRIPT ARGUMENT...: sets id and output.
submit() {
  local line
  line=$(ctl "$jobs/$1" "${@:2}") || { echo "cannot submit $*: $line"; return 1; }
  id=${line##* }
  output=$jobs/apq.$id.out
}
# A search that lasts five seconds on any machine, from the same artifacts each time, saving three times a second.
export APQ_FAULT=generation:1+:slow
long=(--set search.generations=200 --set search.evaluation_interval=100 --set checkpoint_seconds=0.3)
all_long=("${long[@]}")
search() { submit search.sbatch "${@:2}" "$jobs/small.yaml" --from results/base --out "results/$1" "${long[@]}"; }
saved() { [[ $(find "$jobs/results/$1/checkpoints" -name '*.ckpt' 2>/dev/null | wc -l) -ge "${2:-2}" ]]; }
# same RUN OTHER: the two archives are equal.
same() {
  local file
  for file in history.csv pareto.csv pairs_int8.csv predictor.json; do
    cmp "$jobs/results/$1/$file" "$jobs/results/$2/$file" || return 1
  done
}
# exact RUN: as the undisturbed search, and not just so because nothing had happened to it.
exact() { same straight "$1" && says "$jobs/results/$1/log.txt" 'continuing from checkpoint'; }

"$here/cluster.sh" "$cluster" start || { echo "no Slurm here: the reason is above"; exit 1; }
check "sinfo shows four idle nodes" all_idle

"$APQ" jobs init --site lab --config "$here/small.yaml" --out "$jobs" >"$work/init.log"
# What a user of this cluster would change in the site file: nodes claim more cores than there are, Open MPI's network.
cat >>"$jobs/sites/lab.env" <<END
APQ_BINDING=none
export SLURM_CONF=$cluster/etc/slurm.conf TMPDIR=$cluster/local/here
export OMPI_MCA_btl_tcp_if_include=10.77.0.0/24 OMPI_MCA_oob_tcp_if_include=10.77.0.0/24
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
END

## What the others start from, and what they are compared with.
for stage in supernet collect predictor; do
  submit $stage.sbatch --nodes=1 --output="$jobs/apq.%j.out" "$jobs/small.yaml" --out results/base
  check "stage $stage runs as a job of its own" ends_as "$id" COMPLETED "$patience"
done
search straight --nodes=1 --ntasks-per-node=1
check "a search on 1 node ends" ends_as "$id" COMPLETED "$patience"

## The time limit, in the background: Slurm's own warning comes 20 to 50 s into a job of one minute. Until then the ranks
## are stopped, so that they take no time from the tests below.
time_limit() {
  search limited --nodes=2 --ntasks-per-node=1 --time=1 --signal=B:USR1@10
  within 60 saved limited || true
  ctl scancel --signal=STOP "$id"
  check "Slurm warns a job before its time limit" within 55 says "$output" 'USR1 .*asking the program to save'
  ctl scancel --signal=CONT "$id"
  check "a job at its time limit goes back to the queue" within 30 restarted "$id" 1
  ctl scontrol update JobId="$id" TimeLimit=10
  check "and ends" ends_as "$id" COMPLETED "$patience"
  check "the restart count is in its output" says "$output" "job $id, restart 1,"
  check "the run knew the job's limit without --max-time" says "$jobs/results/limited/log.txt" "the job's time limit: 4[0-9] s"
  check "its archive is that of the undisturbed search" exact limited
  exit "$failed"
}
time_limit >"$work/time_limit.log" 2>&1 &
limited=$!
within 60 saved limited || true

## Nodes and launchers.
search nodes2 --nodes=2 --ntasks-per-node=1
check "a search on 2 nodes ends" ends_as "$id" COMPLETED "$patience"
check "and has the archive of 1 node" same straight nodes2
check "the binding of each rank is in the log" says "$output" 'binding on n[0-9], n[0-9]: 1 ranks x 1 threads on CPUs 0'
APQ_LAUNCHER=mpirun search nodes4 --nodes=4 --ntasks-per-node=1
check "a search on 4 nodes, started by mpirun, ends" ends_as "$id" COMPLETED "$patience"
check "and has the archive of 1 node" same straight nodes4
long=(--set search.generations=10)
APQ_LAUNCHER=mpirun search hybrid --nodes=2 --ntasks-per-node=1 --cpus-per-task=4
check "ranks x threads: mpirun leaves all CPUs of a job to its ranks" ends_as "$id" COMPLETED "$patience"
check "each of 2 ranks has 4 threads" says "$output" '2 ranks x 4 threads on'
check "more threads than the machine has CPUs are warned of" bash -c '[[ $(nproc) -ge 4 ]] || grep -q "but [0-9]* CPUs" "$1"' _ "$output"
long=("${all_long[@]}")
wait "$limited" || failed=1
cat "$work/time_limit.log"

## Arrays.
ctl "$jobs/array.sbatch" --nodes=1 --ntasks-per-node=1 budgets=latency_ms:0.03,energy_mj:0.1 "$jobs/small.yaml" --from results/base \
  --out results/sweep >"$work/array.log" 2>&1
id=$(grep -oE '[0-9]+$' "$work/array.log")
output=$work/array.log
array_done() { [[ -z $(ctl squeue -h -j "$id" 2>/dev/null) ]]; }
check "an array of two budgets ends" within 60 array_done
for run in sweep-latency_ms-0.03 sweep-energy_mj-0.1; do
  check "$run has its own run folder" says "$jobs/results/$run/status.json" '"done"'
done

## The chain.
chain() { ctl "$jobs/pipeline.sh" --ntasks-per-node=1 "$@" >"$work/chain.log" 2>&1; }
ids() { grep -oE 'job [0-9]+' "$work/chain.log" | cut -d' ' -f2; }
chain "$jobs/small.yaml" --out results/chain
output=$work/chain.log
id=$(ids | sed -n 2p)
within 60 [ "$(state "$id")" != PENDING ] || true
check "a chain of five jobs ends" ends_as "$(ids | tail -n 1)" COMPLETED "$patience"
check "with the report of the whole run" test -s "$jobs/results/chain/report.html"
chain "$jobs/small.yaml" --out results/broken --set data.path=/nowhere
id=$(ids | head -n 1)
check "a stage that fails stops the chain" ends_as "$(ids | tail -n 1)" CANCELLED 60
check "and its job says so" says "$jobs/apq-supernet.$id.out" 'supernet did not finish .*what was to start after it will not'

## Two jobs on one run folder.
search shared --nodes=1 --ntasks-per-node=1
first=$id
within 60 saved shared 1 || true
search shared --nodes=1 --ntasks-per-node=1
check "a second job on the same run folder fails" ends_as "$id" FAILED 60
check "and names the first" says "$output" "is in use .*job $first"
check "with the exit code for it" test "$(field "$id" ExitCode)" = 7:0

## scancel, at the first one.
output=$jobs/apq.$first.out
ctl scancel "$first"
check "a cancelled job is over" ends_as "$first" CANCELLED 30
check "it was saved" says "$jobs/results/shared/status.json" '"stopped"'
search shared --nodes=2 --ntasks-per-node=1
check "and goes on when submitted again, on more nodes" ends_as "$id" COMPLETED "$patience"
check "to the archive of the undisturbed search" exact shared

## Preemption.
search low --partition=low --nodes=4 --ntasks-per-node=1
low=$id low_output=$output
within 60 saved low || true
ctl sbatch -W --nodes=4 --ntasks-per-node=4 --output=/dev/null --wrap 'sleep 1' >"$work/high.log" 2>&1
output=$low_output
check "a job of a lower partition is preempted and requeued" restarted "$low" 1
check "and ends" ends_as "$low" COMPLETED "$patience"
check "with the archive of the undisturbed search" exact low

## A link that goes down, MPI over TCP: n2's, while mpirun waits on n1.
within 60 all_idle || true
APQ_LAUNCHER=mpirun search cut --nodes=2 --ntasks-per-node=1 --nodelist=n1,n2
within 60 saved cut || true
"$here/cluster.sh" "$cluster" link-down n2
cut_at=$SECONDS
check "a job whose link is cut ends within 30 s" within 30 says "$output" 'exit code'
echo "       after $((SECONDS - cut_at)) s"
check "and says why" says "$output" 'a rank, a node or its network link was lost'
"$here/cluster.sh" "$cluster" link-up n2
check "it is requeued" within 60 restarted "$id" 1
check "and ends" ends_as "$id" COMPLETED "$patience"
check "with the archive of the undisturbed search" exact cut

## A lost node: slurmd on the node of rank 0 is stopped, and so are the ranks there, which wake up when it is all over.
within 60 all_idle || true
search lost --nodes=2 --ntasks-per-node=1
within 60 saved lost || true
node=$(field "$id" BatchHost)
output_before=$(wc -l <"$output")
# The processes of this host only: it has a process space of its own.
mapfile -t ranks < <(host "$node" ps -C "$(basename "$APQ")" -o pid=)
host "$node" kill -STOP "${ranks[@]}"
"$here/cluster.sh" "$cluster" slurmd-stop "$node"
check "the job of a lost node is requeued" within 90 restarted "$id" 1
check "and ends on other nodes" ends_as "$id" COMPLETED "$patience"
check "rank 0 was on another node then" bash -c 'tail -n "+$2" "$1" | grep "restart 1," | grep -vq "$3"' _ "$output" "$output_before" "$node"
check "with the archive of the undisturbed search" exact lost
host "$node" kill -CONT "${ranks[@]}" || true
"$here/cluster.sh" "$cluster" slurmd-start "$node"
check "the node comes back" within 60 all_idle
check "the ranks that woke up there changed nothing" exact lost
check "and the run stays done" says "$jobs/results/lost/status.json" '"done"'

echo "slurm: $([[ $failed == 0 ]] && echo all holds || echo something FAILS) after $((SECONDS - begin)) s"
exit "$failed"
