#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2317 # bash -c gets its arguments as $1, $2; check calls functions by their names
# Nothing hangs and nothing is lost: a stuck, stopped or failing rank ends the job within the stated time, with the
# reason on standard error and in status.json; a full disk or too little memory spoils nothing; then the run goes on exactly.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
base=$work/base
quietly ranks 2 supernet "$mini" --out "$base"
quietly ranks 2 collect "$mini" --out "$base" --resume
quietly ranks 2 predictor "$mini" --out "$base" --resume
quietly ranks 2 search "$mini" --from "$base" --out "$work/straight"

same() { same_search "$work/straight" "$1"; }
resumes_exactly() {
  local resume=()
  [[ ! -f $1/status.json ]] || resume=(--resume)
  quietly ranks 2 search "$mini" --from "$base" --out "$1" "${resume[@]}"
  check "resumed, it gives the bytes of the straight run" same "$1"
}
limit=${WATCHDOG:-5}

# ends TEXT FAULT CODES PATTERN: 2 ranks with this fault end by themselves, with one of these codes.
ends() {
  local text=$1 fault=$2 codes=$3 pattern=$4 code=0 run=$work/run
  rm -rf "$run"
  APQ_FAULT=$fault timeout -k 5 $((limit * 2 + 60)) mpirun --oversubscribe --bind-to none -n 2 "$APQ" search "$mini" --from "$base" \
    --out "$run" --set "watchdog_seconds=$limit" >/dev/null 2>"$work/err.log" || code=$?
  check "$text: the job ends (exit $code)" grep -qw -- "$code" <<<"$codes"
  check "$text: standard error says why" grep -qE "$pattern" "$work/err.log"
  check "$text: status.json says why" grep -qE "$pattern" "$run/status.json"
  check "$text: status.json says that it failed" grep -q '"failed"' "$run/status.json"
  resumes_exactly "$run"
}
# A signal to the ranks ends an aborted job with 137 or 143 when it is faster than the code.
ends "a rank stuck in an evaluation" evaluation:2:hang@1 "8 137 143" \
  'rank 1: no progress for [0-9]+ s in stage search, measuring elites'
ends "a stopped rank" generation:4:freeze@1 "8 137 143" 'rank 0: waited [0-9]+ s for other ranks in stage search'
ends "an exception on one rank" evaluation:2:throw@1 "1 137 143" 'a fault was asked for'
for fault in evaluation:2:no_memory@1 generation:4:no_memory checkpoint.written:2:no_memory io.write:12:no_memory; do
  ends "no memory ($fault)" "$fault" "8 137 143" 'out of memory'
done

# As little memory as it takes: the program does its work or says that there is not enough.
limits=()
for mib in 100 120 140 160 200 240; do
  code=0
  (ulimit -v $((mib * 1024)) && exec "$APQ" check "$tiny") >/dev/null 2>"$work/err.log" || code=$?
  [[ $code == 0 ]] || check "$mib MiB: exit $code, with the reason" bash -c '[[ $1 == 8 ]] && grep "not enough memory\|out of memory" "$2"' \
    _ "$code" "$work/err.log"
  limits+=("$code")
done
check "some of these limits were too tight" grep -qw 8 <<<"${limits[*]}"

# Training that diverges costs that network only; when more than a fifth of them do, the options are wrong.
run=$work/diverged
APQ_FAULT=evaluation:3:diverge quietly "$APQ" search "$mini" --from "$base" --out "$run"
lost=$(sed -n 's/.*,0,.*,nan,//p' "$run/pareto.csv")
check "a network whose training diverged is marked failed and on no front" grep -qx 'k[^,]*' <<<"$lost"
check "log.txt says which and why" grep -qF "failed: $lost: a divergence" "$run/log.txt"
quietly "$APQ" finetune "$mini" --from "$base" --out "$run"
check "it is neither learned from nor chosen" bash -c '! grep -F "$0" "$1/pairs_int8.csv" "$1/best.yaml"' "$lost" "$run"
rm -rf "$run"
APQ_FAULT=evaluation:1+:diverge refused "more than a fifth diverged" 6 '[0-9]+ of [0-9]+ networks failed .more than 20 %' \
  ranks 2 search "$mini" --from "$base" --out "$run"
check "status.json says so" grep -q '"code": 6' "$run/status.json"
refused "and goes on to say so when resumed" 6 'networks failed .*log.txt says why' \
  ranks 2 search "$mini" --from "$base" --out "$run" --resume

# The disk is full from the n-th write on: exit code 5 with path and reason, and no file that was good is spoiled.
for n in 1 7 12; do
  rm -rf "$work/run"
  APQ_FAULT=io.write:$n+:ENOSPC refused "no space from write $n on" 5 'cannot write .*No space left' \
    "$APQ" search "$mini" --from "$base" --out "$work/run"
  resumes_exactly "$work/run"
done

# One write of a checkpoint fails while an older one is there: the run goes on, and to the same end.
rm -rf "$work/run"
APQ_FAULT=io.fsync:12:ENOSPC quietly "$APQ" search "$mini" --from "$base" --out "$work/run"
check "a checkpoint that cannot be written is passed over with a warning" grep -q 'No space left.*the one before it is kept' \
  "$work/run/log.txt"
check "and the run ends with the same bytes" same "$work/run"

# A file system that really is too small, and is given room later.
if [[ $(id -u) == 0 ]] && unshare -m true 2>/dev/null; then
  # shellcheck disable=SC2016
  check "a full tmpfs ends the run with 5; with room it is resumed exactly" unshare -m bash -c '
    set -u
    mkdir "$1/small" && mount -t tmpfs -o size=$2 tmpfs "$1/small" || exit 1
    code=0
    "$APQ" search "$3" --from "$1/base" --out "$1/small/run" 2>"$1/full.log" || code=$?
    cat "$1/full.log"
    [[ $code == 5 ]] && grep -q "No space left" "$1/full.log" || exit 1
    mount -o remount,size=64m "$1/small"
    "$APQ" search "$3" --from "$1/base" --out "$1/small/run" --resume || exit 1
    for file in history.csv pareto.csv pairs_int8.csv predictor.json; do
      cmp "$1/straight/$file" "$1/small/run/$file" || exit 1
    done' _ "$work" 96k "$mini"
fi
finish
