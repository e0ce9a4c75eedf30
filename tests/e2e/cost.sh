#!/usr/bin/env bash
# shellcheck disable=SC2016 # bash -c gets its arguments as $1, $2
# Costs of layers and networks, tables of this machine, several bounds in one budget, and their bad inputs.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

apq() { "$APQ" "$@"; }
genome='k3w32p8.8d8.8|k3w32p8.8d8.8'
echo "$genome" >"$work/genome"

# Layers of the public table, the stem among them, with its figures.
cat >"$work/layers.csv" <<'END'
cin,cout,size,kernel,stride,groups,wbits,abits
1000,1000,7,7,1,1000,8,8
1000,192,7,1,1,1,4,4
3,32,224,3,2,1,8,8
320,1280,7,1,1,1,8,8
END
apq cost --model bitfusion --layers "$work/layers.csv" >"$work/costs.csv"
check "rows come back with latency and energy" diff <(cut -d, -f1-8 "$work/costs.csv") "$work/layers.csv"
check "they are those of the public table" diff <(awk -F, 'NR > 1 {printf "%.6f %.9f\n", $9, $10}' "$work/costs.csv") - <<'END'
0.680000 0.409600130
0.020398 0.037048903
0.295904 0.506184484
0.081608 0.151807563
END
check "standard input works too" diff <(apq cost --model bitfusion --layers - <"$work/layers.csv") "$work/costs.csv"
check "a batch takes longer than an image" bash -c \
  '[[ $("$1" cost --model bitfusion --layers "$2" --batch 8 | awk -F, "NR == 2 {print (\$9 > 1)}") == 1 ]]' _ "$APQ" "$work/layers.csv"

printf 'cin,cout,size,kernel,stride,groups,wbits\n1,1,1,1,1,1,8\n' >"$work/bad.csv"
refused "a missing column is named" 3 'abits' apq cost --model bitfusion --layers "$work/bad.csv"
printf 'cin,cout,size,kernel,stride,groups,wbits,abits\n0,8,7,1,1,1,8,8\n8,8,7,1,1,2,8,8\n8,8,7,2,1,1,x,8\n' >"$work/bad.csv"
refused "every bad row is listed, first" 3 'line 2: cin is "0"' apq cost --model bitfusion --layers "$work/bad.csv"
check "and last" grep -q 'line 4: wbits is "x"' "$work/err.log"
check "and between" grep -q 'line 3: groups is 2' "$work/err.log"
refused "an unknown model" 2 "unknown model 'abacus'" apq cost --model abacus --layers "$work/layers.csv"
refused "nothing to cost" 2 'neither --genome nor --layers' apq cost --model bitfusion
refused "a genome and layers" 2 'exclud' apq cost --genome "$work/genome" --layers "$work/layers.csv"

# A network: sum, shares, picture; without a configuration in the space of the paper.
check "a breakdown adds up to the whole" bash -c '"$1" cost --config "$2" --genome "$3" --breakdown --picture "$4/bars.png" |
  awk "/^latency_ms/ {whole = \$2} / W?[0-9]*.*%/ {sum += \$(NF - 2)} END {exit !(sum / whole > 0.99999 && sum / whole < 1.00001)}"' \
  _ "$APQ" "$tiny" "$work/genome" "$work"
check "and is drawn" bash -c 'head -c 4 "$1" | grep -q PNG' _ "$work/bars.png"
paper=k3w64p8.8d8.8+k3w96p8.8d8.8'|'k3w96p8.8d8.8+k3w160p8.8d8.8'|'k3w160p8.8d8.8+k3w320p8.8d8.8'|'k3w320p8.8d8.8+k3w384p8.8d8.8'|'k3w384p8.8d8.8+k3w768p8.8d8.8'|'k3w768p8.8d8.8
check "the paper's smallest 8-bit network takes 4.67 ms and 6.64 mJ" bash -c \
  'echo "$2" | "$1" cost --model bitfusion --genome - | awk "/latency_ms/ {l = \$2} /energy_mj/ {e = \$2} END {exit !(l > 4.665 && l < 4.675 && e > 6.635 && e < 6.645)}"' \
  _ "$APQ" "$paper"

# A table of the model costs what the model costs.
check "a table from the model" apq lut build --device bitfusion --config "$tiny" --out "$work/model.json" --format public
check "covers the space" apq lut check "$work/model.json" --config "$tiny"
check "and costs the same" diff <(apq cost --config "$tiny" --genome "$work/genome") \
  <(apq cost --model "$work/model.json" --config "$tiny" --genome "$work/genome")

# This machine.
check "a table of this machine, by two ranks" ranks 2 lut build --device cpu --config "$tiny" --out "$work/cpu.json" --repeats 10 --rounds 1
check "says that few bits run in 8-bit containers" grep -q '4 and 6 bits in 8-bit containers' "$work/cpu.json"
check "covers the space" apq lut check "$work/cpu.json" --config "$tiny"
check "predicts networks, which are timed" apq lut validate --config "$tiny" --table "$work/cpu.json" --out "$work/validation" --networks 4 --repeats 10 --rounds 1
check "into a table" bash -c '[[ $(wc -l <"$1/validation.csv") == 5 && -s "$1/validation.png" ]]' _ "$work/validation"
check "a search is charged by it" apq check "$tiny" --set hardware.device=lut --set hardware.table="$work/cpu.json" \
  --set 'budgets=[{metric: latency_ms, limit: 100, and: [{metric: size_kib, limit: 50}]}]'
refused "what it has no figures for cannot be a budget" 2 'no such costs' apq check "$tiny" --set hardware.device=lut \
  --set hardware.table="$work/cpu.json" --set 'budgets=[{metric: energy_mj, limit: 1}]'
refused "a stop leaves the measurements to continue with" 75 'continue' bash -c \
  'timeout --foreground --preserve-status -s TERM 2 "$1" lut build --device cpu --config "$2" --out "$3/long.json" --repeats 2000 --rounds 50' _ "$APQ" "$tiny" "$work"
check "they lie beside the table" test -s "$work/long.json.partial"
sed '/"size":14.*"depthwise"/d; s/"latency":0\./"latency":-0./' "$work/cpu.json" >"$work/broken.json"
refused "a broken table is refused before a search, with what is wrong" 3 'cannot be used' apq run "$tiny" --out "$work/run" \
  --set hardware.device=lut --set hardware.table="$work/broken.json"
check "negative values are listed" grep -q 'latency is -0' "$work/err.log"
check "and missing layers" grep -q 'missing: depthwise' "$work/err.log"
refused "a table that is none" 3 'no table of costs' apq lut check "$tiny"

# Several bounds at once.
refused "bounds that only together cannot be met" 2 'cannot be met' apq check "$tiny" \
  --set 'budgets=[{metric: latency_ms, limit: 0.03, and: [{metric: activation_kib, limit: 0.5}]}]'
check "bounds that can name a network that meets them" bash -c '"$1" check "$2" \
  --set "budgets=[{metric: latency_ms, limit: 0.03, and: [{metric: size_kib, limit: 20}, {metric: activation_kib, limit: 40}]}]" |
  grep -q "by a network of latency_ms"' _ "$APQ" "$tiny"
finish
