#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2317 # bash -c gets its arguments as $1, $2
# Bad input gets one clear error with the right exit code and leaves everything that was there.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

apq() { "$APQ" "$@"; }
fashion=/usr/share/datasets/fashion-mnist

refused "missing configuration" 2 'nowhere.yaml' apq run "$work/nowhere.yaml" --out "$work/a"
printf 'supernet: {epochz: 3}\n' >"$work/key.yaml"
refused "unknown key, with line and suggestion" 2 'key.yaml:1:.*epochz.*epochs' apq run "$work/key.yaml" --out "$work/a"
printf 'supernet:\n  epochs: many\n' >"$work/type.yaml"
refused "wrong type, with line" 2 'type.yaml:2:' apq check "$work/type.yaml"
refused "unreachable budget names the smallest reachable cost" 2 'latency_ms <= 0.001 cannot be met.*needs 0\.0' \
  apq run "$tiny" --out "$work/a" --set 'budgets=[{metric: latency_ms, limit: 0.001}]'
check "a refused run leaves no folder of results" test ! -e "$work/a/config.yaml"

least=$({ apq check "$tiny" --set 'budgets=[{metric: params, limit: 1}]' 2>&1 || true; } | grep -oE 'needs [0-9]+' | cut -d' ' -f2)
refused "a budget one below the smallest reachable cost" 2 "needs $least" \
  apq check "$tiny" --set "budgets=[{metric: params, limit: $((least - 1))}]"
check "a budget of exactly the smallest reachable cost is accepted" "$APQ" check "$tiny" \
  --set "budgets=[{metric: params, limit: $least}]"

refused "missing data folder" 3 'none: no such folder' apq check "$tiny" --set data.path="$work/none"
mkdir "$work/data"
zcat "$fashion/train-images-idx3-ubyte.gz" >"$work/all"
head -c 100000 "$work/all" >"$work/data/train-images-idx3-ubyte"
zcat "$fashion/train-labels-idx1-ubyte.gz" >"$work/data/train-labels-idx1-ubyte"
refused "truncated data names file and sizes" 3 'train-images-idx3-ubyte.*100000' apq check "$tiny" --set data.path="$work/data"

mkdir "$work/readonly"
chmod 755 "$work"
chmod 555 "$work/readonly"
as_nobody=()
[[ $(id -u) != 0 ]] || as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
refused "read-only output folder" 5 "readonly" "${as_nobody[@]}" "$APQ" run "$tiny" --out "$work/readonly/run"

mkdir "$work/mine"
echo precious >"$work/mine/thesis.tex"
refused "a folder with somebody's files" 2 'not a run folder' apq run "$tiny" --out "$work/mine"
check "the files are untouched" grep -qx precious "$work/mine/thesis.tex"

mkdir "$work/empty"
for command in run supernet collect predictor search finetune; do
  refused "nothing to resume: $command in a missing folder" 4 "nothing to resume in $work/none .*start without --resume" \
    apq $command "$tiny" --out "$work/none" --resume
  refused "nothing to resume: $command in an empty folder" 4 "nothing to resume in $work/empty .*start without --resume" \
    apq $command "$tiny" --out "$work/empty" --resume
done
refused "nothing to resume, on two ranks" 4 'nothing to resume' ranks 2 run "$tiny" --out "$work/none" --resume
check "and nothing is written there" bash -c '[[ ! -e $1/none && -z $(ls -A "$1/empty") ]]' _ "$work"

apq supernet "$tiny" --out "$work/run" --set supernet.epochs=0.5 --set supernet.warmup_epochs=0.1 >"$work/log" 2>&1
refused "another configuration in the same folder, with the differing keys" 4 'supernet.epochs' \
  apq collect "$tiny" --out "$work/run" --resume
refused "a stage without its input names the stage that makes it" 3 'pareto.csv.*apq search' \
  apq finetune "$tiny" --from "$work/run" --out "$work/ft"
head -c 1000 "$work/run/supernet.ckpt" >"$work/cut" && mkdir "$work/damaged" && mv "$work/cut" "$work/damaged/supernet.ckpt"
refused "a damaged artifact is named" 4 'supernet.ckpt' apq collect "$tiny" --from "$work/damaged" --out "$work/b"
# The surroundings: no home, no folder for temporary files, output that cannot be written or is not read.
check "no HOME and no TMPDIR are needed" env -u HOME TMPDIR=/nowhere "$APQ" check "$tiny"
refused "standard output on a full disk" 5 'cannot write to standard output' bash -c '"$1" check "$2" >/dev/full' _ "$APQ" "$tiny"
check "a reader that goes away is no error" bash -o pipefail -c '"$1" check "$2" | head -n 1' _ "$APQ" "$tiny"
check "a stage runs with both outputs closed, full or piped to nobody" bash -c '
  run() { "$1" collect "$2" --from "$3/run" --set supernet.epochs=0.5 --set supernet.warmup_epochs=0.1 --set pairs.fp32=5 --set pairs.int8=5 --out "$3/$4"; }
  run "$@" closed >&- 2>&- && run "$@" full >/dev/full 2>/dev/full && { run "$@" piped 2>&1; echo $? >"$3/code"; } | true
  grep -qx 0 "$3/code" && cmp "$3/closed/pairs_int8.csv" "$3/full/pairs_int8.csv" && cmp "$3/closed/pairs_int8.csv" "$3/piped/pairs_int8.csv"' \
  _ "$APQ" "$tiny" "$work"

# Ranks that would give other results than their neighbours.
both() { mpirun --oversubscribe --bind-to none -n 1 "$APQ" collect "$tiny" --from "$work/run" --out "$work/both" : "$@"; }
refused "ranks with other instruction sets" 8 'rank 1 differs from rank 0 .*AVX2' both -n 1 -x ONEDNN_MAX_CPU_ISA=AVX2 "$APQ" \
  collect "$tiny" --from "$work/run" --out "$work/both"
refused "ranks with other configurations" 8 'rank 1 differs from rank 0' both -n 1 "$APQ" collect "$tiny" --from "$work/run" \
  --out "$work/both" --set seed=2
check "and leave no folder of results" test ! -e "$work/both/config.yaml"

refused "a genome that is none" 3 'genome|block|stage' bash -c 'echo k9m1 | "$1" cost --config "$2" --genome -' _ "$APQ" "$tiny"
refused "an unknown command" 2 '.' apq frobnicate
check "help goes to standard output with exit code 0" bash -c '"$1" run --help | grep -q -- --resume' _ "$APQ"
finish
