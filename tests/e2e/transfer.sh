#!/usr/bin/env bash
# shellcheck disable=SC2016 # bash -c gets its arguments as $1, $2
# The transfer study on pairs whose accuracy is a formula.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"
source "$APQ_SOURCE_DIR/tests/support/synthetic_pairs.sh"

synthetic_pairs "$work/run" 300 202
study() {
  local n=$1 out=$2
  shift 2
  ranks "$n" study transfer --config "$tiny" --from "$work/run" --out "$work/$out" --seeds 3 "$@"
}

check "a study on two ranks" study 2 two --pairs 20,40,80,900 --variants predictor.trunk_rate=1
study 1 one --pairs 20,40,80,900 --variants predictor.trunk_rate=1 >"$work/said" 2>"$work/log"
for file in transfer_ablation.csv reference_predictors.csv transfer_variants.csv plots/transfer.csv; do
  check "$file is the same from one rank" cmp "$work/one/$file" "$work/two/$file"
done
check "columns are those of the specification" test "$(head -n 1 "$work/one/transfer_ablation.csv")" = \
  pairs,init,seed,rmse,kendall_tau,pairwise_accuracy
check "a row for each number of pairs, start and seed" test "$(wc -l <"$work/one/transfer_ablation.csv")" = 19
check "references have a file of their own" bash -c '[[ $(grep -c ",ridge," "$1") == 9 ]]' _ "$work/one/reference_predictors.csv"
check "and so have variants" bash -c '[[ $(grep -c ",predictor.trunk_rate=1," "$1") == 9 ]]' _ "$work/one/transfer_variants.csv"
check "elites are no samples" grep -q 'of 200 int8 pairs' "$work/said"
check "more pairs than there are are left out, with a warning" grep -q 'warn.*left out: 900 int8 pairs' "$work/log"
check "transfer leads where pairs are few" bash -c \
  'awk -F, "\$1 == 20 {sum[\$2] += \$6} END {exit !(sum[\"transfer\"] > sum[\"scratch\"] + 0.06)}" "$1"' _ "$work/one/transfer_ablation.csv"
check "the headline counts pairs" grep -qE 'needed for 85 %.*transfer (at most )?[0-9]+, scratch' "$work/said"
check "and says what was not measured" grep -q 'lead of transfer with 100 int8 pairs: not measured' "$work/said"
check "a plot is drawn" bash -c 'head -c 4 "$1" | grep -q PNG' _ "$work/one/plots/transfer.png"
check "with a table beside it" grep -q '| transfer |' "$work/one/transfer.md"

refused "no size that can be trained on" 3 'none of --pairs' "$APQ" study transfer --config "$tiny" --from "$work/run" --out "$work/no" --pairs 900
refused "a variant of something else" 2 'more than the predictor' "$APQ" study transfer --config "$tiny" --from "$work/run" \
  --out "$work/no" --pairs 20 --variants seed=3
synthetic_pairs "$work/few" 20 20
refused "too few pairs to test on" 3 'too few int8 pairs' "$APQ" study transfer --config "$tiny" --from "$work/few" --out "$work/no"
refused "a folder without pairs" 3 'pairs_fp32.csv' "$APQ" study transfer --config "$tiny" --from "$work" --out "$work/no"
finish
