#!/usr/bin/env bash
# Sources are formatted as .clang-format says. Written for clang-format 14 (Debian 12); others break lines differently.
set -euo pipefail

cd "${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}"
command -v clang-format >/dev/null || { echo "format: clang-format is missing (jobs/install-packages.sh --tests)"; exit 1; }

mapfile -t sources < <(find src include tests -name '*.hpp' -o -name '*.cpp' | sort)
[[ ${#sources[@]} != 0 ]] || { echo "format: no source found"; exit 1; }
if ! clang-format --dry-run -Werror "${sources[@]}"; then
  echo "format: run clang-format -i on the files above (this is $(clang-format --version))"
  exit 1
fi
echo "format: all ${#sources[@]} sources are formatted"
