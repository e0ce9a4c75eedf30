#!/usr/bin/env bash
# shellcheck disable=SC2317 # check calls functions by their names
# The JSON of the benches says where the time goes.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

bench() { ranks "$1" bench search "$APQ_SOURCE_DIR/tests/support/mini.yaml" --generations 60 --json >"$work/$1.json"; }
# holds NAME CONDITION: of the figures in NAME.json, each v("its name"); the first of a name counts. One that is not
# there holds in no condition.
holds() {
  awk -F'[": ,]+' "function v(name) { if (!(name in figure)) { print name \" is missing\"; missing = 1 }; return figure[name] }
    /^ +\"[a-z_]+\": -?[0-9]/ && !(\$2 in figure) { figure[\$2] = \$3 }
    END { holds = $2; exit missing || !holds }" "$work/$1.json"
}
phases='v("vary") + v("cost") + v("predict") + v("remember") + v("select") + v("communicate") + v("wait")'

for n in 1 2; do
  quietly bench $n
  check "the phases of a search are all of its time ($n)" holds $n "$phases > 0.9 && $phases < 1.1"
  check "a rank computes no longer than all the time ($n)" holds $n 'v("lost_to_communication") > 0 && v("lost_to_communication") < 1'
  check "no rank computes longer than the busiest ($n)" holds $n 'v("load_balance") > 0 && v("load_balance") < 1.001'
done
check "one rank sends nothing" holds 1 'v("messages") == 0 && v("message_bytes") == 0'
check "one rank waits for nobody" holds 1 'v("wait") < 0.02 && v("load_balance") > 0.999'
check "two ranks send migrants" holds 2 'v("messages") > 0 && v("message_bytes") > 0'

quietly ranks 1 bench engine --mode pairs --network "$APQ_SOURCE_DIR/tests/support/mini.yaml" --seconds 0 --json
cp "$work/log" "$work/pairs.json"
check "the parts of a pair are all of its time" holds pairs \
  'v("slice") + v("recalibrate") + v("fold") + v("evaluate") > 0.999 && v("slice") * v("recalibrate") * v("fold") * v("evaluate") > 0'
check "at least three sub-networks are measured" holds pairs 'v("subnetworks") == 3 && v("subnetworks_per_s") > 0.01'
check "pairs take the images of the pair stage" holds pairs 'v("recalibration_images") == 64 && v("evaluation_images") == 200'

quietly ranks 1 bench engine --mode train --network "$APQ_SOURCE_DIR/tests/support/mini.yaml" --batch 8 --seconds 0 --json
cp "$work/log" "$work/train.json"
check "first steps of sub-networks never seen before are compared with warm ones" grep -q '"first_over_warm"' "$work/train.json"
check "five sub-networks are compared" holds train 'v("subnetworks") == 5 && v("images_per_s") > 0'
finish
