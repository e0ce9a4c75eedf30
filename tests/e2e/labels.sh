#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2317 # bash -c gets its arguments as $1, $2; check calls functions by their names
# The study of labels on a tiny supernet.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

quietly ranks 2 supernet "$tiny" --out "$work/run" --set supernet.epochs=2
# With a teacher, who is asked once for each batch: what it says must not depend on whose turn it is.
options=(--config "$tiny" --set supernet.epochs=2 --set pairs.qat.distillation=0.5 --from "$work/run" --networks 6
  --steps "20,0,5" --epochs 0.5 --recalibration "64,256" --validation "100,0")
study() {
  local n=$1 out=$2
  shift 2
  ranks "$n" study labels "${options[@]}" --out "$work/$out" "$@"
}
# same_labels FOLDER OTHER: but for the seconds.
same_labels() { cmp <(cut -d, -f1-9,11 "$1/labels.csv") <(cut -d, -f1-9,11 "$2/labels.csv"); }

check "a study on two ranks" study 2 two --reference-epochs 1
quietly study 1 one --reference-epochs 1
check "labels are the same from one rank" same_labels "$work/one" "$work/two"
# 4 fp32 recipes, 0 steps once, 5 and 20 steps twice, half an epoch and the reference: 11 for each network.
check "a row for each network, recipe and order of the images" test "$(wc -l <"$work/one/labels.csv")" = 67
check "no training is labelled once" bash -c '[[ $(grep -c ",0 steps," "$1") == 6 ]]' _ "$work/one/labels.csv"
check "another order of the images gives other labels" bash -c \
  '! cmp -s <(grep ",20 steps,0," "$1" | cut -d, -f9) <(grep ",20 steps,1," "$1" | cut -d, -f9)' _ "$work/one/labels.csv"
check "all networks differ" test "$(cut -d, -f11 "$work/one/labels.csv" | sort -u | wc -l)" = 7
check "short recipes come first" test "$(cut -d, -f5 "$work/one/labels.csv" | tail -n +2 | sort -cn && echo yes)" = yes
check "every recipe is compared" test "$(wc -l <"$work/one/label_recipes.csv")" = 10
check "a reference for each kind" bash -c '[[ $(cut -d, -f1,3 "$1" | grep -c ",1") == 2 ]]' _ "$work/one/label_recipes.csv"
check "in a table" grep -q '| 0.5 epochs | 6 |' "$work/one/labels.md"
check "and a plot" bash -c 'head -c 4 "$1" | grep -q PNG' _ "$work/one/plots/labels.png"

code=0
APQ_FAULT=evaluation:10:kill@0 study 2 killed --reference-epochs 1 >"$work/log" 2>&1 || code=$?
check "a study was killed on its way" test "$code" != 0
before=$(wc -l <"$work/killed/labels.csv")
check "with labels saved, but not all" test "$before" -gt 1 -a "$before" -lt 67
check "tables of an unfinished study" "$APQ" study labels --config "$tiny" --out "$work/killed" --only-report
check "say so" grep -q Unfinished "$work/killed/labels.md"
cp "$work/killed/labels.csv" "$work/before.csv"
check "it continues" study 2 killed --reference-epochs 1
check "to the same labels" same_labels "$work/one" "$work/killed"
check "without measuring again what was there" bash -c \
  '[[ $(grep -cFxf "$1" "$2") == "$(wc -l <"$1")" ]]' _ "$work/before.csv" "$work/killed/labels.csv"
check "further recipes are added to what is there" bash -c '[[ $(wc -l <"$1") == 73 ]]' _ \
  <(study 1 one --reference-epochs 1.5 >/dev/null 2>&1; cat "$work/one/labels.csv")

refused "a folder with another study" 2 'study of something else.*pairs.fp32=25' "$APQ" study labels "${options[@]}" --set pairs.fp32=25 \
  --out "$work/one"
refused "a run without a supernet" 3 'supernet.ckpt is missing' "$APQ" study labels --config "$tiny" --from "$work" --out "$work/no"
refused "tables of nothing" 3 'no study of labels' "$APQ" study labels --config "$tiny" --out "$work/no" --only-report
finish
