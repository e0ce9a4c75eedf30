#!/usr/bin/env bash
# A run killed with -9 again and again ends with the bytes of an uninterrupted one.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

options=(--set checkpoint_seconds=0.3)
ranks 2 run "$tiny" --out "$work/straight" "${options[@]}" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }

kills=0
# Tenths of a second; the first ones end any run early, the last one lets any run end.
for wait in 10 12 14 16 20 24 30 40 60 80 6000; do
  code=0
  resume=()
  [[ ! -f $work/killed/status.json ]] || resume=(--resume)
  setsid mpirun --oversubscribe --bind-to none -n 2 "$APQ" run "$tiny" --out "$work/killed" "${resume[@]}" "${options[@]}" \
    >"$work/log" 2>&1 &
  pid=$!
  for ((i = 0; i < wait; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  if kill -0 "$pid" 2>/dev/null; then
    kill -9 -- "-$pid" 2>/dev/null || true
    pkill -9 -f -- "$work/killed" || true
    kills=$((kills + 1))
  fi
  wait "$pid" 2>/dev/null || code=$?
  [[ $code == 0 ]] && break
done
echo "killed $kills times"
check "the run was killed at least three times" test "$kills" -ge 3
for file in supernet.ckpt pairs_fp32.csv pairs_int8.csv predictor.json history.csv pareto.csv best.yaml networks/1.net; do
  check "$file is that of the uninterrupted run" cmp "$work/straight/$file" "$work/killed/$file"
done
finish
