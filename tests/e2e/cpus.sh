#!/usr/bin/env bash
# shellcheck disable=SC2317 # check calls functions by their names
# CPUs that are older than this one, by qemu's emulation: no illegal instruction, the same integer accuracies, and a
# checkpoint of another CPU is continued with a warning.
source "${APQ_SOURCE_DIR:?}/tests/support/e2e.sh"

if ! command -v qemu-x86_64 >/dev/null; then
  echo "there is no qemu-x86_64 (package qemu-user)"
  exit 1
fi
mini=$APQ_SOURCE_DIR/tests/support/mini.yaml
# on CPU COMMAND...: the program on that CPU; qemu warns of each feature that it does not emulate.
on() { timeout 200 qemu-x86_64 -cpu "$1" "$APQ" "${@:2}" 2> >(grep -v '^qemu-x86_64: warning' >&2); }

quietly "$APQ" run "$mini" --out "$work/run"
"$APQ" evaluate --from "$work/run" --network 1 >"$work/native"
for cpu in Nehalem Haswell; do  # SSE 4.2; AVX2
  agrees() { on "$cpu" evaluate --from "$work/run" --network 1 | diff "$work/native" -; }
  check "$cpu gives the test accuracy of this CPU" agrees
done

code=0
APQ_FAULT=checkpoint.written:2:kill "$APQ" supernet "$mini" --out "$work/killed" >/dev/null 2>&1 || code=$?
check "a run is killed after its second checkpoint (exit $code)" test "$code" = 137
code=0
on Nehalem supernet "$mini" --out "$work/killed" --resume --max-time 1s >"$work/log" 2>&1 || code=$?
check "a checkpoint of another CPU is continued (exit $code)" test "$code" = 75
check "with a warning that names both" grep -qE 'the checkpoint was made by .*this is .* on sse.*may differ' "$work/killed/log.txt"
finish
