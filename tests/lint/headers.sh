#!/usr/bin/env bash
# Every public header compiles alone, with no include path but include/.
set -euo pipefail

cd "${APQ_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")}"

check() {
  echo "#include \"$1\"" | "${CXX:-g++}" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -Iinclude -x c++ - ||
    { echo "headers: $1 does not compile alone"; return 1; }
}
export -f check

mapfile -t headers < <(find include -name '*.hpp' -printf '%P\n' | sort)
[[ ${#headers[@]} != 0 ]] || { echo "headers: none found"; exit 1; }
# shellcheck disable=SC2016  # $1 is for the inner shell
printf '%s\0' "${headers[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'check "$1"' check
echo "headers: all ${#headers[@]} compile alone"
