#!/usr/bin/env bash
# shellcheck disable=SC2016 # awk and bash -c have dollars of their own
# The whole road on real images with two ranks: every artifact is there and says the same.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

run=$work/run
ranks 2 run "$tiny" --out "$run" >"$work/run.log" 2>&1 || { tail -n 30 "$work/run.log"; exit 1; }

# value FILE KEY: the first number of that key in a JSON file.
value() {
  tr -d ' \n' <"$1" | grep -oE "\"$2\":[-0-9.e]+" | head -n 1 | cut -d: -f2
}

for file in manifest.json status.json log.txt supernet.ckpt pairs_fp32.csv pairs_int8.csv predictor.json \
  history.csv pareto.csv best.yaml summary.json report.html config.yaml networks/1.net networks/2.net; do
  check "$file is written" test -s "$run/$file"
done
check "status is done" grep -q '"done"' "$run/status.json"
check "pairs_fp32.csv has a line per pair" test "$(wc -l <"$run/pairs_fp32.csv")" = 25
check "each network meets its budget" awk '
  /budget:/ {metric = /latency_ms/ ? "latency_ms" : "energy_mj"; match($0, /limit: [0-9.e-]+/); limit = substr($0, RSTART + 7, RLENGTH - 7)}
  /cost:/ {match($0, metric ": [0-9.e-]+"); v = substr($0, RSTART + length(metric) + 2, RLENGTH - length(metric) - 2); if (v + 0 > limit + 0 || v + 0 <= 0) bad = 1; n++}
  END {exit bad || n != 2}' "$run/best.yaml"
check "networks of uniform bits are measured beside" awk -F, '
  $1 == "uniform" {n++; gsub(/k[0-9]+w[0-9]+/, "", $NF); gsub(/[^0-9]+/, " ", $NF); split($NF, bits, " "); for (i in bits) if (bits[i] != bits[1]) bad = 1}
  END {exit bad || n < 6}' "$run/pareto.csv"
check "a second search from this folder has the same outcome" bash -c '
  "$1" search "$2" --from "$3" --out "$4" && cmp "$3/pareto.csv" "$4/pareto.csv" && cmp "$3/predictor.json" "$4/predictor.json"' \
  _ "$APQ" "$tiny" "$run" "$work/again"
check "networks learned something" awk '/accuracy:/ {match($0, /test: [0-9.]+/); if (substr($0, RSTART + 6) + 0 < 0.5) exit 1}' "$run/best.yaml"
check "a rank stays below 1 GB" awk -v v="$(value "$run/summary.json" peak_rss_mb)" 'BEGIN {exit !(v > 10 && v < 1000)}'

# The saved networks give the accuracy the report states, to the last digit.
"$APQ" evaluate --from "$run" >"$work/evaluate.txt"
while read -r _ accuracy; do
  check "evaluate measures $accuracy again" grep -qF "test $accuracy " "$work/evaluate.txt"
done < <(grep -oE 'test: [0-9.]+' "$run/best.yaml")

check "the cost command repeats the latency of best.yaml" bash -c '
  genome=$(grep -oE "genome: \"[^\"]+" "$1/best.yaml" | head -n 1 | cut -d\" -f2)
  latency=$(grep -oE "latency_ms: [0-9.]+" "$1/best.yaml" | head -n 1 | cut -d" " -f2)
  echo "$genome" | "$2" cost --config "$3" --genome - | grep -qF "latency_ms $latency"' _ "$run" "$APQ" "$tiny"
check "a finished run is left alone" bash -c '"$1" run "$2" --out "$3" --resume && "$1" run "$2" --out "$3"' _ "$APQ" "$tiny" "$run"
check "the headline names both budgets" bash -c '"$1" report --from "$2" --headline | grep -c "<=" | grep -qx 2' _ "$APQ" "$run"
finish
