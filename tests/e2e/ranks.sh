#!/usr/bin/env bash
# From the same artifacts a search gives the same bytes on 1, 2, 3 and 4 ranks, stopped and resumed or not.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

base=$work/base
for stage in supernet collect predictor; do
  ranks 2 $stage "$tiny" --out "$base" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
done
for n in 1 2 3 4; do
  ranks "$n" search "$tiny" --from "$base" --out "$work/r$n" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
done
"$APQ" search "$tiny" --from "$base" --out "$work/serial" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }

# Stopped by USR2 again and again, continued on another number of ranks.
stops=0
n=1
for attempt in 1 2 3 4 5 6 7 8; do
  code=0
  resume=()
  [[ ! -f $work/stopped/status.json ]] || resume=(--resume)
  mpirun --oversubscribe --bind-to none -n $n "$APQ" search "$tiny" --from "$base" --out "$work/stopped" "${resume[@]}" \
    >"$work/log" 2>&1 &
  pid=$!
  [[ $attempt -gt 5 ]] || { sleep 1; kill -USR2 "$pid" 2>/dev/null || true; }
  wait "$pid" || code=$?
  [[ $code != 0 ]] || break
  check "stop $attempt ends with 75 on $n ranks" test "$code" = 75
  check "and status.json says stopped" grep -q '"stopped"' "$work/stopped/status.json"
  stops=$((stops + 1))
  n=$((n % 3 + 1))
done
echo "stopped $stops times"
check "the search was stopped at least once" test "$stops" -ge 1
for other in r2 r3 r4 serial stopped; do
  for file in history.csv front_history.csv pareto.csv pairs_int8.csv predictor.json; do
    check "$file of $other equals that of 1 rank" cmp "$work/r1/$file" "$work/$other/$file"
  done
done

ranks 8 search "$tiny" --from "$base" --out "$work/r8" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
check "8 ranks give the same" cmp "$work/r1/pareto.csv" "$work/r8/pareto.csv"
[[ $(nproc) -ge 8 ]] || check "and on fewer cores a warning" grep -q "CPUs: expect it to be slower" "$work/r8/log.txt"

ranks 3 search "$tiny" --from "$base" --out "$work/asynchronous" --set search.islands.mode=asynchronous \
  --set search.algorithm=nsga2 >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
check "asynchronous islands say that they cannot be reproduced" \
  grep -q '"reproducible": "no' "$work/asynchronous/manifest.json"
check "in the log too" grep -q "asynchronous" "$work/asynchronous/log.txt"
check "and write every generation of every island" test "$(wc -l <"$work/asynchronous/history.csv")" = \
  "$(wc -l <"$work/r1/history.csv")"
finish
