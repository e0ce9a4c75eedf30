#!/usr/bin/env bash
# The integer executor must give the bits of the plain loops on every instruction set, those without exact int8
# sums (VNNI) included, and kernels of our own must agree with their references on each that they are compiled for.
# oneDNN and the program read the limit from the environment; sets above the CPU's own change nothing.
set -euo pipefail

export OMP_WAIT_POLICY=passive  # spinning threads make a busy machine slow
test=${APQ_BUILD_DIR:?set it to the build folder}/tests/test_nn
status=0
# agrees LIMIT FILTER: the tests of that name pass within the limit, and there are some.
agrees() {
  local output
  if output=$(env "$1" "$test" --gtest_filter="$2" --gtest_brief=1 2>&1) &&
    grep -q '\[  PASSED  \] [1-9]' <<<"$output"; then
    echo "$1: agrees with the plain loops"
  else
    echo "$1: differs from the plain loops"
    echo "$output"
    status=1
  fi
}
for isa in SSE41 AVX2 AVX512_CORE AVX512_CORE_VNNI DEFAULT; do agrees ONEDNN_MAX_CPU_ISA=$isa 'Integer*'; done
for isa in generic avx2 avx512; do agrees APQ_MAX_ISA=$isa '*'; done
output=$(APQ_MAX_ISA=sse9 "${APQ:?set it to the program}" dump-config 2>&1) && code=0 || code=$?
if [[ $code == 2 ]] && grep -q 'there are generic, avx2, avx512' <<<"$output"; then
  echo "an unknown set is refused"
else
  echo "an unknown set is not refused (code $code): $output"
  status=1
fi
exit $status
