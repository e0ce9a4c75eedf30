#!/usr/bin/env bash
# The search loop's speed and what communication costs, on the paper's ImageNet space with 4 islands, in fp32 and int8
# by turns. For a quiet machine; about a minute:
#   tests/bench/search.sh OUT_FOLDER [RANKS]
# Writes search.csv, every run. APQ names the program; REPEATS (5) and GENERATIONS (1600) say how often and how long.
set -euo pipefail

[[ $# == 1 || $# == 2 ]] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
out=$1 ranks=${2:-2} repeats=${REPEATS:-5} generations=${GENERATIONS:-1600}
apq=${APQ:-$root/build/release/apq}
columns="seconds scored_per_s costed_per_s vary cost predict remember select communicate wait load_balance lost_to_communication"
mkdir -p "$out"

# figures: those columns of the JSON object on standard input; the first of a name counts.
figures() {
  awk -F'[": ,]+' -v columns="$columns" '
    !($2 in value) { value[$2] = $3 }
    END { n = split(columns, name, " "); for (i = 1; i <= n; ++i) printf ",%.4g", value[name[i]]; print "" }'
}

{
  echo "inference,ranks,turn,${columns// /,}"
  for ((turn = 1; turn <= repeats; ++turn)); do
    for inference in fp32 int8; do
      echo -n "$inference,$ranks,$turn"
      mpirun -n "$ranks" --bind-to core "$apq" bench search "$root/configs/imagenet.yaml" --generations "$generations" \
        --set search.islands.islands=4 --set predictor.inference="$inference" --json | figures
    done
  done
} | tee "$out/search.csv"
