#!/usr/bin/env bash
# shellcheck disable=SC2016 # bash -c gets its arguments as $1, $2
# The study of active learning, on a supernet and pairs made in seconds.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
config=(--config "$mini" --set pairs.int8=40)
quietly ranks 2 supernet "$mini" --out "$work/net" --set pairs.int8=40
quietly ranks 2 collect "$mini" --from "$work/net" --out "$work/pairs" --set pairs.int8=40
cp "$work/pairs/pairs_fp32.csv" "$work/net/"
study() {
  local n=$1 out=$2
  shift 2
  ranks "$n" study active "${config[@]}" --from "$work/net" --pairs "$work/pairs" --out "$work/$out" --start 10 --limits 2 "$@"
}
# same_study ONE OTHER: two studies have the same results, byte for byte.
# shellcheck disable=SC2317 # called by check
same_study() {
  local file
  for file in active_learning.csv active_front.csv labels.csv plots/active.csv seed-1/active/history.csv seed-1/active/pairs_int8.csv; do
    cmp "$work/$1/$file" "$work/$2/$file" || return 1
  done
}
column() { cut -d, -f"$2" "$work/$1/active_learning.csv" | sed 1d | tr '\n' ' '; }

check "a study on two ranks" study 2 two --seeds 2
said=$(<"$work/check.log")
check "is the same from one rank" study 1 one --seeds 2
check "byte for byte" same_study one two
check "there is a row for each seed and arm" test "$(column two 2)" = "active chosen random start active chosen random start "
check "the search bought labels" bash -c 'awk -F, "\$2 == \"active\" && \$5 < 5 {exit 1}" "$1"' _ "$work/two/active_learning.csv"
check "random and chosen have as many pairs as active, start those of the start" bash -c \
  'awk -F, "NR > 1 {n[\$1, \$2] = \$4} END {for (s = 1; s <= 2; ++s)
     if (n[s, \"active\"] != n[s, \"random\"] || n[s, \"active\"] != n[s, \"chosen\"] || n[s, \"start\"] != 10) exit 1}" "$1"' \
  _ "$work/two/active_learning.csv"
check "random pairs are those of the pool" bash -c \
  'awk -F, "NR == FNR {known[\$NF] = \$3; next} FNR > 1 && known[\$NF] != \$3 {exit 1}" "$1" "$2"' \
  _ "$work/pairs/pairs_int8.csv" "$work/two/seed-1/random/pairs_int8.csv"
check "no front was measured with the images in the order of the pairs" bash -c \
  'awk -F, "NR > 1 && \$2 != 1 {exit 1}" "$1"' _ "$work/two/labels.csv"
check "the headline compares the hypervolumes" grep -q 'hypervolume .* points (median over 2 seeds' <<<"$said"
check "a plot is drawn" bash -c 'head -c 4 "$1" | grep -q PNG' _ "$work/two/plots/active.png"
check "with tables beside it" grep -q '| less random |' "$work/two/active.md"

# killed_at N: the study ends at its N-th measurement.
killed_at() {
  code=0
  APQ_FAULT=evaluation:$1:kill study 1 cut --seeds 1 >"$work/log" 2>&1 || code=$?
}
killed_at 5
check "a study was killed (exit $code)" test "$code" = 137
check "while the search measured" test -e "$work/cut/seed-1/active/predictor.ckpt" -a ! -e "$work/cut/seed-1/active/front.csv"
killed_at 16
check "and again (exit $code)" test "$code" = 137
check "while fronts were measured" test -e "$work/cut/seed-1/start/front.csv" -a ! -e "$work/cut/active_learning.csv"
check "what was measured by then is kept" test "$(wc -l <"$work/cut/labels.csv")" -gt 3
check "the same command continues it" study 2 cut --seeds 1
check "more seeds go on from it" study 2 cut --seeds 2
check "with the bytes of a study at once" same_study cut two
APQ_FAULT=evaluation:1:throw check "a finished study measures nothing" study 1 cut --seeds 2

one=("$APQ" study active "${config[@]}" --from "$work/net")
refused "another study in the folder" 2 'holds another study .*limits=3' "${one[@]}" --pairs "$work/pairs" --out "$work/cut" --start 10 --limits 3
refused "more pairs than there are" 3 'start needs 90 random int8 pairs' "${one[@]}" --pairs "$work/pairs" --out "$work/no" --start 90
uncertain=(--seeds 1 --set predictor.members=2 --set search.exploration=1)
check "a search that buys labels of uncertain elites" study 2 uncertain "${uncertain[@]}"
check "stands beside one that buys those of good ones" test "$(column uncertain 2)" = "active good chosen random start "
check "chooses others" bash -c '! cmp -s "$1/active/pairs_int8.csv" "$1/good/pairs_int8.csv"' _ "$work/uncertain/seed-1"
code=0
APQ_FAULT=evaluation:5:kill study 1 uncertain3 "${uncertain[@]}" >"$work/log" 2>&1 || code=$?
check "is killed while it measures (exit $code)" test "$code" = 137
check "goes on on three ranks" study 3 uncertain3 "${uncertain[@]}"
check "and ends with the same bytes" same_study uncertain uncertain3

refused "too few pairs for the arm random" 3 'arm random needs' "${one[@]}" --pairs "$work/pairs" --out "$work/no" --start 38
refused "a folder without pairs" 3 'pairs_int8.csv is missing' "${one[@]}" --out "$work/none"
refused "pairs measured in another way" 3 'not measured as this study measures' "${one[@]}" --pairs "$work/pairs" --out "$work/none" --set pairs.qat.steps=5
check "what is refused at once leaves no folder" test ! -e "$work/none"
finish
