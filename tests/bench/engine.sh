#!/usr/bin/env bash
# The engine beside PyTorch on the reference network, kernels 3 and 7, taking turns, so that a change of the machine's
# speed meets both. For a quiet machine; about 5 minutes:
#   tests/bench/engine.sh OUT_FOLDER [THREADS]
# Writes engine.csv, every run, and README.md, medians and the medians of each turn's ratios. Needs Debian's
# python3-torch. APQ names the program; REPEATS (3) and RUN_SECONDS (2) say how often and how long each is measured.
set -euo pipefail

[[ $# == 1 || $# == 2 ]] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
out=$1 threads=${2:-2} repeats=${REPEATS:-3} seconds=${RUN_SECONDS:-2}
apq=${APQ:-$root/build/release/apq}
python=/usr/bin/python3 # Debian's own, which has Debian's PyTorch
"$python" -c 'import torch' || { echo "engine: PyTorch is missing (apt-get install python3-torch)"; exit 8; }
mkdir -p "$out"

# row NAME KERNEL TURN: one line of the table from the JSON object on standard input.
row() {
  "$python" -c '
import json, sys
run = json.load(sys.stdin)
steps = run["step_seconds"]
print(*sys.argv[1:], run["threads"], run["batch"], "%.1f" % run["images_per_s"],
      "%.3f" % run["efficiency"] if "efficiency" in run else "", "%.2f" % (1e3 * steps["median"]),
      "%.2f" % (1e3 * steps["first"]),
      "%.3f" % run["first_over_warm"]["median"] if "first_over_warm" in run else "", sep=",")' "$@"
}
own() {
  "$apq" bench engine --network "$root/configs/bench/mbconv.yaml" --threads "$threads" --seconds "$seconds" --json "$@"
}
other() { "$python" "$root/tests/bench/pytorch_engine.py" --threads "$threads" --seconds "$seconds" "$@"; }

csv=$out/engine.csv
echo "engine,mode,kernel,turn,threads,batch,images_per_s,efficiency,median_ms,first_ms,first_over_warm" >"$csv"
for ((turn = 1; turn <= repeats; ++turn)); do
  for kernel in 3 7; do
    own --kernel "$kernel" --mode train | row apq,train "$kernel" "$turn"
    other --kernel "$kernel" --mode train | row pytorch,train "$kernel" "$turn"
    own --kernel "$kernel" --mode bf16 | row apq,bf16 "$kernel" "$turn"
    own --kernel "$kernel" --mode fp32 | row apq,fp32 "$kernel" "$turn"
    other --kernel "$kernel" --mode fp32 | row pytorch,fp32 "$kernel" "$turn"
    own --kernel "$kernel" --mode int8 | row apq,int8 "$kernel" "$turn"
    other --kernel "$kernel" --mode fp32 --frozen | row pytorch-frozen,fp32 "$kernel" "$turn"
  done
done | tee -a "$csv"

commit=$(git -C "$root" describe --always --dirty --exclude='*' 2>/dev/null || "$apq" --version)
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
"$python" - "$csv" "$commit" "$(hostname)" "$cpu" "$(date -u +%Y-%m-%d)" >"$out/README.md" <<'EOP'
import csv
import statistics
import sys

path, commit, host, cpu, date = sys.argv[1:]
with open(path, newline="") as file:
    rows = list(csv.DictReader(file))
threads, batch = rows[0]["threads"], rows[0]["batch"]
turns = sorted({row["turn"] for row in rows}, key=int)


def runs(engine, mode, kernel, column="images_per_s"):
    found = [r for r in rows if (r["engine"], r["mode"], r["kernel"]) == (engine, mode, kernel)]
    return [float(r[column]) for r in sorted(found, key=lambda r: int(r["turn"])) if r[column]]


print(f"""# The neural engine beside PyTorch

The reference network of `configs/bench/mbconv.yaml`, batch {batch}, {threads} threads, measured with `tests/bench/engine.sh`
on {date}, commit `{commit}`, host `{host}`: {cpu}. Medians of {len(turns)} turns; a ratio is the median of the ratios of
each turn, with the smallest and the largest. PyTorch is Debian's, channels-last; "frozen" is what
`torch.jit.optimize_for_inference` makes of it. "train" is in fp32, "bf16" with bf16 activations. Efficiency: sum of the best
stand-alone oneDNN primitives (fp32 in training) by step time. First step: of a sub-network never seen before, in a warm process,
by the same step again.

| mode | kernel | images/s | efficiency | first step | compared with | its images/s | ratio |
|---|---|---|---|---|---|---|---|""")
COMPARED = [("train", "pytorch", "train"), ("bf16", "pytorch", "train"), ("bf16", "apq", "train"),
            ("fp32", "pytorch", "fp32"), ("fp32", "pytorch-frozen", "fp32"), ("int8", "apq", "fp32")]
for kernel in ("3", "7"):
    for mode, other, other_mode in COMPARED:
        own, others = runs("apq", mode, kernel), runs(other, other_mode, kernel)
        ratios = [a / b for a, b in zip(own, others)]
        name = "own " + other_mode if other == "apq" else other
        efficiency = statistics.median(runs("apq", mode, kernel, "efficiency"))
        first = runs("apq", mode, kernel, "first_over_warm")
        first = f"{statistics.median(first):.2f}" if first else "–"
        print(f"| {mode} | {kernel} | {statistics.median(own):.0f} | {efficiency:.2f} | {first} | {name} "
              f"| {statistics.median(others):.0f} | {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f}) |")
EOP
cat "$out/README.md"
