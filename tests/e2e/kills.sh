#!/usr/bin/env bash
# Killed with -9 at every named point and at many seeded moments, on one rank or all, then resumed on another number
# of ranks: the bytes of an uninterrupted search and collection, journals included.
#   KILLS=N    number of seeded moments (default 50); SEED=N another course
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
base=$work/base
RANDOM=${SEED:-1}
echo "replay with SEED=${SEED:-1}"

quietly ranks 2 supernet "$mini" --out "$base"
quietly ranks 2 collect "$mini" --out "$base" --resume
quietly ranks 2 predictor "$mini" --out "$base" --resume
quietly ranks 2 search "$mini" --from "$base" --out "$work/search"
quietly ranks 1 collect "$mini" --from "$base" --out "$work/collect"
check "2 ranks collect the pairs of 1" cmp "$base/pairs_int8.csv" "$work/collect/pairs_int8.csv"

kills=0
misses=0
# killed STAGE RANKS FAULT [RANKS_AFTER]: a run with this fault, resumed without it, must equal the straight one.
killed() {
  local stage=$1 ranks=$2 fault=$3 after=${4:-2} code=0 file
  rm -rf "$work/killed"
  APQ_FAULT=$fault ranks "$ranks" "$stage" "$mini" --from "$base" --out "$work/killed" >"$work/log" 2>&1 || code=$?
  if [[ $code == 0 ]]; then
    misses=$((misses + 1))  # it was done before
    return
  fi
  kills=$((kills + 1))
  if [[ $code != 137 ]]; then
    echo "FAILS: $stage with $fault on $ranks ranks ended with $code, not 137"
    tail -n 5 "$work/log"
    failed=1
  fi
  if ! ranks "$after" "$stage" "$mini" --from "$base" --out "$work/killed" --resume >"$work/log" 2>&1; then
    echo "FAILS: $stage after $fault on $ranks ranks does not resume on $after"
    tail -n 5 "$work/log"
    failed=1
    return
  fi
  for file in "${files[@]}"; do
    cmp "$work/$stage/$file" "$work/killed/$file" || {
      echo "FAILS: $file after $fault on $ranks ranks, resumed on $after, is not that of the straight $stage"
      failed=1
    }
  done
}

files=(history.csv pareto.csv pairs_int8.csv predictor.json journal/search.txt)
for point in stage.begin checkpoint.begin io.open io.write io.write_rest io.fsync io.rename io.sync_folder \
  checkpoint.written generation evaluation stage.done; do
  n=1
  [[ $point != io.* ]] || n=12  # behind the files of the start, around a checkpoint
  [[ $point != checkpoint.* && $point != generation && $point != evaluation ]] || n=3
  killed search 2 "$point:$n:kill" $((RANDOM % 3 + 1))
done
check "every named point was reached" test "$misses" = 0

for ((i = 0; i < ${KILLS:-50}; i++)); do
  stage=search
  files=(history.csv pareto.csv pairs_int8.csv predictor.json journal/search.txt)
  if ((i % 4 == 3)); then
    stage=collect
    files=(pairs_fp32.csv pairs_int8.csv journal/collect.txt)
  fi
  on=$((RANDOM % 3 + 1))
  fault="all:$((RANDOM % 90 + 2)):kill"
  ((RANDOM % 2)) || fault+="@$((RANDOM % on))"
  killed $stage $on "$fault" $((RANDOM % 3 + 1))
done
echo "killed $kills times, $misses times the run was done before"
check "most runs were killed" test "$kills" -gt $((${KILLS:-50} / 2))
finish
