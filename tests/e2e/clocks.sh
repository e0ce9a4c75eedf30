#!/usr/bin/env bash
# shellcheck disable=SC2317 # check calls functions by their names
# A clock that is an hour behind on one rank, or jumps back while the run goes on, changes nothing but times in the log.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

command -v faketime >/dev/null || { echo "clocks: faketime is missing (jobs/install-packages.sh --tests)"; exit 1; }
library=$(faketime -f +0 printenv LD_PRELOAD)
# Only the time of day is false: the steady clock stays steady.
clock=(env LD_PRELOAD="$library" FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1)
mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
base=$work/base
quietly ranks 2 run "$mini" --out "$base"
quietly ranks 2 search "$mini" --from "$base" --out "$work/straight"

same() { same_search "$work/straight" "$1"; }
# The log without times, figures and the folder's name.
lines() { cut -d' ' -f3- "$1/log.txt" | sed "s|$1|RUN|; s/[0-9][0-9.]*/N/g"; }
same_log() { diff <(lines "$work/straight") <(lines "$1"); }
hours() { cut -d: -f1 "$1/log.txt" | uniq; }

search=("$APQ" search "$mini" --from "$base" --out)
quietly mpirun --oversubscribe --bind-to none -n 1 "${search[@]}" "$work/behind" : -n 1 "${clock[@]}" FAKETIME=-3600s \
  "${search[@]}" "$work/behind"
check "a second rank whose clock is an hour behind gives the same bytes" same "$work/behind"
check "and the same log" same_log "$work/behind"

quietly mpirun --oversubscribe --bind-to none -n 1 "${clock[@]}" FAKETIME=-3600s "${search[@]}" "$work/first" : -n 1 \
  "${search[@]}" "$work/first"
check "a first rank whose clock is an hour behind gives the same bytes" same "$work/first"

# The clock jumps as soon as the search has begun.
echo +0 >"$work/clock"
APQ_FAULT=generation:1+:slow "${clock[@]}" FAKETIME_TIMESTAMP_FILE="$work/clock" "${search[@]}" "$work/jump" >"$work/log" 2>&1 &
pid=$!
until grep -q 'space: ' "$work/jump/log.txt" 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
echo -7200s >"$work/clock"
check "a search whose clock jumps back two hours ends" wait $pid
check "the clock did jump" test "$(hours "$work/jump" | wc -l)" -gt 1
check "and it gives the same bytes" same "$work/jump"

# Files written before a jump are from the future: the newest checkpoint is the one with the highest number.
code=0
APQ_FAULT=generation:7:kill "${search[@]}" "$work/resumed" >"$work/log" 2>&1 || code=$?
check "a killed search has several checkpoints" test "$(find "$work/resumed/checkpoints" -name 'search.*.ckpt' | wc -l)" -gt 1
newest=$(find "$work/resumed/checkpoints" -name 'search.*.ckpt' | sort | tail -n 1)
find "$work/resumed/checkpoints" -name 'search.*.ckpt' -exec touch -d '+1 hour' {} +
touch -d '-1 day' "$newest"
quietly "${clock[@]}" FAKETIME=-3600s "${search[@]}" "$work/resumed" --resume
number=$(basename "$newest" .ckpt)
check "it goes on from the newest one, whatever the times say" grep -q "checkpoint $((10#${number#search.}))\$" "$work/resumed/log.txt"
check "to the same bytes" same "$work/resumed"

APQ_FAULT=evaluation:2:throw refused "an error under a false clock" 1 'a fault was asked for' "${clock[@]}" FAKETIME=-3600s \
  "${search[@]}" "$work/failed"
check "is in status.json" grep -q '"failed"' "$work/failed/status.json"
finish
