#!/usr/bin/env bash
# shellcheck disable=SC2016 # bash -c gets its arguments as $1, $2
# Pairs from one folder to another, and the noise ceiling of their labels.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
quietly ranks 2 supernet "$mini" --out "$work/net"
quietly ranks 2 collect "$mini" --from "$work/net" --out "$work/run" --set pairs.noise=5
quietly ranks 1 collect "$mini" --from "$work/net" --out "$work/few" --set pairs.int8=6 --set pairs.fp32=9

more=(--from "$work/net" --set pairs.int8=6 --set pairs.fp32=9)
quietly ranks 2 collect "$mini" "${more[@]}" --pairs "$work/run" --set pairs.noise=5 --out "$work/more"
check "pairs measured before are taken over" grep -q '8 of 9 float and 6 of 6 int8 pairs are known' "$work/more/log.txt"
check "and the rest is measured as if all were" cmp "$work/few/pairs_fp32.csv" "$work/more/pairs_fp32.csv"
check "so are int8 pairs" cmp "$work/few/pairs_int8.csv" "$work/more/pairs_int8.csv"
check "pairs.txt says who measured either" test "$(grep -c '^# by apq' "$work/more/pairs.txt")" = 2
awk -F, -v OFS=, 'NR == 2 {$3 = 0.125} NR <= 4 {print}' "$work/run/pairs_int8.csv" >"$work/marked.csv"
mkdir "$work/marked"
cp "$work/run/pairs.txt" "$work/marked"
mv "$work/marked.csv" "$work/marked/pairs_int8.csv"
quietly ranks 2 collect "$mini" "${more[@]}" --pairs "$work/marked" --out "$work/trusted"
check "three int8 pairs are known" grep -q '0 of 9 float and 3 of 6 int8 pairs are known' "$work/trusted/log.txt"
check "the others are measured" cmp <(tail -n 5 "$work/few/pairs_int8.csv") <(tail -n 5 "$work/trusted/pairs_int8.csv")
check "the known ones are not measured again" grep -q '^0,sample,0.125,' "$work/trusted/pairs_int8.csv"
refused "pairs with another recipe" 3 'pairs.qat.steps=4 in' ranks 1 collect "$mini" "${more[@]}" --pairs "$work/run" \
  --set pairs.qat.steps=5 --out "$work/other"
refused "pairs that are nowhere" 5 'pairs.txt' ranks 1 collect "$mini" "${more[@]}" --pairs "$work/nowhere" --out "$work/other2"

check "five int8 pairs are measured twice" test "$(wc -l <"$work/run/pairs_noise.csv")" = 6
check "the second measurement is another one" bash -c \
  'awk -F, "NR > 1 && \$2 != \$3 {++differ} END {exit !differ}" "$1"' _ "$work/run/pairs_noise.csv"
check "and the first is the pair's" diff <(sed -n 2,6p "$work/run/pairs_int8.csv" | cut -d, -f3) \
  <(sed 1d "$work/run/pairs_noise.csv" | cut -d, -f2)
quietly "$APQ" predictor "$mini" --from "$work/run" --out "$work/noisy" --set pairs.noise=5
check "predictor.json has the noise ceiling" bash -c \
  'tr -d " \n" <"$1" | grep -q "\"noise_ceiling\":{\"pairs\":5,\"rmse\":.*\"kendall_tau\":.*\"spearman\":.*\"pairwise_accuracy\":"' \
  _ "$work/noisy/predictor.json"

check "a run's pairs are exported" "$APQ" pairs export --from "$work/run" --out "$work/run.csv"
check "all of them" test "$(grep -cE '^(fp32|sample),' "$work/run.csv")" = 14
check "with the recipe of their labels" grep -q '^# pairs.qat.steps=4$' "$work/run.csv"
check "and who measured them" grep -q '^# by apq .*, configuration' "$work/run.csv"
quietly "$APQ" pairs export --from "$work/few" --out "$work/few.csv"
check "they make a folder of pairs" "$APQ" pairs append "$work/run.csv" "$work/few.csv" --out "$work/pairs"
said=$(<"$work/check.log")
check "in which a network is there once" grep -q '9 float and 6 int8 pairs; 14 labels of networks that had one, at most 0.0000' <<<"$said"
cp "$work/pairs/pairs_int8.csv" "$work/before.csv"
check "the same pairs again" "$APQ" pairs append "$work/few.csv" --out "$work/pairs"
check "change nothing" cmp "$work/before.csv" "$work/pairs/pairs_int8.csv"
check "a predictor learns from pairs alone" "$APQ" predictor "$mini" --from "$work/pairs" --out "$work/alone" --set pairs.fp32=9
check "no supernet was there" bash -c '[[ ! -e $1/pairs/supernet.ckpt && ! -e $1/alone/supernet.ckpt ]]' _ "$work"
quietly "$APQ" pairs export --from "$work/pairs" --out "$work/again.csv"
quietly "$APQ" pairs append "$work/again.csv" --out "$work/copy"
check "what goes out and in is the same" diff -r "$work/pairs" "$work/copy"

sed 's/^# pairs.qat.steps=4$/# pairs.qat.steps=5/; s/^# data.hash=.*/# data.hash=0/' "$work/few.csv" >"$work/other.csv"
refused "another recipe" 3 'cannot be put together' "$APQ" pairs append "$work/other.csv" --out "$work/pairs"
check "is refused with what differs, one" grep -q 'pairs.qat.steps=5 in .*other.csv' "$work/err.log"
check "and two" grep -q 'data.hash=0 in .*other.csv' "$work/err.log"
check "and leaves the folder alone" cmp "$work/before.csv" "$work/pairs/pairs_int8.csv"
refused "pairs into a run" 2 'is a run' "$APQ" pairs append "$work/run.csv" --out "$work/run"
refused "a file that is none" 3 'no file of pairs' "$APQ" pairs append "$mini" --out "$work/none"
refused "a folder without pairs" 3 'no pairs' "$APQ" pairs export --from "$work/net" --out "$work/none.csv"
refused "more noise than pairs" 2 'pairs.noise is 7' "$APQ" check "$mini" --set pairs.noise=7
finish
