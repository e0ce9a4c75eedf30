#!/usr/bin/env bash
# The integer executor must give the bits of the plain loops on every instruction set, those without exact int8
# sums (VNNI) included. oneDNN reads the limit from the environment; sets above the CPU's own change nothing.
set -euo pipefail

export OMP_WAIT_POLICY=passive  # spinning threads make a busy machine slow
test=${APQ_BUILD_DIR:?set it to the build folder}/tests/test_nn
status=0
for isa in SSE41 AVX2 AVX512_CORE AVX512_CORE_VNNI DEFAULT; do
  if output=$(ONEDNN_MAX_CPU_ISA=$isa "$test" --gtest_filter='Integer*' --gtest_brief=1 2>&1) &&
    grep -q '\[  PASSED  \] [1-9]' <<<"$output"; then
    echo "$isa: exact"
  else
    echo "$isa: differs from the plain loops"
    echo "$output"
    status=1
  fi
done
exit $status
